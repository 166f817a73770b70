/** Slipway's API for TypeScript: a client on the types that the gateway's own description generates. */
export { Slipway, createSlipway } from "./client.js";
export type { CancelOptions, JobsOptions, SlipwayOptions, WaitOptions } from "./client.js";
export { CODES, isCode, type Code } from "./codes.js";
export * from "./contract.js";
export * from "./errors.js";
export { DEFAULT_RETRIES, type Retries } from "./retries.js";
export type { ChangeEvent, ResetEvent, StreamEvent } from "./stream_events.js";
export type { StreamOptions } from "./streaming.js";
export { withIdempotencyKey, type CommandDraft, type ManyOutcome, type Submission } from "./submitting.js";
export type { CallOptions, Token } from "./transport.js";
export type { components, operations, paths } from "./generated/schema.js";
