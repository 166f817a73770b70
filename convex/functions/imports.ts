/** Filling an empty deployment from another store. */
import { internalMutation, internalQuery } from "./_generated/server";
import { finish as finishImport, take as takeRecords } from "./model/importing";
import { tally as tallyImport } from "./model/tallying";
import * as wire from "./wire/operations";

export const take = internalMutation({
  args: wire.importRecords.args,
  returns: wire.importRecords.returns,
  handler: (ctx, args) => takeRecords(ctx.db, args),
});

export const tally = internalQuery({
  args: wire.tallyImport.args,
  returns: wire.tallyImport.returns,
  handler: (ctx, args) => tallyImport(ctx.db, args),
});

export const finish = internalMutation({
  args: wire.finishImport.args,
  returns: wire.finishImport.returns,
  handler: (ctx, args) => finishImport(ctx.db, args),
});
