/** The receipts that a call meets: those written before it, and its own as it goes. */
import type { Doc } from "../_generated/dataModel";
import type { DatabaseReader } from "../_generated/server";
import type { Scope, Update } from "../wire/types";
import { Lookup } from "./bounded";
import { receiptOf, runningIdFor, type Proposed, type Receipt } from "./lifecycle";
import { receiptRow, textOf } from "./lookups";

type Named = Scope & Pick<Update, "projection_event_id">;
/** What a timeline row and the update that it is written for have in common. */
type Written = Named & Pick<Update, "submission_id"> & Parameters<typeof receiptOf>[0];

export class Receipts {
  private readonly before: Lookup<Named, Doc<"timeline">>;
  private readonly own: Written[] = [];
  private readonly synthesizeRunning: boolean;

  constructor(db: DatabaseReader, synthesizeRunning: boolean) {
    this.before = new Lookup(nameOf, (of) => receiptRow(db, of, of.projection_event_id));
    this.synthesizeRunning = synthesizeRunning;
  }

  /** Read the receipts of `updates` and of each `running` that may be filled in before one; return the bytes. */
  async read(updates: Update[]): Promise<number> {
    const filledIn = this.synthesizeRunning ? updates.filter((of) => of.source_execution_state === "completed") : [];
    const runnings = filledIn.map(async (of) => ({ ...of, projection_event_id: await runningIdFor(of) }));
    return await this.before.read([...updates, ...(await Promise.all(runnings))]);
  }

  /** Return the receipts of a submission's workspace by id; another submission's is equal to no update's. */
  known({ submission_id, tenant_id, workspace_id }: Scope & Pick<Update, "submission_id">): Map<string, Receipt> {
    const receipts = new Map<string, Receipt>();
    for (const row of [...this.before.found.values(), ...this.own]) {
      if (row === null || row.tenant_id !== tenant_id || row.workspace_id !== workspace_id) continue;
      receipts.set(row.projection_event_id, row.submission_id === submission_id ? receiptOf(row) : {});
    }
    return receipts;
  }

  /** Note what this call writes: its later updates meet it. */
  wrote(update: Proposed): void {
    this.own.push(update);
  }
}

function nameOf({ tenant_id, workspace_id, projection_event_id }: Named): string {
  return textOf(tenant_id, workspace_id, projection_event_id);
}
