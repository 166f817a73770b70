/** Words, seconds and freshness: the golden vectors hold here as for Python, and a page tells them by its own clock. */
import { describe, expect, test } from "vitest";
import { asOf, FAILURES, isOverdue, plainWords, queuedSeconds, runningSeconds } from "../functions/model/enrichment";
import { isTerminal, PROJECTION_RANK } from "../functions/model/lifecycle";
import type { ExecutionState, ProjectionState } from "../functions/wire/types";
import vectors from "../../packages/contracts/src/slipway_contracts/vectors/enrichment.json";

const T0 = 1_767_268_800_000; // milliseconds, as a page's clock gives them
const STATES = Object.keys(PROJECTION_RANK) as ProjectionState[];

function microseconds(time: string | undefined): number | undefined {
  return time === undefined ? undefined : Date.parse(time) * 1_000;
}

describe("plain words", () => {
  test.each(vectors.words)("$name", ({ words, ...told }) => {
    const state = told.state as ProjectionState;
    const source_execution_state = told.source_execution_state as ExecutionState | undefined;
    expect(plainWords({ ...told, state, source_execution_state })).toBe(words);
  });

  test("of each failure that has its own are among the cases", () => {
    const told = vectors.words.flatMap((each) => (each.failure_code === undefined ? [] : [each.failure_code]));
    expect(told).toEqual(expect.arrayContaining(Object.keys(FAILURES)));
    expect(plainWords({ state: "failed", failure_code: "constructor" })).toBe("Failed");
  });
});

describe("seconds", () => {
  test.each(vectors.times)("of one that $name", (told) => {
    const [submitted_at, started_at, ended_at, now] = [told.submitted_at, told.started_at, told.ended_at, told.now].map(
      microseconds,
    );
    if (submitted_at === undefined) throw new Error("every case was submitted");
    const times = { submitted_at, ...(started_at && { started_at }), ...(ended_at && { ended_at }) };
    expect(queuedSeconds(times, now)).toBe(told.queued_seconds);
    expect(runningSeconds(times, now)).toBe(told.running_seconds);
    expect(queuedSeconds(times)).toBe(started_at ?? ended_at ? told.queued_seconds : undefined);
    expect(runningSeconds(times)).toBe(ended_at ? told.running_seconds : undefined);
  });
});

describe("freshness", () => {
  test("ends after forty-five seconds of silence, and before the first word", () => {
    const seen = T0 * 1_000;
    expect([0, 45_000, 45_001].map((silence) => isOverdue(seen, T0 + silence))).toEqual([false, false, true]);
    expect(isOverdue(undefined, T0)).toBe(true);
  });

  test.each(STATES)("of a %s job is in doubt only while it has not ended", (projection_state) => {
    const job = { projection_state, submitted_at: T0 * 1_000, node_last_seen_at: T0 * 1_000 };
    expect(asOf(job, T0 + 45_000).stale).toBe(false);
    expect(asOf(job, T0 + 46_000).stale).toBe(!isTerminal(projection_state));
  });

  test("and the seconds that still grow are told by the page's clock", () => {
    const times = { submitted_at: T0 * 1_000, started_at: (T0 + 2_000) * 1_000 };
    const running = { projection_state: "running" as const, ...times, job_id: "j", queued_seconds: 2 };
    expect(asOf(running, T0 + 5_000)).toMatchObject({ job_id: "j", queued_seconds: 2, running_seconds: 3 });
    expect(asOf(running, T0 + 6_500)).toMatchObject({ queued_seconds: 2, running_seconds: 4.5 });
  });
});
