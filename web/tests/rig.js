// What the browser tests stand on: the real server with its demo data, somebody of each role
// who has joined and signed in, and a browser whose every error and violation of the policy counts.
import { AxeBuilder } from "@axe-core/playwright";
import { chromium } from "playwright-core";
import assert from "node:assert/strict";

export const base = process.env.BILLFOLD_URL;
const keys = { test: process.env.BILLFOLD_TEST_KEY, live: process.env.BILLFOLD_LIVE_KEY };

/** Asks the API as an application does. */
export async function api(method, path, body, mode = "test") {
  const response = await fetch(base + path, {
    method, headers: { Authorization: `Bearer ${keys[mode]}`, ...(body ? { "Content-Type": "application/json" } : {}) },
    body: body && JSON.stringify(body),
  });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  return text ? JSON.parse(text) : undefined;
}

/** Asks what the dashboard asks, as a browser on the server's own page would. */
export async function ask(method, path, body, cookie) {
  const headers = { "Billfold-Dashboard": "1", "Billfold-Mode": "test", "Sec-Fetch-Site": "same-origin" };
  if (body) headers["Content-Type"] = "application/json";
  if (cookie) headers.Cookie = `${cookie.name}=${cookie.value}`;
  const response = await fetch(base + path, { method, headers, body: body && JSON.stringify(body) });
  const text = await response.text();
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${text}`);
  const [name, value] = (response.headers.get("Set-Cookie") ?? "").split(";")[0].split("=");
  return { read: text ? JSON.parse(text) : undefined, cookie: value ? { name, value } : undefined };
}

export const password = "a harbour of 12 quiet ships";
export const roleNames = ["owner", "admin", "support", "finance", "read_only"];
const names = { owner: "Ada Lovelace", admin: "Alan Turing", support: "Grace Hopper", finance: "Luca Pacioli", read_only: "Mary Somerville" };

/** Has somebody of each role join the demo business and sign in; gives their cookies by role. */
export async function gather() {
  const cookies = {};
  for (const role of roleNames) {
    let token = process.env.BILLFOLD_JOIN;
    if (role !== "owner") {
      const { read } = await ask("POST", "/dashboard/api/invitations", { role }, cookies.owner);
      token = read.link.split("#")[1];
    }
    const email = `${role}@example.com`;
    await ask("POST", "/dashboard/api/join", { token, email, name: names[role], password });
    cookies[role] = (await ask("POST", "/dashboard/api/session", { email, password })).cookie;
  }
  return cookies;
}

let browser, launched;
export async function launch() {
  launched = chromium.launch({
    executablePath: process.env.CHROMIUM || "/usr/bin/chromium",
    args: ["--no-sandbox", "--disable-gpu", "--font-render-hinting=none", "--disable-lcd-text", "--force-color-profile=srgb"],
  });
  browser = await launched;
}

/** Ends the browser, also one that was still starting when something else failed. */
export async function shut() {
  await (await launched)?.close();
}

/** Follows a page, and tells what is wrong with it: violations, errors, requests to elsewhere. */
export async function watch(page, expected) {
  const faults = [];
  const fault = (text) => { if (!expected.some((e) => e.test(text))) faults.push(text); };
  page.on("console", (m) => { if (["error", "warning"].includes(m.type()) && !/^Failed to load resource/.test(m.text())) fault(`console: ${m.text()}`); });
  page.on("pageerror", (e) => fault(`exception: ${e.message}`));
  page.on("response", (r) => { if (r.status() >= 400) fault(`${r.status()} ${new URL(r.url()).pathname}`); });
  page.on("request", (r) => { if (!r.url().startsWith(base + "/") && !r.url().startsWith("blob:")) fault(`elsewhere: ${r.url()}`); });
  await page.exposeFunction("tellViolation", (text) => fault(`policy: ${text}`));
  await page.addInitScript(() => {
    document.addEventListener("securitypolicyviolation", (e) => window.tellViolation(`${e.effectiveDirective} ${e.blockedURI}`));
  });
  return async () => {
    if (await page.evaluate(() => window.planted)) fault("planted: a script ran");
    return faults;
  };
}

/**
 * Opens a page of somebody with a role, who is really signed in unless nobody is to be.
 * What goes wrong on it fails the test, unless the test said that it expects that.
 */
export async function visit(t, cookies, { role = "owner", scheme = "light", width = 1440, height = 900, path = "/dashboard/", before } = {}) {
  const context = await browser.newContext({
    viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce", timezoneId: "UTC", locale: "en-GB", acceptDownloads: true,
  });
  if (role) await context.addCookies([{ ...cookies[role], url: base, httpOnly: true, sameSite: "Strict" }]);
  const page = await context.newPage();
  page.setDefaultTimeout(20_000); // the machine may be busy
  const expected = role ? [] : [/^401 \/dashboard\/api\/session$/];
  const found = await watch(page, expected);
  await before?.(page);
  await page.goto(base + path);
  t.after(async () => {
    const faults = await found().catch((e) => [String(e)]);
    await context.close();
    assert.deepEqual(faults, [], "what is wrong with the page");
  });
  return { page, context, expected, found };
}

/** Waits until a page shows what it asked for. */
export async function settled(page) {
  await page.locator("h1").first().waitFor();
  await page.waitForFunction(() => !document.querySelector("main .pulse"));
}

/** What axe finds serious. */
export async function seriousOf(page) {
  // There are no frames, so axe need not open a page of its own to put them together.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode(true).options({ resultTypes: ["violations"] }).analyze();
  return violations.filter((v) => v.impact === "serious" || v.impact === "critical")
    .map((v) => `${v.id}: ${v.nodes.map((n) => n.html.slice(0, 160)).slice(0, 3).join(" | ")}`);
}

export async function accessible(page) {
  assert.deepEqual(await seriousOf(page), [], `axe on ${page.url()}`);
}

/** By how many pixels a page is wider than its window, or its content than its place. */
export function overflow(page) {
  return page.evaluate(() => {
    const c = document.getElementById("content");
    return Math.max(document.documentElement.scrollWidth - window.innerWidth, c ? c.scrollWidth - c.clientWidth : 0);
  });
}

export async function fits(page) {
  const over = await overflow(page);
  assert.ok(over <= 0, `${page.url()} is ${over} pixels wider than its place`);
}
