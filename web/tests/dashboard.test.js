// What each role does with the dashboard, in a browser, against the real server and its demo data.
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { fill, formula, nasty } from "./data.js";
import { accessible, api, ask, base, fits, gather, launch, overflow, password, roleNames, seriousOf, settled, shut, visit } from "./rig.js";
import { totp } from "./totp.js";

let data, cookies;
before(async () => {
  [data, cookies] = await Promise.all([fill(), gather(), launch()]);
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
  const { page, expected } = await visit(t, cookies, { role: null });
  expected.push(/^401 /);
  await page.getByLabel("Email").fill("support@example.com");
  await page.getByLabel("Password").fill("wrong");
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("alert").waitFor();
  await accessible(page);
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
});

test("the first owner joins by the link of the server, works, and invites somebody", async (t) => {
  const { page } = await visit(t, cookies, { role: null, path: "/dashboard/join#" + process.env.BILLFOLD_FIRST_JOIN });
  await page.getByLabel("Email").fill("first@example.com");
  await page.getByLabel("Name").fill("Hedy Lamarr");
  await page.getByLabel("Password").fill(password);
  await accessible(page);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  await page.goto(base + "/dashboard/customers");
  await page.getByRole("button", { name: "Add customer" }).click();
  await page.getByRole("dialog").getByLabel("Name").fill("Margaret Hamilton");
  await page.getByRole("dialog").getByLabel("Email").fill("margaret@example.com");
  await page.getByRole("dialog").getByRole("button", { name: "Add customer" }).click();
  await page.getByRole("button", { name: "USD wallet" }).click();
  await page.getByRole("button", { name: "Add funds" }).click();
  const dialog = page.getByRole("dialog", { name: "Add funds" });
  await dialog.getByLabel("Amount").fill("1");
  await dialog.getByLabel("Reason").fill("By the owner");
  await dialog.getByRole("button", { name: "Add $1.00" }).click();
  await page.getByRole("table", { name: "Ledger entries" }).getByText("By the owner").waitFor();
  await page.goto(base + "/dashboard/team");
  await page.getByText("Hedy Lamarr").waitFor();
  await page.getByRole("button", { name: "Invite" }).click();
  await page.getByRole("button", { name: "Make a link" }).click();
  await page.getByText("/dashboard/join#").waitFor();
  await page.getByRole("button", { name: "Done" }).click();
  await page.goto(base + "/dashboard/account");
  await page.getByRole("region", { name: "Sessions" }).getByText("This one").waitFor();
});

