// What each role does with the dashboard, in a browser, against the real server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { accessible, api, base, fill, fits, launch, shut, visit } from "./rig.js";

let data;
before(async () => {
  [data] = await Promise.all([fill(), launch()]);
});
after(shut);

const wallet = () => `/dashboard/customers/${data.jane.customer_id}`;
const money = (page, name) => page.locator("div.card").filter({ has: page.getByRole("button", { name: `${name} wallet` }) });

test("a browser that asks for the root is led to the dashboard", async () => {
  const browser = await fetch(base + "/", { headers: { Accept: "text/html" }, redirect: "manual" });
  assert.equal(browser.status, 303);
  assert.equal(browser.headers.get("location"), "/dashboard/");
  const client = await fetch(base + "/", { redirect: "manual" });
  assert.equal(client.status, 404);
});

test("somebody signs in, and out again", async (t) => {
  const { page } = await visit(t, data, { signedIn: false });
  await page.getByLabel("Email").fill("ada@example.com");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").getByText("is wrong").waitFor();
  await accessible(page);
  await page.getByLabel("Password").fill("correct horse battery");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("the first owner joins by the link of the server, signs in, works, and signs out", async (t) => {
  const { page, state } = await visit(t, data, { real: true, path: "/dashboard/join#" + process.env.BILLFOLD_JOIN });
  state.expected.push(/^401 \/dashboard\/api\/session$/);
  await page.getByLabel("Email").fill("owner@example.com");
  await page.getByLabel("Name").fill("Grace Hopper");
  await page.getByLabel("Password").fill("a harbour of 12 quiet ships");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.goto(base + wallet() + "?currency=USD");
  await page.getByText("Streaming").waitFor();
  await page.getByRole("button", { name: "Add funds" }).click();
  const dialog = page.getByRole("dialog", { name: "Add funds" });
  await dialog.getByLabel("Amount").fill("1");
  await dialog.getByLabel("Reason").fill("By the owner");
  await dialog.getByRole("button", { name: "Add $1.00" }).click();
  await page.getByRole("table", { name: "Ledger entries" }).getByText("By the owner").waitFor();
  await page.goto(base + "/dashboard/team");
  await page.getByText("Grace Hopper").waitFor();
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByRole("button", { name: "Make a link" }).click();
  await page.getByText("/dashboard/join#").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.goto(base + "/dashboard/account");
  await page.getByRole("region", { name: "Sessions" }).getByText("This one").waitFor();
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.getByLabel("Email").fill("owner@example.com");
  await page.getByLabel("Password").fill("a harbour of 12 quiet ships");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Account and security" }).waitFor();
});

test("support adds funds, and sees the balance that was promised", async (t) => {
  const { page } = await visit(t, data, { role: "support", path: wallet() });
  await page.getByRole("button", { name: "USD wallet" }).click();
  await page.getByRole("button", { name: "Add funds" }).click();
  const dialog = page.getByRole("dialog", { name: "Add funds" });
  await dialog.getByLabel("Amount").fill("1,234.567");
  await dialog.getByText("2 digits after the point").waitFor();
  await dialog.getByLabel("Amount").fill("1,234.56");
  await dialog.getByLabel("Reason").fill("Goodwill");
  const promised = await dialog.getByLabel("Preview").locator("dd").last().innerText();
  await accessible(page);
  await dialog.getByRole("button", { name: "Add $1,234.56" }).click();
  await dialog.waitFor({ state: "detached" });
  await money(page, "USD").getByText(promised).first().waitFor();
  await page.getByRole("table", { name: "Ledger entries" }).getByText("Goodwill").waitFor();
  const [newest] = (await api("GET", `/customers/${data.jane.customer_id}/wallets/ledger-entries?currency=USD&page_size=1`)).items;
  assert.equal(newest.amount, 123456);
  assert.equal(newest.reason, "Goodwill");
});

test("more than is available cannot be deducted", async (t) => {
  const { page } = await visit(t, data, { path: wallet() + "?currency=JPY" });
  await page.getByRole("button", { name: "Deduct funds" }).click();
  const dialog = page.getByRole("dialog", { name: "Deduct funds" });
  await dialog.getByLabel("Amount").fill("12346");
  await dialog.getByText("Only 12,345 JPY is available.").waitFor();
  assert.ok(await dialog.getByRole("button", { name: /^Deduct 12/ }).isDisabled());
  await dialog.getByLabel("Amount").fill("1.5");
  await dialog.getByText("JPY has no smaller unit").waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
});

test("a wallet that moved meanwhile is shown anew before anything is written", async (t) => {
  const { page, state } = await visit(t, data, { path: wallet() + "?currency=INR" });
  state.expected.push(/^412 /);
  await page.route("**/events?**", (route) => route.abort()); // so that the page does not hear of it
  await page.getByRole("button", { name: "Deduct funds" }).click();
  const dialog = page.getByRole("dialog", { name: "Deduct funds" });
  await dialog.getByLabel("Amount").fill("10");
  await dialog.getByLabel("Reason").fill("Correction");
  await api("POST", `/customers/${data.jane.customer_id}/wallets/ledger-entries`, { amount: 100, currency: "INR", entry_type: "debit", reason: "Meanwhile" });
  const before = await api("GET", `/customers/${data.jane.customer_id}/wallets/INR`);
  await dialog.getByRole("button", { name: "Deduct ₹10.00" }).click();
  await Promise.race([dialog.getByText("has moved meanwhile").waitFor(), dialog.waitFor({ state: "detached" })]);
  const after = await api("GET", `/customers/${data.jane.customer_id}/wallets/INR`);
  if (await dialog.isVisible()) assert.equal(after.balance, before.balance);
  else assert.equal(after.balance, before.balance - 1000); // the stream was quicker
});

test("the ledger shows the running balance, filters, and goes on by cursor", async (t) => {
  const { page } = await visit(t, data, { path: wallet() + "?currency=USD" });
  const table = page.getByRole("table", { name: "Ledger entries" });
  await table.getByText("Job 250").waitFor();
  assert.ok(await table.getByRole("row").count() < 80, "all rows are in the page");
  const text = await table.getByRole("row").filter({ hasText: "Job 250" }).innerText();
  assert.match(text.replaceAll("\n", " "), /−\$1\.01.*\$4,772\.50/);
  for (let i = 0; i < 40 && !(await table.getByText("Prepaid deposit").count()); i++) {
    await page.evaluate(() => document.getElementById("content").scrollBy(0, 2500));
    await page.waitForTimeout(100);
  }
  await table.getByText("Prepaid deposit").waitFor();
  await page.getByRole("region", { name: "Ledger in USD" }).getByLabel("Direction").selectOption("credit");
  await table.getByText("Welcome bonus").waitFor();
  assert.equal(await table.getByText("Job 250").count(), 0);
  assert.match(page.url(), /direction=credit/);
});

test("an entry tells all of itself, and can be reversed", async (t) => {
  const { page } = await visit(t, data, { path: wallet() + "?currency=USD" });
  await page.getByRole("button", { name: "Job 249", exact: true }).click();
  const drawer = page.getByRole("dialog", { name: "Ledger entry" });
  for (const told of ["Before", "After", "Idempotency key", "job_248", "Taken from lots", "Hash"]) await drawer.getByText(told).first().waitFor();
  await accessible(page);
  await drawer.getByRole("button", { name: "Reverse this entry" }).click();
  await drawer.getByLabel("Reason").fill("It failed");
  await drawer.getByRole("button", { name: "Reverse", exact: true }).click();
  await drawer.getByRole("heading", { name: "It failed" }).waitFor();
  await drawer.getByText("Given back to lots").waitFor();
});

test("what happens elsewhere comes by itself", async (t) => {
  const { page } = await visit(t, data, { path: wallet() + "?currency=USD" });
  await page.getByText("Streaming").waitFor();
  await api("POST", `/customers/${data.jane.customer_id}/wallets/ledger-entries`, { amount: 4321, currency: "USD", entry_type: "credit", reason: "From elsewhere" });
  await page.getByRole("table", { name: "Ledger entries" }).getByText("From elsewhere").waitFor({ timeout: 15_000 });
});

test("who may only look has no buttons that change anything", async (t) => {
  const { page } = await visit(t, data, { role: "read_only", path: wallet() });
  await page.getByRole("button", { name: "USD wallet" }).waitFor();
  for (const name of ["Add funds", "Deduct funds", "Freeze"]) assert.equal(await page.getByRole("button", { name }).count(), 0, name);
  await page.getByRole("link", { name: "Webhooks" }).click();
  await page.getByRole("heading", { name: "Webhooks" }).waitFor();
  assert.equal(await page.getByRole("button", { name: "Add webhook" }).count(), 0);
  await page.getByRole("link", { name: "Settings" }).click();
  await page.getByText("may look at these").waitFor();
});

test("planted texts and long names are shown as what they are", async (t) => {
  const { page } = await visit(t, data, { path: `/dashboard/customers/${data.evil.customer_id}` });
  await page.getByRole("heading", { name: /<script>window.planted/ }).waitFor();
  await page.getByRole("table", { name: "Ledger entries" }).getByRole("button").first().click();
  await page.getByRole("dialog", { name: "Ledger entry" }).getByRole("heading", { name: "Metadata" }).waitFor();
  await page.keyboard.press("Escape");
  await fits(page);
  await page.goto(base + "/dashboard/customers");
  await page.getByRole("link", { name: /^W{20}/ }).waitFor();
  await fits(page);
  await page.getByRole("link", { name: /^W{20}/ }).click();
  await page.getByRole("heading", { name: /^W{20}/ }).waitFor();
  await fits(page);
});

test("keys and the palette lead everywhere", async (t) => {
  const { page } = await visit(t, data);
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("c");
  await page.getByRole("heading", { name: "Customers" }).waitFor();
  await page.keyboard.press("Control+k");
  const palette = page.getByRole("dialog", { name: "Search and commands" });
  await palette.getByPlaceholder("A page").waitFor();
  await page.keyboard.type("jane");
  await palette.getByText("jane@example.com").waitFor();
  await accessible(page);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "Jane Doe" }).waitFor();
});

