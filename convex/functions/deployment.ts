/** The deployment itself. */
import { internalQuery } from "./_generated/server";
import { SCHEMA_REVISION } from "./schema";
import * as wire from "./wire/operations";

/** Tell the tables' revision. `testing` is never true here: the testing host puts it in, and only it can. */
export const check = internalQuery({
  args: wire.check.args,
  returns: wire.check.returns,
  handler: () => ({ schema: SCHEMA_REVISION, testing: false }),
});
