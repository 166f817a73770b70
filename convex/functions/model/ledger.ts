/**
 * The ledger: the changes of jobs in one transaction.
 *
 * Every change of a job is a timeline row, a projection, and one step of its workspace's change counter, together. The
 * counter is read and written in the transaction, so the order of commits is the order of the counter.
 */
import type { WithoutSystemFields } from "convex/server";
import type { Doc, Id } from "../_generated/dataModel";
import type { DatabaseWriter } from "../_generated/server";
import type { ChangeKind, Scope } from "../wire/types";
import { projectionEventIdFor } from "./ids";
import { isTerminal, type Proposed } from "./lifecycle";
import { submissionOf, textOf, workspaceOf } from "./lookups";
import { given } from "./records";

/** A submission has its submit command and at most one cancel. */
const COMMANDS_OF_SUBMISSION_MAX = 2;

/** A job's projection, changed in place and then written; without an id it is new. */
export interface JobRow {
  _id?: Id<"projections">;
  fields: WithoutSystemFields<Doc<"projections">>;
}

export function jobRow({ _id, _creationTime, ...fields }: Doc<"projections">): JobRow {
  return { _id, fields };
}

/** When a change was, and in which trace. */
export interface Moment {
  occurred_at: number;
  recorded_at: number;
  trace_id: string;
}

interface Workspace extends Scope {
  _id?: Id<"workspaces">;
  change: number;
  open_submissions: number;
  changed: boolean;
}

/** Collects the changes of one transaction and writes each document once. */
export class Ledger {
  private readonly db: DatabaseWriter;
  private readonly workspaces = new Map<string, Workspace>();
  private readonly rows = new Set<JobRow>();
  private readonly entries: WithoutSystemFields<Doc<"timeline">>[] = [];
  private readonly closing: JobRow["fields"][] = [];

  private constructor(db: DatabaseWriter) {
    this.db = db;
  }

  /** Open the ledger for these workspaces; no other one can be changed by it. */
  static async of(db: DatabaseWriter, scopes: Iterable<Scope>): Promise<Ledger> {
    const ledger = new Ledger(db);
    const distinct = new Map(Array.from(scopes, (scope) => [nameOf(scope), scope]));
    await Promise.all(Array.from(distinct.values(), (scope) => ledger.load(scope)));
    return ledger;
  }

  /** Return how many submissions of the workspace are open. */
  openSubmissions(scope: Scope): number {
    return this.workspace(scope).open_submissions;
  }

  /** Open a submission with its first projection. */
  async submitted(row: JobRow): Promise<void> {
    const { fields } = row;
    this.workspace(fields).open_submissions += 1;
    await this.told(row, "submitted", {
      occurred_at: fields.submitted_at,
      recorded_at: fields.submitted_at,
      trace_id: fields.trace_id,
    });
    fields.submitted_change = fields.change;
  }

  /** Note a change that no event brought, as `row` now stands, under the workspace's next number. */
  async told(row: JobRow, kind: ChangeKind, moment: Moment): Promise<void> {
    const { fields } = row;
    this.number(row, moment.recorded_at);
    this.entries.push({
      ...whatStands(fields),
      kind,
      projection_event_id: await projectionEventIdFor(kind, fields.submission_id),
      projection_state: fields.projection_state,
      ...given({ failure: fields.failure, display_message: fields.display_message }),
      synthesized: false,
      ...moment,
    });
  }

  /** Move `row` as `update` says and note it; a terminal state closes the submission. */
  advanced(row: JobRow, update: Proposed, recordedAt: number): void {
    const { occurred_at, projection_state, source_execution_state, trace_id } = update;
    const { execution_id, scheduler_ref, result_ref, failure, display_message } = update;
    const { result_ref: _result, failure: _failure, display_message: _message, ...kept } = row.fields;
    row.fields = {
      ...kept,
      projection_state,
      source_execution_state,
      ...given({ execution_id, scheduler_ref, result_ref, failure, display_message }),
      ...(projection_state === "running" ? { started_at: occurred_at } : {}),
    };
    this.number(row, recordedAt);
    this.entries.push({
      ...whatStands(row.fields),
      kind: "event",
      projection_event_id: update.projection_event_id,
      projection_state,
      source_execution_state,
      ...given({ execution_id, scheduler_ref, result_ref, failure, display_message }),
      synthesized: update.synthesized ?? false,
      occurred_at,
      recorded_at: recordedAt,
      trace_id,
    });
    if (isTerminal(projection_state)) this.closed(row, occurred_at);
  }

