/** What one call of each operation reads and writes, in documents: the same with ten jobs and with ten thousand. */
import { getFunctionName, type FunctionReference } from "convex/server";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { internal } from "../functions/_generated/api";
import { ROUTES } from "../functions/http";
import { CLOSED_MAX } from "../functions/model/revoking";
import type { Submission } from "../functions/wire/types";
import { filled } from "./filling";
import { SCOPE, SECOND, SECRET, T0, World } from "./world";

const { submissions, projections, nodes, commands, jobs, deployment } = internal;
/** Items in a call that takes several. */
const ITEMS = 5;
const SPARE_TOKEN = {
  ...{ token_sha256: "spare", tenant_id: "acme", node_name: "spare", created_by: "admin" },
  ...{ created_at: T0, expires_at: T0 + SECOND },
};

interface Store {
  world: World;
  node: string;
  records: Submission[];
  commands: string[];
}
type Reference = FunctionReference<"query" | "mutation", "internal">;
type Args = (store: Store) => object | Promise<object>;
type Row = [operation: string, of: Reference, args: Args, read: number, written: number];

function job({ records }: Store): object {
  return { ...SCOPE, job_id: records[0]?.job_id };
}

function node({ node }: Store): { management_node_id: string } {
  return { management_node_id: node };
}

function agent(store: Store): object {
  return { ...node(store), epoch: 1, journal_id: "journal", now: T0 };
}

function news({ world, node }: Store): ReturnType<World["submission"]>[] {
  return Array.from({ length: ITEMS }, () => world.submission(node));
}

function keys({ records }: Store): object[] {
  return records.map(({ idempotency_key, management_node_id }) => ({ ...SCOPE, idempotency_key, management_node_id }));
}

/** Three events of each submission, the last one its end. */
async function lives({ world, node, records }: Store): Promise<object> {
  const states = ["accepted", "running", "failed"] as const;
  const updates = records.flatMap((record) => states.map((state) => world.update(record, state)));
  return world.application(node, ...(await Promise.all(updates)));
}

function enrolment({ world }: Store): object {
  return { token_sha256: "spare", public_key: "k", management_node_id: world.id("node"), enrolled_at: T0 };
}

const byAdmin = { by: "admin", now: T0 };
const cancelled = { command_id: "cancel", requested_by: "ada", requested_at: T0, trace_id: "trace" };
const leased = { max_commands: ITEMS, expires_at: T0 + SECOND };
const token = { ...SPARE_TOKEN, token_sha256: "another" };
const ROWS: Row[] = [
  ["submission-contexts", submissions.contexts, (store) => ({ keys: keys(store) }), 6, 0],
  ["create-submissions", submissions.create, (store) => ({ submissions: news(store) }), 3, 26],
  ["apply-projection-updates", projections.apply, lives, 38, 31],
  ["create-join-token", nodes.createJoinToken, () => token, 0, 2],
  ["enroll-node", nodes.enroll, enrolment, 3, 3],
  ["find-node", nodes.find, node, 1, 0],
  ["record-heartbeat", nodes.recordHeartbeat, (store) => store.world.beat(store.node), 3, 1],
  ["lease-commands", commands.lease, (store) => ({ ...agent(store), ...leased }), 21, 5],
  ["ack-commands", commands.ack, (store) => ({ ...agent(store), command_ids: store.commands }), 11, 5],
  ["has-commands", commands.has, agent, 2, 0],
  ["announce-key", nodes.announceKey, (store) => ({ ...node(store), next_public_key: "third", now: T0 }), 2, 2],
  ["promote-key", nodes.promoteKey, (store) => ({ ...node(store), public_key: "next" }), 2, 1],
  ["set-draining", nodes.setDraining, (store) => ({ ...node(store), draining: true, ...byAdmin }), 2, 2],
  ["cancel-job", jobs.cancel, (store) => ({ ...job(store), ...cancelled }), 10, 7],
  ["list-jobs", jobs.list, () => ({ ...SCOPE, states: [], limit: ITEMS }), 6, 0],
  ["list-jobs, by state", jobs.list, () => ({ ...SCOPE, states: ["failed", "queued"], limit: ITEMS }), 6, 0],
  ["get-job", jobs.get, job, 2, 0],
  ["timeline", jobs.timeline, job, 1, 0],
  ["list-nodes", nodes.list, () => ({ tenant_id: "acme" }), 1, 0],
  ["check", deployment.check, () => ({}), 0, 0],
];

test("every operation stands in the table, or has a test of its own", () => {
  const told = new Set(ROWS.map(([operation]) => operation.split(",")[0]));
  expect(Object.keys(ROUTES).filter((operation) => !told.has(operation))).toEqual([
    "revoke-node",
    "import-records",
    "tally-import",
    "finish-import",
  ]);
});

/** Run a registered function in a transaction of its own, undo it, and return the documents read and written. */
async function documents({ world }: Store, of: Reference, args: object): Promise<[read: number, written: number]> {
  let counted: [number, number] | undefined;
  const running = world.convex.mutation(async (ctx) => {
    await (isQuery(of) ? ctx.runQuery(of as never, args as never) : ctx.runMutation(of as never, args as never));
    const { documentsRead, documentsWritten } = await ctx.meta.getTransactionMetrics();
    counted = [documentsRead.used, documentsWritten.used];
    throw new Error("undone");
  });
  await expect(running).rejects.toThrow("undone");
  return counted ?? [NaN, NaN];
}

const QUERIES = new Set(["contexts", "find", "has", "list", "get", "timeline", "check"]);

function isQuery(of: Reference): boolean {
  return QUERIES.has(getFunctionName(of).split(":")[1] ?? "");
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

  test.each(ROWS)("%s", async (_, of, args, read, written) => {
    expect(await documents(store, of, await args(store))).toEqual([read, written]);
  });

  test("revoke-node: what two hundred submissions take, and no more", async () => {
    const revocation = { ...node(store), ...byAdmin, trace_id: "trace" };
    const closed = Math.min(count, CLOSED_MAX);
    const more = count > CLOSED_MAX ? 1 : 0;
    const [read, written] = await documents(store, nodes.revoke, revocation);
    expect([read, written]).toEqual([7 * closed + 4 + more, 4 * closed + 3]);
  });

  test("list-jobs: a filter that nothing passes ends, and tells where to go on", async () => {
    const filter = { ...SCOPE, states: [], submitted_before: 0, limit: ITEMS };
    const [read] = await documents(store, jobs.list, filter);
    expect(read).toBeLessThanOrEqual(2_001);
    const answer = await store.world.call("list-jobs", filter);
    expect(answer).toEqual({ projections: [], ...(count > 2_000 ? { next: count - 1_999 } : {}) });
  });
});
