/** A product's cancel (docs/contracts/cancel-job-command.md). */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import type { Answer, Args, cancelJob } from "../wire/operations";
import { audit, jobRow, Ledger, type JobRow } from "./ledger";
import { commandOf, projectionOfJob, submissionOf } from "./lookups";
import { refused } from "./refusing";

type Request = Args<typeof cancelJob>;
type Answered = Answer<typeof cancelJob>;

/** Record a cancel: terminal at once when no journal has held the job's command, else a command to its node. */
export async function cancel(db: DatabaseWriter, request: Request): Promise<Answered> {
  const found = await projectionOfJob(db, request);
  if (found === null) return refused("job_not_found", `the workspace has no job ${request.job_id}`);
  if (request.submission_id !== undefined && request.submission_id !== found.submission_id) {
    return refused("submission_superseded", `the job's current submission is ${found.submission_id}`);
  }
  const before = await commandOf(db, request.command_id);
  if (before !== null && before.submission_id !== found.submission_id) return await recordedBefore(db, before, request);
  const row = jobRow(found);
  switch (found.projection_state) {
    case "queued":
    case "running":
      if (found.cancel_requested_at === undefined) await record(db, request, row);
      return recorded(row);
    case "cancelled":
      return recorded(row);
    case "succeeded":
    case "failed":
      return refused("job_terminal", `the job is ${found.projection_state}`);
  }
}

/** Answer a cancel that was delivered again after its job was submitted anew: that submission is not meant. */
async function recordedBefore(
  db: DatabaseReader,
  { submission_id, management_node_id }: Doc<"commands">,
  { requested_at }: Request,
): Promise<Answered> {
  const submission = await submissionOf(db, submission_id);
  const projection_state = submission?.closed_state ?? "cancelled";
  return { verdict: "recorded", submission_id, projection_state, requested_at, management_node_id };
}

function recorded({ fields }: JobRow): Answered {
  const { submission_id, projection_state, cancel_requested_at, updated_at, management_node_id } = fields;
  const requested_at = cancel_requested_at ?? updated_at;
  return { verdict: "recorded", submission_id, projection_state, requested_at, management_node_id };
}

async function record(db: DatabaseWriter, request: Request, row: JobRow): Promise<void> {
  const { fields } = row;
  const { submission_id, management_node_id, tenant_id } = fields;
  const at = request.requested_at;
  const moment = { occurred_at: at, recorded_at: at, trace_id: request.trace_id };
  const ledger = await Ledger.of(db, [fields]);
  const command = { command_id: request.command_id, management_node_id, submission_id, kind: "cancel" as const };
  fields.cancel_requested_at = at;
  if (fields.source_execution_state !== undefined || (await wasAcked(db, submission_id))) {
    await db.insert("commands", { ...command, state: "pending" });
    await ledger.told(row, "cancel_requested", moment);
  } else {
    fields.projection_state = "cancelled";
    await ledger.told(row, "cancelled", moment);
    ledger.closed(row, at);
    await db.insert("commands", { ...command, state: "dropped" }); // for nobody: by it a repeat is known
  }
  await ledger.write();
  const actor = request.requested_by;
  await audit(db, { recorded_at: at, tenant_id, actor, action: "cancel_job", subject: submission_id });
}

/** Tell whether a journal has held the submit command, be it one that was lost since. */
async function wasAcked(db: DatabaseReader, submissionId: string): Promise<boolean> {
  const oldest = await db
    .query("commands")
    .withIndex("by_submission_id", (q) => q.eq("submission_id", submissionId))
    .first();
  return oldest?.kind === "submit" && oldest.journal_id !== undefined;
}
