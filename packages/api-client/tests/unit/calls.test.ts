/** Calls against a scripted server: retries, keys, pages, aborts, and what each failure is. */
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import {
  InputRefusedError,
  RefusedError,
  UnauthorizedError,
  UnexpectedAnswerError,
  UnreachableError,
  createSlipway,
  type CommandDraft,
} from "../../src/index.js";
import { hangUp, json, problem, ScriptedServer } from "./scripted_server.js";

const accepted = { job_id: "j", submission_id: "s", execution_owner: "n", accepted_at: "t", trace_id: "x" };
const draft: CommandDraft = {
  tenant_id: "lab",
  workspace_id: "physics",
  job_id: "j",
  management_node_id: "n",
  execution_profile: { queue_name: "default" },
  resource_shape: { cpu: 1, memory_mib: 1, walltime_seconds: 1 },
  payload_ref: { input_uri: "https://inputs.example/a" },
  requested_by: { user_id: "ada" },
};
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/;

let server: ScriptedServer;
beforeAll(async () => {
  server = await ScriptedServer.started();
});
afterAll(() => server.stop());
afterEach(() => vi.unstubAllGlobals());

const keys = (): unknown[] => server.asked.map(({ body }) => (JSON.parse(body) as CommandDraft).idempotency_key);

async function caught(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => expect.fail("it did not throw"),
    (error: unknown) => error,
  );
}

describe("a submit", () => {
  test("draws a key and tells it", async () => {
    server.script(json(202, accepted));
    const submission = await server.client().submit(draft);
    expect(submission.idempotencyKey).toMatch(UUID);
    expect(keys()).toEqual([submission.idempotencyKey]);
    expect(submission.idempotentReplayed).toBe(false);
  });

  test("draws a key where there is no crypto.randomUUID, as in a page that came over plain HTTP", async () => {
    server.script(json(202, accepted));
    const { crypto } = globalThis;
    vi.stubGlobal("crypto", { getRandomValues: (bytes: Uint8Array<ArrayBuffer>) => crypto.getRandomValues(bytes) });
    const submission = await server.client().submit(draft);
    expect(submission.idempotencyKey).toMatch(UUID);
    expect(keys()).toEqual([submission.idempotencyKey]);
  });

  test("is sent again with the same key after no answer, 408, 429, 503 and a proxy's page", async () => {
    server.script(
      hangUp,
      (response) => void response.writeHead(408).end(),
      problem(429, "rate_limited", true, { "Retry-After": "0" }),
      (response) => void response.writeHead(502, { "Content-Type": "text/html" }).end("<h1>Bad gateway</h1>"),
      json(202, accepted, { "Idempotent-Replayed": "true" }),
    );
    const submission = await server.client().submit(draft);
    expect(submission.idempotentReplayed).toBe(true);
    expect(keys()).toEqual(Array(5).fill(submission.idempotencyKey));
  });

  test("is sent again when its answer broke off", async () => {
    server.script(
      (response) => {
        response.writeHead(202, { "Content-Type": "application/json", "Content-Length": "500" });
        response.write('{"job_id"', () => response.destroy());
      },
      json(202, accepted),
    );
    await server.client().submit(draft);
    expect(server.asked).toHaveLength(2);
  });

  test("waits as long as Retry-After says", async () => {
    server.script(problem(503, "execution_unavailable", true, { "Retry-After": "1" }), json(202, accepted));
    const began = performance.now();
    await server.client().submit(draft);
    expect(performance.now() - began).toBeGreaterThanOrEqual(990);
  });

  test("tells at once of a Retry-After that is longer than the longest wait", async () => {
    server.script(problem(429, "quota_exceeded", true, { "Retry-After": "600" }));
    const patient = server.client({ retries: { totalSeconds: 3600 } });
    const error = await caught(patient.submit(draft));
    expect(error).toMatchObject({ code: "quota_exceeded", retryable: true, retryAfterSeconds: 600 });
    expect(server.asked).toHaveLength(1);
  });

  test("is refused once, with the contract's code", async () => {
    server.script(problem(409, "idempotency_conflict", false));
    const error = await caught(server.client().submit(draft));
    expect(error).toBeInstanceOf(RefusedError);
    expect(error).toMatchObject({ code: "idempotency_conflict", problem: { status: 409 }, retryable: false });
    expect(server.asked).toHaveLength(1);
  });

  test("gives up after its attempts, with the last error", async () => {
    server.script(hangUp);
    const error = await caught(server.client({ retries: { attempts: 3 } }).submit(draft));
    expect(error).toBeInstanceOf(UnreachableError);
    expect(server.asked).toHaveLength(3);
    expect(new Set(keys()).size).toBe(1);
  });

  test("that fails tells what to submit again, with the key that was drawn", async () => {
    server.script(hangUp);
    const error = await caught(server.client({ retries: { attempts: 1 } }).submit(draft));
    const [command] = (error as UnreachableError).commands;
    expect(command?.idempotency_key).toBe(keys()[0]);
    server.script(json(202, accepted));
    await server.client().submit(command as CommandDraft);
    expect(keys().at(-1)).toBe(command?.idempotency_key);
  });
});

