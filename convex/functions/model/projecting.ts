/** Surface 3 in the store: projection updates, folded (docs/contracts/projection-update.md). */
import type { Doc, Id } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import type { Answer, Args, applyProjectionUpdates } from "../wire/operations";
import type { Refused, Scope, Update } from "../wire/types";
import { checkKey } from "./agents";
import { asFarAsRead, Lookup, REWRITTEN } from "./bounded";
import { Ledger, jobRow, type JobRow } from "./ledger";
import { AFTER_REFUSAL, fold, type Standing, type Verdict } from "./lifecycle";
import { nodeOf, projectionOfJob, submissionOf, textOf, type JobKey } from "./lookups";
import { Receipts } from "./receipts";
import { refused } from "./refusing";

type Application = Args<typeof applyProjectionUpdates>;

/** A submission of the node: where it stands, and its job's projection. */
interface Target {
  submission: Doc<"submissions">;
  row: JobRow;
}

/** Apply a node's updates, each submission's in order; of them all the first ones, as many as are read for. */
export async function apply(
  db: DatabaseWriter,
  application: Application,
): Promise<Answer<typeof applyProjectionUpdates>> {
  const { management_node_id, synthesize_running } = application;
  const node = await nodeOf(db, management_node_id);
  if (node !== null) checkKey(node, application.public_key);
  if (node?.state === "revoked") {
    return { verdicts: application.updates.map(() => refused("forbidden", "the node is revoked")) };
  }
  const targets = new Targets(db, management_node_id);
  const receipts = new Receipts(db, synthesize_running);
  const updates = await asFarAsRead(application.updates, (some) => [readFor(some, targets, receipts)]);
  const ledger = await Ledger.of(db, targets.scopes());
  const verdicts: Verdict[] = [];
  for (const [submissionId, indices] of bySubmission(updates)) {
    const its = indices.map((index) => updates[index] as Update);
    const target = targets.of(submissionId);
    const told = target ? await judged(target, its, receipts, ledger, application) : unknown(its);
    indices.forEach((index, at) => (verdicts[index] = told[at] as Verdict));
  }
  await ledger.write();
  return { verdicts };
}

async function readFor(updates: Update[], targets: Targets, receipts: Receipts): Promise<number> {
  const bytes = await targets.read(updates.map((update) => update.submission_id));
  const own = updates.filter((update) => targets.of(update.submission_id) !== undefined);
  return bytes + (await receipts.read(own));
}

/** The submissions that are one node's; those of one job share its projection. */
class Targets {
  private readonly nodeId: string;
  private readonly submissions: Lookup<string, Doc<"submissions">>;
  private readonly projections: Lookup<JobKey, Doc<"projections">>;
  private readonly targets = new Map<string, Target>();
  private readonly rows = new Map<Id<"projections">, JobRow>();

  constructor(db: DatabaseReader, nodeId: string) {
    this.nodeId = nodeId;
    this.submissions = new Lookup(
      (submissionId: string) => submissionId,
      (submissionId) => submissionOf(db, submissionId),
    );
    this.projections = new Lookup(
      (job) => textOf(job.tenant_id, job.workspace_id, job.job_id),
      (job) => projectionOfJob(db, job),
      REWRITTEN,
    );
  }

  /** Read these submissions and the projections of those that are the node's; return the bytes. */
  async read(submissionIds: string[]): Promise<number> {
    const bytes = await this.submissions.read(submissionIds);
    const found = new Set(submissionIds.map((submissionId) => this.submissions.get(submissionId)));
    const own = Array.from(found)
      .filter((of) => of !== null)
      .filter((of) => of.management_node_id === this.nodeId);
    const more = await this.projections.read(own);
    for (const submission of own) {
      const projection = this.projections.get(submission);
      if (projection === null) throw new Error(`no projection of job ${submission.job_id}`);
      const row = this.rows.get(projection._id) ?? jobRow(projection);
      this.rows.set(projection._id, row);
      this.targets.set(submission.submission_id, { submission, row });
    }
    return bytes + more;
  }

  of(submissionId: string): Target | undefined {
    return this.targets.get(submissionId);
  }

  scopes(): Scope[] {
    return Array.from(this.targets.values(), ({ submission }) => submission);
  }
}

/** Judge one submission's updates; behind the first that names another scope or job everything is a gap. */
async function judged(
  { submission, row }: Target,
  updates: Update[],
  receipts: Receipts,
  ledger: Ledger,
  application: Application,
): Promise<Verdict[]> {
  const contradictions = updates.map((update) => contradiction(submission, update));
  const first = contradictions.findIndex((found) => found !== undefined);
  const sound = updates.slice(0, first < 0 ? updates.length : first);
  const proposed = sound.map((update) => ({ ...update, attempt: update.attempt ?? submission.attempt }));
  const folded = await fold(
    standingOf(submission, row.fields),
    receipts.known(submission),
    proposed,
    application.synthesize_running,
  );
  for (const write of folded.writes) {
    receipts.wrote(write);
    ledger.advanced(row, write, application.received_at);
  }
  const rest = updates.slice(sound.length).map(() => AFTER_REFUSAL);
  const contradicted = contradictions[first];
  if (contradicted !== undefined && folded.verdicts.at(-1)?.verdict !== "refused") rest[0] = contradicted;
  return [...folded.verdicts, ...rest];
}

function contradiction(submission: Doc<"submissions">, update: Update): Refused | undefined {
  if (update.tenant_id !== submission.tenant_id || update.workspace_id !== submission.workspace_id) {
    return refused("forbidden", "tenant_id and workspace_id are not the submission's");
  }
  if (update.job_id !== submission.job_id) {
    return refused("projection_target_not_found", "the submission is another job's");
  }
  return undefined;
}

function unknown(updates: Update[]): Verdict[] {
  return updates.map((update, index) =>
    index === 0
      ? refused("projection_target_not_found", `this node has no submission ${update.submission_id}`)
      : AFTER_REFUSAL,
  );
}

function standingOf(submission: Doc<"submissions">, fields: JobRow["fields"]): Standing {
  const { attempt, closed_state } = submission;
  if (closed_state !== undefined && fields.submission_id !== submission.submission_id) {
    return { attempt, projection_state: closed_state, current: false };
  }
  return {
    attempt,
    projection_state: fields.projection_state,
    execution_state: fields.source_execution_state,
    execution_id: fields.execution_id,
    slurm_job_id: fields.scheduler_ref?.slurm_job_id,
    current: true,
  };
}

function bySubmission(updates: Update[]): Map<string, number[]> {
  const indices = new Map<string, number[]>();
  updates.forEach(({ submission_id }, index) => {
    const own = indices.get(submission_id);
    if (own === undefined) indices.set(submission_id, [index]);
    else own.push(index);
  });
  return indices;
}
