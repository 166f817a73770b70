/** The contract's models, each under its own name (docs/contracts). */
import type { components } from "./generated/schema.js";

type Schemas = components["schemas"];

export type SubmitJobCommand = Schemas["SubmitJobCommand"];
export type SubmitJobAccepted = Schemas["SubmitJobAccepted"];
export type SubmitOutcome = Schemas["SubmitOutcome"];
export type CancelAccepted = Schemas["CancelAccepted"];
export type Projection = Schemas["Projection"];
export type ProjectionState = Schemas["ProjectionState"];
export type ExecutionState = Schemas["ExecutionState"];
export type Job = Schemas["Job"];
export type Timeline = Schemas["Timeline"];
export type TimelineEntry = Schemas["TimelineEntry"];
export type NodeView = Schemas["NodeView"];
export type JobChange = Schemas["JobChange"];
export type StreamReset = Schemas["StreamReset"];
export type StreamEnd = Schemas["StreamEnd"];
export type Problem = Schemas["Problem"];
export type FieldError = Schemas["FieldError"];

const TERMINAL: Record<ProjectionState, boolean> = {
  queued: false,
  running: false,
  succeeded: true,
  failed: true,
  cancelled: true,
};

/** Tell whether a job in this state has ended; only another submission moves it on. */
export function isTerminal(state: ProjectionState): boolean {
  return TERMINAL[state];
}
