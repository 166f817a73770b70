/** Surface 4 in the store: leases and acks (docs/contracts/node-protocol.md). */
import type { Infer } from "convex/values";
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader, DatabaseWriter } from "../_generated/server";
import {
  COMMANDS_MAX,
  type ackCommands,
  type Answer,
  type Args,
  type hasCommands,
  type leaseCommands,
  type leasedCommand,
} from "../wire/operations";
import { fenced } from "./agents";
import { commandOf, each, intentOf, submissionOf } from "./lookups";
import { given, submissionRecord } from "./records";

type Claim = Args<typeof hasCommands>;

/** Lease commands that are pending, whose lease is over or an older epoch's, or acked in another journal. */
export async function lease(
  db: DatabaseWriter,
  claim: Args<typeof leaseCommands>,
): Promise<Answer<typeof leaseCommands>> {
  const refused = await fenced(db, claim);
  if (refused !== undefined) return refused;
  const { epoch, expires_at } = claim;
  const offered = await offers(db, claim, Math.min(claim.max_commands, COMMANDS_MAX));
  for (const { _id } of offered) {
    await db.patch("commands", _id, { state: "leased", lease_epoch: epoch, lease_expires_at: expires_at });
  }
  const commands = await Promise.all(offered.map((command) => told(db, command, expires_at)));
  return { verdict: "leased", commands };
}

/** Tell whether a lease would give something, or be refused. */
export async function isWaiting(db: DatabaseReader, claim: Claim): Promise<boolean> {
  return (await fenced(db, claim)) !== undefined || (await offers(db, claim, 1)).length > 0;
}

/** Return a node's commands that may be leased, oldest first; each kind of offer reads its own stretch of an index. */
async function offers(db: DatabaseReader, claim: Claim, most: number): Promise<Doc<"commands">[]> {
  const { management_node_id: node, journal_id, epoch, now } = claim;
  const commands = () => db.query("commands");
  const stretches = await Promise.all([
    commands()
      .withIndex("by_state", (q) => q.eq("management_node_id", node).eq("state", "pending"))
      .take(most),
    commands()
      .withIndex("by_lease_end", (q) =>
        q.eq("management_node_id", node).eq("state", "leased").lte("lease_expires_at", now),
      )
      .take(most),
    commands()
      .withIndex("by_lease_epoch", (q) =>
        q.eq("management_node_id", node).eq("state", "leased").lt("lease_epoch", epoch),
      )
      .take(most),
    commands()
      .withIndex("by_journal", (q) =>
        q.eq("management_node_id", node).eq("state", "acked").lt("journal_id", journal_id),
      )
      .take(most),
    commands()
      .withIndex("by_journal", (q) =>
        q.eq("management_node_id", node).eq("state", "acked").gt("journal_id", journal_id),
      )
      .take(most),
  ]);
  const distinct = new Map(stretches.flat().map((command) => [command._id, command]));
  const oldestFirst = Array.from(distinct.values()).sort((one, other) => one._creationTime - other._creationTime);
  return oldestFirst.slice(0, most);
}

async function told(
  db: DatabaseReader,
  { command_id, kind, submission_id }: Doc<"commands">,
  expires_at: number,
): Promise<Infer<typeof leasedCommand>> {
  const [submission, intent] = await Promise.all([submissionOf(db, submission_id), intentOf(db, submission_id)]);
  if (submission === null || intent === null) throw new Error(`no submission ${submission_id}`);
  return {
    command_id,
    kind,
    submission: submissionRecord(submission),
    expires_at,
    ...given({
      traceparent: intent.traceparent,
      command: kind === "submit" ? intent.command : undefined,
    }),
  };
}

/** Record that commands are durable in the journal; repeated acks hold, and a withdrawn command is not held. */
export async function ack(db: DatabaseWriter, of: Args<typeof ackCommands>): Promise<Answer<typeof ackCommands>> {
  const refused = await fenced(db, of);
  if (refused !== undefined) return refused;
  const commands = await each(
    of.command_ids,
    (id) => id,
    (id) => commandOf(db, id),
  );
  for (const command of commands.values()) {
    if (command === null || !isHeld(command, of.management_node_id) || command.state === "done") continue;
    if (command.state === "acked" && command.journal_id === of.journal_id) continue;
    await db.patch("commands", command._id, {
      state: "acked",
      journal_id: of.journal_id,
      lease_expires_at: undefined,
    });
  }
  return { verdict: "acked", held: of.command_ids.map((id) => isHeld(commands.get(id), of.management_node_id)) };
}

function isHeld(command: Doc<"commands"> | null | undefined, nodeId: string): boolean {
  return command?.management_node_id === nodeId && command.state !== "dropped";
}
