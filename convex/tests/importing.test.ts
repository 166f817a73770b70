/** An import from another store: in order, once, into a deployment that holds nothing else. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { UPDATES_MAX_BYTES } from "../functions/http";
import { RECORDS_MAX } from "../functions/wire/operations";
import type { StoredRecord } from "../functions/wire/stored";
import { SCOPE, SECRET, World } from "./world";

const TABLES = {
  ...{ nodes: "node", agentStarts: "agent_start", joinTokens: "join_token", submissions: "submission" },
  ...{ commands: "command", projections: "projection", timeline: "entry", workspaces: "workspace", audit: "deed" },
} as const;
const ID = { import_id: "this" };

let world: World;
beforeEach(() => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  world = new World();
});

/** Return every document of a world as it was written, by table. */
async function documents({ convex }: World): Promise<Record<string, object[]>> {
  const tables = [...(Object.keys(TABLES) as (keyof typeof TABLES)[]), "intents" as const];
  return await convex.run(async (ctx) => {
    const rows = tables.map(async (table) => {
      const found: object[] = await ctx.db.query(table).collect();
      return [table, found.map((row) => ({ ...row, _id: 0, _creationTime: 0 }))] as const;
    });
    return Object.fromEntries(await Promise.all(rows));
  });
}

/** Return a lived-in world's records, as another store would tell them. */
async function records(): Promise<{ source: World; told: StoredRecord[] }> {
  const source = new World();
  const node = await source.node();
  const other = { ...SCOPE, workspace_id: "plant" };
  await source.drive(await source.submit(node), "accepted", "running", "completed");
  await source.drive(await source.submit(node, other), "accepted");
  await source.submit(node);
  const held = await documents(source);
  const intents = new Map(held.intents?.map((row) => [(row as { submission_id: string }).submission_id, row]));
  const told = Object.entries(TABLES).flatMap(([table, kind]) =>
    (held[table] ?? []).map((row) => {
      const intent = kind === "submission" ? intents.get((row as { submission_id: string }).submission_id) : {};
      const { _id, _creationTime, ...fields } = { ...row, ...intent } as Record<string, unknown>;
      return { kind, fields } as StoredRecord;
    }),
  );
  return { source, told };
}

async function take(sequence: number, told: object[], id = ID): Promise<object> {
  return await world.call("import-records", { ...id, sequence, records: told });
}

test("what was imported lies here as it lay there, and in its order", async () => {
  const { source, told } = await records();
  expect(await take(0, told.slice(0, 5))).toEqual({ verdict: "open", taken: 5 });
  expect(await take(5, told.slice(5))).toEqual({ verdict: "open", taken: told.length });
  expect(await documents(world)).toEqual(await documents(source));
});

test("a call that comes again, or too early, writes nothing and says where to go on", async () => {
  const { told } = await records();
  await take(0, told.slice(0, 5));
  const held = await documents(world);
  for (const sequence of [0, 3, 6, told.length]) {
    expect(await take(sequence, told.slice(0, 5))).toEqual({ verdict: "open", taken: 5 });
  }
  expect(await documents(world)).toEqual(held);
});

test("until it is finished, check tells of it; once it is, nothing more is taken", async () => {
  const { told } = await records();
  expect(await world.call("check", {})).toMatchObject({ importing: false });
  await take(0, told.slice(0, 5));
  expect(await world.call("check", {})).toMatchObject({ importing: true });
  expect(await world.call("finish-import", { ...ID, records: told.length })).toEqual({ verdict: "open", taken: 5 });
  await take(5, told.slice(5));
  const finish = () => world.call("finish-import", { ...ID, records: told.length });
  expect([await finish(), await finish()]).toEqual([{ verdict: "finished" }, { verdict: "finished" }]);
  expect(await world.call("check", {})).toMatchObject({ importing: false });
  const held = await documents(world);
  expect(await take(told.length, told)).toEqual({ verdict: "finished" });
  expect(await world.call("tally-import", { ...ID, kind: "node" })).toEqual({ verdict: "finished" });
  expect(await documents(world)).toEqual(held);
});

