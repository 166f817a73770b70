/** What a client of the deployment can reach at all: the pages' queries, and nothing that writes. */
import { expect, test } from "vitest";
import { ROUTES } from "../functions/http";
import { modules } from "../testing/modules";

declare global {
  interface ImportMeta {
    glob: (patterns: string[]) => Record<string, () => Promise<Record<string, Registered>>>;
  }
}
interface Registered {
  isPublic?: boolean;
  isInternal?: boolean;
  isQuery?: boolean;
  exportArgs?: () => string;
  exportReturns?: () => string;
}

/** All that is deployed, but what is read before there are functions. */
const DEPLOYED = import.meta.glob(["../functions/**/*.ts", "!../functions/auth.config.ts", "!**/_generated/**"]);

async function registered(): Promise<[name: string, of: Registered][]> {
  const loaded = await Promise.all(Object.entries(DEPLOYED).map(async ([path, load]) => [path, await load()] as const));
  return loaded.flatMap(([path, module]) =>
    Object.entries(module)
      .filter(([, of]) => typeof of.exportArgs === "function")
      .map(([name, of]): [string, Registered] => [`${path.slice("../functions/".length, -".ts".length)}:${name}`, of]),
  );
}

test("the testing host has every module that registers a function", async () => {
  for (const [name] of await registered()) expect(modules).toHaveProperty([`./functions/${name.split(":")[0]}.ts`]);
});

test("only the pages are public, and they are queries", async () => {
  const open = (await registered()).filter(([, of]) => of.isPublic === true || of.isInternal !== true);
  expect(open.map(([name]) => name).sort()).toEqual(["pages:job", "pages:jobs", "pages:nodes", "pages:timeline"]);
  expect(open.every(([, of]) => of.isQuery === true)).toBe(true);
});

test("every function says what it takes and answers", async () => {
  for (const [name, of] of await registered()) {
    expect(JSON.parse(of.exportArgs?.() ?? "null"), name).toMatchObject({ type: "object" });
    expect(JSON.parse(of.exportReturns?.() ?? "null"), name).not.toBeNull();
  }
});

test("every function that is no page is an operation of the wire, or finishes one", async () => {
  const internal = (await registered()).filter(([name]) => !name.startsWith("pages:"));
  expect(internal).toHaveLength(Object.keys(ROUTES).length + 1);
});
