/** An enrolled node's life: heartbeats, keys and draining (docs/contracts/node-protocol.md). */
import type { DatabaseWriter } from "../_generated/server";
import type { announceKey, Answer, Args, promoteKey, recordHeartbeat, setDraining } from "../wire/operations";
import type { Node } from "../wire/types";
import { checkKey, fencedBy, knownNode } from "./agents";
import { audit } from "./ledger";
import { nodeOf } from "./lookups";
import { nodeRecord } from "./records";
import { refused } from "./refusing";

type Heartbeat = Args<typeof recordHeartbeat>;

/** Store liveness and what the node tells of itself; at an agent's start (no epoch, a new agent_id) raise the epoch. */
export async function beat(db: DatabaseWriter, of: Heartbeat): Promise<Answer<typeof recordHeartbeat>> {
  const node = await nodeOf(db, of.management_node_id);
  if (node === null) return refused("management_node_not_found", `no node ${of.management_node_id}`);
  checkKey(node, of.public_key);
  if (node.state === "revoked") return refused("forbidden", "the node is revoked");
  const epoch = of.epoch ?? (await start(db, of, node.epoch));
  const standing = of.epoch === undefined ? Math.max(epoch, node.epoch) : node.epoch;
  if (epoch !== standing) return fencedBy(standing, epoch);
  const { node_version, policy, policy_version, capacity, health, received_at: last_seen_at } = of;
  // One that lands behind a later one turns nothing back, or jobs would be let in by a policy that is no more.
  const isLate = last_seen_at < (node.last_seen_at ?? last_seen_at);
  const told = { last_seen_at, node_version, policy, policy_version, capacity, health };
  await db.patch("nodes", node._id, { epoch, ...(isLate ? {} : told) });
  return { verdict: "recorded", epoch, state: node.state };
}

/** Return the epoch of the agent's start: the one it was given before, or the next. */
async function start(db: DatabaseWriter, of: Heartbeat, standing: number): Promise<number> {
  const { management_node_id, agent_id, received_at: started_at } = of;
  const known = await db
    .query("agentStarts")
    .withIndex("by_agent", (q) => q.eq("management_node_id", management_node_id).eq("agent_id", agent_id))
    .unique();
  if (known !== null) return known.epoch;
  await db.insert("agentStarts", { management_node_id, agent_id, epoch: standing + 1, started_at });
  return standing + 1;
}

/** Store the next public key; a repeat finds it announced, or after its first use current, and writes nothing. */
export async function announce(db: DatabaseWriter, of: Args<typeof announceKey>): Promise<Node> {
  const node = await knownNode(db, of.management_node_id);
  checkKey(node, of.public_key);
  if ([node.public_key, node.next_public_key].includes(of.next_public_key)) return nodeRecord(node);
  await db.patch("nodes", node._id, { next_public_key: of.next_public_key });
  const { tenant_id, management_node_id: subject } = node;
  await audit(db, { recorded_at: of.now, tenant_id, actor: subject, action: "announce_key", subject });
  return { ...nodeRecord(node), next_public_key: of.next_public_key };
}

/** Make the announced key the only one; another key changes nothing. */
export async function promote(db: DatabaseWriter, of: Args<typeof promoteKey>): Promise<void> {
  const node = await nodeOf(db, of.management_node_id);
  if (node?.next_public_key !== of.public_key) return;
  await db.patch("nodes", node._id, { public_key: of.public_key, next_public_key: undefined });
}

/** Stop or resume giving the node new submissions; a revoked node stays revoked. */
export async function drain(db: DatabaseWriter, of: Args<typeof setDraining>): Promise<Node> {
  const node = await knownNode(db, of.management_node_id);
  const state = of.draining ? "draining" : "active";
  if (node.state === "revoked" || node.state === state) return nodeRecord(node);
  await db.patch("nodes", node._id, { state });
  const { tenant_id, management_node_id: subject } = node;
  await audit(db, { recorded_at: of.now, tenant_id, actor: of.by, action: `set_${state}`, subject });
  return { ...nodeRecord(node), state };
}
