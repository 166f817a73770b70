/** A gateway that is killed, or stopped, while a stream is read: each change is seen once, in order. */
import { afterAll, beforeAll, expect, test } from "vitest";
import { createSlipway } from "../../src/index.js";
import { describeLive, LiveGateway } from "./gateway.js";

const JOBS = 12;
const STATES = ["accepted", "running", "completed"];

describeLive("a gateway that goes away", () => {
  let gateway: LiveGateway;

  beforeAll(async () => {
    gateway = await LiveGateway.started();
  });
  afterAll(() => gateway?.stop());

  test.each(["kill", "terminate"] as const)("by %s loses and doubles no change", async (how) => {
    const slipway = createSlipway({ url: gateway.url, token: gateway.token });
    const expected = JOBS * (1 + STATES.length);
    const stream = slipway.stream();
    const begin = await stream.next();
    expect(begin.value).toMatchObject({ type: "reset" });

    const writing = (async () => {
      for (let number = 0; number < JOBS; number += 1) {
        const job = await slipway.submit(gateway.draft(`${how}-${number}`));
        await gateway.report(job, ...STATES);
      }
    })();

    const seen: string[] = [];
    const ids: number[] = [];
    for await (const event of stream) {
      if (event.type === "reset") throw new Error("a reset, though little was missed");
      ids.push(event.id);
      seen.push(`${event.change.job_id} ${event.change.source_execution_state ?? event.change.kind}`);
      if (seen.length === 10 || seen.length === 30) {
        await gateway[how]();
        await gateway.start();
      }
      if (seen.length === expected) break;
    }
    await writing;

    const told = Array.from({ length: JOBS }, (_, number) =>
      ["submitted", ...STATES].map((state) => `${how}-${number} ${state}`),
    );
    expect(seen).toEqual(told.flat());
    expect(ids).toEqual([...new Set(ids)].sort((a, b) => a - b));
  });
});
