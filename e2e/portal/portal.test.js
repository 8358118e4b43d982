// What a customer does in the portal, in a browser, against the real server.
import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { nasty } from "../../web/tests/data.js";
import { accessible, api, base, fits, launch, shut, visit } from "../../web/tests/rig.js";

const pages = ["", "/history", "/top-up", "/cards", "/subscriptions", "/invoices"];
const ahead = (days) => new Date(Date.now() + days * 86_400_000).toISOString();
let ada, evil;

/** The path of a link into the portal. */
async function link(customer) {
  const made = await api("POST", `/customers/${customer.customer_id}/customer-portal/session?return_url=https%3A%2F%2Fshop.example%2Faccount`);
  return new URL(made.link).pathname;
}

async function product(name, price, currency = "USD", more = {}) {
  return api("POST", "/products", { name, tax_category: "saas", price: { type: "one_time_price", price, currency, discount: 0, purchasing_power_parity: false, ...more } });
}

/** A customer of whom there is one of everything. */
async function fill() {
  ada = await api("POST", "/customers", { email: "ada@example.com", name: "Ada Lovelace" });
  const at = `/customers/${ada.customer_id}`, entries = `${at}/wallets/ledger-entries`;
  const post = (amount, entry_type, reason, more = {}) => api("POST", entries, { amount, currency: "USD", entry_type, reason, ...more });
  await post(120000, "credit", "Prepaid deposit");
  await post(25000, "credit", "Welcome bonus", { category: "promotional", expires_at: ahead(20) });
  await api("POST", "/ledger-entries/bulk", {
    entries: Array.from({ length: 40 }, (_, i) => ({
      customer_id: ada.customer_id, amount: 101, currency: "USD", entry_type: "debit", reason: `Render job ${i + 1}`, idempotency_key: `job_${i}`,
    })),
  });
  await api("POST", entries, { amount: 150000, currency: "INR", entry_type: "credit", reason: "Prepaid deposit" });
  await api("POST", `${at}/wallets/holds`, { amount: 4200, currency: "USD", expires_at: ahead(1), reason: "Job being metered" });
  const card = await api("POST", `${at}/payment-methods`, { token: "pm_sandbox_ok" });
  const book = await product("Handbook, printed", 4900);
  const payer = { customer: { customer_id: ada.customer_id }, billing: { country: "US" }, payment_method_id: card.payment_method_id };
  const paid = await api("POST", "/payments", { ...payer, product_cart: [{ product_id: book.product_id, quantity: 2 }] });
  await api("POST", "/refunds", { payment_id: paid.payment_id, amount: 1500, destination: "wallet" });
  const plan = await api("POST", "/products", {
    name: "Studio plan", tax_category: "saas",
    price: {
      type: "recurring_price", price: 1900, currency: "USD", discount: 0, purchasing_power_parity: false, trial_period_days: 0,
      payment_frequency_count: 1, payment_frequency_interval: "Month", subscription_period_count: 10, subscription_period_interval: "Year",
    },
  });
  await api("POST", "/subscriptions", { ...payer, product_id: plan.product_id, quantity: 1 });
  await api("PUT", `${at}/wallets/USD/auto-top-up`, {
    threshold: 1000, target: 5000, payment_method_id: card.payment_method_id, cap: { period: "month", count: 4 },
  });
  evil = await api("POST", "/customers", { email: "evil@example.com", name: nasty.slice(0, 255) });
  const bad = await product(nasty.slice(0, 100), 700);
  await api("POST", `/customers/${evil.customer_id}/wallets/ledger-entries`, { amount: 70000, currency: "USD", entry_type: "credit", reason: nasty });
  await api("POST", `/customers/${evil.customer_id}/wallets/ledger-entries`, { amount: 7, currency: "USD", entry_type: "credit", reason: "W".repeat(500) });
  await api("POST", "/payments", { customer: { customer_id: evil.customer_id }, billing: { country: "US" }, product_cart: [{ product_id: bad.product_id, quantity: 1 }] });
}

const enter = async (t, customer, options) => visit(t, {}, { role: null, path: await link(customer), ...options });

/** Where somebody wants to look at them, the pages are kept as pictures. */
const keep = (page, name) => process.env.BILLFOLD_PICTURES && page.screenshot({ path: `${process.env.BILLFOLD_PICTURES}/${name}.png`, fullPage: true });

before(async () => {
  await Promise.all([fill(), launch()]);
});
after(shut);

for (const [scheme, device, width, height] of [["light", "desktop", 1280, 800], ["dark", "phone", 390, 844]]) {
  test(`all pages are readable in ${scheme} on a ${device}`, async (t) => {
    const { page } = await enter(t, ada, { scheme, width, height });
    assert.equal(new URL(page.url()).pathname, "/portal", "the token is gone from the address");
    for (const path of pages) {
      await page.goto(`${base}/portal${path}`);
      await accessible(page);
      await fits(page);
      await keep(page, `${scheme}-${device}${path.replace("/", "-") || "-overview"}`);
    }
  });
}

test("planted scripts, long words and other directions stay texts", async (t) => {
  const { page } = await enter(t, evil, { width: 360, height: 740 });
  for (const path of pages) {
    await page.goto(`${base}/portal${path}`);
    await fits(page);
    await keep(page, `nasty${path.replace("/", "-") || "-overview"}`);
  }
});