test("live mode has nothing of test mode, and says how to begin", async (t) => {
  const { page } = await visit(t, data, { path: "/dashboard/customers" });
  await page.getByRole("link", { name: "Jane Doe" }).waitFor();
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await page.getByRole("heading", { name: "No customers yet" }).waitFor();
  assert.match(await page.getByLabel("Command", { exact: true }).innerText(), /^curl .*\/customers/);
});

const pages = ["", "customers", "payments", "invoices", "subscriptions", "refunds", "events", "webhooks", "keys", "audit", "team", "settings", "account"];
for (const [scheme, width, height] of [["light", 1440, 900], ["dark", 1440, 900], ["dark", 390, 844]]) {
  test(`every page is accessible and fits, ${scheme}, ${width} wide`, async (t) => {
    const { page } = await visit(t, data, { scheme, width, height });
    for (const path of [...pages, `customers/${data.jane.customer_id}?currency=USD`]) {
      await page.goto(`${base}/dashboard/${path}`);
      await page.locator("h1").first().waitFor();
      await page.waitForFunction(() => !document.querySelector("main .pulse"));
      await fits(page);
      await accessible(page);
    }
  });
}

test("the first page loads at most 250 kB", async (t) => {
  const { page } = await visit(t, data, { signedIn: false, path: "/dashboard/nowhere" });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.evaluate(() => document.fonts.ready);
  const cold = await page.evaluate(() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
    .filter((e) => e.name.includes("/dashboard/")).reduce((sum, e) => sum + e.encodedBodySize, 0));
  t.diagnostic(`${cold} bytes`);
  assert.ok(cold > 50_000 && cold <= 250 * 1024, `${cold} bytes`);
});
