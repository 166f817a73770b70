/**
 * The lifecycle, pure: states, transitions, and what a store does with an update.
 *
 * The same decisions as packages/contracts/src/slipway_contracts/lifecycle.py, held together by the golden vectors
 * beside it. A store reads one submission's standing and receipts, calls `fold`, and writes what it returns.
 */
import type { ExecutionState, ProjectionState, Refused, Update } from "../wire/types";
import { eventIdFor, projectionEventIdFor } from "./ids";
import { refused } from "./refusing";

/** What one proposed execution state is to the standing one. */
export type Step = "advance" | "gap" | "regression";

type Table = Record<ExecutionState | "none", readonly ExecutionState[]>;
const ADVANCES: Table = {
  none: ["accepted", "failed", "cancelled"],
  accepted: ["running", "failed", "cancelled"],
  running: ["completed", "failed", "cancelled"],
  completed: [],
  failed: [],
  cancelled: [],
};
/** A predecessor is missing and may still be on its way; whatever else does not advance never will. */
const GAPS: Table = {
  none: ["running", "completed"],
  accepted: ["completed"],
  running: [],
  completed: [],
  failed: [],
  cancelled: [],
};
export const PROJECTION_RANK: Record<ProjectionState, number> = {
  queued: 0,
  running: 1,
  succeeded: 2,
  failed: 2,
  cancelled: 2,
};
const TERMINAL_RANK = 2;

/** Return what `proposed` is to `standing` (undefined: no event yet). Total over both arguments. */
export function step(standing: ExecutionState | undefined, proposed: ExecutionState): Step {
  if (ADVANCES[standing ?? "none"].includes(proposed)) return "advance";
  return GAPS[standing ?? "none"].includes(proposed) ? "gap" : "regression";
}

/** Map an execution state to what a person sees; `accepted` enriches `queued` and is no regression. */
export function projectionOf(state: ExecutionState): ProjectionState {
  switch (state) {
    case "accepted":
      return "queued";
    case "running":
      return "running";
    case "completed":
      return "succeeded";
    case "failed":
      return "failed";
    case "cancelled":
      return "cancelled";
  }
}

/** Tell whether `state` absorbs. */
export function isTerminal(state: ProjectionState): boolean {
  return PROJECTION_RANK[state] === TERMINAL_RANK;
}

/** An update as it is judged: its attempt is known, and whether it was filled in. */
export interface Proposed extends Update {
  attempt: number;
  synthesized?: true;
}

/** What makes two deliveries the same update: one rebuilt after a loss differs only in time and text. */
export interface Receipt {
  source_execution_state?: ExecutionState | undefined;
  execution_id?: string | undefined;
  slurm_job_id?: string | undefined;
  output_uri?: string | undefined;
  failure_code?: string | undefined;
}

/** Return the compared fields of an update, or of the timeline row that it became. */
export function receiptOf(
  told: Pick<Partial<Update>, "source_execution_state" | "execution_id" | "scheduler_ref" | "result_ref" | "failure">,
): Receipt {
  return {
    source_execution_state: told.source_execution_state,
    execution_id: told.execution_id,
    slurm_job_id: told.scheduler_ref?.slurm_job_id,
    output_uri: told.result_ref?.output_uri,
    failure_code: told.failure?.code,
  };
}

function isSame(one: Receipt, other: Receipt): boolean {
  return (
    one.source_execution_state === other.source_execution_state &&
    one.execution_id === other.execution_id &&
    one.slurm_job_id === other.slurm_job_id &&
    one.output_uri === other.output_uri &&
    one.failure_code === other.failure_code
  );
}

/**
 * Where one submission stands in the store.
 *
 * `projection_state` can be terminal while `execution_state` is unset: cancelled before the node took it, or failed
 * with its node's revocation. `current` is false once a later attempt has replaced it.
 */
export interface Standing {
  attempt: number;
  projection_state: ProjectionState;
  execution_state?: ExecutionState | undefined;
  execution_id?: string | undefined;
  slurm_job_id?: string | undefined;
  current: boolean;
}

export type Verdict = { verdict: "applied" } | { verdict: "duplicate" } | Refused;

/** What a submission's later updates in a call are answered once one of them was refused. */
export const AFTER_REFUSAL: Refused = transition("an earlier event of this submission was refused", true);

