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
import { Ledger, jobRow, type JobRow } from "./ledger";
import { isTerminal } from "./lifecycle";
import { each, nodeOf, projectionOfJob, submissionUnderKey, textOf, type JobKey } from "./lookups";
import { given, nodeRecord, submissionRecord } from "./records";
import { refused } from "./refusing";

type NewSubmission = Infer<typeof newSubmission>;
type Verdict = Infer<typeof submitVerdict>;
type Key = Scope & Pick<Submission, "idempotency_key">;

function keyText(key: Key): string {
  return textOf(key.tenant_id, key.workspace_id, key.idempotency_key);
}

function jobText(job: JobKey): string {
  return textOf(job.tenant_id, job.workspace_id, job.job_id);
}

/** Tell what stands before each submit, the record under its key; and once each the nodes, of these tenants. */
export async function contextsOf(
  db: DatabaseReader,
  { keys }: Args<typeof submissionContexts>,
): Promise<Answer<typeof submissionContexts>> {
  const [records, nodes] = await Promise.all([
    each(keys, keyText, (key) => submissionUnderKey(db, key)),
    each(keys, (key) => key.management_node_id, (key) => nodeOf(db, key.management_node_id)),
  ]);
  const tenants = new Set(keys.map((key) => key.tenant_id));
  const contexts = keys.map((key) => {
    const existing = records.get(keyText(key));
    return given({ existing: existing ? submissionRecord(existing) : undefined });
  });
  const known = Array.from(nodes.values()).filter((node) => node !== null && tenants.has(node.tenant_id));
  return { contexts, nodes: known.map((node) => nodeRecord(node as Doc<"nodes">)) };
}

/** Commit submissions in order, each judged against what the ones before it left. */
export async function create(
  db: DatabaseWriter,
  { submissions }: Args<typeof createSubmissions>,
): Promise<Answer<typeof createSubmissions>> {
  const acceptance = await Acceptance.of(db, submissions);
  const verdicts: Verdict[] = [];
  for (const submission of submissions) verdicts.push(await acceptance.verdict(submission));
  await acceptance.write();
  return { verdicts };
}

class Acceptance {
  private readonly accepted: NewSubmission[] = [];
  private readonly db: DatabaseWriter;
  private readonly ledger: Ledger;
  private readonly records: Map<string, Submission>;
  private readonly jobs: Map<string, JobRow>;
  private readonly nodes: Map<string, Doc<"nodes"> | null>;

  private constructor(
    db: DatabaseWriter,
    ledger: Ledger,
    records: Map<string, Submission>,
    jobs: Map<string, JobRow>,
    nodes: Map<string, Doc<"nodes"> | null>,
  ) {
    this.db = db;
    this.ledger = ledger;
    this.records = records;
    this.jobs = jobs;
    this.nodes = nodes;
  }

  static async of(db: DatabaseWriter, news: NewSubmission[]): Promise<Acceptance> {
    const [ledger, records, jobs, nodes] = await Promise.all([
      Ledger.of(db, news),
      each(news, keyText, (key) => submissionUnderKey(db, key)),
      each(news, jobText, (job) => projectionOfJob(db, job)),
      each(news, (of) => of.management_node_id, (of) => nodeOf(db, of.management_node_id)),
    ]);
    return new Acceptance(db, ledger, found(records, submissionRecord), found(jobs, jobRow), nodes);
  }

  /**
   * Judge one submission, and note what is to be written when it is created.
   *
   * The key decides first: a replay of an accepted job never turns into a refusal by job, node or quota.
   */
  async verdict(submission: NewSubmission): Promise<Verdict> {
    const existing = this.records.get(keyText(submission));
    if (existing !== undefined) {
      if (existing.intent_sha256 === submission.intent_sha256) return { verdict: "replayed", record: existing };
      return refused("idempotency_conflict", "the idempotency_key was used for another intent");
    }
    const job = this.jobs.get(jobText(submission));
    if (job !== undefined && !isTerminal(job.fields.projection_state)) {
      return refused("job_active", `job ${submission.job_id} has an open submission under another key`);
    }
    if (!this.letsIn(submission)) return { verdict: "stale_policy" };
    const opened = this.ledger.openSubmissions(submission);
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
      const record = this.records.get(keyText(submission));
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
    await this.ledger.write();
  }

  private letsIn({ management_node_id, tenant_id, policy_version }: NewSubmission): boolean {
    const node = this.nodes.get(management_node_id);
    return node?.tenant_id === tenant_id && node.state === "active" && node.policy_version === policy_version;
  }

  private async accept(submission: NewSubmission, former: JobRow | undefined): Promise<Submission> {
    const { command_id, traceparent, command, policy_version, max_open_submissions, ...named } = submission;
    const record = { ...named, attempt: (former?.fields.attempt ?? 0) + 1 };
    const row: JobRow = { ...given({ _id: former?._id }), fields: queued(record) };
    await this.ledger.submitted(row);
    this.records.set(keyText(record), record);
    this.jobs.set(jobText(record), row);
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

function found<From, To>(docs: Map<string, From | null>, read: (doc: From) => To): Map<string, To> {
  return new Map(Array.from(docs).flatMap(([key, doc]) => (doc === null ? [] : [[key, read(doc)] as const])));
}
