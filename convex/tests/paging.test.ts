/** How much one query of a page tells, whoever asks for how much: what is more comes in parts, and none of it is lost. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { api } from "../functions/_generated/api";
import { filled } from "./filling";
import { SCOPE, SECRET, World } from "./world";

const { workspace_id } = SCOPE;
const PAGE_MAX = 200;
const KIB = 1_024;
const LARGE = "x".repeat(60 * KIB);

type Page = Awaited<ReturnType<typeof jobs>>;
type Options = { numItems: number; cursor: string | null; endCursor?: string | null };

let world: World;
let node: string;
let ada: World["convex"];
beforeEach(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  world = new World();
  node = await world.node();
  ada = world.convex.withIdentity({ subject: "ada", tenant_id: "acme", workspace_ids: ["lab"] }) as World["convex"];
});

function jobs(paginationOpts: Options) {
  return ada.query(api.pages.jobs, { workspace_id, paginationOpts });
}

/** Load page after page, as somebody who scrolls; return them. */
async function scrolled(numItems: number): Promise<Page[]> {
  const pages: Page[] = [];
  for (let cursor: string | null = null; pages.at(-1)?.isDone !== true; cursor = pages.at(-1)?.continueCursor ?? null) {
    pages.push(await jobs({ numItems, cursor }));
  }
  return pages;
}

/** Read up to an end as usePaginatedQuery does: what is to be split is asked for in two halves, and not shown before. */
async function upTo(endCursor: string, cursor: string | null, numItems: number): Promise<Page[]> {
  const page = await jobs({ numItems, cursor, endCursor });
  if (page.pageStatus !== "SplitRequired") return [page];
  if (!page.splitCursor) throw new Error("a page that is to be split tells where");
  const first = await upTo(page.splitCursor, cursor, numItems);
  return [...first, ...(await upTo(page.continueCursor, page.splitCursor, numItems))];
}

function idsOf(pages: Page[]): string[] {
  return pages.flatMap(({ page }) => page.map((job) => job.job_id));
}

describe("a page of jobs", () => {
  test.each([1, 25, PAGE_MAX, 10_000])("up to an end far off tells no more, and is split (%i asked for)", async (numItems) => {
    await filled(world, node, 450);
    const pages = await scrolled(100);
    const last = pages.at(-2)?.continueCursor ?? "";
    const far = await jobs({ numItems, cursor: null, endCursor: last });
    expect([far.page.length, far.pageStatus]).toEqual([0, "SplitRequired"]);
    const parts = await upTo(last, null, numItems);
    for (const { page } of parts) expect(page.length).toBeLessThanOrEqual(PAGE_MAX);
    expect(idsOf(parts)).toEqual(idsOf(pages.slice(0, -1)));
  });

  test("that has grown since it was asked for is told up to its end", async () => {
    await filled(world, node, 50);
    const first = await jobs({ numItems: 25, cursor: null });
    for (let more = 0; more < 20; more += 1) await world.submit(node);
    const grown = await jobs({ numItems: 25, cursor: null, endCursor: first.continueCursor });
    expect(grown.page).toHaveLength(45);
    expect(grown.page.slice(20)).toEqual(first.page);
  });

  test("with the largest results is shorter, and the next ones have the others", async () => {
    await filled(world, node, 300);
    const result_ref = { output_uri: `file:///${LARGE}` };
    await world.convex.run(async (ctx) => {
      for (const { _id } of await ctx.db.query("projections").take(200)) await ctx.db.patch(_id, { result_ref });
    });
    const pages = await scrolled(PAGE_MAX);
    expect(pages.at(-2)?.page.length).toBeLessThan(50);
    expect(new Set(idsOf(pages)).size).toBe(300);
    expect(idsOf(pages)).toHaveLength(300);
  });
});

describe("of what is more than a query reads", () => {
  /** Copy the one row of a table, with the fields that tell the copies apart. */
  async function copied(table: "timeline" | "nodes", fields: object[]): Promise<void> {
    for (let at = 0; at < fields.length; at += 100) {
      await world.convex.run(async (ctx) => {
        const model = await ctx.db.query(table).first();
        if (model === null) throw new Error(`nothing to copy in ${table}`);
        const { _id, _creationTime, ...same } = model;
        for (const other of fields.slice(at, at + 100)) await ctx.db.insert(table, { ...same, ...other });
      });
    }
  }

  test("the newest of a job's changes are told, to pages and to the gateway", async () => {
    const { job_id } = await world.submit(node);
    const result_ref = { output_uri: `file:///${LARGE}` };
    await copied("timeline", Array.from({ length: 299 }, (_, at) => ({ change: at + 2, result_ref })));
    const shown = await ada.query(api.pages.timeline, { workspace_id, job_id });
    expect(shown.length).toBeGreaterThan(100);
    expect(shown.map((entry) => entry.change)).toEqual(shown.map((_, at) => 301 - shown.length + at));
    expect(await world.call("timeline", { ...SCOPE, job_id })).toEqual({ entries: shown });
  });

  test("the first of a tenant's nodes by name are told, to pages and to the gateway", async () => {
    const names = Array.from({ length: 300 }, (_, at) => String(at).padStart(3, "0"));
    await copied("nodes", names.map((name) => ({ management_node_id: name, node_name: name, policy: `"${LARGE}"` })));
    const shown = await ada.query(api.pages.nodes, {});
    expect(shown.length).toBeGreaterThan(100);
    expect(shown.map((each) => each.node_name)).toEqual(names.slice(0, shown.length));
    const { nodes } = await world.call<{ nodes: { node_name: string }[] }>("list-nodes", { tenant_id: "acme" });
    expect(nodes.map((each) => each.node_name)).toEqual(names.slice(0, shown.length));
  });
});
