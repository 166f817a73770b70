/** The gateway's wire: `POST /slipway/v1/<operation>`, one internal function each. */
import {
  httpRouter,
  ROUTABLE_HTTP_METHODS,
  type FunctionReference,
  type GenericActionCtx,
  type GenericDataModel,
} from "convex/server";
import { ConvexError, v, type GenericValidator, type Value } from "convex/values";
import { internal } from "./_generated/api";
import { env, httpAction } from "./_generated/server";
import type { Fault } from "./model/agents";
import { faultsOf } from "./wire/faults";
import * as wire from "./wire/operations";
import { problem } from "./wire/problems";
import { isAuthorized } from "./wire/secrets";

export const PREFIX = "/slipway/v1/";
/**
 * Bytes of a body as it is sent; gateways send a batch of submits in parts of at most 10 MiB.
 *
 * A command in it is JSON text within JSON: each of its quotes is sent as `\\\"`, four bytes that are two of the command's,
 * so that a batch of 8 MiB may be sent as 16. Convex counts arguments as values, without what JSON adds, and takes 16 MiB
 * of them; a transaction writes as much, and each submission has rows of its own beside its text.
 */
const BODY_MAX_BYTES = 12 * 1024 * 1024;
/** An update is written twice, in its row and its projection, and a transaction writes at most 16 MiB. */
export const UPDATES_MAX_BYTES = 6 * 1024 * 1024;
/** What Convex itself refuses (a conflict that outlived its retries, overload) comes as JSON with a code of its own. */
const CONVEX_REFUSAL = /^\s*\{\s*"code"|OptimisticConcurrencyControlFailure|TooManyConcurrent|Overloaded/;

type Body = Record<string, Value>;
type Runner = Pick<GenericActionCtx<GenericDataModel>, "runQuery" | "runMutation">;
/** Most items of the named list, and most bytes of the whole body. */
type Limit = [list: string, items: number, bytes?: number];
interface Route {
  body: GenericValidator;
  limit: Limit | undefined;
  run: (ctx: Runner, body: Body) => Promise<unknown>;
}

function query(of: wire.Operation, run: FunctionReference<"query", "internal">, limit?: Limit): Route {
  return { body: v.object(of.args), limit, run: (ctx, body) => ctx.runQuery(run, body) };
}

function mutation(of: wire.Operation, run: FunctionReference<"mutation", "internal">, limit?: Limit): Route {
  return { body: v.object(of.args), limit, run: (ctx, body) => ctx.runMutation(run, body) };
}

const UPDATES: Limit = ["updates", wire.UPDATES_MAX, UPDATES_MAX_BYTES];
/** A record is written once; as many bytes as updates may have are well within a transaction's. */
const RECORDS: Limit = ["records", wire.RECORDS_MAX, UPDATES_MAX_BYTES];
const { submissions, projections, nodes, commands, jobs, deployment, imports } = internal;
export const ROUTES: Record<string, Route> = {
  "submission-contexts": query(wire.submissionContexts, submissions.contexts, ["keys", wire.SUBMISSIONS_MAX]),
  "create-submissions": mutation(wire.createSubmissions, submissions.create, ["submissions", wire.SUBMISSIONS_MAX]),
  "apply-projection-updates": mutation(wire.applyProjectionUpdates, projections.apply, UPDATES),
  "create-join-token": mutation(wire.createJoinToken, nodes.createJoinToken),
  "enroll-node": mutation(wire.enrollNode, nodes.enroll),
  "find-node": query(wire.findNode, nodes.find),
  "record-heartbeat": mutation(wire.recordHeartbeat, nodes.recordHeartbeat),
  "lease-commands": mutation(wire.leaseCommands, commands.lease),
  "ack-commands": mutation(wire.ackCommands, commands.ack, ["command_ids", wire.COMMANDS_MAX]),
  "has-commands": query(wire.hasCommands, commands.has),
  "announce-key": mutation(wire.announceKey, nodes.announceKey),
  "promote-key": mutation(wire.promoteKey, nodes.promoteKey),
  "set-draining": mutation(wire.setDraining, nodes.setDraining),
  "revoke-node": mutation(wire.revokeNode, nodes.revoke),
  "cancel-job": mutation(wire.cancelJob, jobs.cancel),
  "list-jobs": query(wire.listJobs, jobs.list),
  "get-job": query(wire.getJob, jobs.get),
  timeline: query(wire.timeline, jobs.timeline),
  "list-nodes": query(wire.listNodes, nodes.list),
  check: query(wire.check, deployment.check),
  "import-records": mutation(wire.importRecords, imports.take, RECORDS),
  "tally-import": query(wire.tallyImport, imports.tally),
  "finish-import": mutation(wire.finishImport, imports.finish),
};

/** Answer one request: the secret first, then the path, the method, the body, and only then the function. */
export async function answer(ctx: Runner, request: Request): Promise<Response> {
  const secrets = [env.SLIPWAY_GATEWAY_SECRET, env.SLIPWAY_GATEWAY_SECRET_PREVIOUS];
  if (!(await isAuthorized(request.headers.get("Authorization"), secrets))) {
    return problem("unauthorized", "the secret is none of this deployment's");
  }
  const name = new URL(request.url).pathname.slice(PREFIX.length);
  const route = Object.hasOwn(ROUTES, name) ? ROUTES[name] : undefined;
  if (route === undefined) return problem("not_found", "there is no such operation");
  if (request.method !== "POST") {
    return problem("method_not_allowed", "an operation is a POST", { headers: { Allow: "POST" } });
  }
  const bytes = await request.arrayBuffer();
  const most = route.limit?.[2] ?? BODY_MAX_BYTES;
  if (bytes.byteLength > most) return problem("payload_too_large", `the body is over ${most} bytes`);
  return await run(ctx, route, new TextDecoder().decode(bytes));
}

async function run(ctx: Runner, route: Route, text: string): Promise<Response> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    return problem("invalid_request", "the body is no JSON", { errors: [{ field: "body", message: "is no JSON" }] });
  }
  const over = overLimit(route, body);
  if (over !== undefined) return problem("payload_too_large", over);
  const errors = faultsOf(route.body, body);
  if (errors.length > 0) return problem("invalid_request", "the body does not hold", { errors });
  try {
    return Response.json(await route.run(ctx, body as Body));
  } catch (error) {
    return refusalOf(error);
  }
}

function overLimit({ limit }: Route, body: unknown): string | undefined {
  if (limit === undefined || typeof body !== "object" || body === null) return undefined;
  const [list, most] = limit;
  const items = (body as Record<string, unknown>)[list];
  return Array.isArray(items) && items.length > most ? `${list} has more than ${most} items` : undefined;
}

/** Render what a function threw; its own text goes to the deployment's log and never to the client. */
function refusalOf(error: unknown): Response {
  if (error instanceof ConvexError) {
    const { code, detail } = error.data as Fault;
    switch (code) {
      case "management_node_not_found":
        return problem(code, detail);
      case "stale_node":
        return problem("product_store_unavailable", detail, { headers: { "Slipway-Stale-Node": "1" } });
    }
  }
  console.error(error);
  if (error instanceof Error && CONVEX_REFUSAL.test(error.message)) {
    return problem("product_store_unavailable", "Convex refused the transaction: try again");
  }
  return problem("internal_error", "the function failed: the deployment's log tells why");
}

const http = httpRouter();
for (const method of ROUTABLE_HTTP_METHODS) {
  http.route({ pathPrefix: PREFIX, method, handler: httpAction(answer) });
}
export default http;
