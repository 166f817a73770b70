/** The receipts that a call meets: those written before it, and its own as it goes. */
import type { DatabaseReader } from "../_generated/server";
import type { Scope, Update } from "../wire/types";
import { receiptOf, runningIdFor, type Proposed, type Receipt } from "./lifecycle";
import { each, receiptRow, textOf } from "./lookups";

/** What a timeline row and the update that it is written for have in common. */
type Written = Scope &
  Pick<Update, "projection_event_id" | "submission_id"> &
  Parameters<typeof receiptOf>[0];

export class Receipts {
  private readonly rows: Map<string, Written | null>;

  private constructor(rows: Map<string, Written | null>) {
    this.rows = rows;
  }

  /** Read the receipts of `updates`, and of each `running` that may be filled in before one of them. */
  static async of(db: DatabaseReader, updates: Update[], synthesizeRunning: boolean): Promise<Receipts> {
    const filledIn = synthesizeRunning ? updates.filter((of) => of.source_execution_state === "completed") : [];
    const runnings = filledIn.map(async (of) => ({ ...of, projection_event_id: await runningIdFor(of) }));
    const named = [...updates, ...(await Promise.all(runnings))];
    return new Receipts(await each(named, nameOf, (of) => receiptRow(db, of, of.projection_event_id)));
  }

  /** Return the receipts of a submission's workspace by id; another submission's is equal to no update's. */
  known({ submission_id, tenant_id, workspace_id }: Scope & Pick<Update, "submission_id">): Map<string, Receipt> {
    const receipts = new Map<string, Receipt>();
    for (const row of this.rows.values()) {
      if (row === null || row.tenant_id !== tenant_id || row.workspace_id !== workspace_id) continue;
      receipts.set(row.projection_event_id, row.submission_id === submission_id ? receiptOf(row) : {});
    }
    return receipts;
  }

  /** Note what this call writes: its later updates meet it. */
  wrote(update: Proposed): void {
    this.rows.set(nameOf(update), update);
  }
}

function nameOf({ tenant_id, workspace_id, projection_event_id }: Written): string {
  return textOf(tenant_id, workspace_id, projection_event_id);
}