test("somebody sets up a second factor, and joins another team with a code of it", async (t) => {
  const invited = await ask("POST", "/dashboard/api/invitations", { role: "finance" }, cookies.owner);
  const email = "second@example.com";
  await ask("POST", "/dashboard/api/join", { token: invited.read.link.split("#")[1], email, name: "Joan Clarke", password });
  const second = (await ask("POST", "/dashboard/api/session", { email, password })).cookie;
  const { page, expected } = await visit(t, { second }, { role: "second", path: "/dashboard/account" });
  await page.getByRole("button", { name: "Set it up" }).waitFor();
  const factor = page.locator("form").filter({ has: page.getByRole("heading", { name: "Second factor" }) });
  await factor.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Set it up" }).click();
  await page.getByLabel("The secret as a picture to scan").waitFor();
  const secret = (await page.getByRole("button", { name: /^Copy [A-Z2-7]{16,}/ }).innerText()).trim();
  await factor.getByLabel("Code").fill(totp(secret));
  await page.getByRole("button", { name: "Confirm" }).click();
  const recovery = (await factor.getByLabel("Command", { exact: true }).innerText()).split("\n");
  assert.equal(recovery.length, 10);
  await accessible(page);
  await page.getByRole("button", { name: "Account" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await page.getByRole("heading", { name: "Sign in" }).waitFor();

  const first = await ask("POST", "/dashboard/api/session", { email: "first@example.com", password });
  const { read } = await ask("POST", "/dashboard/api/invitations", { role: "admin" }, first.cookie);
  expected.push(/^401 /);
  await page.goto("about:blank");
  await page.goto(base + "/dashboard/join#" + read.link.split("#")[1]);
  await page.getByLabel("Email").fill(email);
  await page.getByLabel("Name").fill("Joan Clarke");
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByLabel("Code").waitFor(); // it is asked for, and nothing has been joined
  await accessible(page);
  expected.push(/^4\d\d \/dashboard\/api\/join$/);
  await page.getByLabel("Code").fill("not a code");
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByRole("alert").first().waitFor();
  await page.getByLabel("Code").fill(recovery[0]);
  await page.getByRole("button", { name: "Join" }).click();
  await page.getByText("You have joined").waitFor();
  await page.getByLabel("Password").fill(password);
  await page.getByRole("button", { name: "Sign in" }).click();
  await page.getByLabel("Code").fill(recovery[1]);
  await page.getByRole("button", { name: "Continue" }).click();
  await page.getByRole("heading", { name: "Overview" }).waitFor();
  const { businesses } = await page.evaluate(() => fetch("/dashboard/api/session", { headers: { "Billfold-Dashboard": "1" } }).then((r) => r.json()));
  assert.deepEqual(businesses.map((b) => b.role).sort(), ["admin", "finance"]);
});

test("support adds funds, and sees the balance that was promised", async (t) => {
  const { page } = await visit(t, cookies, { role: "support", path: wallet() });
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
  const { page } = await visit(t, cookies, { path: wallet() + "?currency=JPY" });
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
  const { page, expected } = await visit(t, cookies, { path: wallet() + "?currency=INR" });
  expected.push(/^412 /);
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
  const { page } = await visit(t, cookies, { path: wallet() + "?currency=USD" });
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
  const { page } = await visit(t, cookies, { path: wallet() + "?currency=USD" });
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
  const { page } = await visit(t, cookies, { path: wallet() + "?currency=USD" });
  await page.getByText("Streaming").waitFor();
  await api("POST", `/customers/${data.jane.customer_id}/wallets/ledger-entries`, { amount: 4321, currency: "USD", entry_type: "credit", reason: "From elsewhere" });
  await page.getByRole("table", { name: "Ledger entries" }).getByText("From elsewhere").waitFor({ timeout: 15_000 });
});

// What each role may change, by the area of it; the server's own table is held against the
// routes by its tests.
const areas = ["customers", "money", "refunds", "products", "webhooks", "settings", "team"];
const may = { owner: areas, admin: areas, support: ["customers", "money", "refunds"], finance: ["refunds"], read_only: [] };
const controls = [
  ["customers", "Add customer", "customers"], [() => `customers/${data.jane.customer_id}`, "Add funds", "money"],
  [() => `customers/${data.jane.customer_id}`, "Deduct funds", "money"], [() => `customers/${data.jane.customer_id}`, "Freeze", "customers"],
  ["products", "Add product", "products"], ["webhooks", "Add webhook", "webhooks"], ["settings", "Save", "settings"], ["team", "Invite", "team"],
];

for (const role of roleNames) {
  test(`somebody with the role ${role} has the buttons that they may use, and no other`, async (t) => {
    const { page, expected } = await visit(t, cookies, { role });
    expected.push(/^4(03|22) \/webhooks$/);
    await settled(page);
    for (const [path, name, area] of controls) {
      const target = `${base}/dashboard/${typeof path === "string" ? path : path()}`;
      if (page.url() !== target) await page.goto(target);
      await settled(page);
      assert.equal(await page.getByRole("button", { name, exact: true }).count(), may[role].includes(area) ? 1 : 0, `${name} for ${role}`);
    }
    // A page is no fence: what it has no button for, the server refuses too.
    const refused = await page.evaluate(() => fetch("/webhooks", {
      method: "POST", headers: { "Billfold-Dashboard": "1", "Billfold-Mode": "test", "Content-Type": "application/json" }, body: "{}",
    }).then((r) => r.status));
    assert.equal(refused === 403, !may[role].includes("webhooks"), `${refused} for ${role}`);
  });
}

test("planted texts and long names are shown as what they are", async (t) => {
  const evil = `/dashboard/customers/${data.evil.customer.customer_id}`;
  for (const [width, height] of [[1440, 900], [390, 844]]) {
    const { page } = await visit(t, cookies, { path: evil, width, height });
    await page.getByRole("heading", { name: /<script>window.planted/ }).waitFor();
    await settled(page);
    await fits(page);
    const first = page.getByRole("table", { name: "Ledger entries" }).getByRole("button", { name: /^<script>/ });
    await first.click();
    const drawer = page.getByRole("dialog", { name: "Ledger entry" });
    await drawer.getByRole("heading", { name: "Metadata" }).waitFor();
    assert.ok((await drawer.innerText()).includes(nasty), "the text is not shown as it is");
    await page.keyboard.press("Escape");
    for (const path of [evil + "/audit", evil + "/events", "/dashboard/customers", "/dashboard/webhooks", `/dashboard/webhooks/${data.evil.webhook.id}`, "/dashboard/events", "/dashboard/audit"]) {
      await page.goto(base + path);
      await settled(page);
      await fits(page);
    }
  }
});

test("a name of 10 kB, which the server does not take, would not break a page", async (t) => {
  const name = (nasty + " " + "W".repeat(10_000)).slice(0, 10_000);
  const { page } = await visit(t, cookies, {
    path: "/dashboard/customers", width: 390, height: 844,
    before: (p) => p.route((url) => url.pathname === "/customers", async (route) => {
      const response = await route.fetch();
      const body = await response.json();
      for (const c of body.items) Object.assign(c, { name, email: name });
      await route.fulfill({ response, json: body });
    }),
  });
  await page.getByRole("link", { name: /^<script>/ }).first().waitFor();
  await settled(page);
  await fits(page);
  await accessible(page);
});

test("no text in a file can be taken for a formula", async (t) => {
  const { page } = await visit(t, cookies, { path: `/dashboard/customers/${data.evil.customer.customer_id}?currency=USD` });
  await page.getByRole("button", { name: "Export" }).click();
  const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "Download" }).click()]);
  assert.match(file.suggestedFilename(), /^statement.*\.csv$/);
  const text = await readFile(await file.path(), "utf8");
  assert.ok(text.includes("'" + formula), "the formula is not in the file");
  assert.ok(!/(^|,)"?[=+@]/m.test(text), "a cell begins as a formula does");
});

