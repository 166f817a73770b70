/** Fills a store with jobs faster than by submitting them: copies of one that was submitted, as it was written. */
import type { Submission } from "../functions/wire/types";
import type { World } from "./world";

const BATCH = 1_000;
const TABLES = ["submissions", "intents", "commands", "projections", "timeline"] as const;

/** Make `count` queued jobs of `nodeId`, each with a pending command; return the first five. */
export async function filled(world: World, nodeId: string, count: number): Promise<Submission[]> {
  const records = [];
  for (let at = 0; at < 5; at += 1) records.push(await world.submit(nodeId));
  for (let from = records.length; from < count; from += BATCH) await copy(world, from, Math.min(from + BATCH, count));
  return records;
}

async function copy(world: World, from: number, to: number): Promise<void> {
  await world.convex.run(async (ctx) => {
    for (const table of TABLES) {
      const model = await ctx.db.query(table).first();
      if (model === null) throw new Error(`nothing to copy in ${table}`);
      const { _id, _creationTime, ...fields } = model;
      for (let at = from; at < to; at += 1) await ctx.db.insert(table, renumbered(fields, at) as typeof fields);
    }
    const workspace = await ctx.db.query("workspaces").first();
    if (workspace === null) throw new Error("there is no workspace");
    await ctx.db.patch("workspaces", workspace._id, { change: to, open_submissions: to });
  });
}

function renumbered(fields: object, at: number): object {
  const named = ["submission_id", "job_id", "idempotency_key", "command_id", "projection_event_id"];
  const numbered = ["change", "submitted_change"];
  const renewed: [name: string, value: unknown][] = Object.entries(fields).map(([name, value]) => {
    if (numbered.includes(name)) return [name, at + 1];
    return [name, named.includes(name) ? `${name}-copy-${at}` : value];
  });
  return Object.fromEntries(renewed);
}
