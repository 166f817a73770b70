/** What is looked up by its key: each one document by one index. */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Scope, Submission } from "../wire/types";

export async function nodeOf(db: DatabaseReader, nodeId: string): Promise<Doc<"nodes"> | null> {
  return await db
    .query("nodes")
    .withIndex("by_node_id", (q) => q.eq("management_node_id", nodeId))
    .unique();
}

export async function submissionOf(db: DatabaseReader, submissionId: string): Promise<Doc<"submissions"> | null> {
  return await db
    .query("submissions")
    .withIndex("by_submission_id", (q) => q.eq("submission_id", submissionId))
    .unique();
}

export async function submissionUnderKey(
  db: DatabaseReader,
  key: Pick<Submission, "tenant_id" | "workspace_id" | "idempotency_key">,
): Promise<Doc<"submissions"> | null> {
  return await db
    .query("submissions")
    .withIndex("by_key", (q) =>
      q
        .eq("tenant_id", key.tenant_id)
        .eq("workspace_id", key.workspace_id)
        .eq("idempotency_key", key.idempotency_key),
    )
    .unique();
}

export async function intentOf(db: DatabaseReader, submissionId: string): Promise<Doc<"intents"> | null> {
  return await db
    .query("intents")
    .withIndex("by_submission_id", (q) => q.eq("submission_id", submissionId))
    .unique();
}

export async function commandOf(db: DatabaseReader, commandId: string): Promise<Doc<"commands"> | null> {
  return await db
    .query("commands")
    .withIndex("by_command_id", (q) => q.eq("command_id", commandId))
    .unique();
}

/** Which job of whose. */
export interface JobKey extends Scope {
  job_id: string;
}

export async function projectionOfJob(db: DatabaseReader, job: JobKey): Promise<Doc<"projections"> | null> {
  return await db
    .query("projections")
    .withIndex("by_job", (q) =>
      q.eq("tenant_id", job.tenant_id).eq("workspace_id", job.workspace_id).eq("job_id", job.job_id),
    )
    .unique();
}

export async function receiptRow(
  db: DatabaseReader,
  scope: Scope,
  projectionEventId: string,
): Promise<Doc<"timeline"> | null> {
  return await db
    .query("timeline")
    .withIndex("by_receipt", (q) =>
      q
        .eq("tenant_id", scope.tenant_id)
        .eq("workspace_id", scope.workspace_id)
        .eq("projection_event_id", projectionEventId)
        .eq("kind", "event"),
    )
    .unique();
}

export async function workspaceOf(db: DatabaseReader, scope: Scope): Promise<Doc<"workspaces"> | null> {
  return await db
    .query("workspaces")
    .withIndex("by_workspace", (q) => q.eq("tenant_id", scope.tenant_id).eq("workspace_id", scope.workspace_id))
    .unique();
}

/** Look each distinct key up once, all together; a key is told apart by its text. */
export async function each<Key, Found>(
  keys: Iterable<Key>,
  text: (key: Key) => string,
  find: (key: Key) => Promise<Found>,
): Promise<Map<string, Found>> {
  const distinct = new Map(Array.from(keys, (key) => [text(key), key]));
  return new Map(await Promise.all(Array.from(distinct, async ([name, key]) => [name, await find(key)] as const)));
}

/** Return several names as one text; no two lists of names have the same. */
export function textOf(...names: string[]): string {
  return JSON.stringify(names);
}
