/** The table of README.md from the store port to documents; run as a program it is written there. */
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { getFunctionName } from "convex/server";
import { PREFIX, ROUTES } from "../functions/http";
import { CLOSED_MAX } from "../functions/model/revoking";
import { revocation, routed, ROWS } from "../tests/costs";

export const PAGE = fileURLToPath(new URL("../README.md", import.meta.url));
const BEGIN = "<!-- operations: written by `pnpm run operations` -->\n";
const END = "<!-- /operations -->";
const HEAD = "| port operation | HTTP action | function | a call with | read | written |\n| --- | --- | --- | --- | --- | --- |";

/** Which operations of the store port (apps/api/src/slipway_gateway/ports.py) call which HTTP action. */
export const PORT: Record<string, string[]> = {
  "submission-contexts": ["submission_context", "submission_contexts"],
  "create-submissions": ["create_submission", "create_submissions"],
  "apply-projection-updates": ["apply_projection_updates"],
  "create-join-token": ["create_join_token"],
  "enroll-node": ["enroll_node"],
  "find-node": ["find_node"],
  "record-heartbeat": ["record_heartbeat"],
  "lease-commands": ["lease_commands"],
  "ack-commands": ["ack_commands"],
  "has-commands": ["wait_for_commands"],
  "announce-key": ["announce_key"],
  "promote-key": ["promote_key"],
  "set-draining": ["set_draining"],
  "revoke-node": ["revoke_node"],
  "cancel-job": ["cancel_job"],
  "list-jobs": ["list_jobs"],
  "get-job": ["get_job"],
  timeline: ["timeline"],
  "list-nodes": ["list_nodes"],
  check: ["check"],
};

/** Return the table; its numbers are those that bounds.test.ts holds each call to. */
export async function table(): Promise<string> {
  const revoked = [`${CLOSED_MAX} submissions to close, and more`, ...revocation(CLOSED_MAX, true)] as const;
  const costs = ROWS.map(([operation, call, , read, written]) => ({ operation, cells: [call, read, written] }));
  const all = [...costs, { operation: "revoke-node", cells: revoked }];
  const order = Object.keys(ROUTES);
  all.sort((one, other) => order.indexOf(one.operation) - order.indexOf(other.operation));
  const rows = all.map(async ({ operation, cells }) => {
    const { kind, of } = await routed(operation);
    const port = (PORT[operation] ?? []).map((name) => `\`${name}\``).join(", ");
    return `| ${[port, `\`${PREFIX}${operation}\``, `${kind} \`${getFunctionName(of)}\``, ...cells].join(" | ")} |`;
  });
  return [HEAD, ...(await Promise.all(rows))].join("\n");
}

/** Return `page` with the table between its marks. */
export async function written(page: string): Promise<string> {
  const [before, rest] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (before < 0 || rest < before) throw new Error("the page has no place for the table");
  return `${page.slice(0, before)}${BEGIN}\n${await table()}\n\n${page.slice(rest)}`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  writeFileSync(PAGE, await written(readFileSync(PAGE, "utf8")));
}
