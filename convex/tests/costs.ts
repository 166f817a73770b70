/** What one call of each operation reads and writes, in documents; bounds.test.ts holds each to it, at any size. */
import type { FunctionReference } from "convex/server";
import { ROUTES } from "../functions/http";
import type { Submission } from "../functions/wire/types";
import { SCOPE, SECOND, T0, type World } from "./world";

/** Items in a call that takes several. */
export const ITEMS = 5;
export const SPARE_TOKEN = {
  ...{ token_sha256: "spare", tenant_id: "acme", node_name: "spare", created_by: "admin" },
  ...{ created_at: T0, expires_at: T0 + SECOND },
};

/** A store that calls are made at: some jobs of one node, and what else the calls name. */
export interface Store {
  world: World;
  node: string;
  records: Submission[];
  commands: string[];
}
export type Args = (store: Store) => object | Promise<object>;
/** What one call costs in documents. `call` tells what it was asked for, where that is more than one thing. */
export type Row = [operation: string, call: string, args: Args, read: number, written: number];

function job({ records }: Store): object {
  return { ...SCOPE, job_id: records[0]?.job_id };
}

export function node({ node }: Store): { management_node_id: string } {
  return { management_node_id: node };
}

function agent(store: Store): object {
  return { ...node(store), epoch: 1, journal_id: "journal", now: T0 };
}

function news({ world, node }: Store): ReturnType<World["submission"]>[] {
  return Array.from({ length: ITEMS }, () => world.submission(node));
}

function keys({ records }: Store): object[] {
  return records.map(({ idempotency_key, management_node_id }) => ({ ...SCOPE, idempotency_key, management_node_id }));
}

/** Three events of each submission, the last one its end. */
async function lives({ world, node, records }: Store): Promise<object> {
  const states = ["accepted", "running", "failed"] as const;
  const updates = records.flatMap((record) => states.map((state) => world.update(record, state)));
  return world.application(node, ...(await Promise.all(updates)));
}

function enrolment({ world }: Store): object {
  return { token_sha256: "spare", public_key: "k", management_node_id: world.id("node"), enrolled_at: T0 };
}

export const byAdmin = { by: "admin", now: T0 };
const cancelled = { command_id: "cancel", requested_by: "ada", requested_at: T0, trace_id: "trace" };
const leased = { max_commands: ITEMS, expires_at: T0 + SECOND };
const token = { ...SPARE_TOKEN, token_sha256: "another" };
export const ROWS: Row[] = [
  ["submission-contexts", "five keys", (store) => ({ keys: keys(store) }), 6, 0],
  ["create-submissions", "five submissions", (store) => ({ submissions: news(store) }), 3, 26],
  ["apply-projection-updates", "five submissions, three updates each", lives, 38, 31],
  ["create-join-token", "", () => token, 0, 2],
  ["enroll-node", "", enrolment, 3, 3],
  ["find-node", "", node, 1, 0],
  ["record-heartbeat", "", (store) => store.world.beat(store.node), 3, 1],
  ["lease-commands", "five commands", (store) => ({ ...agent(store), ...leased }), 21, 5],
  ["ack-commands", "five commands", (store) => ({ ...agent(store), command_ids: store.commands }), 11, 5],
  ["has-commands", "", agent, 2, 0],
  ["announce-key", "", (store) => ({ ...node(store), next_public_key: "third", now: T0 }), 2, 2],
  ["promote-key", "", (store) => ({ ...node(store), public_key: "next" }), 2, 1],
  ["set-draining", "", (store) => ({ ...node(store), draining: true, ...byAdmin }), 2, 2],
  ["cancel-job", "", (store) => ({ ...job(store), ...cancelled }), 10, 7],
  ["list-jobs", "five jobs", () => ({ ...SCOPE, states: [], limit: ITEMS }), 6, 0],
  ["list-jobs", "five jobs, of two states", () => ({ ...SCOPE, states: ["failed", "queued"], limit: ITEMS }), 6, 0],
  ["get-job", "", job, 2, 0],
  ["timeline", "", job, 1, 0],
  ["list-nodes", "", () => ({ tenant_id: "acme" }), 1, 0],
  ["check", "", () => ({}), 0, 0],
];

/** The one function that an operation runs. */
export interface Routed {
  kind: "query" | "mutation";
  of: FunctionReference<"query" | "mutation", "internal">;
}

/** Return what the HTTP action of `operation` runs, by running it on nothing. */
export async function routed(operation: string): Promise<Routed> {
  const run = (kind: Routed["kind"]) => (of: unknown) => Promise.resolve({ kind, of });
  const runner = { runQuery: run("query"), runMutation: run("mutation") };
  return (await ROUTES[operation]?.run(runner as never, {})) as Routed;
}

/** What a revocation costs that closes `closed` submissions, and leaves `more` or none to the next call. */
export function revocation(closed: number, more: boolean): [read: number, written: number] {
  return [7 * closed + 4 + (more ? 1 : 0), 4 * closed + 3];
}
