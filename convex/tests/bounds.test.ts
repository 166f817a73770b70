/** What one call of each operation reads and writes, in documents: the same with ten jobs and with ten thousand. */
import { beforeAll, describe, expect, test, vi } from "vitest";
import { ROUTES } from "../functions/http";
import { CLOSED_MAX } from "../functions/model/revoking";
import { byAdmin, ITEMS, node, revocation, routed, ROWS, SPARE_TOKEN, type Store } from "./costs";
import { filled } from "./filling";
import { SCOPE, SECRET, T0, World } from "./world";

test("every operation stands in the table, or has a test of its own", () => {
  const told = new Set(ROWS.map(([operation]) => operation));
  expect(Object.keys(ROUTES).filter((operation) => !told.has(operation))).toEqual([
    "revoke-node",
    "import-records",
    "tally-import",
    "finish-import",
  ]);
});

/** Run an operation's function in a transaction of its own, undo it, and return the documents read and written. */
async function documents({ world }: Store, operation: string, args: object): Promise<[read: number, written: number]> {
  const { kind, of } = await routed(operation);
  let counted: [number, number] | undefined;
  const running = world.convex.mutation(async (ctx) => {
    await (kind === "query" ? ctx.runQuery(of as never, args as never) : ctx.runMutation(of as never, args as never));
    const { documentsRead, documentsWritten } = await ctx.meta.getTransactionMetrics();
    counted = [documentsRead.used, documentsWritten.used];
    throw new Error("undone");
  });
  await expect(running).rejects.toThrow("undone");
  return counted ?? [NaN, NaN];
}

describe.each([10, 10_000])("with %i jobs", (count) => {
  let store: Store;
  beforeAll(async () => {
    vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
    const world = new World();
    const node = await world.node();
    const records = await filled(world, node, count);
    const first = await world.convex.run((ctx) => ctx.db.query("commands").take(ITEMS));
    await world.call("create-join-token", SPARE_TOKEN);
    await world.call("announce-key", { management_node_id: node, next_public_key: "next", now: T0 });
    store = { world, node, records, commands: first.map(({ command_id }) => command_id) };
  }, 300_000);

  test.each(ROWS)("%s %s", async (operation, _, args, read, written) => {
    expect(await documents(store, operation, await args(store))).toEqual([read, written]);
  });

  test("revoke-node: what two hundred submissions take, and no more", async () => {
    const asked = { ...node(store), ...byAdmin, trace_id: "trace" };
    const due = revocation(Math.min(count, CLOSED_MAX), count > CLOSED_MAX);
    expect(await documents(store, "revoke-node", asked)).toEqual(due);
  });

  test("list-jobs: a filter that nothing passes ends, and tells where to go on", async () => {
    const filter = { ...SCOPE, states: [], submitted_before: 0, limit: ITEMS };
    const [read] = await documents(store, "list-jobs", filter);
    expect(read).toBeLessThanOrEqual(2_001);
    const answer = await store.world.call("list-jobs", filter);
    expect(answer).toEqual({ projections: [], ...(count > 2_000 ? { next: count - 1_999 } : {}) });
  });
});
