/** The product's pages: a user sees their tenant's rows of their workspaces, and nobody sees anything else. */
import { ConvexError } from "convex/values";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { api } from "../functions/_generated/api";
import type { Submission } from "../functions/wire/types";
import { databaseOf } from "../functions/model/viewers";
import { SCOPE, SECOND, SECRET, T0, World } from "./world";

const { workspace_id } = SCOPE;
const FIRST = { numItems: 10, cursor: null };
const ADA = { subject: "ada", tenant_id: "acme", workspace_ids: ["lab", "plant"], role: "member" };
const SPY = { subject: "spy", tenant_id: "umbrella", workspace_ids: ["lab"], role: "admin" };

let world: World;
let node: string;
let job: Submission;
beforeEach(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  world = new World();
  node = await world.node();
  job = await world.submit(node);
});

/** Every page, asked for the one job there is. */
const PAGES = {
  jobs: (as: World["convex"]) => as.query(api.pages.jobs, { workspace_id, paginationOpts: FIRST }),
  job: (as: World["convex"]) => as.query(api.pages.job, { workspace_id, job_id: job.job_id }),
  timeline: (as: World["convex"]) => as.query(api.pages.timeline, { workspace_id, job_id: job.job_id }),
  nodes: (as: World["convex"]) => as.query(api.pages.nodes, {}),
};
type Page = keyof typeof PAGES;
const ALL = Object.keys(PAGES) as Page[];

function as(identity: Partial<typeof ADA>): World["convex"] {
  return world.convex.withIdentity(identity) as World["convex"];
}

async function refusal(page: Promise<unknown>): Promise<unknown> {
  const error: unknown = await page.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConvexError);
  return ((error as ConvexError<{ code: string }>).data).code;
}

describe.each(ALL)("%s", (name) => {
  test("is refused without an identity", async () => {
    expect(await refusal(PAGES[name](world.convex))).toBe("unauthorized");
  });

  test.each([
    { subject: "ada" },
    { subject: "ada", tenant_id: "acme" },
    { subject: "ada", workspace_ids: ["lab"] },
    { subject: "ada", tenant_id: "acme", workspace_ids: "lab" as never },
    { subject: "ada", tenant_id: "acme", workspace_ids: [1] as never },
    { subject: "ada", tenant_id: ["acme"] as never, workspace_ids: ["lab"] },
    { ...ADA, workspace_ids: [] },
    { ...ADA, workspace_ids: ["lab", ""] },
    { ...ADA, tenant_id: "" },
    { ...ADA, subject: "ada/spy" },
    { ...ADA, role: "owner" },
    { ...ADA, role: "Admin" },
    { ...ADA, role: null as never },
  ])("is refused to the claims %j", async (claims) => {
    expect(await refusal(PAGES[name](as(claims)))).toBe("unauthorized");
  });
});

describe.each(["jobs", "job", "timeline"] as const)("%s", (name) => {
  test("of a workspace that the token does not cover is forbidden", async () => {
    expect(await refusal(PAGES[name](as({ ...ADA, workspace_ids: ["plant"] })))).toBe("forbidden");
  });
});

test.each([undefined, "member", "service", "admin"])("a token of the role %s sees its tenant's", async (role) => {
  const { role: _role, ...ada } = ADA;
  expect(await PAGES.nodes(as(role === undefined ? ada : { ...ada, role }))).toHaveLength(1);
});

test("another tenant sees nothing, by the same names", async () => {
  const spy = as(SPY);
  expect((await PAGES.jobs(spy)).page).toEqual([]);
  expect(await PAGES.job(spy)).toBeNull();
  expect(await PAGES.timeline(spy)).toEqual([]);
  expect(await PAGES.nodes(spy)).toEqual([]);
});

test("another workspace of the same tenant has other jobs", async () => {
  const plant = { workspace_id: "plant" };
  expect((await as(ADA).query(api.pages.jobs, { ...plant, paginationOpts: FIRST })).page).toEqual([]);
  expect(await as(ADA).query(api.pages.job, { ...plant, job_id: job.job_id })).toBeNull();
});

test("a job is told as the gateway tells it, and how long it was queued and ran", async () => {
  await world.drive(job, "accepted", "running", "completed");
  const { projection } = await world.call<{ projection: object }>("get-job", { ...SCOPE, job_id: job.job_id });
  const shown = await PAGES.job(as(ADA));
  expect(shown).toEqual({ ...projection, display_message: "Done", queued_seconds: 2, running_seconds: 1 });
  expect((await PAGES.jobs(as(ADA))).page).toEqual([shown]);
});

