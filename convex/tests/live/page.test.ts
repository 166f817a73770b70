/**
 * A job that has run, read as a product's page reads it: by Convex's own client, with a user's token.
 *
 * SLIPWAY_CONVEX_URL is where the functions are (a deployment's URL, or the testing host's), SLIPWAY_PAGE_TOKEN a user of
 * the job's workspace, SLIPWAY_OTHER_TOKEN one of another tenant, and SLIPWAY_JOB_ID a job that has succeeded.
 */
import { ConvexHttpClient } from "convex/browser";
import { ConvexError } from "convex/values";
import { describe, expect, test } from "vitest";
import { api } from "../../functions/_generated/api";
import { asOf } from "../../functions/model/enrichment";

const job_id = given("SLIPWAY_JOB_ID");
const FIRST = { numItems: 200, cursor: null };

function given(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === "") throw new Error(`${name} is not set: see the top of this test`);
  return value;
}

interface User {
  client: ConvexHttpClient;
  tenant_id: string;
  workspaces: string[];
}

function user(token: string): User {
  const client = new ConvexHttpClient(given("SLIPWAY_CONVEX_URL"));
  client.setAuth(token);
  const payload = Buffer.from(token.split(".")[1] ?? "", "base64url").toString();
  const claims = JSON.parse(payload) as { tenant_id: string; workspace_ids: string[] };
  return { client, tenant_id: claims.tenant_id, workspaces: claims.workspace_ids };
}

const page = user(given("SLIPWAY_PAGE_TOKEN"));
const other = user(given("SLIPWAY_OTHER_TOKEN"));
const workspace_id = page.workspaces[0] ?? "";

async function refusal(asked: Promise<unknown>): Promise<unknown> {
  const error: unknown = await asked.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  expect(error).toBeInstanceOf(ConvexError);
  return (error as ConvexError<{ code: string }>).data.code;
}

describe("the job's own tenant", () => {
  test("sees the job, in words, with its result and how long it took", async () => {
    const job = await page.client.query(api.pages.job, { workspace_id, job_id });
    if (job === null) throw new Error("the page does not see the job");
    expect(job).toMatchObject({ tenant_id: page.tenant_id, workspace_id, job_id, projection_state: "succeeded" });
    expect(job.display_message).toMatch(/\S/);
    expect(job.result_ref?.output_uri).toMatch(/\S/);
    expect(JSON.parse(job.result_ref?.summary ?? "{}")).toBeTypeOf("object");
    expect(job.queued_seconds).toBeGreaterThanOrEqual(0);
    expect(job.running_seconds).toBeGreaterThanOrEqual(0);
    expect(asOf(job, Date.now())).toEqual({ ...job, stale: false });
  });

  test("sees its whole timeline, in order", async () => {
    const entries = await page.client.query(api.pages.timeline, { workspace_id, job_id });
    expect(entries.map((entry) => (entry.kind === "event" ? entry.source_execution_state : entry.kind))).toEqual([
      ...["submitted", "accepted", "running", "completed"],
    ]);
    expect(entries.map((entry) => entry.projection_state)).toEqual(["queued", "queued", "running", "succeeded"]);
    const changes = entries.map((entry) => entry.change);
    expect(changes).toEqual([...new Set(changes)].sort((one, later) => one - later));
  });

  test("finds it among the jobs, and its node among the nodes", async () => {
    const asked = { workspace_id, state: "succeeded" as const, paginationOpts: FIRST };
    const listed = (await page.client.query(api.pages.jobs, asked)).page.find((job) => job.job_id === job_id);
    expect(listed).toEqual(await page.client.query(api.pages.job, { workspace_id, job_id }));
    const nodes = await page.client.query(api.pages.nodes, {});
    expect(nodes.map((node) => node.management_node_id)).toContain(listed?.management_node_id);
    for (const node of nodes) expect(node).not.toHaveProperty("public_key");
  });
});

describe("another tenant", () => {
  test("is another tenant", () => {
    expect(other.tenant_id).not.toBe(page.tenant_id);
  });

  test.each(other.workspaces)("sees no such job in its workspace %s", async (workspace) => {
    const asked = { workspace_id: workspace, job_id };
    expect(await other.client.query(api.pages.job, asked)).toBeNull();
    expect(await other.client.query(api.pages.timeline, asked)).toEqual([]);
    const { page: jobs } = await other.client.query(api.pages.jobs, { workspace_id: workspace, paginationOpts: FIRST });
    for (const job of jobs) expect(job.tenant_id).toBe(other.tenant_id);
  });

  test("sees none of the nodes", async () => {
    const own = (await page.client.query(api.pages.nodes, {})).map((node) => node.management_node_id);
    const seen = (await other.client.query(api.pages.nodes, {})).map((node) => node.management_node_id);
    expect(own.length).toBeGreaterThan(0);
    expect(seen.filter((id) => own.includes(id))).toEqual([]);
  });

  test("is refused a workspace that its token does not list", async () => {
    const asked = { workspace_id: `${other.workspaces.join("-")}-and-none`, job_id };
    expect(await refusal(other.client.query(api.pages.job, asked))).toBe("forbidden");
  });
});

test("nobody sees anything without a token", async () => {
  const client = new ConvexHttpClient(given("SLIPWAY_CONVEX_URL"));
  expect(await refusal(client.query(api.pages.job, { workspace_id, job_id }))).toBe("unauthorized");
  expect(await refusal(client.query(api.pages.nodes, {}))).toBe("unauthorized");
});
