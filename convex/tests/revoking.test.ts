/** A revocation takes as many transactions as it needs, each bounded, and ends also without its gateway. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { CLOSED_MAX } from "../functions/model/revoking";
import { SCOPE, SECRET, T0, World } from "./world";

let world: World;
let node: string;
beforeEach(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] });
  world = new World();
  node = await world.node();
});
afterEach(() => {
  vi.useRealTimers();
});

async function submit(count: number): Promise<void> {
  const submissions = Array.from({ length: count }, () => world.submission(node));
  await world.call("create-submissions", { submissions });
}

function revoke(): Promise<object> {
  return world.call("revoke-node", { management_node_id: node, by: "admin", now: T0, trace_id: "trace" });
}

async function inState(projection_state: string): Promise<number> {
  const filter = { ...SCOPE, states: [projection_state], limit: 1_000 };
  return (await world.call<{ projections: object[] }>("list-jobs", filter)).projections.length;
}

test("the gateway repeats while there is more", async () => {
  await submit(2 * CLOSED_MAX + 1);
  expect(await revoke()).toEqual({ failed: CLOSED_MAX, more: true });
  expect(await revoke()).toEqual({ failed: CLOSED_MAX, more: true });
  expect(await revoke()).toEqual({ failed: 1, more: false });
  expect(await revoke()).toEqual({ failed: 0, more: false });
  expect(await inState("failed")).toBe(2 * CLOSED_MAX + 1);
});

test("the node is revoked by the first call", async () => {
  await submit(CLOSED_MAX + 1);
  await revoke();
  expect(await world.call("find-node", { management_node_id: node })).toMatchObject({ node: { state: "revoked" } });
  const { verdicts } = await world.call<{ verdicts: object[] }>("create-submissions", {
    submissions: [world.submission(node)],
  });
  expect(verdicts).toEqual([{ verdict: "stale_policy" }]);
});

test("what a killed gateway left is closed after a while", async () => {
  await submit(2 * CLOSED_MAX + 1);
  await revoke();
  expect(await inState("queued")).toBe(CLOSED_MAX + 1);
  await world.convex.finishAllScheduledFunctions(vi.runAllTimers);
  expect([await inState("queued"), await inState("failed")]).toEqual([0, 2 * CLOSED_MAX + 1]);
});
