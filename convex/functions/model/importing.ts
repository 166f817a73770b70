/**
 * An import: the records of another store, taken in order into a deployment that holds nothing else.
 *
 * How many were taken is written with them, so a call that comes again writes nothing, and an import that was killed
 * goes on where it stood. Until it is finished the deployment is no store; once it is, it takes no more.
 */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import type { Answer, Args, finishImport, importRecords } from "../wire/operations";
import type { StoredRecord } from "../wire/stored";
import { given } from "./records";

/** Every table that an import fills, but `intents`, which has a row for each submission. */
const TABLES = [
  "nodes",
  "agentStarts",
  "joinTokens",
  "submissions",
  "commands",
  "projections",
  "timeline",
  "workspaces",
  "audit",
] as const;

type Closed = { verdict: "finished" } | { verdict: "occupied" };

/** Take the records that come after those that lie here; tell how many then do. */
export async function take(
  db: DatabaseWriter,
  { import_id, sequence, records }: Args<typeof importRecords>,
): Promise<Answer<typeof importRecords>> {
  const standing = (await db.query("imports").first()) ?? (await begun(db, import_id));
  if (standing === null || standing.import_id !== import_id) return { verdict: "occupied" };
  if (standing.finished) return { verdict: "finished" };
  if (sequence !== standing.taken) return { verdict: "open", taken: standing.taken };
  for (const record of records) await write(db, record);
  const taken = standing.taken + records.length;
  await db.patch("imports", standing._id, { taken });
  return { verdict: "open", taken };
}

/** End the import, where all its records lie here. */
export async function finish(
  db: DatabaseWriter,
  { import_id, records }: Args<typeof finishImport>,
): Promise<Answer<typeof finishImport>> {
  const standing = await openImport(db, import_id);
  if ("verdict" in standing) return standing;
  if (standing.taken !== records) return { verdict: "open", taken: standing.taken };
  await db.patch("imports", standing._id, { finished: true });
  return { verdict: "finished" };
}

/** Return the import while it is open. */
export async function openImport(db: DatabaseReader, importId: string): Promise<Doc<"imports"> | Closed> {
  const standing = await db.query("imports").first();
  if (standing?.import_id !== importId) return { verdict: "occupied" };
  return standing.finished ? { verdict: "finished" } : standing;
}

/** Tell whether an import was begun and is not finished. */
export async function isImporting(db: DatabaseReader): Promise<boolean> {
  return (await db.query("imports").first())?.finished === false;
}

async function begun(db: DatabaseWriter, import_id: string): Promise<Doc<"imports"> | null> {
  const held = await Promise.all(TABLES.map((table) => db.query(table).first()));
  if (held.some((row) => row !== null)) return null;
  return await db.get("imports", await db.insert("imports", { import_id, taken: 0, finished: false }));
}

async function write(db: DatabaseWriter, record: StoredRecord): Promise<unknown> {
  switch (record.kind) {
    case "node":
      return await db.insert("nodes", record.fields);
    case "agent_start":
      return await db.insert("agentStarts", record.fields);
    case "join_token":
      return await db.insert("joinTokens", record.fields);
    case "submission": {
      const { traceparent, command, ...submission } = record.fields;
      await db.insert("submissions", submission);
      const { submission_id } = submission;
      return await db.insert("intents", { submission_id, command, ...given({ traceparent }) });
    }
    case "command":
      return await db.insert("commands", record.fields);
    case "projection":
      return await db.insert("projections", record.fields);
    case "entry":
      return await db.insert("timeline", record.fields);
    case "workspace":
      return await db.insert("workspaces", record.fields);
    case "deed":
      return await db.insert("audit", record.fields);
  }
}
