/** What the product's own pages subscribe to: jobs, timelines and nodes of the signed-in user's tenant. */
import { paginationOptsValidator, paginationResultValidator } from "convex/server";
import { v, type Infer } from "convex/values";
import { customCtx, customQuery } from "convex-helpers/server/customFunctions";
import type { Doc } from "./_generated/dataModel";
import { query, type DatabaseReader } from "./_generated/server";
import { plainWords, queuedSeconds, runningSeconds } from "./model/enrichment";
import { isTerminal } from "./model/lifecycle";
import { each, nodeOf, projectionOfJob } from "./model/lookups";
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

/**
 * A job as a page shows it. No query here looks at a clock: the seconds are there once they no longer grow, and what
 * time alone changes is worked out on the page, from `node_last_seen_at` and the times (`asOf`, model/enrichment.ts).
 */
const jobView = projection.extend({
  display_message: v.string(),
  queued_seconds: v.optional(v.number()),
  running_seconds: v.optional(v.number()),
  node_last_seen_at: v.optional(v.number()),
});
/** A node as a page shows it: no keys, and nothing that only its agent needs. */
const nodeView = node.omit("tenant_id", "public_key", "next_public_key", "epoch");
/** Most jobs in one page, whatever was asked for. */
const PAGE_MAX = 200;
/** Their bytes; the nodes of two hundred jobs may be 12 MiB beside them, and a query reads 16. */
const PAGE_BYTES_MAX = 2 * 1024 * 1024;

/**
 * Return rows as a page shows them.
 *
 * A node is read for jobs that have not ended: of the others nothing can be stale any more, and a page of them is not
 * run again at each heartbeat.
 */
async function viewed(db: DatabaseReader, rows: Doc<"projections">[]): Promise<Infer<typeof jobView>[]> {
  const open = rows.filter((row) => !isTerminal(row.projection_state)).map((row) => row.management_node_id);
  const nodes = await each(open, String, (nodeId) => nodeOf(db, nodeId));
  return rows.map((row) => ({
    ...projectionRecord(row),
    display_message: row.display_message ?? wordsOf(row),
    ...given({
      queued_seconds: queuedSeconds(row),
      running_seconds: runningSeconds(row),
      node_last_seen_at: isTerminal(row.projection_state) ? undefined : nodes.get(row.management_node_id)?.last_seen_at,
    }),
  }));
}

function wordsOf(row: Doc<"projections">): string {
  return plainWords({
    state: row.projection_state,
    source_execution_state: row.source_execution_state,
    failure_code: row.failure?.code,
    cancel_requested: row.cancel_requested_at !== undefined,
  });
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
    const { numItems, cursor, endCursor } = paginationOpts;
    const result = await ofWorkspace.order("desc").paginate({
      ...{ numItems: Math.min(numItems, PAGE_MAX), cursor },
      ...(endCursor ? { endCursor } : { maximumBytesRead: PAGE_BYTES_MAX }),
    });
    // Up to an end of its own, or of its first run, Convex reads all there is, whatever bounds it is given. What is more
    // than a page is not told: usePaginatedQuery splits such a page, and shows the parts.
    if (result.page.length > PAGE_MAX) return { ...result, page: [], pageStatus: "SplitRequired" as const };
    return { ...result, page: await viewed(ctx.db, result.page) };
  },
});

/** One job, or null where the workspace has none of that id. */
export const job = page({
  args: { workspace_id: v.string(), job_id: v.string() },
  returns: v.union(jobView, v.null()),
  handler: async (ctx, { workspace_id, job_id }) => {
    const row = await projectionOfJob(ctx.db, { ...scopeOf(ctx.viewer, workspace_id), job_id });
    return row === null ? null : ((await viewed(ctx.db, [row]))[0] ?? null);
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
