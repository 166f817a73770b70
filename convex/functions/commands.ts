/** Surface 4: the commands that nodes lease. */
import { internalMutation, internalQuery } from "./_generated/server";
import { ack as hold, isWaiting, lease as offer } from "./model/leasing";
import * as wire from "./wire/operations";

export const lease = internalMutation({
  args: wire.leaseCommands.args,
  returns: wire.leaseCommands.returns,
  handler: (ctx, args) => offer(ctx.db, args),
});

export const ack = internalMutation({
  args: wire.ackCommands.args,
  returns: wire.ackCommands.returns,
  handler: (ctx, args) => hold(ctx.db, args),
});

export const has = internalQuery({
  args: wire.hasCommands.args,
  returns: wire.hasCommands.returns,
  handler: async (ctx, args) => ({ waiting: await isWaiting(ctx.db, args) }),
});
