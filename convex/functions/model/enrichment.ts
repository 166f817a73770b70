/**
 * What a projection is read with beside its state: a line in plain words, how long it queued and ran, how fresh it is.
 *
 * The same as packages/contracts/src/slipway_contracts/enrichment.py, by the golden vectors beside it. Pure, and for
 * pages too: a query is run again when a row it read has changed, and never because time has passed. So the queries
 * tell what holds at any time, and a page works out what holds now: `asOf(job, Date.now())`, as often as it likes.
 */
import type { ExecutionState, Projection, ProjectionState } from "../wire/types";
import { isTerminal } from "./lifecycle";

/** What a failure's code says to people who do not know the code; any other is a failure and no more. */
export const FAILURES: Readonly<Record<string, string>> = {
  walltime_exceeded: "Stopped: it ran for longer than the walltime it asked for",
  out_of_memory: "Stopped: it needed more memory than it asked for",
  node_failure: "The machine it ran on failed",
  preempted: "Stopped to make room for other work",
  deadline_missed: "It could not have ended before its deadline",
  scheduler_lost_job: "The cluster lost it",
  node_storage: "The lab's node had no room for its files",
  node_revoked: "The lab's node was revoked; what became of the job is unknown",
  invalid_payload: "Its input could not be read",
  policy_rejected: "The cluster does not take such a job",
  process_excepted: "It broke off with an error",
};
const EXIT_CODE = /^exit_(\d+)$/;
/** Four missed heartbeats and a little: a blip is not an absence. */
export const OVERDUE_AFTER_SECONDS = 45;
const MILLISECOND = 1_000;
const MILLISECONDS_PER_SECOND = 1_000;

/** Where a job stands, as far as its words tell of it. */
export interface Stand {
  state: ProjectionState;
  source_execution_state?: ExecutionState | undefined;
  failure_code?: string | undefined;
  cancel_requested?: boolean | undefined;
}

/** Return a line that tells where a job stands. */
export function plainWords({ state, source_execution_state, failure_code, cancel_requested }: Stand): string {
  switch (state) {
    case "queued":
      if (cancel_requested === true) return "Being cancelled";
      return source_execution_state === undefined
        ? "Waiting for the lab's node to take it"
        : "Taken by the lab's node; waiting for its turn";
    case "running":
      return cancel_requested === true ? "Being cancelled" : "Running";
    case "succeeded":
      return "Done";
    case "cancelled":
      return "Cancelled";
    case "failed":
      return failureWords(failure_code ?? "");
  }
}

function failureWords(code: string): string {
  const exitCode = EXIT_CODE.exec(code)?.[1];
  if (exitCode !== undefined) return `The program ended with exit code ${exitCode}`;
  return (Object.hasOwn(FAILURES, code) ? FAILURES[code] : undefined) ?? "Failed";
}

/** A job's times, in microseconds since 1970 UTC. */
export type Times = Pick<Projection, "submitted_at" | "started_at" | "ended_at">;

/**
 * Return how long a job waited before it ran, or before it ended without; up to `now` where it still waits.
 *
 * Its start is told by the node's clock, its submission by the gateway's: what comes out negative is 0. Without `now`
 * what still waits has no length.
 */
export function queuedSeconds(times: Times, now?: number): number | undefined {
  return seconds(times.submitted_at, times.started_at ?? times.ended_at ?? now);
}

/** Return how long a job ran, up to `now` where it runs; undefined where it has not begun, or runs without a `now`. */
export function runningSeconds(times: Times, now?: number): number | undefined {
  return times.started_at === undefined ? undefined : seconds(times.started_at, times.ended_at ?? now);
}

function seconds(since: number, until: number | undefined): number | undefined {
  if (until === undefined) return undefined;
  return Math.max(0, Math.round((until - since) / MILLISECOND) / MILLISECONDS_PER_SECOND);
}

/** Tell whether a node last seen then has been silent for too long; milliseconds as `Date.now()` gives them. */
export function isOverdue(last_seen_at: number | undefined, nowMilliseconds: number): boolean {
  if (last_seen_at === undefined) return true;
  return nowMilliseconds - last_seen_at / MILLISECOND > OVERDUE_AFTER_SECONDS * MILLISECONDS_PER_SECOND;
}

/** What `asOf` looks at: any job that the pages' queries give. */
export type Told = Times & Pick<Projection, "projection_state"> & { node_last_seen_at?: number };

/** What time alone changes of a job. */
export interface AsOf {
  queued_seconds: number | undefined;
  running_seconds: number | undefined;
  /** The node is overdue and the job has not ended: it may stand elsewhere by now. */
  stale: boolean;
}

/** Return `job` with what time alone changes, as it is at `nowMilliseconds`: give it `Date.now()`. */
export function asOf<Job extends Told>(job: Job, nowMilliseconds: number): Omit<Job, keyof AsOf> & AsOf {
  const now = nowMilliseconds * MILLISECOND;
  return {
    ...job,
    queued_seconds: queuedSeconds(job, now),
    running_seconds: runningSeconds(job, now),
    stale: !isTerminal(job.projection_state) && isOverdue(job.node_last_seen_at, nowMilliseconds),
  };
}