  /** Close the submission of `row`, which stands in a terminal state. */
  closed(row: JobRow, endedAt: number): void {
    row.fields.ended_at = endedAt;
    this.workspace(row.fields).open_submissions -= 1;
    this.closing.push(row.fields);
  }

  /** Write all that was collected. */
  async write(): Promise<void> {
    await Promise.all([
      ...Array.from(this.rows, (row) => this.save(row)),
      ...this.entries.map((entry) => this.db.insert("timeline", entry)),
      ...this.closing.map((fields) => this.close(fields)),
      ...Array.from(this.workspaces.values(), (workspace) => this.count(workspace)),
    ]);
  }

  private async load({ tenant_id, workspace_id }: Scope): Promise<void> {
    const scope = { tenant_id, workspace_id };
    const found = await workspaceOf(this.db, scope);
    const { _id, change, open_submissions } = found ?? { change: 0, open_submissions: 0 };
    this.workspaces.set(nameOf(scope), { ...scope, ...given({ _id }), change, open_submissions, changed: false });
  }

  private workspace(scope: Scope): Workspace {
    const workspace = this.workspaces.get(nameOf(scope));
    if (workspace === undefined) throw new Error("the ledger was not opened for this workspace");
    return workspace;
  }

  private number(row: JobRow, recordedAt: number): void {
    const workspace = this.workspace(row.fields);
    workspace.changed = true;
    workspace.change += 1;
    row.fields.change = workspace.change;
    row.fields.updated_at = recordedAt;
    this.rows.add(row);
  }

  private async save({ _id, fields }: JobRow): Promise<void> {
    if (_id === undefined) await this.db.insert("projections", fields);
    else await this.db.replace("projections", _id, fields);
  }

  private async count({ _id, changed, ...fields }: Workspace): Promise<void> {
    if (!changed) return;
    if (_id === undefined) await this.db.insert("workspaces", fields);
    else await this.db.replace("workspaces", _id, fields);
  }

  /** What the node holds is done; what it never acked is withdrawn, and its late ack is told so. */
  private async close({ submission_id, projection_state }: JobRow["fields"]): Promise<void> {
    const submission = await submissionOf(this.db, submission_id);
    if (submission === null) throw new Error(`no submission ${submission_id}`);
    await this.db.patch("submissions", submission._id, { closed_state: projection_state });
    const commands = await this.db
      .query("commands")
      .withIndex("by_submission_id", (q) => q.eq("submission_id", submission_id))
      .take(COMMANDS_OF_SUBMISSION_MAX);
    for (const { _id, state } of commands) {
      if (state === "done" || state === "dropped") continue;
      await this.db.patch("commands", _id, { state: state === "acked" ? "done" : "dropped" });
    }
  }
}

function nameOf({ tenant_id, workspace_id }: Scope): string {
  return textOf(tenant_id, workspace_id);
}

function whatStands(fields: JobRow["fields"]) {
  const { tenant_id, workspace_id, job_id, submission_id, attempt, change } = fields;
  return { tenant_id, workspace_id, job_id, submission_id, attempt, change };
}

/** Who did what to what, for the audit. */
export interface Deed {
  recorded_at: number;
  tenant_id: string;
  actor: string;
  action: string;
  subject: string;
}

/** Note a deed in the audit. */
export async function audit(db: DatabaseWriter, deed: Deed): Promise<void> {
  await db.insert("audit", deed);
}
