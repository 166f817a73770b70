/** Surface 4: nodes, from their join token to their revocation. */
import { v } from "convex/values";
import { internal } from "./_generated/api";
import { internalMutation, internalQuery } from "./_generated/server";
import { createToken, enroll as spendToken } from "./model/enrolling";
import { nodeOf } from "./model/lookups";
import { nodesOf } from "./model/reading";
import { given, nodeRecord } from "./model/records";
import { failOpen, revoke as revokeNode } from "./model/revoking";
import { announce, beat, drain, promote } from "./model/tending";
import * as wire from "./wire/operations";

/** Time for the gateway to go on itself, before what is left is closed without it. */
const REVOCATION_RESUMES_MS = 60_000;

export const createJoinToken = internalMutation({
  args: wire.createJoinToken.args,
  returns: wire.createJoinToken.returns,
  handler: async (ctx, args) => {
    await createToken(ctx.db, args);
    return {};
  },
});

export const enroll = internalMutation({
  args: wire.enrollNode.args,
  returns: wire.enrollNode.returns,
  handler: (ctx, args) => spendToken(ctx.db, args),
});

export const find = internalQuery({
  args: wire.findNode.args,
  returns: wire.findNode.returns,
  handler: async (ctx, { management_node_id }) => {
    const node = await nodeOf(ctx.db, management_node_id);
    return given({ node: node === null ? undefined : nodeRecord(node) });
  },
});

export const list = internalQuery({
  args: wire.listNodes.args,
  returns: wire.listNodes.returns,
  handler: async (ctx, { tenant_id }) => ({ nodes: await nodesOf(ctx.db, tenant_id) }),
});

export const recordHeartbeat = internalMutation({
  args: wire.recordHeartbeat.args,
  returns: wire.recordHeartbeat.returns,
  handler: (ctx, args) => beat(ctx.db, args),
});

export const announceKey = internalMutation({
  args: wire.announceKey.args,
  returns: wire.announceKey.returns,
  handler: async (ctx, args) => ({ node: await announce(ctx.db, args) }),
});

export const promoteKey = internalMutation({
  args: wire.promoteKey.args,
  returns: wire.promoteKey.returns,
  handler: async (ctx, args) => {
    await promote(ctx.db, args);
    return {};
  },
});

export const setDraining = internalMutation({
  args: wire.setDraining.args,
  returns: wire.setDraining.returns,
  handler: async (ctx, args) => ({ node: await drain(ctx.db, args) }),
});

export const revoke = internalMutation({
  args: wire.revokeNode.args,
  returns: wire.revokeNode.returns,
  handler: async (ctx, args) => {
    const isFirst = await revokeNode(ctx.db, args);
    const closed = await failOpen(ctx.db, args);
    if (isFirst && closed.more) {
      const { management_node_id, now, trace_id } = args;
      const left = { management_node_id, now, trace_id };
      await ctx.scheduler.runAfter(REVOCATION_RESUMES_MS, internal.nodes.finishRevocation, left);
    }
    return closed;
  },
});

/** Close what a gateway that was killed in a revocation has left open. */
export const finishRevocation = internalMutation({
  args: { management_node_id: v.string(), now: v.number(), trace_id: v.string() },
  returns: v.null(),
  handler: async (ctx, args) => {
    const { more } = await failOpen(ctx.db, args);
    if (more) await ctx.scheduler.runAfter(0, internal.nodes.finishRevocation, args);
    return null;
  },
});
