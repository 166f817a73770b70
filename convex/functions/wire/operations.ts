/** What each operation of the gateway's wire takes and answers. */
import { v, type Infer, type ObjectType, type PropertyValidators, type Validator } from "convex/values";
import { record, workspace } from "./stored";
import {
  commandKind,
  entry,
  node,
  nodeState,
  projection,
  projectionState,
  refused,
  scope,
  submission,
  update,
} from "./types";

/** Most submissions or keys in one call. */
export const SUBMISSIONS_MAX = 500;
/** Most updates in one call. */
export const UPDATES_MAX = 200;
/** Most commands leased or acked in one call. */
export const COMMANDS_MAX = 100;
/** Most records of another store in one call; a submission is two documents. */
export const RECORDS_MAX = 1_000;

const nothing = v.object({});
/** The node's key that the gateway verified the request against, where it holds the node in memory. */
const verifiedKey = { public_key: v.optional(v.string()) };
const agent = { management_node_id: v.string(), epoch: v.number(), journal_id: v.string() };

// The three operations that take a list answer in its order for the first of it, at least one, and for all but where
// that is more than one transaction reads (model/bounded.ts): the gateway asks again for the rest.

export const submissionContexts = {
  args: { keys: v.array(v.object({ ...scope, idempotency_key: v.string(), management_node_id: v.string() })) },
  // Each node once: it has up to 64 KiB of policy and health, and a function answers with 16 MiB at most.
  returns: v.object({
    contexts: v.array(v.object({ existing: v.optional(submission) })),
    nodes: v.array(node),
  }),
};

export const newSubmission = v.object({
  ...submission.omit("attempt").fields,
  command_id: v.string(),
  traceparent: v.optional(v.string()),
  command: v.string(),
  policy_version: v.string(),
  max_open_submissions: v.number(),
});
export const submitVerdict = v.union(
  v.object({ verdict: v.literal("created"), record: submission }),
  v.object({ verdict: v.literal("replayed"), record: submission }),
  v.object({ verdict: v.literal("stale_policy") }),
  refused,
);
export const createSubmissions = {
  args: { submissions: v.array(newSubmission) },
  returns: v.object({ verdicts: v.array(submitVerdict) }),
};

export const updateVerdict = v.union(
  v.object({ verdict: v.literal("applied") }),
  v.object({ verdict: v.literal("duplicate") }),
  refused,
);
export const applyProjectionUpdates = {
  args: {
    management_node_id: v.string(),
    updates: v.array(update),
    received_at: v.number(),
    synthesize_running: v.boolean(),
    ...verifiedKey,
  },
  returns: v.object({ verdicts: v.array(updateVerdict) }),
};

export const createJoinToken = {
  args: {
    token_sha256: v.string(),
    tenant_id: v.string(),
    node_name: v.string(),
    created_by: v.string(),
    created_at: v.number(),
    expires_at: v.number(),
  },
  returns: nothing,
};
export const enrollNode = {
  args: {
    token_sha256: v.string(),
    public_key: v.string(),
    node_version: v.optional(v.string()),
    management_node_id: v.string(),
    enrolled_at: v.number(),
  },
  returns: v.union(v.object({ verdict: v.literal("enrolled"), node }), refused),
};
export const findNode = {
  args: { management_node_id: v.string() },
  returns: v.object({ node: v.optional(node) }),
};
export const recordHeartbeat = {
  args: {
    management_node_id: v.string(),
    agent_id: v.string(),
    epoch: v.optional(v.number()),
    node_version: v.string(),
    policy: v.string(),
    policy_version: v.string(),
    capacity: v.string(),
    health: v.string(),
    received_at: v.number(),
    ...verifiedKey,
  },
  returns: v.union(v.object({ verdict: v.literal("recorded"), epoch: v.number(), state: nodeState }), refused),
};

