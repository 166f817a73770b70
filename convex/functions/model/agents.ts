/** Who may speak for a node: its current agent, under its current key. */
import { ConvexError } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Refused } from "../wire/types";
import { nodeOf } from "./lookups";
import { refused } from "./refusing";

/** What the gateway is told by an HTTP error and no value; nothing of the transaction is written. */
export type Fault = { code: "management_node_not_found"; detail: string } | { code: "stale_node"; detail: string };

/** Return a node that the gateway has found before, since none is ever deleted; throws a fault where there is none. */
export async function knownNode(db: DatabaseReader, nodeId: string): Promise<Doc<"nodes">> {
  const node = await nodeOf(db, nodeId);
  if (node === null) {
    throw new ConvexError<Fault>({ code: "management_node_not_found", detail: `no node ${nodeId}` });
  }
  return node;
}

/** Throw where a request was verified against a key that is no longer the node's. */
export function checkKey(node: Doc<"nodes">, verifiedKey: string | undefined): void {
  if (verifiedKey !== undefined && verifiedKey !== node.public_key) {
    throw new ConvexError<Fault>({ code: "stale_node", detail: "the node's key has changed" });
  }
}

interface Agent {
  management_node_id: string;
  epoch: number;
  public_key?: string;
}

/** Refuse an agent whose node is gone, or whose epoch is not the node's (a newer agent holds it). */
export async function fenced(db: DatabaseReader, agent: Agent): Promise<Refused | undefined> {
  const node = await nodeOf(db, agent.management_node_id);
  if (node === null) return refused("management_node_not_found", `no node ${agent.management_node_id}`);
  checkKey(node, agent.public_key);
  if (node.state === "revoked") return refused("forbidden", "the node is revoked");
  return agent.epoch === node.epoch ? undefined : fencedBy(node.epoch, agent.epoch);
}

export function fencedBy(standing: number, epoch: number): Refused {
  return refused("lease_lost", `the node's epoch is ${standing}, not ${epoch}: a newer agent holds it`);
}
