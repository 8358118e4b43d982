// What the tests put beside the demo data: one wallet with a history to look at, objects of
// billing of every kind, and texts that attack whoever shows them.
import assert from "node:assert/strict";
import { api } from "./rig.js";

export const nasty = `<script>window.planted=1</script>"><img src=x onerror="window.planted=2"> =cmd|' /C calc'!A0 \u202etxet desrever`;
export const formula = `=cmd|' /C calc'!A0`;

const days = (n) => new Date(Date.now() + n * 86_400_000).toISOString();
const recurring = (price) => ({
  type: "recurring_price", price, currency: "USD", payment_frequency_count: 1, payment_frequency_interval: "Month",
  subscription_period_count: 10, subscription_period_interval: "Year", discount: 0, purchasing_power_parity: false,
});

/** Jane has a wallet in each of three currencies, 254 entries in one of them, and a hold. */
async function makeJane() {
  const jane = await api("POST", "/customers", { email: "jane@example.com", name: "Jane Doe" });
  const credit = (currency, amount, more) => api("POST", `/customers/${jane.customer_id}/wallets/ledger-entries`, {
    amount, currency, entry_type: "credit", idempotency_key: `${currency}_${amount}`, ...more,
  });
  await credit("USD", 500000, { reason: "Prepaid deposit" });
  await credit("USD", 2500, { reason: "Welcome bonus", category: "promotional", expires_at: days(20) });
  await credit("INR", 1500000, { reason: "Prepaid deposit" });
  await credit("JPY", 12345, { reason: "Prepaid deposit" });
  const entries = Array.from({ length: 250 }, (_, i) => ({
    customer_id: jane.customer_id, amount: 101, currency: "USD", entry_type: "debit", reason: `Job ${i + 1}`, idempotency_key: `job_${i}`,
  }));
  await api("POST", "/ledger-entries/bulk", { entries });
  await api("POST", `/customers/${jane.customer_id}/wallets/holds`, {
    amount: 4200, currency: "USD", expires_at: days(0.5), reason: "Job being metered", idempotency_key: "hold_1",
  });
  return jane;
}

/** Every text that somebody can send, with everything bad in it, as long as the server takes it. */
async function makeEvil() {
  const long = (n) => (nasty + " " + "W".repeat(n)).slice(0, n);
  const evil = await api("POST", "/customers", { email: "evil@example.com", name: long(255), metadata: { note: long(500), formula } });
  const entries = `/customers/${evil.customer_id}/wallets/ledger-entries`;
  await api("POST", entries, {
    amount: 700, currency: "USD", entry_type: "credit", reason: long(1000), idempotency_key: nasty.slice(0, 100).trim(), metadata: { note: long(500) },
    reference_object_id: nasty.slice(0, 100).trim(),
  });
  await api("POST", entries, { amount: 1, currency: "USD", entry_type: "debit", reason: formula });
  for (const reason of ["+1+cmd", "-1-cmd", "@SUM(1)", "\u202etxet desrever"]) await api("POST", entries, { amount: 1, currency: "USD", entry_type: "debit", reason });
  await api("POST", `/customers/${evil.customer_id}/wallets/holds`, { amount: 1, currency: "USD", expires_at: days(1), reason: long(255) });
  await api("POST", `/customers/${evil.customer_id}/freeze`, { scope: "debits", reason: long(255) });
  const webhook = await api("POST", "/webhooks", { url: "https://example.com/" + "w".repeat(200), description: long(500) });
  const product = await api("POST", "/products", {
    name: long(255), description: long(10_000), tax_category: "saas", metadata: { note: long(500) },
    price: { type: "one_time_price", price: 700, currency: "USD", discount: 0, purchasing_power_parity: false },
  });
  return { customer: evil, webhook, product };
}

/** Somebody whose subscription has renewed, and whose top-up was disputed: by a clock, months ago. */
async function makeBilled() {
  const clock = await api("POST", "/test-clocks", { name: "A quarter", frozen_time: days(-70) });
  const ada = await api("POST", "/customers", { email: "ada@example.com", name: "Ada of the clock", test_clock: clock.test_clock_id });
  const pro = await api("POST", "/products", { name: "Pro", tax_category: "saas", price: recurring(1500) });
  await api("POST", `/customers/${ada.customer_id}/wallets/ledger-entries`, { amount: 4000, currency: "USD", entry_type: "credit", reason: "Prepaid deposit" });
  await api("POST", "/subscriptions", {
    product_id: pro.product_id, quantity: 1, customer: { customer_id: ada.customer_id }, billing: { country: "US" }, payment_method_id: "pm_sandbox_ok",
  });
  await api("POST", `/customers/${ada.customer_id}/wallets/top-ups`, { amount: 2500, currency: "USD", payment_method_id: "pm_sandbox_dispute_lost" });
  await api("POST", `/test-clocks/${clock.test_clock_id}/advance`, { frozen_time: days(-1) });
  for (let i = 0; ; i++) {
    const now = await api("GET", `/test-clocks/${clock.test_clock_id}`);
    if (now.status === "ready") break;
    assert.ok(i < 200, `the clock is ${JSON.stringify(now)}`);
    await new Promise((go) => setTimeout(go, 100));
  }
  const { items: [payment] } = await api("GET", `/payments?customer_id=${ada.customer_id}&page_size=1`);
  await api("POST", "/refunds", { payment_id: payment.payment_id, amount: 500, reason: "It arrived broken" });
  return { customer: ada, product: pro, payment };
}

/** Makes all of it, and returns what the tests look for. */
export async function fill() {
  await api("PATCH", "/business", { enabled_currencies: ["INR", "JPY", "USD"], alerts: { USD: [{ below: 500, recover_at: 1000 }] } });
  const jane = await makeJane();
  const evil = await makeEvil();
  const billed = await makeBilled();
  const low = await api("POST", "/customers", { email: "low@example.com", name: "Low Tide" });
  const entries = `/customers/${low.customer_id}/wallets/ledger-entries`;
  await api("POST", entries, { amount: 2000, currency: "USD", entry_type: "credit", reason: "Prepaid deposit" });
  await api("POST", entries, { amount: 1700, currency: "USD", entry_type: "debit", reason: "Usage" });
  return { jane, evil, billed, low, business: await api("GET", "/business") };
}
