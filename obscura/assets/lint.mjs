// Refuses what the content security policy would break in the browser: inline style and script, and code in attributes.
import {readFileSync, readdirSync} from "node:fs";
import {dirname, join, relative} from "node:path";
import {fileURLToPath} from "node:url";

const root = join(dirname(fileURLToPath(import.meta.url)), "../..");

const rules = [
  [/\sstyle\s*=/i, "inline style; write a class, or an SVG attribute"],
  [/<style[\s>]/i, "style element; write it in assets/css"],
  [/<script(?![^>]*\ssrc=)(?![^>]*type="application\/json")[^>]*>/i, "inline script; write it in assets/js"],
  [/\son[a-z]+\s*=\s*["']/i, "event attribute; listen in assets/js"],
  [/\shx-on/i, "hx-on evaluates text; listen in assets/js"],
  [/["']\s*(js|javascript):/i, "js: evaluates text; compute it on the server"],
  [/\shx-trigger\s*=\s*"[^"]*\w\[/i, "a trigger filter evaluates text; leave it out"],
  [/\{#(?![^\n]*#\})/, "{# #} is for one line; use {% comment %}"],
  [/\{%[^%]*\n[^%]*%\}/, "a template tag must stand on one line"],
  [/<(script|link|img|use)\b[^>]*\s(src|href)="https?:/i, "something from another host; serve it from here"],
];

function templatesIn(folder) {
  return readdirSync(folder, {recursive: true, withFileTypes: true})
    .filter(entry => entry.isFile() && entry.name.endsWith(".html"))
    .map(entry => join(entry.parentPath, entry.name))
    .filter(path => !path.includes("/templates/admin/"));
}

function findings(path) {
  const text = readFileSync(path, "utf8");
  return rules.flatMap(([pattern, advice]) => {
    const found = pattern.exec(text);
    return found ? [`${relative(root, path)}:${text.slice(0, found.index).split("\n").length}: ${advice}`] : [];
  });
}

const all = templatesIn(join(root, "templates")).flatMap(findings);
for (const line of all) console.error(line);
process.exitCode = all.length ? 1 : 0;