describe("many commands", () => {
  const echo = (status: number) =>
    ((response, { body }) => {
      const { commands } = JSON.parse(body) as { commands: CommandDraft[] };
      const outcomes = commands.map(({ job_id }) => ({ status, accepted: { ...accepted, job_id } }));
      json(200, { outcomes })(response, { method: "", url: "", headers: {}, body });
    }) satisfies Parameters<ScriptedServer["script"]>[0];

  test("go in batches of 500, and outcomes come in order with their keys", async () => {
    server.script(echo(202));
    const drafts = Array.from({ length: 1001 }, (_, index) => ({ ...draft, job_id: `j-${index}` }));
    const outcomes = await server.client().submitMany(drafts);
    expect(server.asked).toHaveLength(3);
    expect(outcomes.map((outcome) => outcome.accepted?.job_id)).toEqual(drafts.map(({ job_id }) => job_id));
    expect(new Set(outcomes.map(({ idempotencyKey }) => idempotencyKey)).size).toBe(1001);
  });

  test("go in batches of at most 8 MiB, counted in bytes", async () => {
    server.script(echo(202));
    const wide = { ...draft, requested_by: { user_id: "ada", session_id: "é".repeat(30_000) } };
    await server.client().submitMany(Array.from({ length: 200 }, () => wide));
    const sizes = server.asked.map(({ body }) => Buffer.byteLength(body));
    expect(sizes).toHaveLength(2);
    expect(Math.max(...sizes)).toBeLessThanOrEqual(8 * 1024 * 1024);
  });

  test("that fail tell all that was to be submitted, with their keys", async () => {
    server.script(hangUp);
    const drafts = ["a", "b"].map((job_id) => ({ ...draft, job_id }));
    const error = await caught(server.client({ retries: { attempts: 1 } }).submitMany(drafts));
    const { commands } = JSON.parse(server.asked[0]?.body ?? "") as { commands: CommandDraft[] };
    expect((error as UnreachableError).commands).toEqual(commands);
  });

  test("none make no request", async () => {
    server.script(hangUp);
    expect(await server.client().submitMany([])).toEqual([]);
    expect(server.asked).toHaveLength(0);
  });
});

describe("a failure", () => {
  test("without a credential is its own class", async () => {
    server.script(problem(401, "unauthorized", false));
    expect(await caught(server.client().projection("j"))).toBeInstanceOf(UnauthorizedError);
  });

  test("with a code of a newer contract keeps the word in its problem", async () => {
    server.script(problem(418, "teapot", false));
    expect(await caught(server.client().job("j"))).toMatchObject({ code: "unknown_code", problem: { code: "teapot" } });
  });

  test.each([
    ["a page", 200, "text/html", "<h1>Log in</h1>"],
    ["nothing", 200, "application/json", ""],
    ["a proxy's 404", 404, "text/plain", "no route"],
  ])("that is %s is not a gateway's answer", async (_, status, type, body) => {
    server.script((response) => void response.writeHead(status, { "Content-Type": type }).end(body));
    const error = await caught(server.client().nodes());
    expect(error).toBeInstanceOf(UnexpectedAnswerError);
    expect(error).toMatchObject({ status, retryable: false });
    expect(server.asked).toHaveLength(1);
  });

  test("of nobody listening is unreachable, with its cause", async () => {
    const slipway = createSlipway({ url: "http://127.0.0.1:9", token: "t", retries: { attempts: 1 } });
    const error = await caught(slipway.nodes());
    expect(error).toBeInstanceOf(UnreachableError);
    expect((error as Error).cause).toBeDefined();
  });

  test("to answer within a try's time is unreachable", async () => {
    server.script(() => undefined);
    const slipway = server.client({ timeoutSeconds: 0.05, retries: { attempts: 2 } });
    expect(await caught(slipway.nodes())).toBeInstanceOf(UnreachableError);
    expect(server.asked).toHaveLength(2);
  });
});

