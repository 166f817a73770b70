/** Surface 3: projection updates. */
import { internalMutation } from "./_generated/server";
import { apply as foldAndWrite } from "./model/projecting";
import * as wire from "./wire/operations";

export const apply = internalMutation({
  args: wire.applyProjectionUpdates.args,
  returns: wire.applyProjectionUpdates.returns,
  handler: (ctx, args) => foldAndWrite(ctx.db, args),
});
