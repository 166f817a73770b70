/** What lies in a deployment that is being filled, counted a bounded stretch at a time. */
import { getDocumentSize } from "convex/values";
import type { Doc, TableNames } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Answer, Args, tallyImport } from "../wire/operations";
import { openImport } from "./importing";
import { textOf } from "./lookups";
import { given } from "./records";

/** What one call looks at, at most. */
const SCANNED_DOCUMENTS_MAX = 4_000;
const SCANNED_BYTES_MAX = 4 * 1024 * 1024;

type Countable = Args<typeof tallyImport>["kind"];
type Workspace = Omit<Doc<"workspaces">, "_id" | "_creationTime">;
type Counted = Doc<TableNames>;

const TABLES = {
  node: "nodes",
  agent_start: "agentStarts",
  join_token: "joinTokens",
  submission: "submissions",
  intent: "intents",
  command: "commands",
  projection: "projections",
  entry: "timeline",
  workspace: "workspaces",
  deed: "audit",
} as const satisfies Record<Countable, TableNames>;

/** Count a kind's documents after `after`, with what each workspace has of them; `next` tells where to go on. */
export async function tally(
  db: DatabaseReader,
  { import_id, kind, after }: Args<typeof tallyImport>,
): Promise<Answer<typeof tallyImport>> {
  const standing = await openImport(db, import_id);
  if ("verdict" in standing) return standing;
  const workspaces = new Map<string, Workspace>();
  let count = 0;
  let bytes = 0;
  let next: number | undefined;
  for await (const row of rowsOf(db, TABLES[kind], after)) {
    count += 1;
    bytes += getDocumentSize(row);
    add(workspaces, kind, row);
    if (count < SCANNED_DOCUMENTS_MAX && bytes < SCANNED_BYTES_MAX) continue;
    next = row._creationTime;
    break;
  }
  return { verdict: "counted", count, workspaces: Array.from(workspaces.values()), ...given({ next }) };
}

/** Rows in the order they were written, which creation times tell apart. */
function rowsOf(db: DatabaseReader, table: (typeof TABLES)[Countable], after = -Infinity): AsyncIterable<Counted> {
  return db.query(table).withIndex("by_creation_time", (q) => q.gt("_creationTime", after));
}

function add(workspaces: Map<string, Workspace>, kind: Countable, row: Counted): void {
  const of = shareOf(kind, row);
  if (of === undefined) return;
  const name = textOf(of.tenant_id, of.workspace_id);
  const former = workspaces.get(name) ?? { ...of, change: 0, open_submissions: 0 };
  const change = Math.max(former.change, of.change);
  workspaces.set(name, { ...former, change, open_submissions: former.open_submissions + of.open_submissions });
}

/** Return what a row adds to its workspace: an open submission, its last change, or what the workspace says itself. */
function shareOf(kind: Countable, row: Counted): Workspace | undefined {
  switch (kind) {
    case "submission": {
      const { tenant_id, workspace_id, closed_state } = row as Doc<"submissions">;
      return { tenant_id, workspace_id, change: 0, open_submissions: closed_state === undefined ? 1 : 0 };
    }
    case "entry": {
      const { tenant_id, workspace_id, change } = row as Doc<"timeline">;
      return { tenant_id, workspace_id, change, open_submissions: 0 };
    }
    case "workspace": {
      const { tenant_id, workspace_id, change, open_submissions } = row as Doc<"workspaces">;
      return { tenant_id, workspace_id, change, open_submissions };
    }
    default:
      return undefined;
  }
}
