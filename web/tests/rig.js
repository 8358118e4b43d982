// What the browser tests stand on: a server with the binary's dashboard, a business with
// data of every kind, and a browser whose every error and violation of the policy counts.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import assert from "node:assert/strict";

export const base = process.env.BILLFOLD_URL;
const keys = { test: process.env.BILLFOLD_TEST_KEY, live: process.env.BILLFOLD_LIVE_KEY };

export async function api(method, path, body, mode = "test") {
  const response = await fetch(base + path, {
    method, headers: { Authorization: `Bearer ${keys[mode]}`, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body && JSON.stringify(body),
  });
  const read = await response.json();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${JSON.stringify(read)}`);
  return read;
}

export const nasty = `<script>window.planted=1</script>"><img src=x onerror="window.planted=2"> =cmd|' /C calc'!A0 \u202etxet desrever`;

/** Makes customers, money, holds and a webhook, and returns what the tests look for. */
export async function fill() {
  await api("PATCH", "/business", { enabled_currencies: ["INR", "JPY", "USD"] });
  const jane = await api("POST", "/customers", { email: "jane@example.com", name: "Jane Doe" });
  const evil = await api("POST", "/customers", { email: "evil@example.com", name: nasty.slice(0, 255), metadata: { note: nasty } });
  const long = await api("POST", "/customers", { email: "long@example.com", name: "W".repeat(255) });
  const entries = `/customers/${jane.customer_id}/wallets/ledger-entries`;
  const credit = (currency, amount, more = {}) => api("POST", entries, { amount, currency, entry_type: "credit", idempotency_key: `${currency}_${amount}`, ...more });
  await credit("USD", 500000, { reason: "Prepaid deposit" });
  await credit("USD", 2500, { reason: "Welcome bonus", category: "promotional", expires_at: new Date(Date.now() + 20 * 86_400_000).toISOString() });
  await credit("INR", 1500000, { reason: "Prepaid deposit" });
  await credit("JPY", 12345, { reason: "Prepaid deposit" });
  const posts = Array.from({ length: 250 }, (_, i) => ({
    customer_id: jane.customer_id, amount: 101, currency: "USD", entry_type: "debit", reason: `Job ${i + 1}`, idempotency_key: `job_${i}`,
  }));
  await api("POST", "/ledger-entries/bulk", { entries: posts });
  await api("POST", `/customers/${jane.customer_id}/wallets/holds`, {
    amount: 4200, currency: "USD", expires_at: new Date(Date.now() + 3_600_000).toISOString(), reason: "Job being metered", idempotency_key: "hold_1",
  });
  await api("POST", `/customers/${evil.customer_id}/wallets/ledger-entries`, {
    amount: 700, currency: "USD", entry_type: "credit", reason: nasty, idempotency_key: nasty.slice(0, 100), metadata: { note: nasty }, reference_object_id: nasty.slice(0, 100),
  });
  await api("POST", "/webhooks", { url: "https://example.com/billfold", description: nasty });
  const { business_id, name } = await api("GET", "/business");
  return { jane, evil, long, business: { business_id, name } };
}

const areas = ["customers", "money", "billing", "refunds", "products", "webhooks", "settings", "team", "own"];
export const roles = {
  owner: areas, admin: areas, support: ["customers", "money", "billing", "refunds", "own"], finance: ["billing", "refunds", "own"], read_only: ["own"],
};

let browser;
export async function launch() {
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM || "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
}
export const shut = () => browser?.close();

/**
 * Opens a page of somebody with a role. Unless it is to be real, the tests stand in for the
 * session: what the page asks of the API carries a key, and what it asks about who is signed
 * in is answered here, so that each test is that of a role without a team of its own.
 */
export async function visit(t, data, { role = "owner", scheme = "light", width = 1440, height = 900, path = "/dashboard/", signedIn = true, real = false } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce", timezoneId: "UTC", locale: "en-GB" });
  const page = await context.newPage();
  const faults = [], elsewhere = [];
  const state = { signedIn, expected: [/^401 \/dashboard\/api\/session$/, /^404 \/reports\//] }; // what a test provokes, as patterns
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/^Failed to load resource/.test(m.text())) faults.push(`${m.type()}: ${m.text()}`); });
  page.on("pageerror", (e) => faults.push(`error: ${e.message}`));
  page.on("response", (r) => { if (r.status() >= 400) faults.push(`${r.status()} ${new URL(r.url()).pathname}`); });
  page.on("request", (r) => { if (!r.url().startsWith(base + "/") && !r.url().startsWith("blob:")) elsewhere.push(r.url()); });
  await page.addInitScript(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", (e) => window.violations.push(`${e.effectiveDirective} ${e.blockedURI}`));
  });
  const at = new Date(0).toISOString();
  const user = { user_id: "usr_1", email: "ada@example.com", name: "Ada", second_factor: true, recovery_codes: 8, created_at: at, signed_in_at: at };
  const session = { session_id: "ses_1", created_at: at, expires_at: at, user, businesses: [{ ...data.business, role, may: roles[role] }] };
  const json = (route, status, body) => route.fulfill({ status, contentType: "application/json", body: JSON.stringify(body) });
  if (!real) await page.route((url) => url.origin === base, async (route) => {
    const request = route.request(), path = new URL(request.url()).pathname;
    if (path === "/dashboard/api/session") {
      if (request.method() === "POST") {
        const sent = request.postDataJSON();
        if (sent.password !== "correct horse battery") return json(route, 401, { code: "SIGN_IN_FAILED", message: "The email address or the password is wrong." });
        state.signedIn = true;
      }
      if (request.method() === "DELETE") {
        state.signedIn = false;
        return json(route, 200, {});
      }
      return state.signedIn ? json(route, 200, session) : json(route, 401, { code: "UNAUTHORIZED", message: "Sign in." });
    }
    if (path === "/dashboard/api/team") return json(route, 200, { items: [{ ...user, role }] });
    if (path.startsWith("/dashboard/api/")) return json(route, 200, { items: [] });
    const headers = request.headers();
    if (headers["billfold-dashboard"] !== "1") return route.continue();
    return route.continue({ headers: { ...headers, authorization: `Bearer ${keys[headers["billfold-mode"]]}` } });
  });
  await page.goto(base + path);
  t.after(async () => {
    const violations = await page.evaluate(() => window.violations);
    const planted = await page.evaluate(() => window.planted);
    await context.close();
    assert.deepEqual(violations, [], "violations of the policy");
    assert.equal(planted, undefined, "a planted script ran");
    assert.deepEqual(faults.filter((f) => !state.expected.some((e) => e.test(f))), [], "errors on the console");
    assert.deepEqual(elsewhere, [], "requests to other hosts");
  });
  return { page, state };
}

/** Has axe look at a page; nothing serious may be found. */
export async function accessible(page) {
  const { violations } = await new AxeBuilder({ page }).analyze();
  const bad = violations.filter((v) => v.impact === "serious" || v.impact === "critical");
  assert.deepEqual(bad.map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(" | ")}`), []);
}

/** Nothing may make the page wider than the window. */
export async function fits(page) {
  const over = await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth);
  assert.ok(over <= 0, `the page is ${over} pixels wider than the window`);
  const inner = await page.evaluate(() => { const c = document.getElementById("content"); return c ? c.scrollWidth - c.clientWidth : 0; });
  assert.ok(inner <= 0, `the content of ${page.url()} is ${inner} pixels wider than its place`);
}
