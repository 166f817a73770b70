/** Problem details as the gateway reads them; status and retryable are those of the contract's table. */
import type { FieldFault } from "./faults";

const CODES = {
  unauthorized: { status: 401, retryable: false, title: "The credential is missing, malformed, expired or unknown" },
  not_found: { status: 404, retryable: false, title: "There is no such path" },
  management_node_not_found: { status: 404, retryable: false, title: "The tenant has no such node" },
  method_not_allowed: { status: 405, retryable: false, title: "The path does not take this method" },
  payload_too_large: { status: 413, retryable: false, title: "The body or an inline input is over its limit" },
  invalid_request: { status: 400, retryable: false, title: "A field is missing, unknown or malformed" },
  product_store_unavailable: { status: 503, retryable: true, title: "The Product SoR did not answer in time" },
  internal_error: {
    status: 500,
    retryable: true,
    title: "A fault of the gateway; the trace id finds it in the log",
  },
} as const;
export type Code = keyof typeof CODES;

/** Return the answer of a code; `detail` says what happened and never quotes an error. */
export function problem(
  code: Code,
  detail: string,
  more: { errors?: FieldFault[]; headers?: Record<string, string> } = {},
): Response {
  const { errors, headers } = more;
  const body = { type: `urn:slipway:error:${code}`, ...CODES[code], detail, code, ...(errors ? { errors } : {}) };
  return new Response(JSON.stringify(body), {
    status: CODES[code].status,
    headers: { "Content-Type": "application/problem+json", ...headers },
  });
}
