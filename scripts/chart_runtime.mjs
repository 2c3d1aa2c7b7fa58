// Makes src/tuneoff/report/page/runtime/vega.js: what of Vega the report's charts use, in one script, and the licences of what is in it.
import { build } from "esbuild";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const target = join(root, "src", "tuneoff", "report", "page", "runtime");

// The page's policy forbids eval: expressions are walked by the interpreter. Maps, trees, forces and word clouds are left out.
const entry = `
import { extend } from "vega-util";
import { transforms } from "vega-dataflow";
import * as basic from "vega-transforms";
import * as view from "vega-view-transforms";
import * as encode from "vega-encode";
import * as label from "vega-label";
extend(transforms, basic, view, encode, label);
export { parse } from "vega-parser";
export { View } from "vega-view";
export { compile } from "vega-lite";
export { expressionInterpreter } from "vega-interpreter";
`;

mkdirSync(target, { recursive: true });
const { metafile } = await build({
  stdin: { contents: entry, resolveDir: root },
  outfile: join(target, "vega.js"),
  bundle: true,
  format: "iife",
  globalName: "charts",
  minify: true,
  // Only ASCII, so that the script reads the same wherever it stands.
  charset: "ascii",
  legalComments: "none",
  target: "es2020",
  metafile: true,
});

const packages = new Set(
  Object.keys(metafile.inputs)
    .map((file) => file.match(/node_modules\/((?:@[^/]+\/)?[^/]+)\//)?.[1])
    .filter(Boolean),
);
// Packages by the text of their licence: most of d3 shares one.
const byText = new Map();
for (const name of [...packages].sort()) {
  const folder = join(root, "node_modules", name);
  const { version, license } = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
  const file = readdirSync(folder).find((entry) => /^licen[cs]e/i.test(entry));
  if (!file) throw new Error(`${name} has no licence file`);
  const text = readFileSync(join(folder, file), "utf8").replace(/[ \t\r]+\n/g, "\n").trim();
  byText.set(text, [...(byText.get(text) ?? []), `${name} ${version} (${license})`]);
}
const parts = [...byText].map(([text, names]) => `${names.join("\n")}\n\n${text}\n`);
writeFileSync(join(target, "LICENSES.txt"), `vega.js is made of these packages.\n\n${parts.join(`\n${"-".repeat(72)}\n\n`)}`);
