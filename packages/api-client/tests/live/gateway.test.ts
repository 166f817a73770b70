/** The client against a real gateway. */
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { UnauthorizedError, createSlipway, withIdempotencyKey, type Slipway } from "../../src/index.js";
import { describeLive, LiveGateway } from "./gateway.js";

describeLive("at a gateway", () => {
  let gateway: LiveGateway;
  let slipway: Slipway;

  beforeAll(async () => {
    gateway = await LiveGateway.started();
    slipway = createSlipway({ url: gateway.url, token: gateway.token });
  });
  afterAll(() => gateway?.stop());

  test("a command that is submitted again is the same submission", async () => {
    const command = withIdempotencyKey(gateway.draft("once"));
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    const first = await slipway.submit(command, { traceparent });
    const again = await slipway.submit(command);
    expect(again).toEqual({ ...first, idempotentReplayed: true });
    expect(first.idempotentReplayed).toBe(false);
    expect(first.trace_id).toBe("0af7651916cd43dd8448eb211c80319c");
  });

  test("the same key with another intent is refused by its code", async () => {
    const command = withIdempotencyKey(gateway.draft("conflict"));
    await slipway.submit(command);
    const other = { ...command, resource_shape: { ...command.resource_shape, cpu: 2 } };
    await expect(slipway.submit(other)).rejects.toMatchObject({ code: "idempotency_conflict" });
  });

  test("many commands have an outcome each", async () => {
    const good = gateway.draft("many-1");
    const bad = { ...gateway.draft("many-2"), execution_profile: { queue_name: "no-such-queue" } };
    const outcomes = await slipway.submitMany([good, bad]);
    expect(outcomes.map(({ accepted, problem }) => accepted?.job_id ?? problem?.code)).toEqual([
      "many-1",
      "policy_rejected",
    ]);
  });

  test("jobs, nodes, projections and timelines are read", async () => {
    await slipway.submit(gateway.draft("read-1"));
    await slipway.submit(gateway.draft("read-2"));
    const found: string[] = [];
    for await (const job of slipway.jobs({ pageSize: 1 })) found.push(job.job_id);
    expect(found.slice(0, 2)).toEqual(["read-2", "read-1"]);
    expect(new Set(found).size).toBe(found.length);
    expect((await slipway.nodes()).map((node) => node.management_node_id)).toEqual([gateway.nodeId]);
    expect((await slipway.job("read-1")).command.job_id).toBe("read-1");
    expect((await slipway.timeline("read-1")).map(({ kind }) => kind)).toEqual(["submitted"]);
    await expect(slipway.projection("no-such-job")).rejects.toMatchObject({ code: "job_not_found" });
  });

  test("a job is waited for until its end", async () => {
    const job = await slipway.submit(gateway.draft("waited"));
    const waited = slipway.wait("waited", { timeoutSeconds: 30 });
    await gateway.report(job, "accepted", "running", "completed");
    expect(await waited).toMatchObject({ projection_state: "succeeded", result_ref: { output_uri: "s3://results/1" } });
  });

  test("a job that is cancelled before its node took it has ended", async () => {
    await slipway.submit(gateway.draft("cancelled"));
    expect((await slipway.cancel("cancelled")).projection_state).toBe("cancelled");
    expect((await slipway.wait("cancelled")).projection_state).toBe("cancelled");
    expect((await slipway.wait("cancelled", { timeoutSeconds: 0 })).projection_state).toBe("cancelled");
  });

  test("a job's stream tells its whole timeline from the position 0", async () => {
    const job = await slipway.submit(gateway.draft("history"));
    await gateway.report(job, "accepted", "running", "failed");
    const timeline = await slipway.timeline("history");
    const told = [];
    for await (const event of slipway.stream({ jobId: "history", lastEventId: 0 })) {
      if (event.type === "change") told.push(event.change);
      if (told.length === timeline.length) break;
    }
    expect(told).toEqual(timeline.map((entry) => ({ ...entry, job_id: "history" })));
  });

  test("a stream outlives its token where the token can be renewed", async () => {
    let asked = 0;
    const token = (): string => gateway.tokenFor((asked += 1) === 1 ? 2 : 600);
    const stream = createSlipway({ url: gateway.url, token }).stream();
    expect((await stream.next()).value).toMatchObject({ type: "reset" });
    const next = stream.next();
    await vi.waitFor(() => expect(asked).toBe(2), 15_000);
    await slipway.submit(gateway.draft("renewed"));
    expect((await next).value).toMatchObject({ type: "change", change: { job_id: "renewed", kind: "submitted" } });
    await stream.return();
  });

  test("a stream ends with a token that cannot be renewed", async () => {
    const stream = createSlipway({ url: gateway.url, token: gateway.tokenFor(2) }).stream();
    expect((await stream.next()).value).toMatchObject({ type: "reset" });
    await expect(stream.next()).rejects.toBeInstanceOf(UnauthorizedError);
  });
});
