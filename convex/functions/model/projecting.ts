/** Surface 3 in the store: projection updates, folded (docs/contracts/projection-update.md). */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseWriter } from "../_generated/server";
import type { Answer, Args, applyProjectionUpdates } from "../wire/operations";
import type { Refused, Update } from "../wire/types";
import { checkKey } from "./agents";
import { Ledger, jobRow, type JobRow } from "./ledger";
import { AFTER_REFUSAL, fold, type Standing, type Verdict } from "./lifecycle";
import { each, nodeOf, projectionOfJob, submissionOf, textOf } from "./lookups";
import { Receipts } from "./receipts";
import { refused } from "./refusing";

type Application = Args<typeof applyProjectionUpdates>;

/** A submission of the node: where it stands, and its job's projection. */
interface Target {
  submission: Doc<"submissions">;
  row: JobRow;
}

/** Apply a node's updates, each submission's in order, and all that is legal in this one transaction. */
export async function apply(
  db: DatabaseWriter,
  application: Application,
): Promise<Answer<typeof applyProjectionUpdates>> {
  const { updates, management_node_id } = application;
  const node = await nodeOf(db, management_node_id);
  if (node !== null) checkKey(node, application.public_key);
  if (node?.state === "revoked") {
    return { verdicts: updates.map(() => refused("forbidden", "the node is revoked")) };
  }
  const targets = await targetsOf(db, management_node_id, updates);
  const own = updates.filter((update) => targets.has(update.submission_id));
  const receipts = await Receipts.of(db, own, application.synthesize_running);
  const ledger = await Ledger.of(db, Array.from(targets.values(), (target) => target.row.fields));
  const verdicts: Verdict[] = [];
  for (const [submissionId, indices] of bySubmission(updates)) {
    const its = indices.map((index) => updates[index] as Update);
    const target = targets.get(submissionId);
    const told = target ? await judged(target, its, receipts, ledger, application) : unknown(its);
    indices.forEach((index, at) => (verdicts[index] = told[at] as Verdict));
  }
  await ledger.write();
  return { verdicts };
}

/** Find the submissions that are this node's; those of one job share its projection. */
async function targetsOf(db: DatabaseWriter, nodeId: string, updates: Update[]): Promise<Map<string, Target>> {
  const idOf = (update: Update) => update.submission_id;
  const found = await each(updates, idOf, (update) => submissionOf(db, idOf(update)));
  const submissions = Array.from(found.values())
    .filter((of) => of !== null)
    .filter((of) => of.management_node_id === nodeId);
  const jobText = (of: Doc<"submissions">) => textOf(of.tenant_id, of.workspace_id, of.job_id);
  const rows = await each(submissions, jobText, async (of) => {
    const projection = await projectionOfJob(db, of);
    if (projection === null) throw new Error(`no projection of job ${of.job_id}`);
    return jobRow(projection);
  });
  return new Map(
    submissions.map((submission) => {
      const row = rows.get(jobText(submission)) as JobRow;
      return [submission.submission_id, { submission, row }];
    }),
  );
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