test("keys and the palette lead everywhere", async (t) => {
  const { page } = await visit(t, cookies);
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
  const { page } = await visit(t, cookies, { path: "/dashboard/customers" });
  await page.getByRole("link", { name: "Jane Doe" }).waitFor();
  await page.getByRole("button", { name: "Live", exact: true }).click();
  await page.getByRole("heading", { name: "No customers yet" }).waitFor();
  for (const [path, command] of [["customers", "/customers"], ["products", "/products"], ["disputes", "/disputes"], ["reports", "/reports/liability"]]) {
    await page.goto(`${base}/dashboard/${path}`);
    assert.match(await page.getByLabel("Command", { exact: true }).innerText(), new RegExp(`^curl .*${command}`));
  }
});

test("finance reads a roll-forward that ties to the ledger, and takes it as a file", async (t) => {
  const { page } = await visit(t, cookies, { role: "finance", path: "/dashboard/reports?currency=JPY" });
  const forward = page.getByRole("table", { name: "Roll-forward" });
  const closing = forward.getByRole("row", { name: /^Closing/ });
  await closing.waitFor();
  // The only wallet in yen that was ever used is Jane's.
  const { balance } = await api("GET", `/customers/${data.jane.customer_id}/wallets/JPY`);
  assert.equal((await closing.innerText()).split(/\s+/).at(-2), balance.toLocaleString("en"));
  for (const [format, begins] of [["CSV", "from,to,currency"], ["PDF", "%PDF"]]) {
    const [file] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: format }).click()]);
    assert.ok((await readFile(await file.path(), "latin1")).startsWith(begins), format);
  }
  await page.getByRole("link", { name: "Trial balance" }).click();
  await page.getByText("Sums to zero").waitFor();
  await page.getByRole("link", { name: "Journal" }).click();
  const [journal] = await Promise.all([page.waitForEvent("download"), page.getByRole("button", { name: "CSV" }).click()]);
  const lines = (await readFile(await journal.path(), "utf8")).split("\n");
  assert.match(lines[0], /^entry_id,leg,time,account,debit,credit/);
  assert.ok(lines.some((l) => l.includes("'" + formula)), "the formula is in the journal, as a text");
});

