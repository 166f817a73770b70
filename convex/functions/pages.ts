/** What the product's own pages subscribe to: jobs, timelines and nodes of the signed-in user's tenant. */
import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v } from "convex/values";
import { customCtx, customQuery } from "convex-helpers/server/customFunctions";
import type { Doc } from "./_generated/dataModel";
import { query } from "./_generated/server";
import { projectionOfJob } from "./model/lookups";
import { nodesOf, timelineOf } from "./model/reading";
import { given, projectionRecord } from "./model/records";
import { databaseOf, scopeOf, viewerOf } from "./model/viewers";
import { entry, node, projection, projectionState } from "./wire/types";

/** A query of a signed-in user; its database has that user's rows and no others. */
const page = customQuery(
  query,
  customCtx(async (ctx) => {
    const viewer = await viewerOf(ctx.auth);
    return { viewer, db: databaseOf(viewer, ctx.db) };
  }),
);

/** A job as a page shows it. How fresh it is, its node's `last_seen_at` tells: a clock is no part of a query. */
const jobView = projection.extend({
  seconds_queued: v.optional(v.number()),
  seconds_running: v.optional(v.number()),
});
/** A node as a page shows it: no keys, and nothing that only its agent needs. */
const nodeView = node.omit("tenant_id", "public_key", "next_public_key", "epoch");
const MICROSECONDS = 1_000_000;
/** Most jobs in one page, whatever was asked for. */
const PAGE_MAX = 200;

function viewed(row: Doc<"projections">) {
  const { submitted_at, started_at, ended_at } = row;
  const left = started_at ?? ended_at;
  return {
    ...projectionRecord(row),
    ...given({
      seconds_queued: left === undefined ? undefined : seconds(submitted_at, left),
      seconds_running: started_at === undefined || ended_at === undefined ? undefined : seconds(started_at, ended_at),
    }),
  };
}

/** Two clocks took the two times: a difference below nothing is none. */
function seconds(from: number, to: number): number {
  return Math.max(0, to - from) / MICROSECONDS;
}

/** A workspace's jobs, newest submission first, in pages; in one state, if one is named. */
export const jobs = page({
  args: {
    workspace_id: v.string(),
    state: v.optional(projectionState),
    paginationOpts: paginationOptsValidator,
  },
  returns: paginationResultValidator(jobView),
  handler: async (ctx, { workspace_id, state, paginationOpts }) => {
    const scope = scopeOf(ctx.viewer, workspace_id);
    const rows = ctx.db.query("projections");
    const ofWorkspace =
      state === undefined
        ? rows.withIndex("by_submission", (q) => q.eq("tenant_id", scope.tenant_id).eq("workspace_id", workspace_id))
        : rows.withIndex("by_state", (q) =>
            q.eq("tenant_id", scope.tenant_id).eq("workspace_id", workspace_id).eq("projection_state", state),
          );
    const numItems = Math.min(paginationOpts.numItems, PAGE_MAX);
    const result = await ofWorkspace.order("desc").paginate({ ...paginationOpts, numItems });
    return { ...result, page: result.page.map(viewed) };
  },
});

/** One job, or null where the workspace has none of that id. */
export const job = page({
  args: { workspace_id: v.string(), job_id: v.string() },
  returns: v.union(jobView, v.null()),
  handler: async (ctx, { workspace_id, job_id }) => {
    const row = await projectionOfJob(ctx.db, { ...scopeOf(ctx.viewer, workspace_id), job_id });
    return row === null ? null : viewed(row);
  },
});

/** A job's changes, oldest first; none where the workspace has no such job. */
export const timeline = page({
  args: { workspace_id: v.string(), job_id: v.string() },
  returns: v.array(entry),
  handler: (ctx, { workspace_id, job_id }) =>
    timelineOf(ctx.db, { ...scopeOf(ctx.viewer, workspace_id), job_id }),
});

/** The tenant's nodes, by name. */
export const nodes = page({
  args: {},
  returns: v.array(nodeView),
  handler: async (ctx) => {
    const all = await nodesOf(ctx.db, ctx.viewer.tenant_id);
    return all.map(({ tenant_id, public_key, next_public_key, epoch, ...view }) => view);
  },
});
