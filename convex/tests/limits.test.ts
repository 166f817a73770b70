/** The largest calls of the wire fit into one transaction: convex-test holds them to Convex's own limits. */
import { beforeEach, expect, test, vi } from "vitest";
import { COMMANDS_MAX, SUBMISSIONS_MAX, UPDATES_MAX } from "../functions/wire/operations";
import type { Submission } from "../functions/wire/types";
import { SECOND, SECRET, T0, World } from "./world";

const KIB = 1_024;
const COMMANDS_BYTES = 8 * KIB * KIB;
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
  const { verdicts } = await world.call<{ verdicts: { record: Submission }[] }>("create-submissions", { submissions });
  return verdicts.map(({ record }) => record);
}

test("five hundred submissions of 8 MiB", async () => {
  expect(await submit(SUBMISSIONS_MAX, "x".repeat(COMMANDS_BYTES / SUBMISSIONS_MAX))).toHaveLength(SUBMISSIONS_MAX);
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

test("two hundred events of 6 MiB, each of another job and its end, once and again", async () => {
  const records = await submit(UPDATES_MAX, "{}");
  const message = "x".repeat(UPDATES_BYTES / UPDATES_MAX);
  const updates = await Promise.all(
    records.map(async (record) => ({
      ...(await world.update(record, "failed")),
      failure: { code: "job_failed", message, retryable: false },
    })),
  );
  for (const verdict of ["applied", "duplicate"]) {
    const answer = await world.call("apply-projection-updates", world.application(node, ...updates));
    expect(answer).toEqual({ verdicts: updates.map(() => ({ verdict })) });
  }
});
