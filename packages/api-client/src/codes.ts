/** The codes of the contract's error table (docs/contracts/README.md); a test compares the two. */
export const CODES = [
  "unauthorized",
  "forbidden",
  "rate_limited",
  "product_store_unavailable",
  "not_found",
  "method_not_allowed",
  "internal_error",
  "invalid_request",
  "payload_too_large",
  "management_node_not_found",
  "idempotency_conflict",
  "job_active",
  "policy_rejected",
  "quota_exceeded",
  "execution_unavailable",
  "invalid_event",
  "submission_not_found",
  "event_id_conflict",
  "event_gap",
  "invalid_transition",
  "invalid_projection_update",
  "projection_target_not_found",
  "projection_event_id_conflict",
  "invalid_projection_transition",
  "join_token_spent",
  "lease_lost",
  "job_not_found",
  "submission_superseded",
  "job_terminal",
  "stream_not_supported",
] as const;

export type Code = (typeof CODES)[number];

const KNOWN: ReadonlySet<string> = new Set(CODES);

/** Tell whether `code` is one that this version of the client knows. */
export function isCode(code: string): code is Code {
  return KNOWN.has(code);
}
