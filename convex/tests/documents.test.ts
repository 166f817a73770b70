// @vitest-environment node
/** What docs/how-to/convex.md shows: its examples have the types they use, its commands exist, no variable is left out. */
import { execFileSync, spawnSync } from "node:child_process";
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";

const PACKAGE = fileURLToPath(new URL("../", import.meta.url));
const HOW_TO = join(PACKAGE, "../docs/how-to/convex.md");
const BIN = join(PACKAGE, "node_modules", ".bin");
/** What a page that uses the package has installed. */
const INSTALLED = { "@slipway/convex": ".", convex: "node_modules/convex", react: "node_modules/react" };
const TYPES = { "@types/react": "node_modules/@types/react" };
/** As strict as a page may be, and as Vite's templates have it; without the types of Node. */
const COMPILED = {
  noEmit: true,
  strict: true,
  erasableSyntaxOnly: true,
  verbatimModuleSyntax: true,
  exactOptionalPropertyTypes: true,
  noUncheckedIndexedAccess: true,
  noUnusedLocals: true,
  noUnusedParameters: true,
  noFallthroughCasesInSwitch: true,
  noUncheckedSideEffectImports: true,
  skipLibCheck: true,
  jsx: "react-jsx",
  target: "ES2022",
  lib: ["ES2022", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
  module: "ESNext",
  moduleResolution: "bundler",
  types: [],
};

const text = readFileSync(HOW_TO, "utf8");
function blocks(kind: string): string[] {
  return [...text.matchAll(new RegExp(`^\`\`\`${kind}\\n(.*?)^\`\`\`$`, "gms"))].map((block) => block[1] ?? "");
}

let product: string;
beforeAll(() => {
  product = mkdtempSync(join(tmpdir(), "slipway-page-"));
  for (const [name, path] of Object.entries({ ...INSTALLED, ...TYPES })) {
    mkdirSync(dirname(join(product, "node_modules", name)), { recursive: true });
    symlinkSync(join(PACKAGE, path), join(product, "node_modules", name));
  }
});
afterAll(() => {
  rmSync(product, { recursive: true, force: true });
});

/** Compile files of the product; return what the compiler says. */
function compiled(files: Record<string, string>): string {
  for (const [name, source] of Object.entries(files)) writeFileSync(join(product, name), source);
  const config = { compilerOptions: COMPILED, files: Object.keys(files) };
  writeFileSync(join(product, "tsconfig.json"), JSON.stringify(config));
  return spawnSync(join(BIN, "tsc"), ["-p", product], { encoding: "utf8" }).stdout;
}

test("the examples have the types they use", () => {
  const examples = blocks("tsx?");
  expect(examples.length).toBeGreaterThan(2);
  expect(compiled(Object.fromEntries(examples.map((example, at) => [`example-${at}.tsx`, example])))).toBe("");
});

test("an example with a field that no job has would be found", () => {
  const misspelt = blocks("tsx").map((example) => example.replaceAll("display_message", "display_mesage"));
  const found = compiled(Object.fromEntries(misspelt.map((example, at) => [`misspelt-${at}.tsx`, example])));
  expect(found).toContain("Property 'display_mesage' does not exist");
});

/** Of esbuild no more than is asked of it here: it comes with Convex, and its types are not ours to import. */
interface Bundler {
  build: (options: object) => Promise<{ outputFiles: { text: string }[] }>;
}

test("what pages import of the package is bundled for a browser, and runs", async () => {
  const { build } = createRequire(join(realpathSync(join(PACKAGE, "node_modules/convex")), "package.json"))(
    "esbuild",
  ) as Bundler;
  const page = join(product, "page.ts");
  const lines = ['import { api } from "@slipway/convex/api";', 'import { asOf, isOverdue } from "@slipway/convex/enrichment";'];
  writeFileSync(page, [...lines, "export const overdue = isOverdue(undefined, 0);", "export { api, asOf };"].join("\n"));
  const bundled = await build({
    ...{ entryPoints: [page], bundle: true, write: false, format: "esm", platform: "browser" },
    preserveSymlinks: true, // found from the page's node_modules alone, as a package that was installed
    logLevel: "silent",
  });
  const code = bundled.outputFiles[0]?.text ?? "";
  const told = (await import(/* @vite-ignore */ `data:text/javascript,${encodeURIComponent(code)}`)) as { overdue: boolean };
  expect(told.overdue).toBe(true);
});

const shown = blocks("console").flatMap((block) => [...block.matchAll(/^\$ .*exec convex ((?:[a-z]+ ?)+)(.*)$/gm)]);

test("every command of Convex that is shown exists, with the options it is shown with", () => {
  expect(shown.length).toBeGreaterThan(3);
  const commands = new Map(shown.map(([, words = "", rest = ""]) => [words.trim(), rest.match(/--[a-z-]+/g) ?? []]));
  for (const [words, options] of commands) {
    const help = execFileSync(join(BIN, "convex"), [...words.split(" "), "--help"], { encoding: "utf8" });
    expect(help).toMatch(new RegExp(`^Usage: convex ${words}`, "m"));
    for (const option of options) expect(help).toContain(option);
  }
});

test("every variable of the deployment is told, here and in the README", () => {
  const functions = readdirSync(join(PACKAGE, "functions"), { recursive: true, encoding: "utf8" });
  const sources = functions.filter((name) => name.endsWith(".ts")).map((name) => join(PACKAGE, "functions", name));
  const read = sources.flatMap((source) => readFileSync(source, "utf8").match(/(?<=env\.)SLIPWAY_\w+/g) ?? []);
  expect(new Set(read).size).toBeGreaterThan(5);
  for (const page of [text, readFileSync(join(PACKAGE, "README.md"), "utf8")]) {
    expect([...new Set(read)].filter((name) => !page.includes(name))).toEqual([]);
  }
});

/** Stands in for pnpm: notes what `convex env` would make of the deployment's variables, one state after the other. */
const RECORDER = `#!/bin/sh
test "$1 $2 $3 $4 $5" = "-C convex exec convex env" || exit 2
case $6 in
  set) cat > "$VARIABLES/$7" ;;
  remove) rm "$VARIABLES/$7" ;;
  *) exit 2 ;;
esac
cat "$VARIABLES"/* | tr "\\n" " " >> "$VARIABLES.states" && echo >> "$VARIABLES.states"
`;

describe("changing the gateway's secret", () => {
  const section = text.slice(text.indexOf("## Secrets\n"), text.indexOf("## Whose tokens"));
  const steps = [...section.matchAll(/^```console\n(.*?)^```$/gms)].map(([, block = ""]) => block.replaceAll("$ ", ""));
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "slipway-secret-"));
    mkdirSync(join(folder, "variables"));
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin/pnpm"), RECORDER, { mode: 0o755 });
    writeFileSync(join(folder, "store.secret"), "the first\n");
    cpSync(join(folder, "store.secret"), join(folder, "variables/SLIPWAY_GATEWAY_SECRET"));
  });
  afterEach(() => {
    rmSync(folder, { recursive: true, force: true });
  });

  function read(name: string): string {
    return readFileSync(join(folder, name), "utf8").trim();
  }

  /** Run one of the steps; return which secrets were good after each of its commands. */
  function good(step: string | undefined): string[] {
    writeFileSync(join(folder, "variables.states"), "");
    const env = { PATH: `${folder}/bin:${process.env.PATH}`, VARIABLES: join(folder, "variables") };
    execFileSync("sh", ["-euc", step ?? "exit 2"], { cwd: folder, env });
    return read("variables.states").split("\n");
  }

  test("again and again never shuts out a gateway, and ends with the new one alone", () => {
    expect(steps).toHaveLength(2);
    let held = "the first";
    for (let time = 0; time < 3; time += 1) {
      const accepted = good(steps[0]);
      for (const secrets of accepted) expect(secrets).toContain(held);
      const next = read("new.secret");
      expect(next).not.toBe(held);
      expect(accepted.at(-1)).toContain(next);
      held = next; // the gateways are given it, one after the other
      expect(good(steps[1]).map((secrets) => secrets.trim())).toEqual([held]);
    }
  });

  test("leaves no file that others may read", () => {
    good(steps[0]);
    expect(statSync(join(folder, "new.secret")).mode & 0o077).toBe(0);
  });
});
