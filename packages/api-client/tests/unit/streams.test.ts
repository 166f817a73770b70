/** Streams against a scripted server: what breaks, repeats, ends or falls silent loses and doubles nothing. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import {
  RefusedError,
  UnauthorizedError,
  UnexpectedAnswerError,
  UnreachableError,
  WaitTimeoutError,
  type StreamEvent,
  type StreamOptions,
} from "../../src/index.js";
import { change, end, events, hangUp, json, problem, reset, ScriptedServer } from "./scripted_server.js";

let server: ScriptedServer;
beforeAll(async () => {
  server = await ScriptedServer.started();
});
afterAll(() => server.stop());

async function taken(stream: AsyncIterable<StreamEvent>, count: number): Promise<string[]> {
  const seen: string[] = [];
  for await (const event of stream) {
    seen.push(`${event.type} ${event.id}`);
    if (seen.length === count) break;
  }
  return seen;
}

const positions = (): unknown[] => server.asked.map(({ headers }) => headers["last-event-id"]);
const follow = (count: number, options: StreamOptions = {}): Promise<string[]> =>
  taken(server.client().stream(options), count);

describe("a stream", () => {
  test("goes on after a connection that broke in the middle of an event", async () => {
    server.script(
      events([reset(3), change(4), change(5).slice(0, -20)], "break"),
      events([change(5), change(6)], "open"),
    );
    expect(await follow(4)).toEqual(["reset 3", "change 4", "change 5", "change 6"]);
    expect(positions()).toEqual([undefined, "4"]);
  });

  test("tells no change twice, however often it is sent", async () => {
    server.script(
      events([reset(3), change(3), change(4), change(4)], "end"),
      events([change(2), change(3), change(4), change(5)], "open"),
    );
    expect(await follow(3)).toEqual(["reset 3", "change 4", "change 5"]);
  });

  test("begins anew from a reset, also one that goes back", async () => {
    server.script(events([reset(90), change(91)], "end"), events([reset(7), change(8)], "open"));
    expect(await follow(4)).toEqual(["reset 90", "change 91", "reset 7", "change 8"]);
    expect(positions()).toEqual([undefined, "91"]);
  });

  test("begins after the position that it is given", async () => {
    server.script(events([change(1)], "open"));
    expect(await follow(1, { lastEventId: 0, jobId: "j" })).toEqual(["change 1"]);
    expect(server.asked[0]?.url).toBe("/api/runtime/jobs/j/stream");
    expect(positions()).toEqual(["0"]);
  });

  test("reconnects to a gateway that closed, that hung up, and that had no room", async () => {
    server.script(
      events([reset(1), end("closing")], "end"),
      hangUp,
      problem(429, "rate_limited", true, { "Retry-After": "0" }),
      events([change(2)], "open"),
    );
    const outages: string[] = [];
    expect(await follow(2, { onOutage: (error) => outages.push(error.name) })).toEqual(["reset 1", "change 2"]);
    expect(outages).toEqual(["UnreachableError", "RefusedError"]);
    expect(positions()).toEqual([undefined, "1", "1", "1"]);
  });

  test("asks for a new token when the old one expired", async () => {
    server.script(events([reset(1), end("token_expired")], "end"), events([change(2)], "open"));
    let asked = 0;
    const slipway = server.client({ token: () => `token-${(asked += 1)}` });
    expect(await taken(slipway.stream(), 2)).toEqual(["reset 1", "change 2"]);
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer token-1", "Bearer token-2"]);
  });

  test("goes on when the token function throws, as when the network drops", async () => {
    server.script(events([reset(1)], "break"), events([change(2)], "open"));
    const tokens = ["token-1", new TypeError("fetch failed"), "token-2"];
    const token = async (): Promise<string> => {
      const next = tokens.shift();
      if (typeof next !== "string") throw next;
      return next;
    };
    expect(await taken(server.client({ token }).stream(), 2)).toEqual(["reset 1", "change 2"]);
    expect(positions()).toEqual([undefined, "1"]);
  });

  test("ends with a token that cannot be renewed", async () => {
    server.script(events([reset(1), end("token_expired")], "end"));
    await expect(follow(2)).rejects.toBeInstanceOf(UnauthorizedError);
    expect(server.asked).toHaveLength(1);
  });

  test("is refused where no reconnecting helps", async () => {
    server.script(problem(404, "job_not_found", false));
    await expect(follow(1, { jobId: "j" })).rejects.toMatchObject({ code: "job_not_found" });
    await expect(follow(1, { jobId: "j" })).rejects.toBeInstanceOf(RefusedError);
  });

  test("is refused at once by what answers with no stream, as a proxy that asks for a login", async () => {
    server.script(json(200, { please: "log in" }));
    const failure = await follow(1).catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(UnexpectedAnswerError);
    expect(server.asked).toHaveLength(1);
  });

  test("reconnects when not even a heartbeat comes", async () => {
    server.script(events([reset(1)], "open"), events([change(2)], "open"));
    expect(await follow(2, { silenceSeconds: 0.05 })).toEqual(["reset 1", "change 2"]);
    expect(positions()).toEqual([undefined, "1"]);
  });

  test("gives up on a gateway that stays away", async () => {
    server.script(events([reset(1)], "end"), hangUp);
    await expect(follow(2, { patienceSeconds: 0 })).rejects.toBeInstanceOf(UnreachableError);
  });

  test("tells at once of a Retry-After that is longer than the patience that is left", async () => {
    server.script(problem(503, "execution_unavailable", true, { "Retry-After": "2" }));
    const outages: unknown[] = [];
    const told = follow(1, { patienceSeconds: 1, onOutage: (error) => outages.push(error) });
    await expect(told).rejects.toMatchObject({ code: "execution_unavailable", retryAfterSeconds: 2 });
    expect(server.asked).toHaveLength(1);
    expect(outages).toEqual([]);
  });

  test("with patience for ever does not ask again while a gateway has it wait, however long", async () => {
    server.script(problem(503, "execution_unavailable", true, { "Retry-After": "9999999" }));
    const abort = new AbortController();
    const onOutage = (): void => void setTimeout(() => abort.abort(new Error("enough")), 50);
    const told = follow(1, { patienceSeconds: Infinity, onOutage, signal: abort.signal });
    await expect(told).rejects.toThrow("enough");
    expect(server.asked).toHaveLength(1);
  });

  test("passes over events that are newer than it, and heartbeats", async () => {
    server.script(events([": heartbeat\n\n", "event: weather\nid: 9\ndata: rain\n\n", change(2)], "open"));
    expect(await follow(1)).toEqual(["change 2"]);
  });

  test.each(["event: change\nid: 3\ndata: {\n\n", "event: change\ndata: {}\n\n"])("refuses %j", async (frame) => {
    server.script(events([frame], "open"));
    await expect(follow(1)).rejects.toBeInstanceOf(UnexpectedAnswerError);
  });

  test("ends with its signal's reason, while it waits for an event and while it waits to reconnect", async () => {
    for (const then of ["open", "end"] as const) {
      server.script(events(["retry: 60000\n\n", reset(1)], then));
      const abort = new AbortController();
      setTimeout(() => abort.abort(new Error("enough")), 60);
      await expect(follow(2, { signal: abort.signal })).rejects.toThrow("enough");
    }
  });

  test("closes its connection when its reader leaves", async () => {
    const closed = new Promise<void>((resolve) => {
      server.script((response, asked) => {
        response.on("close", resolve);
        events([reset(1)], "open")(response, asked);
      });
    });
    await follow(1);
    await closed;
  });
});

describe("waiting", () => {
  const projection = (projection_state: string): object => ({ job_id: "j", projection_state });

  test("returns at once for a job that has ended", async () => {
    server.script(events([reset(1, [projection("failed")])], "open"), json(200, projection("failed")));
    expect(await server.client().wait("j")).toMatchObject({ projection_state: "failed" });
  });

  test("reads the projection when the job ends, and goes on where it was submitted again meanwhile", async () => {
    server.script(
      events([reset(1, [projection("queued")]), change(2), change(3, "failed"), change(9, "succeeded")], "open"),
      json(200, projection("queued")),
      json(200, projection("succeeded")),
    );
    expect(await server.client().wait("j")).toMatchObject({ projection_state: "succeeded" });
  });

  test("ends after its time", async () => {
    server.script(events([reset(1, [projection("queued")])], "open"));
    await expect(server.client().wait("j", { timeoutSeconds: 0.05 })).rejects.toBeInstanceOf(WaitTimeoutError);
  });
});
