/** The golden vectors of the contract, as TypeScript sees them: the generated unions say the same states. */
import { readFileSync } from "node:fs";
import { describe, expect, expectTypeOf, test } from "vitest";
import type { ExecutionState, ProjectionState } from "../../src/index.js";

const vectors = new URL("../../../contracts/src/slipway_contracts/vectors/", import.meta.url);

function vector<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, vectors), "utf8")) as T;
}

interface Cell {
  standing: ExecutionState | null;
  proposed: ExecutionState;
  step: "advance" | "gap" | "regression";
}

interface ProjectionVector {
  projection_of: Record<ExecutionState, ProjectionState>;
  rank: Record<ProjectionState, number>;
  terminal: ProjectionState[];
}

const executionStates = ["accepted", "running", "completed", "failed", "cancelled"] as const;
const projectionStates = ["queued", "running", "succeeded", "failed", "cancelled"] as const;

const { cells } = vector<{ cells: Cell[] }>("transitions.json");
const projection = vector<ProjectionVector>("projection.json");

describe("the schema and the vectors", () => {
  test("name the same execution states", () => {
    expectTypeOf<(typeof executionStates)[number]>().toEqualTypeOf<ExecutionState>();
    expect(Object.keys(projection.projection_of).sort()).toEqual([...executionStates].sort());
  });

  test("name the same projection states", () => {
    expectTypeOf<(typeof projectionStates)[number]>().toEqualTypeOf<ProjectionState>();
    expect(Object.keys(projection.rank).sort()).toEqual([...projectionStates].sort());
  });

  test("cover every standing and proposed state once", () => {
    const keys = cells.map((cell) => `${cell.standing ?? "none"} ${cell.proposed}`);
    expect(new Set(keys).size).toBe(keys.length);
    expect(keys.length).toBe((executionStates.length + 1) * executionStates.length);
  });
});

describe("every advance", () => {
  const advances = cells.filter((cell) => cell.step === "advance");

  test.each(advances)("$standing → $proposed never lowers the projection's rank", ({ standing, proposed }) => {
    const from = standing === null ? 0 : projection.rank[projection.projection_of[standing]];
    expect(projection.rank[projection.projection_of[proposed]]).toBeGreaterThanOrEqual(from);
  });

  test("leaves no terminal state", () => {
    const terminal = new Set(projection.terminal);
    const left = advances.filter(({ standing }) => standing !== null && terminal.has(projection.projection_of[standing]));
    expect(left).toEqual([]);
  });
});
