// Writes what the sources of the server say about the wire into src/generated: the types
// of the contract, and how many digits the minor unit of each currency has.
import { mkdir, readFile, writeFile } from "node:fs/promises";
import openapiTS, { astToString } from "openapi-typescript";

const here = (path) => new URL(path, import.meta.url);
await mkdir(here("../src/generated"), { recursive: true });
await writeFile(here("../src/generated/schema.d.ts"), astToString(await openapiTS(here("../../api/openapi.yaml"))));

const table = await readFile(here("../../internal/money/iso4217.csv"), "utf8");
const digits = {};
for (const line of table.split("\n")) {
  const [code, , exponent, , wire] = line.split(",");
  if (wire === "yes" && exponent !== "2") digits[code] = Number(exponent);
}
await writeFile(here("../src/generated/digits.ts"), `// Minor digits of the currencies that do not have two.
export const digits: Readonly<Record<string, number>> = ${JSON.stringify(digits)};
`);
