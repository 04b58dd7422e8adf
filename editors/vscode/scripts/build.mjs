// Bundles the extension into dist/ or, with "test", its unit tests into dist-test/.
import { build } from "esbuild";
import { readdirSync } from "node:fs";

const common = { bundle: true, platform: "node", target: "node20", logLevel: "warning" };

if (process.argv[2] === "test") {
  await build({ ...common, entryPoints: readdirSync("test").map((name) => `test/${name}`), outdir: "dist-test", format: "cjs" });
} else {
  await build({
    ...common,
    entryPoints: ["src/extension.ts"],
    outfile: "dist/extension.js",
    format: "cjs",
    external: ["vscode"],
    minify: true,
    legalComments: "none",
  });
}