/** Judge one update against its submission's standing and the receipt of the same id, if there is one. */
export function judge(standing: Standing, receipt: Receipt | undefined, update: Proposed): Verdict {
  if (receipt !== undefined) {
    if (isSame(receipt, receiptOf(update))) return { verdict: "duplicate" };
    return refused("projection_event_id_conflict", "this id was used before with another state or reference");
  }
  const state = update.source_execution_state;
  if (update.attempt !== standing.attempt) {
    return refused("invalid_projection_update", `attempt is ${standing.attempt}, not ${update.attempt}`);
  }
  if (projectionOf(state) !== update.projection_state) {
    return refused("invalid_projection_update", `${state} never projects to ${update.projection_state}`);
  }
  if (!standing.current || isTerminal(standing.projection_state)) {
    return transition(`the submission is ${standing.projection_state}, which absorbs`);
  }
  const renamed = renaming(standing, update);
  if (renamed !== undefined) return transition(renamed);
  const follows = `${state} cannot follow ${standing.execution_state ?? "no event"}`;
  switch (step(standing.execution_state, state)) {
    case "advance":
      return { verdict: "applied" };
    case "gap":
      return transition(`${follows} directly`, true);
    case "regression":
      return transition(follows);
  }
}

/** Tell which reference of the execution would change, if one would. */
function renaming(standing: Standing, update: Proposed): string | undefined {
  const slurmJobId = update.scheduler_ref?.slurm_job_id;
  if (standing.execution_id !== undefined && (update.execution_id ?? standing.execution_id) !== standing.execution_id) {
    return `execution_id is ${standing.execution_id} and immutable`;
  }
  if (standing.slurm_job_id !== undefined && (slurmJobId ?? standing.slurm_job_id) !== standing.slurm_job_id) {
    return `slurm_job_id is ${standing.slurm_job_id} and immutable`;
  }
  return undefined;
}

function transition(detail: string, gap = false): Refused {
  return refused("invalid_projection_transition", detail, gap);
}

function advanced(standing: Standing, update: Proposed): Standing {
  return {
    ...standing,
    projection_state: update.projection_state,
    execution_state: update.source_execution_state,
    execution_id: update.execution_id ?? standing.execution_id,
    slurm_job_id: update.scheduler_ref?.slurm_job_id ?? standing.slurm_job_id,
  };
}

/** The outcome of `fold`: a verdict an update, in order, and what is to be written, in order. */
export interface Folded {
  standing: Standing;
  verdicts: Verdict[];
  writes: Proposed[];
}

/**
 * Judge one submission's updates in order, each against what the ones before it left.
 *
 * `receipts` maps projection_event_id → receipt for those of `updates` already written. After the first refusal the
 * rest are not tried and answer as gaps, so that a producer sends them again in order. `synthesizeRunning` fills in
 * the `running` that emitters older than contract 1 skip, marked `synthesized`.
 */
export async function fold(
  standing: Standing,
  receipts: ReadonlyMap<string, Receipt>,
  updates: readonly Proposed[],
  synthesizeRunning = false,
): Promise<Folded> {
  const known = new Map(receipts);
  const verdicts: Verdict[] = [];
  const writes: Proposed[] = [];
  for (const update of updates) {
    if (verdicts.at(-1)?.verdict === "refused") {
      verdicts.push(AFTER_REFUSAL);
      continue;
    }
    let verdict = judge(standing, known.get(update.projection_event_id), update);
    let due = [update];
    if (synthesizeRunning && skipsRunning(standing, verdict)) {
      const running = await synthesizedRunning(update);
      due = [running, update];
      verdict = filledIn(running, known, update);
    }
    verdicts.push(verdict);
    if (verdict.verdict !== "applied") continue;
    for (const write of due) {
      standing = advanced(standing, write);
      known.set(write.projection_event_id, receiptOf(write));
      writes.push(write);
    }
  }
  return { standing, verdicts, writes };
}

/** Tell whether a gap is the missing `running` and nothing else: only `completed` is one behind `accepted`. */
function skipsRunning(standing: Standing, verdict: Verdict): boolean {
  return verdict.verdict === "refused" && verdict.gap && standing.execution_state === "accepted";
}

/** Judge `update` behind the `running` filled in for it: legal, unless the emitter gave that id to another. */
function filledIn(running: Proposed, known: ReadonlyMap<string, Receipt>, update: Proposed): Verdict {
  const id = running.projection_event_id;
  if (known.has(id) || id === update.projection_event_id) {
    return refused("projection_event_id_conflict", "the id of the skipped running was used for another event");
  }
  return { verdict: "applied" };
}

/** Return the id of the `running` that is filled in before `completed`, where it was skipped. */
export async function runningIdFor(completed: Pick<Update, "submission_id" | "execution_id">): Promise<string> {
  const { submission_id, execution_id } = completed;
  const eventId = await eventIdFor(submission_id, execution_id ?? submission_id, "running");
  return await projectionEventIdFor(submission_id, eventId);
}

async function synthesizedRunning(completed: Proposed): Promise<Proposed> {
  const { result_ref: _result, failure: _failure, display_message: _message, ...running } = completed;
  return {
    ...running,
    projection_event_id: await runningIdFor(completed),
    projection_state: "running",
    source_execution_state: "running",
    synthesized: true,
  };
}