describe("a deployment that holds anything else is occupied", () => {
  test("by a gateway's writes", async () => {
    await world.node();
    expect(await take(0, [])).toEqual({ verdict: "occupied" });
    expect(await world.call("check", {})).toMatchObject({ importing: false });
  });

  test("by another import, finished or not", async () => {
    await take(0, []);
    const another = { import_id: "another" };
    expect(await take(0, [], another)).toEqual({ verdict: "occupied" });
    expect(await world.call("finish-import", { ...another, records: 0 })).toEqual({ verdict: "occupied" });
    await world.call("finish-import", { ...ID, records: 0 });
    expect(await take(0, [], another)).toEqual({ verdict: "occupied" });
  });

  test("where no import was begun, none is finished", async () => {
    expect(await world.call("finish-import", { ...ID, records: 0 })).toEqual({ verdict: "occupied" });
  });
});

test("a tally counts each kind, and what each workspace has of it", async () => {
  const { told } = await records();
  await take(0, told);
  const tally = (kind: string) => world.call("tally-import", { ...ID, kind });
  const plant = { tenant_id: "acme", workspace_id: "plant" };
  expect(await tally("node")).toEqual({ verdict: "counted", count: 1, workspaces: [] });
  expect(await tally("intent")).toEqual({ verdict: "counted", count: 3, workspaces: [] });
  expect(await tally("submission")).toEqual({
    verdict: "counted",
    count: 3,
    workspaces: [
      { ...SCOPE, change: 0, open_submissions: 1 },
      { ...plant, change: 0, open_submissions: 1 },
    ],
  });
  expect(await tally("workspace")).toMatchObject({
    workspaces: [
      { ...SCOPE, open_submissions: 1 },
      { ...plant, open_submissions: 1 },
    ],
  });
});

test("a tally of many goes on where the last call ended", async () => {
  const deed = { recorded_at: 0, tenant_id: "t", actor: "a", action: "b" };
  for (let at = 0; at < 6; at += 1) {
    const deeds = Array.from({ length: RECORDS_MAX }, (_, n) => ({ kind: "deed", fields: { ...deed, subject: `${n}` } }));
    await take(at * RECORDS_MAX, deeds);
  }
  const first = await world.call("tally-import", { ...ID, kind: "deed" });
  expect(first).toMatchObject({ count: 4 * RECORDS_MAX });
  const rest = await world.call("tally-import", { ...ID, kind: "deed", after: first.next });
  expect(rest).toEqual({ verdict: "counted", count: 2 * RECORDS_MAX, workspaces: [] });
});

test("the largest call fits into one transaction", async () => {
  const { told } = await records();
  const model = told.find(({ kind }) => kind === "submission");
  const command = "x".repeat(UPDATES_MAX_BYTES / RECORDS_MAX - 600);
  const many = Array.from({ length: RECORDS_MAX }, (_, n) => ({
    kind: "submission",
    fields: { ...model?.fields, submission_id: `s-${n}`, idempotency_key: `k-${n}`, command },
  }));
  expect(await take(0, many)).toEqual({ verdict: "open", taken: RECORDS_MAX });
});

test("a batch over its limit is refused, and a field that does not hold is told by its path", async () => {
  const deed = { kind: "deed", fields: { recorded_at: 0, tenant_id: "t", actor: "a", action: "b", subject: "c" } };
  const send = (told: object[]) => world.send("import-records", JSON.stringify({ ...ID, sequence: 0, records: told }));
  expect((await send(Array.from({ length: RECORDS_MAX + 1 }, () => deed))).status).toBe(413);
  const faulty = await send([deed, { kind: "deed", fields: { ...deed.fields, actor: 1 } }, { kind: "other" }]);
  expect(faulty.status).toBe(400);
  expect(await faulty.json()).toMatchObject({
    errors: [{ field: "records.1.fields.actor" }, { field: "records.2" }],
  });
});