describe("a token function", () => {
  const never = (): Promise<string> => new Promise(() => undefined);

  test("that throws, as when the network drops, is asked again", async () => {
    server.script(json(200, { nodes: [] }));
    const tokens = [() => Promise.reject(new TypeError("fetch failed")), () => Promise.resolve("token")];
    expect(await server.client({ token: () => tokens.shift()?.() ?? "" }).nodes()).toEqual([]);
    expect(server.asked).toHaveLength(1);
  });

  test.each([new TypeError("fetch failed"), new SyntaxError("no JSON"), "no session"])(
    "that goes on throwing %s is unreachable, with its cause",
    async (cause) => {
      const token = (): string => {
        throw cause;
      };
      const error = await caught(server.client({ token, retries: { attempts: 2 } }).nodes());
      expect(error).toBeInstanceOf(UnreachableError);
      expect(error).toMatchObject({ retryable: true, cause });
    },
  );

  test("that throws an error of this package ends the call with it", async () => {
    const reason = new InputRefusedError("nobody is logged in");
    expect(await caught(server.client({ token: () => Promise.reject(reason) }).nodes())).toBe(reason);
  });

  test("that never answers is unreachable after a try's time", async () => {
    const slipway = server.client({ token: never, timeoutSeconds: 0.05, retries: { attempts: 1 } });
    expect(await caught(slipway.nodes())).toBeInstanceOf(UnreachableError);
  });

  test("that never answers is left with the signal's reason", async () => {
    const reason = new Error("enough");
    const abort = new AbortController();
    const token = (): Promise<string> => {
      abort.abort(reason);
      return never();
    };
    await expect(server.client({ token }).nodes({ signal: abort.signal })).rejects.toBe(reason);
  });

  test("that answers after a try's time has nothing sent", async () => {
    let give: (token: string) => void = () => undefined;
    const token = (): Promise<string> => new Promise((resolve) => (give = resolve));
    const fetch = vi.fn(globalThis.fetch);
    const slipway = server.client({ token, fetch, timeoutSeconds: 0.05, retries: { attempts: 1 } });
    expect(await caught(slipway.nodes())).toBeInstanceOf(UnreachableError);
    give("token");
    await new Promise(setImmediate);
    expect(fetch).not.toHaveBeenCalled();
  });
});

describe("what does not hold is refused before it is sent", () => {
  test.each(["", "a/b", "..", "a b", "x".repeat(129)])("the job id %j", async (id) => {
    await expect(server.client().projection(id)).rejects.toBeInstanceOf(InputRefusedError);
    expect(() => server.client().stream({ jobId: id })).toThrow(InputRefusedError);
  });

  test.each(["", "gateway", "ftp://gateway", "https://u:p@gateway", "https://gateway?a=1"])("the URL %j", (url) => {
    expect(() => createSlipway({ url, token: "t" })).toThrow(InputRefusedError);
  });

  test.each([-1, 1.5, NaN])("the position %d", (lastEventId) => {
    expect(() => server.client().stream({ lastEventId })).toThrow(InputRefusedError);
  });

  test("a token with a line break", async () => {
    await expect(server.client({ token: "a\nb" }).nodes()).rejects.toBeInstanceOf(InputRefusedError);
  });
});

describe("a request", () => {
  test("carries the token of the moment, the workspace and the trace", async () => {
    server.script(problem(503, "product_store_unavailable", true, { "Retry-After": "0" }), json(200, { job_id: "j" }));
    let asked = 0;
    const token = (): Promise<string> => Promise.resolve(`token-${(asked += 1)}`);
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    await server.client({ token, workspaceId: "physics" }).projection("j", { traceparent });
    expect(server.asked.map(({ headers }) => headers.authorization)).toEqual(["Bearer token-1", "Bearer token-2"]);
    expect(server.asked[0]?.headers["traceparent"]).toBe(traceparent);
    expect(server.asked[0]?.url).toBe("/api/runtime/jobs/j/projection?workspace_id=physics");
  });

  test("may go through a fetch of the caller's own", async () => {
    server.script(json(200, { nodes: [] }));
    const seen: string[] = [];
    const fetch = (request: Request): Promise<Response> => {
      seen.push(request.url);
      return globalThis.fetch(request);
    };
    await server.client({ fetch }).nodes();
    expect(seen).toEqual([`${server.url}/api/runtime/nodes`]);
  });

  test("ends with its signal's reason, also between two tries", async () => {
    server.script(problem(503, "product_store_unavailable", true, { "Retry-After": "5" }));
    const reason = new Error("enough");
    const abort = new AbortController();
    setTimeout(() => abort.abort(reason), 50);
    await expect(server.client().nodes({ signal: abort.signal })).rejects.toBe(reason);
    await expect(server.client().nodes({ signal: abort.signal })).rejects.toBe(reason);
  });

  test("to cancel names the submission that is meant, or none", async () => {
    server.script(json(202, accepted));
    await server.client().cancel("j", { submissionId: "s" });
    await server.client().cancel("j");
    expect(server.asked.map(({ url, body }) => [url, body])).toEqual([
      ["/api/runtime/jobs/j:cancel", '{"submission_id":"s"}'],
      ["/api/runtime/jobs/j:cancel", ""],
    ]);
  });
});

test("pages are read as they are asked for", async () => {
  server.script(
    json(200, { jobs: [{ job_id: "a" }, { job_id: "b" }], next_cursor: "more" }),
    json(200, { jobs: [{ job_id: "c" }], next_cursor: null }),
  );
  const found: string[] = [];
  for await (const job of server.client().jobs({ states: ["queued", "running"], pageSize: 2 })) {
    if (found.length === 0) expect(server.asked).toHaveLength(1);
    found.push(job.job_id);
  }
  expect(found).toEqual(["a", "b", "c"]);
  expect(server.asked.map(({ url }) => url)).toEqual([
    "/api/runtime/jobs?limit=2&state=queued&state=running",
    "/api/runtime/jobs?limit=2&state=queued&state=running&cursor=more",
  ]);
});
