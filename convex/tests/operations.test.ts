/** What the wire says and the stores' conformance suite does not: it acts through the port, one call at a time. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import type { Submission, Update } from "../functions/wire/types";
import { SCOPE, SECOND, SECRET, T0, World } from "./world";

let world: World;
let node: string;
let record: Submission;
beforeEach(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  world = new World();
  node = await world.node();
  record = await world.submit(node);
});

describe("updates", () => {
  const GAP = ["invalid_projection_transition", true];

  async function verdicts(nodeId: string, ...updates: Update[]): Promise<unknown[]> {
    const answer = await world.call<{ verdicts: { verdict: string; code?: string; gap?: boolean }[] }>(
      "apply-projection-updates",
      world.application(nodeId, ...updates),
    );
    return answer.verdicts.map(({ verdict, code, gap }) => (code === undefined ? verdict : [code, gap]));
  }

  async function life(): Promise<[Update, Update]> {
    return [await world.update(record, "accepted"), await world.update(record, "running")];
  }

  test("need not name the attempt, and are refused another one", async () => {
    const [accepted, running] = await life();
    expect(accepted).not.toHaveProperty("attempt");
    expect(await verdicts(node, accepted, { ...running, attempt: 2 })).toEqual([
      "applied",
      ["invalid_projection_update", false],
    ]);
  });

  test.each([
    ["another node's submission", "projection_target_not_found", {}, true],
    ["no submission", "projection_target_not_found", { submission_id: "unknown" }, false],
    ["another tenant", "forbidden", { tenant_id: "umbrella" }, false],
    ["another workspace", "forbidden", { workspace_id: "plant" }, false],
    ["another job", "projection_target_not_found", { job_id: "another" }, false],
  ])("of %s are refused as %s, the later ones as gaps, and nothing is written", async (_, code, change, byOther) => {
    const [accepted, running] = await life();
    const from = byOther ? await world.node() : node;
    const { submission_id } = { ...accepted, ...change };
    const answer = await verdicts(from, { ...accepted, ...change }, { ...running, submission_id });
    expect(answer).toEqual([[code, false], GAP]);
    const { entries } = await world.call<{ entries: object[] }>("timeline", { ...SCOPE, job_id: record.job_id });
    expect(entries).toHaveLength(1);
  });

  test("before the one that names another job are applied", async () => {
    const [accepted, running] = await life();
    expect(await verdicts(node, accepted, { ...running, job_id: "another" }, running)).toEqual([
      "applied",
      ["projection_target_not_found", false],
      GAP,
    ]);
  });

  test("under an id that another submission took in the same call are a conflict", async () => {
    const [accepted] = await life();
    const other = await world.submit(node);
    const borrowed = { ...(await world.update(other, "accepted")), projection_event_id: accepted.projection_event_id };
    expect(await verdicts(node, accepted, borrowed)).toEqual(["applied", ["projection_event_id_conflict", false]]);
  });

  test("that skip running are a conflict where an earlier call gave its id away", async () => {
    const [accepted, running] = await life();
    const { projection_event_id } = running;
    expect(await verdicts(node, { ...accepted, projection_event_id })).toEqual(["applied"]);
    const application = world.application(node, await world.update(record, "completed"));
    const answer = await world.call("apply-projection-updates", { ...application, synthesize_running: true });
    expect(answer).toMatchObject({ verdicts: [{ verdict: "refused", code: "projection_event_id_conflict" }] });
  });

  test("of a revoked node are all forbidden", async () => {
    const [accepted, running] = await life();
    await world.call("revoke-node", { management_node_id: node, by: "admin", now: T0, trace_id: "trace" });
    expect(await verdicts(node, accepted, running)).toEqual([
      ["forbidden", false],
      ["forbidden", false],
    ]);
  });
});

describe("commands", () => {
  const agent = () => ({ management_node_id: node, epoch: 1, journal_id: "journal", now: T0 });
  const has = async (change: object = {}) => await world.call("has-commands", { ...agent(), ...change });
  const lease = async () => {
    const claim = { ...agent(), max_commands: 100, expires_at: T0 + SECOND };
    type Leased = { commands: { command_id: string; command: string }[] };
    return (await world.call<Leased>("lease-commands", claim)).commands;
  };

  test("given in one transaction are leased in its order, each as it was sent", async () => {
    const submissions = Array.from({ length: 50 }, () => world.submission(node));
    await world.call("create-submissions", { submissions });
    const commands = (await lease()).slice(1);
    expect(commands.map(({ command_id, command }) => ({ command_id, command }))).toEqual(
      submissions.map(({ command_id, command }) => ({ command_id, command })),
    );
  });

  test("have creation times that grow strictly, also in one transaction", async () => {
    await world.call("create-submissions", { submissions: Array.from({ length: 50 }, () => world.submission(node)) });
    const times = await world.convex.run(async (ctx) =>
      (await ctx.db.query("commands").take(100)).map(({ _creationTime }) => _creationTime),
    );
    expect(times.every((time, at) => at === 0 || time > (times[at - 1] ?? Infinity))).toBe(true);
  });

  test("are waiting where a lease would give one, or be refused", async () => {
    expect(await has()).toEqual({ waiting: true });
    await lease();
    expect(await has()).toEqual({ waiting: false });
    expect(await has({ now: T0 + SECOND })).toEqual({ waiting: true });
    expect(await has({ epoch: 2 })).toEqual({ waiting: true });
    expect(await has({ management_node_id: "nowhere" })).toEqual({ waiting: true });
  });

  test("in a journal are waiting for another journal, whichever way its name sorts", async () => {
    const command_ids = (await lease()).map(({ command_id }) => command_id);
    await world.call("ack-commands", { ...agent(), command_ids });
    expect(await has()).toEqual({ waiting: false });
    for (const journal_id of ["a", "z"]) expect(await has({ journal_id })).toEqual({ waiting: true });
  });
});

test("a cancel tells the node that is to hear of it, and every refusal whether waiting may cure it", async () => {
  const cancel = { ...SCOPE, command_id: "cancel", requested_by: "ada", requested_at: T0, trace_id: "trace" };
  expect(await world.call("cancel-job", { ...cancel, job_id: record.job_id })).toEqual({
    ...{ verdict: "recorded", submission_id: record.submission_id, projection_state: "cancelled" },
    ...{ requested_at: T0, management_node_id: node },
  });
  const refused = await world.call("cancel-job", { ...cancel, job_id: "unknown" });
  expect(refused).toMatchObject({ verdict: "refused", code: "job_not_found", gap: false });
});

describe("a page of jobs", () => {
  const list = async (filter: object) => {
    const { projections, next } = await world.call<{ projections: { job_id: string }[]; next?: number }>("list-jobs", {
      ...SCOPE,
      states: [],
      limit: 100,
      ...filter,
    });
    return [projections.map(({ job_id }) => job_id), next];
  };

  test("merges states and nodes in the order of submission, and goes on where it ended", async () => {
    const other = await world.node();
    const records = [record];
    for (const each of [node, other, node, node]) records.push(await world.submit(each));
    const [a, b, c, d, e] = records.map(({ job_id }) => job_id);
    await world.drive(records[1] as Submission, "failed");
    await world.drive(records[3] as Submission, "accepted", "running");
    const states = ["queued", "failed", "running"];
    expect(await list({ states })).toEqual([[e, d, c, b, a], undefined]);
    expect(await list({ states, limit: 2 })).toEqual([[e, d], 4]);
    expect(await list({ states, limit: 2, before: 4 })).toEqual([[c, b], 2]);
    expect(await list({ states, limit: 1, before: 2 })).toEqual([[a], undefined]);
    expect(await list({ states: ["failed", "queued"], management_node_id: node })).toEqual([[e, b, a], undefined]);
    expect(await list({ management_node_id: other })).toEqual([[c], undefined]);
  });
});
