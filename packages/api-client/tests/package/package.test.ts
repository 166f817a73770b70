/** What is published, and that it works where it is installed. */
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { packed, type Packed } from "./packed.js";

const PACKAGE = fileURLToPath(new URL("../../", import.meta.url));
const TSC = join(PACKAGE, "node_modules", ".bin", "tsc");
/** As strict as a caller may be, and without the types of Node. */
const COMPILED = {
  noEmit: true,
  strict: true,
  exactOptionalPropertyTypes: true,
  target: "ES2022",
  lib: ["ES2022", "DOM", "DOM.AsyncIterable"],
  module: "NodeNext",
  types: [],
};

let published: Packed;
beforeAll(() => {
  published = packed();
});
afterAll(() => rmSync(published.folder, { recursive: true, force: true }));

test("the tarball has the built modules, their types, the licence and the README, and nothing else", () => {
  const modules = readdirSync(join(PACKAGE, "src"), { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => join("dist", name.slice(0, -".ts".length)));
  const built = modules.flatMap((name) => [`${name}.js`, `${name}.d.ts`]);
  expect(published.files).toEqual([...built, "LICENSE", "README.md", "package.json"].sort());
});

test("plain Node imports it", () => {
  const code = `
    const { createSlipway, CODES, RefusedError } = await import("@slipway/api-client");
    const slipway = createSlipway({ url: "http://127.0.0.1:9", token: "t", retries: { attempts: 1 } });
    const error = await slipway.nodes().catch((error) => error);
    console.log(error.name, typeof RefusedError, CODES.length);
  `;
  const said = execFileSync(process.execPath, ["--input-type=module", "-e", code], {
    cwd: published.folder,
    encoding: "utf8",
  });
  expect(said.trim()).toMatch(/^UnreachableError function \d+$/);
});

test("no module of it needs Node", () => {
  const modules = published.files.filter((name) => name.endsWith(".js"));
  for (const name of modules) {
    const text = readFileSync(join(published.installed, name), "utf8");
    expect(text, name).not.toMatch(/from "node:|require\(|\bprocess\.|\bBuffer\b/);
  }
});

test.each(["README.md", "../../docs/how-to/typescript.md"])("the examples of %s have the types they use", (page) => {
  const text = readFileSync(join(PACKAGE, page), "utf8");
  const examples = [...text.matchAll(/^```ts\n(.*?)^```$/gms)].map((block) => block[1] ?? "");
  expect(examples.length).toBeGreaterThan(0);
  const files = examples.map((example, index) => {
    const name = `example-${index}.mts`;
    writeFileSync(join(published.folder, name), `${example}\nexport {};\n`);
    return name;
  });
  writeFileSync(join(published.folder, "tsconfig.json"), JSON.stringify({ compilerOptions: COMPILED, files }));
  const { stdout, status } = spawnSync(TSC, ["-p", published.folder], { encoding: "utf8" });
  expect(stdout).toBe("");
  expect(status).toBe(0);
});
