/** What the tables keep, as validators: the wire's records with what only the store needs. */
import { v, type Infer } from "convex/values";
import * as wire from "./types";

export const node = wire.node.extend({ policy_version: v.optional(v.string()) });
export const agentStart = v.object({
  management_node_id: v.string(),
  agent_id: v.string(),
  epoch: v.number(),
  started_at: v.number(),
});
export const joinToken = v.object({
  token_sha256: v.string(),
  tenant_id: v.string(),
  node_name: v.string(),
  created_by: v.string(),
  created_at: v.number(),
  expires_at: v.number(),
  spent_at: v.optional(v.number()),
  management_node_id: v.optional(v.string()),
  public_key: v.optional(v.string()),
});
export const submission = wire.submission.extend({ closed_state: v.optional(wire.projectionState) });
export const intent = v.object({
  submission_id: v.string(),
  traceparent: v.optional(v.string()),
  command: v.string(),
});
export const command = v.object({
  command_id: v.string(),
  management_node_id: v.string(),
  submission_id: v.string(),
  kind: wire.commandKind,
  state: v.union(
    v.literal("pending"),
    v.literal("leased"),
    v.literal("acked"),
    v.literal("done"),
    v.literal("dropped"),
  ),
  lease_epoch: v.optional(v.number()),
  lease_expires_at: v.optional(v.number()),
  journal_id: v.optional(v.string()),
});
export const projection = wire.projection.extend({ submitted_change: v.number() });
export const entry = wire.entry.extend(wire.scope);
export const workspace = v.object({ ...wire.scope, change: v.number(), open_submissions: v.number() });
export const deed = v.object({
  recorded_at: v.number(),
  tenant_id: v.string(),
  actor: v.string(),
  action: v.string(),
  subject: v.string(),
});

/** A record of another store. A submission comes with its intent, as that store keeps them. */
export const record = v.union(
  v.object({ kind: v.literal("node"), fields: node }),
  v.object({ kind: v.literal("agent_start"), fields: agentStart }),
  v.object({ kind: v.literal("join_token"), fields: joinToken }),
  v.object({ kind: v.literal("submission"), fields: submission.extend(intent.fields) }),
  v.object({ kind: v.literal("command"), fields: command }),
  v.object({ kind: v.literal("projection"), fields: projection }),
  v.object({ kind: v.literal("entry"), fields: entry }),
  v.object({ kind: v.literal("workspace"), fields: workspace }),
  v.object({ kind: v.literal("deed"), fields: deed }),
);
export type StoredRecord = Infer<typeof record>;
