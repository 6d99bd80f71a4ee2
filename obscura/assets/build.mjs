// Builds what the pages load (scripts, icon sprite, fonts, pictures) into dist/, which starts empty and is never committed.
import {cpSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync} from "node:fs";
import {createRequire} from "node:module";
import {dirname, join} from "node:path";
import {fileURLToPath} from "node:url";
import {build, context} from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const dist = join(here, "dist");
const packages = createRequire(import.meta.url);

const fonts = {
  "inter.woff2": "@fontsource-variable/inter/files/inter-latin-wght-normal.woff2",
  "newsreader.woff2": "@fontsource-variable/newsreader/files/newsreader-latin-wght-normal.woff2",
};

function emptyDist() {
  rmSync(dist, {recursive: true, force: true});
  for (const folder of ["css", "fonts", "js"]) mkdirSync(join(dist, folder), {recursive: true});
}

function copyFonts() {
  for (const [name, source] of Object.entries(fonts)) {
    const file = packages.resolve(source);
    cpSync(file, join(dist, "fonts", name));
    // The Open Font License travels with the font.
    cpSync(join(dirname(file), "../LICENSE"), join(dist, "fonts", `${name}.LICENSE.txt`));
  }
}

function symbolOf(file) {
  const svg = readFileSync(join(here, "icons", file), "utf8");
  const shapes = svg.replace(/<!--.*?-->/gs, "").replace(/<svg[^>]*>|<\/svg>/gs, "").trim();
  return `<symbol id="${file.replace(/\.svg$/, "")}" viewBox="0 0 24 24">${shapes}</symbol>`;
}

function writeSprite() {
  const symbols = readdirSync(join(here, "icons")).filter(file => file.endsWith(".svg")).sort().map(symbolOf);
  writeFileSync(join(dist, "icons.svg"), `<svg xmlns="http://www.w3.org/2000/svg">${symbols.join("")}</svg>`);
}

const scripts = {
  entryPoints: [join(here, "js/app.js")],
  bundle: true, splitting: true, format: "esm", minify: true, target: ["es2022"],
  outdir: join(dist, "js"), chunkNames: "[name]-[hash]", legalComments: "linked", logLevel: "warning",
};

emptyDist();
copyFonts();
writeSprite();
cpSync(join(here, "images"), dist, {recursive: true});
if (process.argv.includes("--watch")) await (await context(scripts)).watch();
else await build(scripts);
