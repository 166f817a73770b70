/** The deployment itself. */
import { internalQuery } from "./_generated/server";
import { isImporting } from "./model/importing";
import { SCHEMA_REVISION } from "./schema";
import * as wire from "./wire/operations";

/**
 * Tell the tables' revision, and whether an import is not finished: then this is no store yet.
 *
 * `testing` is never true here: the testing host puts it in, and only it can.
 */
export const check = internalQuery({
  args: wire.check.args,
  returns: wire.check.returns,
  handler: async (ctx) => ({ schema: SCHEMA_REVISION, testing: false, importing: await isImporting(ctx.db) }),
});
