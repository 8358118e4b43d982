// Pictures of four pages as they should look. What the API answers was recorded once, of the
// demo data, and the clock stands where it stood then, so that the pictures are the same each time.
// The Go test that runs this compares them. BILLFOLD_RECORD names a file to record into anew.
import assert from "node:assert/strict";
import { readFile, writeFile } from "node:fs/promises";
import { after, before, test } from "node:test";
import { api, base, gather, launch, settled, shut, visit } from "./rig.js";

const file = process.env.BILLFOLD_RECORDED;
const recording = !!process.env.BILLFOLD_RECORD;
const pictures = process.env.BILLFOLD_PICTURES;

let recorded;
before(async () => {
  const started = launch();
  if (!recording) recorded = JSON.parse(await readFile(file, "utf8"));
  else recorded = { at: new Date().toISOString(), customer: await interesting(), cookies: await gather(), answers: {} };
  await started;
});
after(async () => {
  await shut();
  if (!recording) return;
  const lines = Object.entries(recorded.answers).sort().map(([of, answer]) => `${JSON.stringify(of)}:${JSON.stringify(answer)}`);
  await writeFile(file, `{"at":"${recorded.at}","customer":"${recorded.customer}","answers":{\n${lines.join(",\n")}\n}}\n`);
});

/** The customer of the demo data whose wallet has most entries. */
async function interesting() {
  const { items } = await api("GET", "/customers?page_size=60");
  const wallets = await Promise.all(items.map((c) => api("GET", `/customers/${c.customer_id}/wallets`)));
  const most = (w) => Math.max(...w.items.map((i) => i.seq));
  return items[wallets.indexOf(wallets.reduce((a, b) => (most(b) > most(a) ? b : a)))].customer_id;
}

async function replay(page) {
  await page.clock.setFixedTime(new Date(recorded.at));
  await page.route((url) => url.origin === base && !url.pathname.startsWith("/dashboard/assets/"), async (route) => {
    const request = route.request();
    const { pathname, search } = new URL(request.url());
    const headers = request.headers();
    if (headers["billfold-dashboard"] !== "1") return route.continue();
    if (headers.accept === "text/event-stream") return; // it stays open, and says nothing
    const of = `${request.method()} ${pathname}${search}`;
    if (recording) {
      const response = await route.fetch();
      recorded.answers[of] = await response.json();
      return route.fulfill({ response, json: recorded.answers[of] });
    }
    const answer = recorded.answers[of];
    return answer ? route.fulfill({ json: answer }) : route.fulfill({ status: 501, json: { message: `${of} was not recorded` } });
  });
}

for (const [name, path] of [["overview", () => ""], ["wallet", () => `customers/${recorded.customer}`]]) {
  for (const scheme of ["light", "dark"]) {
    for (const [device, width, height] of [["desktop", 1280, 900], ["phone", 390, 844]]) {
      test(`${name}, ${scheme}, ${device}`, async (t) => {
        const { page } = await visit(t, recorded.cookies ?? {}, {
          role: recording ? "owner" : null, scheme, width, height, path: `/dashboard/${path()}`, before: replay,
        });
        await settled(page);
        await page.locator("canvas").first().waitFor();
        // The machine's own fonts are not the same everywhere.
        await page.evaluate(() => { document.documentElement.style.setProperty("--font-mono", "Inter"); return document.fonts.ready; });
        await page.waitForTimeout(300);
        const picture = await page.screenshot({ path: pictures && `${pictures}/${name}-${scheme}-${device}.png`, animations: "disabled", caret: "hide" });
        assert.ok(picture.length < 150 * 1024, `${picture.length} bytes`);
      });
    }
  }
}
