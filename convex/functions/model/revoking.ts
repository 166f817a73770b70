/** A node's revocation, a bounded part of it at a time (docs/contracts/node-protocol.md). */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseWriter } from "../_generated/server";
import type { Answer, Args, revokeNode } from "../wire/operations";
import { knownNode } from "./agents";
import { asFarAsRead, Lookup, REWRITTEN } from "./bounded";
import { audit, jobRow, Ledger } from "./ledger";
import { projectionOfJob } from "./lookups";

/** Most open submissions closed in one transaction; each takes about six documents. */
export const CLOSED_MAX = 200;
const REVOKED_FAILURE = {
  code: "node_revoked",
  message: "The node was revoked; what became of the execution is unknown",
  retryable: false,
};

type Revocation = Args<typeof revokeNode>;
type Closed = Answer<typeof revokeNode>;

/** Revoke the node; tell whether it was this call that did. */
export async function revoke(db: DatabaseWriter, { management_node_id, by, now }: Revocation): Promise<boolean> {
  const node = await knownNode(db, management_node_id);
  if (node.state === "revoked") return false;
  await db.patch("nodes", node._id, { state: "revoked" });
  const { tenant_id } = node;
  await audit(db, { recorded_at: now, tenant_id, actor: by, action: "revoke_node", subject: management_node_id });
  return true;
}

/** Fail a revoked node's open submissions, oldest first, as many as one transaction takes. */
export async function failOpen(db: DatabaseWriter, revocation: Omit<Revocation, "by">): Promise<Closed> {
  const { management_node_id, now, trace_id } = revocation;
  const open = await db
    .query("submissions")
    .withIndex("by_node", (q) => q.eq("management_node_id", management_node_id).eq("closed_state", undefined))
    .take(CLOSED_MAX + 1);
  const projections = new Lookup(
    (of: Doc<"submissions">) => of.submission_id,
    (of) => projectionOfJob(db, of),
    REWRITTEN,
  );
  const closing = await asFarAsRead(open.slice(0, CLOSED_MAX), (some) => [projections.read(some)]);
  const ledger = await Ledger.of(db, closing);
  for (const submission of closing) {
    const projection = projections.get(submission);
    if (projection === null) throw new Error("an open submission has a projection");
    const row = jobRow(projection);
    delete row.fields.display_message;
    Object.assign(row.fields, { projection_state: "failed", failure: REVOKED_FAILURE });
    await ledger.told(row, "revoked", { occurred_at: now, recorded_at: now, trace_id });
    ledger.closed(row, now);
  }
  await ledger.write();
  return { failed: closing.length, more: open.length > closing.length };
}
