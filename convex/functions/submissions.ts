/** Surface 1: submissions. */
import { internalMutation, internalQuery } from "./_generated/server";
import { contextsOf, create as commit } from "./model/submitting";
import * as wire from "./wire/operations";

export const contexts = internalQuery({
  args: wire.submissionContexts.args,
  returns: wire.submissionContexts.returns,
  handler: (ctx, args) => contextsOf(ctx.db, args),
});

export const create = internalMutation({
  args: wire.createSubmissions.args,
  returns: wire.createSubmissions.returns,
  handler: (ctx, args) => commit(ctx.db, args),
});
