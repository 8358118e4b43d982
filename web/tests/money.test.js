// Amounts are shown and read to the last digit, whatever their size and currency.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { createServer } from "vite";

let server, money;
before(async () => {
  server = await createServer({ configFile: false, root: new URL("..", import.meta.url).pathname, server: { middlewareMode: true }, appType: "custom", logLevel: "error", optimizeDeps: { noDiscovery: true } });
  money = await server.ssrLoadModule("/src/money/money.ts");
});
after(() => server.close());

test("amounts are shown with the digits of their currency", () => {
  for (const [amount, currency, want] of [
    [0, "USD", "$0.00"], [5, "USD", "$0.05"], [-5, "USD", "−$0.05"], [123450, "INR", "₹1,234.50"], [1234, "JPY", "1,234 JPY"],
    [-1, "JPY", "−1 JPY"], [1234567, "KWD", "1,234.567 KWD"], [9007199254740991, "USD", "$90,071,992,547,409.91"],
    [90071992547409910000n, "EUR", "€900,719,925,474,099,100.00"],
  ]) assert.equal(money.display(amount, currency), want);
  assert.equal(money.display(5, "USD", true), "+$0.05");
  assert.equal(money.display(0, "USD", true), "$0.00");
});

test("what is typed is read exactly", () => {
  for (const [text, currency, want] of [
    ["1,234.5", "USD", 123450n], ["0.07", "USD", 7n], [".5", "INR", 50n], ["12", "JPY", 12n], ["1.005", "KWD", 1005n],
    ["9999999999.99", "USD", 999999999999n], ["8.29", "USD", 829n], ["1.1", "USD", 110n], [" 4 503 ", "USD", 450300n],
  ]) assert.equal(money.parse(text, currency), want, text);
  for (const [text, currency] of [
    ["", "USD"], [".", "USD"], ["-1", "USD"], ["1e3", "USD"], ["0", "USD"], ["1.005", "USD"], ["1.5", "JPY"], ["10000000000", "USD"], ["NaN", "USD"],
    ["0x10", "USD"], ["1.2.3", "USD"],
  ]) assert.equal(typeof money.parse(text, currency), "string", text);
});

test("what is shown is read as the same amount", () => {
  let seed = 7;
  for (let i = 0; i < 2000; i++) {
    seed = (seed * 48271) % 2147483647;
    const amount = BigInt(seed) * 465n + 1n;
    for (const currency of ["USD", "JPY", "KWD"]) assert.equal(money.parse(money.decimal(amount, currency), currency), amount);
  }
});

test("axes are labelled without fractions of minor units", () => {
  assert.equal(money.short(123456789, "USD"), "$1.2M");
  assert.equal(money.short(-100000, "INR"), "−₹1k");
  assert.equal(money.short(999, "USD"), "$9");
});
