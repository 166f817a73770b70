/** The largest calls of the wire fit into one transaction: convex-test holds them to Convex's own limits. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { COMMANDS_MAX, SUBMISSIONS_MAX, UPDATES_MAX } from "../functions/wire/operations";
import type { Submission } from "../functions/wire/types";
import { SCOPE, SECOND, SECRET, T0, World } from "./world";

const KIB = 1_024;
const SENT_BYTES = 10 * KIB * KIB; // what a gateway sends at once, with what stands around each command
const UPDATES_BYTES = 5.8 * KIB * KIB; // six with their ids

let world: World;
let node: string;
beforeEach(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  world = new World();
  node = await world.node();
});

async function submit(count: number, command: string): Promise<Submission[]> {
  const submissions = Array.from({ length: count }, () => ({ ...world.submission(node), command }));
  return (await verdicts<{ record: Submission }>("create-submissions", { submissions })).map(({ record }) => record);
}

test.each(["x", '"'])("five hundred submissions of 10 MiB, of nothing but %s", async (letter) => {
  const around = JSON.stringify({ ...world.submission(node), command: "" }).length;
  const sent = JSON.stringify(letter).length - 2;
  const command = letter.repeat((SENT_BYTES / SUBMISSIONS_MAX - around) / sent);
  expect(await submit(SUBMISSIONS_MAX, command)).toHaveLength(SUBMISSIONS_MAX);
});

test("a hundred commands of 64 KiB", async () => {
  await submit(COMMANDS_MAX, "x".repeat(64 * KIB));
  const claim = { management_node_id: node, epoch: 1, journal_id: "j", now: T0 };
  const leased = { ...claim, max_commands: COMMANDS_MAX, expires_at: T0 + SECOND };
  const { commands } = await world.call<{ commands: { command_id: string }[] }>("lease-commands", leased);
  expect(commands).toHaveLength(COMMANDS_MAX);
  const command_ids = commands.map(({ command_id }) => command_id);
  await world.call("ack-commands", { ...claim, command_ids });
});

/** Call until each of `items` is answered, as the gateway does; return the answers of each call. */
async function inTurn<Answer>(items: object[], call: (rest: object[]) => Promise<Answer[]>): Promise<Answer[][]> {
  const answers: Answer[][] = [];
  for (let rest = items; rest.length > 0; ) {
    const some = await call(rest);
    expect(some.length).toBeGreaterThan(0);
    answers.push(some);
    rest = rest.slice(some.length);
  }
  return answers;
}

async function verdicts<Verdict>(operation: string, body: Record<string, unknown>): Promise<Verdict[]> {
  return (await world.call<{ verdicts: Verdict[] }>(operation, body)).verdicts;
}

function told(...updates: object[]): Promise<object[][]> {
  return inTurn(updates, (rest) => verdicts("apply-projection-updates", world.application(node, ...rest)));
}

test("two hundred events of 6 MiB, each of another job and its end, once and again", async () => {
  const records = await submit(UPDATES_MAX, "{}");
  const message = "x".repeat(UPDATES_BYTES / UPDATES_MAX);
  const updates = await Promise.all(
    records.map(async (record) => ({
      ...(await world.update(record, "failed")),
      failure: { code: "job_failed", message, retryable: false },
    })),
  );
  expect(await told(...updates)).toEqual([updates.map(() => ({ verdict: "applied" }))]);
  expect((await told(...updates)).flat()).toEqual(updates.map(() => ({ verdict: "duplicate" })));
});

describe("what is as large as it may be, and more in all than a transaction reads,", () => {
  const LARGE = "x".repeat(60 * KIB);
  const MANY = 300; // 17 MiB

  /** Make jobs whose results are large; they have ended, or only begun. */
  async function jobs(count: number, state: "accepted" | "failed"): Promise<Submission[]> {
    const records = await submit(count, "{}");
    const result_ref = { output_uri: "file:///results", metadata_uri: `file:///${LARGE}` };
    const updates = records.map(async (record) => ({ ...(await world.update(record, state)), result_ref }));
    for (const some of parts(await Promise.all(updates))) await told(...some);
    return records;
  }

  /** Make nodes whose policies are large; return their ids. */
  async function nodes(count: number): Promise<string[]> {
    const ids = Array.from({ length: count }, () => world.id("large"));
    for (const some of parts(ids)) {
      await world.convex.run(async (ctx) => {
        const model = await ctx.db.query("nodes").first();
        if (model === null) throw new Error("there is no node to copy");
        const { _id, _creationTime, ...fields } = model;
        for (const id of some) await ctx.db.insert("nodes", { ...fields, management_node_id: id, policy: `"${LARGE}"` });
      });
    }
    return ids;
  }

  function parts<Item>(items: Item[]): Item[][] {
    return Array.from({ length: items.length / 50 }, (_, at) => items.slice(50 * at, 50 * at + 50));
  }

  test("is judged by in several calls where a batch names so many nodes", async () => {
    const ids = await nodes(MANY);
    const keys = ids.map((id) => ({ ...SCOPE, idempotency_key: id, management_node_id: id }));
    const contexts = await inTurn(keys, async (rest) => {
      const answer = await world.call<{ contexts: object[]; nodes: object[] }>("submission-contexts", { keys: rest });
      expect(answer.nodes).toHaveLength(answer.contexts.length);
      return answer.contexts;
    });
    expect(contexts.length).toBeGreaterThan(1);
    const submissions = ids.map((id) => world.submission(id));
    const created = await inTurn(submissions, (rest) =>
      verdicts<{ verdict: string }>("create-submissions", { submissions: rest }),
    );
    expect(created.flat().map(({ verdict }) => verdict)).toEqual(Array(MANY).fill("created"));
  });

  test("is submitted anew in several calls, each job once", async () => {
    const former = await jobs(MANY, "failed");
    const submissions = former.map(({ job_id }) => ({ ...world.submission(node), job_id }));
    const send = (rest: object[]) =>
      verdicts<{ record: Submission }>("create-submissions", { submissions: rest });
    const first = await inTurn(submissions, send);
    expect(first.length).toBeGreaterThan(1);
    expect(first.flat().map(({ record }) => record.attempt)).toEqual(Array(MANY).fill(2));
    const again = await inTurn(submissions, send);
    expect(again.flat().map(({ record }) => record)).toEqual(first.flat().map(({ record }) => record));
  });

  test("is told of again in several calls, and changes nothing", async () => {
    const updates = (await jobs(UPDATES_MAX, "accepted")).map(async (record) => ({
      ...(await world.update(record, "accepted")),
      result_ref: { output_uri: "file:///results" },
    }));
    const again = await told(...(await Promise.all(updates)));
    expect(again.length).toBeGreaterThan(1);
    expect(again.flat()).toEqual(updates.map(() => ({ verdict: "duplicate" })));
  });

  test("is closed by a revocation in several calls", async () => {
    await jobs(200, "accepted");
    const revocation = { management_node_id: node, by: "admin", now: T0, trace_id: "trace" };
    const closed: number[] = [];
    for (let more = true; more; ) {
      const step = await world.call<{ failed: number; more: boolean }>("revoke-node", revocation);
      closed.push(step.failed);
      more = step.more;
    }
    expect(closed.length).toBeGreaterThan(1);
    expect(closed.reduce((all, some) => all + some, 0)).toBe(200);
  });
});
