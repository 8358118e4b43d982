// Cuts the font of the dashboard out of the whole Inter: Latin letters, punctuation and
// the signs of currencies, with tabular figures and the weights that are used. Its
// result is committed, since it changes with the release of the library that cuts. It needs
// npm install --no-save subset-font@2.9.0 inter-ui@4.1.1
import { readFile, writeFile } from "node:fs/promises";
import subsetFont from "subset-font";

const ranges = [[0x20, 0x7e], [0xa0, 0x17f], [0x2010, 0x2027], [0x2030, 0x203a], [0x20a0, 0x20c0], [0x2190, 0x2193],
  [0x2212, 0x2212], [0x21b5, 0x21b5], [0x2318, 0x2318], [0x2026, 0x2026]];
let text = "";
for (const [from, to] of ranges) for (let i = from; i <= to; i++) text += String.fromCodePoint(i);

const whole = await readFile(new URL("../node_modules/inter-ui/variable/InterVariable.woff2", import.meta.url));
const cut = await subsetFont(whole, text, {
  targetFormat: "woff2", noLayoutClosure: true, variationAxes: { wght: { min: 400, max: 650, default: 400 }, opsz: 14 },
});
await writeFile(new URL("../src/fonts/inter.woff2", import.meta.url), cut);
console.log(`${cut.length} bytes`);