test("a customer sees balances, pages through the history and downloads a statement", async (t) => {
  const { page } = await enter(t, ada);
  const wallet = page.getByRole("region", { name: "USD wallet" });
  await wallet.getByText("$42.00").waitFor();
  await wallet.getByText("Promotional").waitFor();
  await page.getByRole("link", { name: "All history" }).click();
  assert.equal(await page.getByRole("listitem").count(), 30);
  await page.getByRole("link", { name: "Older" }).click();
  await page.getByText("Prepaid deposit").waitFor();
  for (const name of ["PDF", "CSV"]) {
    const download = page.waitForEvent("download");
    await page.getByRole("button", { name }).click();
    assert.match((await download).suggestedFilename(), /^statement_cus_\w+_USD_.*\.(pdf|csv)$/);
  }
});

test("a customer tops up with a card of theirs, once, and with another card", async (t) => {
  const { page, expected } = await enter(t, ada);
  expected.push(/^422 \/portal\/top-up$/);
  const balance = async () => (await api("GET", `/customers/${ada.customer_id}/wallets/USD`)).balance;
  const had = await balance();
  await page.getByRole("link", { name: "Top up USD" }).click();
  await page.getByText("$25.00").click();
  await page.getByRole("button", { name: "Top up" }).dblclick();
  await page.getByRole("heading", { name: "Paid" }).waitFor();
  assert.equal(await balance(), had + 2500);
  await page.getByRole("link", { name: /^Go on to/ }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.goto(`${base}/portal/top-up?currency=USD`);
  await page.getByText("Another amount").click();
  await page.getByLabel("Amount in USD").fill("12,50");
  await page.getByText("Another card").click();
  await page.getByRole("button", { name: "Top up" }).click();
  await page.getByRole("alert").getByText("in digits").waitFor();
  await accessible(page);
  await page.getByLabel("Amount in USD").fill("12.50");
  await page.getByText("Another card").click();
  await page.getByRole("button", { name: "Top up" }).click();
  await page.getByRole("button", { name: "Pay 12.50 USD by card" }).click();
  await page.getByRole("heading", { name: "Paid" }).waitFor();
  assert.equal(await balance(), had + 3750);
});

test("a customer turns the automatic top-up off and on", async (t) => {
  const { page } = await enter(t, ada);
  await page.goto(`${base}/portal/top-up?currency=USD`);
  await page.getByRole("button", { name: "Turn off" }).click();
  await page.getByRole("button", { name: "Turn on" }).waitFor();
  assert.equal((await api("GET", `/customers/${ada.customer_id}/wallets/USD/auto-top-up`)).enabled, false);
  await page.getByRole("button", { name: "Turn on" }).click();
  await page.getByRole("button", { name: "Turn off" }).waitFor();
});

test("a customer saves a card and removes it", async (t) => {
  const { page } = await enter(t, ada);
  await page.getByRole("link", { name: "Cards" }).click();
  const had = await page.getByRole("listitem").count();
  await page.getByRole("button", { name: "Add a card" }).click();
  await page.getByRole("button", { name: "Save this card" }).click();
  await page.getByRole("heading", { name: "Card saved" }).waitFor();
  await page.getByRole("link", { name: /^Go on to/ }).click();
  assert.equal(await page.getByRole("listitem").count(), had + 1);
  const card = page.getByRole("listitem").first();
  await card.getByText("Remove", { exact: true }).click();
  await accessible(page);
  await keep(page, "card-removal");
  await card.getByRole("button", { name: "Remove this card" }).click();
  await page.getByRole("listitem").nth(had).waitFor({ state: "detached" });
  assert.equal(await page.getByRole("listitem").count(), had);
});

test("a customer cancels a subscription, and changes their mind", async (t) => {
  const { page } = await enter(t, ada);
  await page.getByRole("link", { name: "Manage" }).click();
  const plan = page.getByRole("region", { name: "Studio plan" });
  await api("POST", `/customers/${ada.customer_id}/payment-methods`, { token: "pm_sandbox_ok" });
  await page.reload();
  await plan.getByText("Change card").click();
  await accessible(page);
  await plan.getByRole("button", { name: "Use this card" }).click();
  await plan.getByText("Change card").waitFor();
  await plan.getByText("Cancel subscription").click();
  await plan.getByLabel("Why do you leave?").selectOption("too_expensive");
  await accessible(page);
  await keep(page, "cancel");
  await plan.getByRole("button", { name: "Cancel at the end" }).click();
  await plan.getByText("Ends soon").waitFor();
  const [asked] = (await api("GET", `/subscriptions?customer_id=${ada.customer_id}`)).items;
  const read = await api("GET", `/subscriptions/${asked.subscription_id}`);
  assert.equal(read.cancel_at_next_billing_date, true);
  assert.equal(read.cancellation_feedback, "too_expensive");
  await plan.getByRole("button", { name: "Keep subscription" }).click();
  await plan.getByText("Active").waitFor();
});

test("a customer signs out, and a link that is over says so", async (t) => {
  const { page, expected } = await enter(t, ada);
  expected.push(/^401 \/portal/);
  await page.getByRole("button", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "You are signed out" }).waitFor();
  await page.goto(`${base}/portal/x`);
  await page.getByRole("heading", { name: "This link has expired" }).waitFor();
  await accessible(page);
  await keep(page, "expired");
});
