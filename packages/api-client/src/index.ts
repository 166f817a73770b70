/** Slipway's API as TypeScript types, generated from the gateway's own description. */
import type { components } from "./generated/schema.js";

export type { components, operations, paths } from "./generated/schema.js";

type Schemas = components["schemas"];

export type SubmitJobCommand = Schemas["SubmitJobCommand"];
export type SubmitJobAccepted = Schemas["SubmitJobAccepted"];
export type Projection = Schemas["Projection"];
export type ProjectionState = Schemas["ProjectionState"];
export type ExecutionState = Schemas["ExecutionState"];
export type Problem = Schemas["Problem"];
