/**
 * The types of the wire, as validators; what is stored has the same fields.
 *
 * Times are integers, microseconds since 1970 UTC. Documents whose keys are the user's or the node's are JSON text,
 * since Convex forbids some keys. A field without a value is left out.
 */
import { v, type Infer } from "convex/values";

export const executionState = v.union(
  v.literal("accepted"),
  v.literal("running"),
  v.literal("completed"),
  v.literal("failed"),
  v.literal("cancelled"),
);
export const projectionState = v.union(
  v.literal("queued"),
  v.literal("running"),
  v.literal("succeeded"),
  v.literal("failed"),
  v.literal("cancelled"),
);
export const nodeState = v.union(v.literal("active"), v.literal("draining"), v.literal("revoked"));
export const commandKind = v.union(v.literal("submit"), v.literal("cancel"));
/** What a timeline row tells of. */
export const changeKind = v.union(
  v.literal("submitted"),
  v.literal("event"),
  v.literal("cancel_requested"),
  v.literal("cancelled"),
  v.literal("revoked"),
);

export const scope = { tenant_id: v.string(), workspace_id: v.string() };

export const node = v.object({
  management_node_id: v.string(),
  tenant_id: v.string(),
  node_name: v.string(),
  state: nodeState,
  public_key: v.string(),
  next_public_key: v.optional(v.string()),
  epoch: v.number(),
  enrolled_at: v.number(),
  last_seen_at: v.optional(v.number()),
  node_version: v.optional(v.string()),
  policy: v.optional(v.string()),
  capacity: v.optional(v.string()),
  health: v.string(),
});

export const submission = v.object({
  submission_id: v.string(),
  ...scope,
  job_id: v.string(),
  attempt: v.number(),
  idempotency_key: v.string(),
  intent_sha256: v.string(),
  management_node_id: v.string(),
  accepted_at: v.number(),
  trace_id: v.string(),
});

export const schedulerRef = v.object({
  slurm_job_id: v.string(),
  partition: v.optional(v.string()),
  qos: v.optional(v.string()),
});
export const resultRef = v.object({
  output_uri: v.string(),
  metadata_uri: v.optional(v.string()),
  summary: v.optional(v.string()),
});
export const failure = v.object({ code: v.string(), message: v.string(), retryable: v.boolean() });

/** What an execution leaves behind, in an update, a timeline row and a projection alike. */
const evidence = {
  execution_id: v.optional(v.string()),
  scheduler_ref: v.optional(schedulerRef),
  result_ref: v.optional(resultRef),
  failure: v.optional(failure),
  display_message: v.optional(v.string()),
};

export const update = v.object({
  projection_event_id: v.string(),
  ...scope,
  job_id: v.string(),
  submission_id: v.string(),
  attempt: v.optional(v.number()),
  projection_state: projectionState,
  source_execution_state: executionState,
  occurred_at: v.number(),
  trace_id: v.string(),
  ...evidence,
});

export const projection = v.object({
  ...scope,
  job_id: v.string(),
  submission_id: v.string(),
  attempt: v.number(),
  projection_state: projectionState,
  source_execution_state: v.optional(executionState),
  management_node_id: v.string(),
  ...evidence,
  cancel_requested_at: v.optional(v.number()),
  submitted_at: v.number(),
  updated_at: v.number(),
  started_at: v.optional(v.number()),
  ended_at: v.optional(v.number()),
  change: v.number(),
  trace_id: v.string(),
});

export const entry = v.object({
  change: v.number(),
  kind: changeKind,
  projection_event_id: v.string(),
  job_id: v.string(),
  submission_id: v.string(),
  attempt: v.number(),
  projection_state: projectionState,
  source_execution_state: v.optional(executionState),
  ...evidence,
  synthesized: v.boolean(),
  occurred_at: v.number(),
  recorded_at: v.number(),
  trace_id: v.string(),
});

export const refused = v.object({
  verdict: v.literal("refused"),
  code: v.string(),
  detail: v.string(),
  gap: v.boolean(),
});

export type ExecutionState = Infer<typeof executionState>;
export type ProjectionState = Infer<typeof projectionState>;
export type NodeState = Infer<typeof nodeState>;
export type ChangeKind = Infer<typeof changeKind>;
export type Node = Infer<typeof node>;
export type Submission = Infer<typeof submission>;
export type Update = Infer<typeof update>;
export type Projection = Infer<typeof projection>;
export type Entry = Infer<typeof entry>;
export type Refused = Infer<typeof refused>;
/** The one tenant and workspace that something belongs to. */
export type Scope = Pick<Submission, "tenant_id" | "workspace_id">;
