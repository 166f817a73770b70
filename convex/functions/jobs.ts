/** Surface 5 and the reads: jobs as the gateway asks for them. */
import { internalMutation, internalQuery } from "./_generated/server";
import { cancel as recordCancel } from "./model/cancelling";
import { intentOf, projectionOfJob } from "./model/lookups";
import { jobs, timelineOf } from "./model/reading";
import { given, projectionRecord } from "./model/records";
import * as wire from "./wire/operations";

export const cancel = internalMutation({
  args: wire.cancelJob.args,
  returns: wire.cancelJob.returns,
  handler: (ctx, args) => recordCancel(ctx.db, args),
});

export const list = internalQuery({
  args: wire.listJobs.args,
  returns: wire.listJobs.returns,
  handler: (ctx, args) => jobs(ctx.db, args),
});

export const get = internalQuery({
  args: wire.getJob.args,
  returns: wire.getJob.returns,
  handler: async (ctx, args) => {
    const projection = await projectionOfJob(ctx.db, args);
    if (projection === null) return {};
    const intent = await intentOf(ctx.db, projection.submission_id);
    return { projection: projectionRecord(projection), ...given({ command: intent?.command }) };
  },
});

export const timeline = internalQuery({
  args: wire.timeline.args,
  returns: wire.timeline.returns,
  handler: async (ctx, args) => ({ entries: await timelineOf(ctx.db, args) }),
});