test("what expires, what became of it, and whose wallets are low is told", async (t) => {
  const { page } = await visit(t, cookies, { role: "read_only", path: "/dashboard/reports/ageing?currency=USD" });
  await page.getByRole("table", { name: "Ageing" }).getByRole("row", { name: /^Owed/ }).waitFor();
  await page.getByRole("link", { name: "Cohorts" }).click();
  await page.getByRole("table", { name: "Cohorts of paid money" }).getByRole("row", { name: /^All of it/ }).waitFor();
  await page.getByRole("link", { name: "Breakage" }).click();
  await page.getByRole("region", { name: "By month", exact: true }).waitFor();
  await page.getByRole("link", { name: "Overview" }).click();
  await page.getByRole("region", { name: "Low balances" }).getByRole("link", { name: "Low Tide" }).click();
  await page.getByRole("heading", { name: "Low Tide" }).waitFor();
});

test("finance refunds a part of a payment, to the wallet", async (t) => {
  const { page } = await visit(t, cookies, { role: "finance", path: `/dashboard/payments/${data.billed.payment.payment_id}` });
  await page.getByRole("button", { name: "Refund" }).click();
  const dialog = page.getByRole("dialog", { name: "Refund" });
  await dialog.getByLabel("Amount").fill("2.50");
  await dialog.getByLabel("Reason").fill("Half of it was missing");
  await accessible(page);
  await dialog.getByRole("button", { name: "Refund $2.50" }).click();
  await dialog.waitFor({ state: "detached" });
  await page.getByRole("region", { name: "Refunds" }).getByText("Half of it was missing").waitFor();
});

test("disputes and products are listed, opened and made", async (t) => {
  const { page } = await visit(t, cookies, { role: "admin", path: "/dashboard/disputes" });
  await page.getByRole("table", { name: "Disputes" }).getByRole("button").first().click();
  const dispute = page.getByRole("dialog", { name: "Disputes" });
  await dispute.getByText("Taken from the wallet").waitFor();
  await dispute.getByText("$25.00").first().waitFor();
  await page.goto(base + "/dashboard/products");
  await page.getByRole("button", { name: "Add product" }).click();
  const dialog = page.getByRole("dialog", { name: "Add a product" });
  await dialog.getByLabel("Name").fill("Gold");
  await dialog.getByLabel("Price").fill("12.34");
  await accessible(page);
  await dialog.getByRole("button", { name: "Add product" }).click();
  await page.getByRole("table", { name: "Products" }).getByRole("button", { name: "Gold" }).click();
  await page.getByRole("button", { name: "Archive" }).click();
  await page.getByRole("button", { name: "Sell it again" }).waitFor();
});

test("an account with the card processor is given, and its key never shown again", async (t) => {
  const { page } = await visit(t, cookies, { role: "admin", path: "/dashboard/settings" });
  const section = page.getByRole("region", { name: "Card processor" });
  await section.getByRole("button", { name: "Charge through Stripe" }).click();
  await section.getByLabel("Secret key").fill("sk_test_" + "a".repeat(40) + "ZZZZ");
  await section.getByLabel("Signing secret of the webhook").fill("whsec_" + "b".repeat(32));
  await section.getByRole("button", { name: "Save the account" }).click();
  await section.getByText("sk_test_…ZZZZ").waitFor();
  assert.ok(!(await page.content()).includes("aaaaaaaa"), "the key is in the page");
  await accessible(page);
  page.on("dialog", (d) => void d.accept());
  await section.getByRole("button", { name: "Forget the account" }).click();
  await section.getByText("The sandbox").waitFor();
});

const pages = ["", "customers", "payments", "invoices", "subscriptions", "refunds", "disputes", "products", "reports", "reports/ageing",
  "reports/breakage", "reports/balances", "reports/cohorts", "reports/trial-balance", "reports/journal", "events", "webhooks", "keys", "audit", "team", "settings", "account"];
