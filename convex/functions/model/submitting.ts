/** Surface 1 in the store: what a submit is judged by, and its commit (docs/contracts/submit-job-command.md). */
import type { Infer } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import type {
  Answer,
  Args,
  createSubmissions,
  newSubmission,
  submissionContexts,
  submitVerdict,
} from "../wire/operations";
import type { Scope, Submission } from "../wire/types";
import { asFarAsRead, Lookup, REWRITTEN } from "./bounded";
import { Ledger, jobRow, type JobRow } from "./ledger";
import { isTerminal } from "./lifecycle";
import { nodeOf, projectionOfJob, submissionUnderKey, textOf, type JobKey } from "./lookups";
import { given, nodeRecord, submissionRecord } from "./records";
import { refused } from "./refusing";

type NewSubmission = Infer<typeof newSubmission>;
type Verdict = Infer<typeof submitVerdict>;
type Key = Scope & Pick<Submission, "idempotency_key">;
type NodeNamed = Pick<Submission, "management_node_id">;
type Nodes = Lookup<NodeNamed, Doc<"nodes">>;

function keyText(key: Key): string {
  return textOf(key.tenant_id, key.workspace_id, key.idempotency_key);
}

function jobText(job: JobKey): string {
  return textOf(job.tenant_id, job.workspace_id, job.job_id);
}

function nodesBy(db: DatabaseReader): Nodes {
  return new Lookup(
    (of) => of.management_node_id,
    (of) => nodeOf(db, of.management_node_id),
  );
}

/** Tell what stands before each submit, the record under its key; and once each their nodes, of the submit's tenant. */
export async function contextsOf(
  db: DatabaseReader,
  { keys }: Args<typeof submissionContexts>,
): Promise<Answer<typeof submissionContexts>> {
  const records = new Lookup(keyText, (key) => submissionUnderKey(db, key));
  const nodes = nodesBy(db);
  const told = await asFarAsRead(keys, (some) => [records.read(some), nodes.read(some)]);
  const contexts = told.map((key) => {
    const existing = records.get(key);
    return given({ existing: existing ? submissionRecord(existing) : undefined });
  });
  const tenants = new Set(told.map((key) => key.tenant_id));
  const known = Array.from(nodes.found.values()).filter((node) => node !== null && tenants.has(node.tenant_id));
  return { contexts, nodes: known.map((node) => nodeRecord(node as Doc<"nodes">)) };
}

/** Commit submissions in order, each judged against what those before it left; as many of the first as are read for. */
export async function create(
  db: DatabaseWriter,
  { submissions }: Args<typeof createSubmissions>,
): Promise<Answer<typeof createSubmissions>> {
  const records = new Lookup(keyText, (key) => submissionUnderKey(db, key));
  const jobs = new Lookup(jobText, (job) => projectionOfJob(db, job), REWRITTEN);
  const nodes = nodesBy(db);
  const judged = await asFarAsRead(submissions, (some) => [records.read(some), jobs.read(some), nodes.read(some)]);
  const acceptance = new Acceptance(db, {
    ledger: await Ledger.of(db, judged),
    records: there(records.found, submissionRecord),
    jobs: there(jobs.found, jobRow),
    nodes,
  });
  const verdicts: Verdict[] = [];
  for (const submission of judged) verdicts.push(await acceptance.verdict(submission));
  await acceptance.write();
  return { verdicts };
}

/** What submissions are judged against, and what they leave to the ones after them. */
interface Standing {
  ledger: Ledger;
  records: Map<string, Submission>;
  jobs: Map<string, JobRow>;
  nodes: Nodes;
}

class Acceptance {
  private readonly db: DatabaseWriter;
  private readonly standing: Standing;
  private readonly accepted: NewSubmission[] = [];

  constructor(db: DatabaseWriter, standing: Standing) {
    this.db = db;
    this.standing = standing;
  }

  /**
   * Judge one submission, and note what is to be written when it is created.
   *
   * The key decides first: a replay of an accepted job never turns into a refusal by job, node or quota.
   */
  async verdict(submission: NewSubmission): Promise<Verdict> {
    const { records, jobs, ledger } = this.standing;
    const existing = records.get(keyText(submission));
    if (existing !== undefined) {
      if (existing.intent_sha256 === submission.intent_sha256) return { verdict: "replayed", record: existing };
      return refused("idempotency_conflict", "the idempotency_key was used for another intent");
    }
    const job = jobs.get(jobText(submission));
    if (job !== undefined && !isTerminal(job.fields.projection_state)) {
      return refused("job_active", `job ${submission.job_id} has an open submission under another key`);
    }
    if (!this.letsIn(submission)) return { verdict: "stale_policy" };
    const opened = ledger.openSubmissions(submission);
    const most = submission.max_open_submissions;
    if (opened >= most) {
      return refused("quota_exceeded", `the workspace has ${opened} open submissions and may have ${most}`);
    }
    return { verdict: "created", record: await this.accept(submission, job) };
  }

  /** Write what was created; commands in order, which is the order they are leased in. */
  async write(): Promise<void> {
    for (const submission of this.accepted) {
      const { submission_id, command_id, management_node_id, command, traceparent } = submission;
      const record = this.standing.records.get(keyText(submission));
      if (record === undefined) throw new Error("an accepted submission has a record");
      await this.db.insert("submissions", record);
      await this.db.insert("intents", { submission_id, command, ...given({ traceparent }) });
      await this.db.insert("commands", {
        command_id,
        management_node_id,
        submission_id,
        kind: "submit",
        state: "pending",
      });
    }
    await this.standing.ledger.write();
  }

  private letsIn(submission: NewSubmission): boolean {
    const { tenant_id, policy_version } = submission;
    const node = this.standing.nodes.get(submission);
    return node?.tenant_id === tenant_id && node.state === "active" && node.policy_version === policy_version;
  }

  private async accept(submission: NewSubmission, former: JobRow | undefined): Promise<Submission> {
    const { command_id, traceparent, command, policy_version, max_open_submissions, ...named } = submission;
    const { records, jobs, ledger } = this.standing;
    const record = { ...named, attempt: (former?.fields.attempt ?? 0) + 1 };
    const row: JobRow = { ...given({ _id: former?._id }), fields: queued(record) };
    await ledger.submitted(row);
    records.set(keyText(record), record);
    jobs.set(jobText(record), row);
    this.accepted.push(submission);
    return record;
  }
}

/** Return the projection a submission starts with. */
function queued(record: Submission): JobRow["fields"] {
  const { idempotency_key, intent_sha256, accepted_at, ...of } = record;
  return {
    ...of,
    projection_state: "queued",
    submitted_at: accepted_at,
    updated_at: accepted_at,
    change: 0,
    submitted_change: 0,
  };
}

/** Return what is there, read as what it is here. */
function there<From, To>(docs: Map<string, From | null>, read: (doc: From) => To): Map<string, To> {
  return new Map(Array.from(docs).flatMap(([key, doc]) => (doc === null ? [] : [[key, read(doc)] as const])));
}