test("a job that never ran was queued to its end", async () => {
  await world.drive(job, "failed");
  expect(await PAGES.job(as(ADA))).toMatchObject({ queued_seconds: 1, display_message: "Failed" });
  expect(await PAGES.job(as(ADA))).not.toHaveProperty("running_seconds");
});

test("a job that has not ended is told with when its node was last heard, and not with what grows", async () => {
  const waits = { display_message: "Waiting for the lab's node to take it", node_last_seen_at: T0 };
  expect(await PAGES.job(as(ADA))).toMatchObject(waits);
  expect(await PAGES.job(as(ADA))).not.toHaveProperty("queued_seconds");
  await world.drive(job, "accepted", "running");
  await world.call("record-heartbeat", { ...world.beat(node), received_at: T0 + 10 * SECOND });
  const runs = { display_message: "Running", queued_seconds: 2, node_last_seen_at: T0 + 10 * SECOND };
  expect((await PAGES.jobs(as(ADA))).page).toMatchObject([runs]);
  expect(await PAGES.job(as(ADA))).not.toHaveProperty("running_seconds");
});

test("what a job left behind is told, with the node's own words", async () => {
  await world.drive(job, "accepted", "running");
  const failed = {
    ...(await world.update(job, "failed", 3)),
    display_message: "The mesh is too coarse",
    scheduler_ref: { slurm_job_id: "42", partition: "main" },
    result_ref: { output_uri: "file:///results", summary: '{"energy": -1}' },
    failure: { code: "exit_400", message: "no convergence", retryable: true },
  };
  await world.call("apply-projection-updates", world.application(node, failed));
  const { display_message, scheduler_ref, result_ref, failure } = failed;
  expect(await PAGES.job(as(ADA))).toMatchObject({ display_message, scheduler_ref, result_ref, failure });
});

test("a timeline is told as the gateway tells it", async () => {
  await world.drive(job, "accepted");
  const { entries } = await world.call<{ entries: object[] }>("timeline", { ...SCOPE, job_id: job.job_id });
  expect(entries).toHaveLength(2);
  expect(await PAGES.timeline(as(ADA))).toEqual(entries);
});

test("a node is shown without its keys", async () => {
  const [shown] = await PAGES.nodes(as(ADA));
  expect(shown).toMatchObject({ management_node_id: node, state: "active", last_seen_at: T0 });
  const hidden = ["public_key", "next_public_key", "epoch", "tenant_id"];
  for (const field of hidden) expect(shown).not.toHaveProperty(field);
});

test("jobs come newest first, page by page, and in one state if one is named", async () => {
  const ended = await world.submit(node);
  await world.drive(ended, "failed");
  const newest = await world.submit(node);
  const first = await as(ADA).query(api.pages.jobs, { workspace_id, paginationOpts: { numItems: 2, cursor: null } });
  const rest = { numItems: 2, cursor: first.continueCursor };
  const second = await as(ADA).query(api.pages.jobs, { workspace_id, paginationOpts: rest });
  const queued = await as(ADA).query(api.pages.jobs, { workspace_id, state: "queued", paginationOpts: FIRST });
  const ids = (page: { page: { job_id: string }[] }) => page.page.map((row) => row.job_id);
  expect([ids(first), ids(second)]).toEqual([[newest.job_id, ended.job_id], [job.job_id]]);
  expect(ids(queued)).toEqual([newest.job_id, job.job_id]);
});

test("a page that forgot to ask for its own rows would get no others", async () => {
  await world.submit(await world.node(SPY.tenant_id), { tenant_id: SPY.tenant_id, workspace_id });
  const seen = await world.convex.run(async (ctx) => {
    const db = databaseOf({ tenant_id: "acme", workspace_ids: ["lab"] }, ctx.db);
    const tables = ["projections", "timeline", "nodes", "submissions", "intents", "commands", "joinTokens"] as const;
    const rows = await Promise.all(tables.map((table) => db.query(table).take(100)));
    return tables.map((table, at) => [table, rows[at]?.length]);
  });
  expect(Object.fromEntries(seen)).toEqual({
    ...{ projections: 1, timeline: 1, nodes: 1 },
    ...{ submissions: 0, intents: 0, commands: 0, joinTokens: 0 },
  });
});
