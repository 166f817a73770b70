/** The reads of the store (docs/contracts/reads.md), each bounded in what it looks at. */
import { getDocumentSize } from "convex/values";
import type { Doc, TableNames } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Answer, Args, listJobs } from "../wire/operations";
import type { Entry, Node, ProjectionState, Scope } from "../wire/types";
import { PROJECTION_RANK } from "./lifecycle";
import type { JobKey } from "./lookups";
import { entryRecord, given, nodeRecord, projectionRecord } from "./records";

/** What one page looks at, at most; a page that ends here tells where the next one goes on. */
const SCANNED_DOCUMENTS_MAX = 2_000;
const SCANNED_BYTES_MAX = 4 * 1024 * 1024;
/** What a list without pages tells, at most. A job has at most five changes an attempt: four hundred attempts of one. */
const ENTRIES_MAX = 2_000;
const NODES_MAX = 500;
const TOLD_BYTES_MAX = 8 * 1024 * 1024;

type Filter = Args<typeof listJobs>;
type Row = Doc<"projections">;

/** Return a page of a workspace's jobs, newest submission first, from `before` on. */
export async function jobs(db: DatabaseReader, filter: Filter): Promise<Answer<typeof listJobs>> {
  const since = filter.submitted_after ?? -Infinity;
  const until = filter.submitted_before ?? Infinity;
  const page: Row[] = [];
  let documents = 0;
  let bytes = 0;
  let last = filter.before;
  for await (const row of merged(stretches(db, filter))) {
    if (page.length >= filter.limit || documents >= SCANNED_DOCUMENTS_MAX || bytes >= SCANNED_BYTES_MAX) {
      return { projections: page.map(projectionRecord), ...given({ next: last }) };
    }
    documents += 1;
    bytes += getDocumentSize(row);
    last = row.submitted_change;
    if (row.submitted_at >= since && row.submitted_at < until) page.push(row);
  }
  return { projections: page.map(projectionRecord) };
}

/** Return the stretches of an index that hold the jobs asked for, each newest submission first. */
function stretches(db: DatabaseReader, filter: Filter): AsyncIterator<Row>[] {
  const { management_node_id } = filter;
  if (management_node_id === undefined && filter.states.length === 0) return [allJobs(db, filter, filter.before)];
  const every = Object.keys(PROJECTION_RANK) as ProjectionState[];
  const states = new Set(filter.states.length === 0 ? every : filter.states);
  return Array.from(states, (state) =>
    management_node_id === undefined
      ? jobsInState(db, filter, state, filter.before)
      : jobsOfNode(db, filter, management_node_id, state, filter.before),
  );
}

function allJobs(db: DatabaseReader, scope: Scope, before = Infinity): AsyncIterator<Row> {
  return db
    .query("projections")
    .withIndex("by_submission", (q) =>
      q.eq("tenant_id", scope.tenant_id).eq("workspace_id", scope.workspace_id).lt("submitted_change", before),
    )
    .order("desc")
    [Symbol.asyncIterator]();
}

function jobsInState(
  db: DatabaseReader,
  scope: Scope,
  state: ProjectionState,
  before = Infinity,
): AsyncIterator<Row> {
  return db
    .query("projections")
    .withIndex("by_state", (q) =>
      q
        .eq("tenant_id", scope.tenant_id)
        .eq("workspace_id", scope.workspace_id)
        .eq("projection_state", state)
        .lt("submitted_change", before),
    )
    .order("desc")
    [Symbol.asyncIterator]();
}

function jobsOfNode(
  db: DatabaseReader,
  scope: Scope,
  nodeId: string,
  state: ProjectionState,
  before = Infinity,
): AsyncIterator<Row> {
  return db
    .query("projections")
    .withIndex("by_node", (q) =>
      q
        .eq("tenant_id", scope.tenant_id)
        .eq("workspace_id", scope.workspace_id)
        .eq("management_node_id", nodeId)
        .eq("projection_state", state)
        .lt("submitted_change", before),
    )
    .order("desc")
    [Symbol.asyncIterator]();
}

/** Merge stretches that are each in order into one; reads one row ahead of each and no more. */
async function* merged(sources: AsyncIterator<Row>[]): AsyncGenerator<Row> {
  const heads = await Promise.all(sources.map(async (source) => ({ source, head: await source.next() })));
  try {
    for (;;) {
      const open = heads.flatMap((each) => (each.head.done === true ? [] : [{ each, row: each.head.value }]));
      const [first, ...others] = open;
      if (first === undefined) return;
      const newest = others.reduce((a, b) => (b.row.submitted_change > a.row.submitted_change ? b : a), first);
      yield newest.row;
      newest.each.head = await newest.each.source.next();
    }
  } finally {
    for (const { source } of heads) await source.return?.();
  }
}

/** Return a job's changes, oldest first; of more than two thousand, or than 8 MiB, the newest. */
export async function timelineOf(db: DatabaseReader, job: JobKey): Promise<Entry[]> {
  const newestFirst = db
    .query("timeline")
    .withIndex("by_job", (q) =>
      q.eq("tenant_id", job.tenant_id).eq("workspace_id", job.workspace_id).eq("job_id", job.job_id),
    )
    .order("desc");
  const rows = await theFirst(newestFirst, ENTRIES_MAX);
  return rows.reverse().map(entryRecord);
}

/** Return a tenant's nodes, by name; of more than five hundred, or than 8 MiB, the first. */
export async function nodesOf(db: DatabaseReader, tenantId: string): Promise<Node[]> {
  const byName = db.query("nodes").withIndex("by_tenant", (q) => q.eq("tenant_id", tenantId));
  return (await theFirst(byName, NODES_MAX)).map(nodeRecord);
}

/** Return the first rows, so many at most, and none after as many bytes as one call tells. */
async function theFirst<Each extends Doc<TableNames>>(rows: AsyncIterable<Each>, most: number): Promise<Each[]> {
  const first: Each[] = [];
  let bytes = 0;
  for await (const row of rows) {
    first.push(row);
    bytes += getDocumentSize(row);
    if (first.length >= most || bytes >= TOLD_BYTES_MAX) break;
  }
  return first;
}
