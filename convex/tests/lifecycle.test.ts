/** The golden vectors of the contract hold for this implementation as for Python's. */
import { describe, expect, test } from "vitest";
import { eventIdFor, projectionEventIdFor } from "../functions/model/ids";
import {
  fold,
  isTerminal,
  PROJECTION_RANK,
  projectionOf,
  step,
  type Proposed,
  type Receipt,
  type Standing,
} from "../functions/model/lifecycle";
import { executionState, projectionState, type ExecutionState, type ProjectionState } from "../functions/wire/types";
import foldVectors from "../../packages/contracts/src/slipway_contracts/vectors/fold.json";
import idVectors from "../../packages/contracts/src/slipway_contracts/vectors/ids.json";
import projectionVectors from "../../packages/contracts/src/slipway_contracts/vectors/projection.json";
import transitionVectors from "../../packages/contracts/src/slipway_contracts/vectors/transitions.json";

const EXECUTION_STATES = executionState.members.map((member) => member.value);
const PROJECTION_STATES = projectionState.members.map((member) => member.value);

/** Read what Python left out or wrote as null: here both are undefined. */
function read(told: object): object {
  return Object.fromEntries(Object.entries(told).filter(([, value]) => value !== null));
}

describe("the table of steps", () => {
  const told = new Map(
    transitionVectors.cells.map((cell) => [`${cell.standing ?? "none"} ${cell.proposed}`, cell.step]),
  );

  test("has every cell, and no other", () => {
    const due = ["none", ...EXECUTION_STATES].flatMap((one) => EXECUTION_STATES.map((next) => `${one} ${next}`));
    expect([...told.keys()].sort()).toEqual(due.sort());
  });

  test.each(transitionVectors.cells)("$standing → $proposed is $step", (cell) => {
    const standing = (cell.standing ?? undefined) as ExecutionState | undefined;
    expect(step(standing, cell.proposed as ExecutionState)).toBe(cell.step);
  });
});

describe("the projection", () => {
  test.each(EXECUTION_STATES)("of %s is the vectors'", (state) => {
    expect(projectionOf(state)).toBe(projectionVectors.projection_of[state]);
  });

  test("has the vectors' order and ends", () => {
    expect(Object.keys(projectionVectors.projection_of).sort()).toEqual([...EXECUTION_STATES].sort());
    expect(PROJECTION_RANK).toEqual(projectionVectors.rank);
    expect(PROJECTION_STATES.filter(isTerminal)).toEqual(projectionVectors.terminal as ProjectionState[]);
  });
});

describe("ids", () => {
  test.each(idVectors.cases)("of $submission_id, $execution_id, $state are derived", async (told) => {
    const eventId = await eventIdFor(told.submission_id, told.execution_id, told.state as ExecutionState);
    expect(eventId).toBe(told.event_id);
    expect(await projectionEventIdFor(told.submission_id, eventId)).toBe(told.projection_event_id);
  });

  test.each(idVectors.chosen_by_an_older_emitter)("of $submission_id tell $event_id apart", async (told) => {
    expect(await projectionEventIdFor(told.submission_id, told.event_id)).toBe(told.projection_event_id);
  });
});

describe("fold", () => {
  test.each(foldVectors.cases)("$name", async (told) => {
    const written = Object.entries<object>(told.receipts);
    const receipts = new Map(written.map(([id, receipt]) => [id, read(receipt) as Receipt]));
    const updates = told.updates as unknown as Proposed[];
    const folded = await fold(read(told.standing) as Standing, receipts, updates, told.synthesize_running);
    const verdicts = folded.verdicts.map((verdict) =>
      verdict.verdict === "refused" ? { verdict: "refused", code: verdict.code, gap: verdict.gap } : verdict,
    );
    expect(verdicts).toEqual(told.verdicts);
    expect(folded.writes).toEqual(told.writes);
    expect(folded.standing).toEqual(read(told.standing_after));
  });
});