test("every page is accessible and fits, in both schemes and on both widths", async (t) => {
  const { page } = await visit(t, cookies);
  for (const path of [...pages, `customers/${data.jane.customer_id}?currency=USD`, `payments/${data.billed.payment.payment_id}`]) {
    await page.setViewportSize({ width: 1440, height: 900 });
    await page.emulateMedia({ colorScheme: "dark" });
    await page.goto(`${base}/dashboard/${path}`);
    await settled(page);
    await fits(page);
    await accessible(page);
    await page.setViewportSize({ width: 390, height: 844 });
    await page.emulateMedia({ colorScheme: "light" });
    await page.waitForFunction(() => document.documentElement.dataset.theme === "light");
    await fits(page);
    await accessible(page);
  }
});

test("the first page loads at most 250 kB", async (t) => {
  const { page } = await visit(t, cookies, { role: null, path: "/dashboard/nowhere" });
  await page.getByRole("heading", { name: "Sign in" }).waitFor();
  await page.evaluate(() => document.fonts.ready);
  const cold = await page.evaluate(() => performance.getEntriesByType("resource").concat(performance.getEntriesByType("navigation"))
    .filter((e) => e.name.includes("/dashboard/")).reduce((sum, e) => sum + e.encodedBodySize, 0));
  t.diagnostic(`${cold} bytes`);
  assert.ok(cold > 50_000 && cold <= 250 * 1024, `${cold} bytes`);
});

test("what is wrong with a page is noticed", async () => {
  const page = async (spoil, act, axe) => {
    const opened = await visit({ after() {} }, cookies, {
      before: (p) => p.route(base + "/dashboard/", async (route) => {
        const response = await route.fetch();
        const headers = response.headers();
        const body = await spoil(await response.text(), headers);
        await route.fulfill({ response, headers, body });
      }),
    });
    await settled(opened.page);
    await act?.(opened.page);
    await opened.page.waitForTimeout(50);
    const faults = [...await opened.found(), ...(axe ? await seriousOf(opened.page) : []).map((f) => "axe: " + f)];
    if (await overflow(opened.page) > 0) faults.push("wide");
    await opened.context.close();
    return faults;
  };
  const same = (text) => text;
  assert.deepEqual(await page(same, undefined, true), [], "nothing is wrong with it");
  for (const [want, spoil, act] of [
    [/^policy: script-src/, (text) => text.replace("</head>", "<script>window.inline=1</script></head>")],
    [/^policy: style-src/, (text) => text.replace("<body>", `<body><p style="color:red">red</p>`)],
    [/^policy: img-src/, (text) => text.replace("<body>", `<body><img alt="" src="http://127.0.0.1:9/x.png">`)],
    [/^policy: script-src/, same, (p) => p.evaluate(() => { document.body.insertAdjacentHTML("beforeend", `<img alt="" src=x: onerror="window.planted=1">`); return new Promise((go) => setTimeout(go, 200)); })],
    [/^elsewhere: http:/, (text, headers) => { delete headers["content-security-policy"]; return text; }, (p) => p.evaluate(() => fetch("http://127.0.0.1:9/", { mode: "no-cors" }).catch(() => {}))],
    [/^planted/, (text, headers) => { delete headers["content-security-policy"]; return text.replace("</head>", "<script>window.planted=1</script></head>"); }],
    [/^console: /, same, (p) => p.evaluate(() => console.error("something"))],
    [/^exception: /, same, (p) => p.evaluate(() => { setTimeout(() => { throw new Error("something"); }); })],
    [/^404 /, same, (p) => p.evaluate(() => fetch("/dashboard/assets/none.js"))],
    [/^axe: button-name/, same, (p) => p.evaluate(() => document.querySelector("header button[aria-label=Account]").replaceChildren() || document.querySelector("header button[aria-label=Account]").removeAttribute("aria-label"))],
    [/^axe: color-contrast/, same, (p) => p.evaluate(() => { document.querySelector("h1").style.color = "#c8c8cc"; })],
    [/^wide$/, same, (p) => p.evaluate(() => { const wide = document.createElement("div"); wide.style.width = "3000px"; wide.style.height = "1px"; document.querySelector("#content").append(wide); })],
  ]) {
    const faults = await page(spoil, act, want.source.startsWith("^axe"));
    assert.ok(faults.some((f) => want.test(f)), `got ${JSON.stringify(faults)}, want ${want}`);
  }
});
