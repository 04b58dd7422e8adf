// Writes the server's settings into package.json from the server's own table; with --check, only compares.
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const here = dirname(fileURLToPath(import.meta.url));
const file = join(here, "..", "package.json");
const python = process.env.PYTHON ?? join(here, "..", "..", "..", ".venv", "bin", "python");
const code = "import json; from aix_lsp.settings.schema import vscode_properties as p; print(json.dumps(p()))";
const table = JSON.parse(execFileSync(python, ["-c", code], { cwd: join(here, "..", "..", ".."), encoding: "utf8" }));

const before = readFileSync(file, "utf8");
const manifest = JSON.parse(before);
manifest.contributes.configuration[1].properties = table;
const same = JSON.stringify(JSON.parse(before)) === JSON.stringify(manifest);
if (process.argv.includes("--check")) {
  if (!same) {
    console.error("package.json lags behind the server's settings: run `npm run settings`");
    process.exit(1);
  }
} else if (!same) {
  writeFileSync(file, JSON.stringify(manifest, null, 2) + "\n");
}