export const leasedCommand = v.object({
  command_id: v.string(),
  kind: commandKind,
  submission,
  traceparent: v.optional(v.string()),
  expires_at: v.number(),
  command: v.optional(v.string()),
});
export const leaseCommands = {
  args: { ...agent, max_commands: v.number(), now: v.number(), expires_at: v.number(), ...verifiedKey },
  returns: v.union(v.object({ verdict: v.literal("leased"), commands: v.array(leasedCommand) }), refused),
};
export const ackCommands = {
  args: { ...agent, command_ids: v.array(v.string()), now: v.number(), ...verifiedKey },
  returns: v.union(v.object({ verdict: v.literal("acked"), held: v.array(v.boolean()) }), refused),
};
export const hasCommands = {
  args: { ...agent, now: v.number() },
  returns: v.object({ waiting: v.boolean() }),
};

export const announceKey = {
  args: { management_node_id: v.string(), next_public_key: v.string(), now: v.number(), ...verifiedKey },
  returns: v.object({ node }),
};
export const promoteKey = {
  args: { management_node_id: v.string(), public_key: v.string() },
  returns: nothing,
};
export const setDraining = {
  args: { management_node_id: v.string(), draining: v.boolean(), by: v.string(), now: v.number() },
  returns: v.object({ node }),
};
export const revokeNode = {
  args: { management_node_id: v.string(), by: v.string(), now: v.number(), trace_id: v.string() },
  returns: v.object({ failed: v.number(), more: v.boolean() }),
};

const job = { ...scope, job_id: v.string() };
export const cancelJob = {
  args: {
    ...job,
    submission_id: v.optional(v.string()),
    command_id: v.string(),
    requested_by: v.string(),
    requested_at: v.number(),
    trace_id: v.string(),
  },
  returns: v.union(
    v.object({
      verdict: v.literal("recorded"),
      submission_id: v.string(),
      projection_state: projectionState,
      requested_at: v.number(),
      management_node_id: v.string(),
    }),
    refused,
  ),
};
export const listJobs = {
  args: {
    ...scope,
    states: v.array(projectionState),
    management_node_id: v.optional(v.string()),
    submitted_after: v.optional(v.number()),
    submitted_before: v.optional(v.number()),
    before: v.optional(v.number()),
    limit: v.number(),
  },
  returns: v.object({ projections: v.array(projection), next: v.optional(v.number()) }),
};
export const getJob = {
  args: job,
  returns: v.object({ projection: v.optional(projection), command: v.optional(v.string()) }),
};
export const timeline = {
  args: job,
  returns: v.object({ entries: v.array(entry) }),
};
export const listNodes = {
  args: { tenant_id: v.string() },
  returns: v.object({ nodes: v.array(node) }),
};
export const check = {
  args: {},
  returns: v.object({ schema: v.number(), testing: v.boolean(), importing: v.boolean() }),
};

/** The deployment holds something that this import did not bring. */
const occupied = v.object({ verdict: v.literal("occupied") });
const finished = v.object({ verdict: v.literal("finished") });
/** How many records of the import lie here; it goes on with the next. */
const open = v.object({ verdict: v.literal("open"), taken: v.number() });
/** What can be counted: the kinds of records, and a submission's intent by itself. */
const countable = v.union(
  v.literal("node"),
  v.literal("agent_start"),
  v.literal("join_token"),
  v.literal("submission"),
  v.literal("intent"),
  v.literal("command"),
  v.literal("projection"),
  v.literal("entry"),
  v.literal("workspace"),
  v.literal("deed"),
);
export const importRecords = {
  args: { import_id: v.string(), sequence: v.number(), records: v.array(record) },
  returns: v.union(open, finished, occupied),
};
export const tallyImport = {
  args: { import_id: v.string(), kind: countable, after: v.optional(v.number()) },
  returns: v.union(
    v.object({
      verdict: v.literal("counted"),
      count: v.number(),
      workspaces: v.array(workspace),
      next: v.optional(v.number()),
    }),
    finished,
    occupied,
  ),
};
export const finishImport = {
  args: { import_id: v.string(), records: v.number() },
  returns: v.union(open, finished, occupied),
};

/** The two sides of an operation. */
export interface Operation {
  args: PropertyValidators;
  returns: Validator<unknown, "required", string>;
}
export type Args<Of extends Operation> = ObjectType<Of["args"]>;
export type Answer<Of extends Operation> = Infer<Of["returns"]>;
