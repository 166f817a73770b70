/**
 * The tables of the Product SoR on Convex, with an index for every query.
 *
 * There are no unique indexes: a transaction that reads a key by its index and then inserts is run again when another
 * one inserted it first, so every key below is unique by the code that writes it.
 */
import { defineSchema, defineTable } from "convex/server";
import { v } from "convex/values";
import * as stored from "./wire/stored";

/** The revision of these tables; the gateway compares it with its own. */
export const SCHEMA_REVISION = 1;

export default defineSchema({
  nodes: defineTable(stored.node)
    .index("by_node_id", ["management_node_id"])
    .index("by_tenant", ["tenant_id", "node_name", "enrolled_at"]),

  // Every start an agent ever made, so that a start delivered late never fences the agent that came after it.
  agentStarts: defineTable(stored.agentStart).index("by_agent", ["management_node_id", "agent_id"]),

  joinTokens: defineTable(stored.joinToken).index("by_token", ["token_sha256"]),

  // A row is written once; only `closed_state` changes: left out while open, then the state the submission ended in.
  submissions: defineTable(stored.submission)
    .index("by_submission_id", ["submission_id"])
    .index("by_key", ["tenant_id", "workspace_id", "idempotency_key"])
    .index("by_node", ["management_node_id", "closed_state", "accepted_at"]),

  // What was submitted, apart from its submission: an event reads hundreds of submissions, and a command has 64 KiB.
  intents: defineTable(stored.intent).index("by_submission_id", ["submission_id"]),

  // state: pending → leased → acked → done, or dropped when the submission ended before the ack. Creation times grow
  // strictly, also within one transaction, so that every index ends in the order in which commands were given.
  commands: defineTable(stored.command)
    .index("by_command_id", ["command_id"])
    .index("by_submission_id", ["submission_id"])
    // eslint-disable-next-line @convex-dev/no-duplicate-indexes -- the only one in the order of creation
    .index("by_state", ["management_node_id", "state"])
    .index("by_lease_end", ["management_node_id", "state", "lease_expires_at"])
    .index("by_lease_epoch", ["management_node_id", "state", "lease_epoch"])
    .index("by_journal", ["management_node_id", "state", "journal_id"]),

  projections: defineTable(stored.projection)
    .index("by_job", ["tenant_id", "workspace_id", "job_id"])
    .index("by_submission", ["tenant_id", "workspace_id", "submitted_change"])
    .index("by_state", ["tenant_id", "workspace_id", "projection_state", "submitted_change"])
    .index("by_node", ["tenant_id", "workspace_id", "management_node_id", "projection_state", "submitted_change"]),

  // An event's row is its receipt. Its id is unique in its workspace and not beyond: an older emitter names its events
  // itself, and one tenant's names must not be told by another's conflicts.
  timeline: defineTable(stored.entry)
    .index("by_job", ["tenant_id", "workspace_id", "job_id", "change"])
    .index("by_receipt", ["tenant_id", "workspace_id", "projection_event_id", "kind"]),

  workspaces: defineTable(stored.workspace).index("by_workspace", ["tenant_id", "workspace_id"]),

  audit: defineTable(stored.deed).index("by_tenant", ["tenant_id"]),

  // At most one: the import that filled this deployment, or is filling it.
  imports: defineTable({ import_id: v.string(), taken: v.number(), finished: v.boolean() }),
});
