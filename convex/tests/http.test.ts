/** The gateway's wire: who may call, what is refused before a function runs, and what is told when one fails. */
import { beforeEach, describe, expect, test, vi } from "vitest";
import { answer, PREFIX, ROUTES } from "../functions/http";
import { SECOND, SECRET, T0, World } from "./world";

let world: World;
beforeEach(() => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET_PREVIOUS", undefined);
  world = new World();
});

interface Problem {
  type: string;
  title: string;
  status: number;
  code: string;
  detail: string;
  retryable: boolean;
  errors?: { field: string; message: string }[];
}

async function problemOf(response: Response): Promise<Problem> {
  expect(response.headers.get("Content-Type")).toBe("application/problem+json");
  const problem = (await response.json()) as Problem;
  expect(problem.status).toBe(response.status);
  expect(problem.type).toBe(`urn:slipway:error:${problem.code}`);
  return problem;
}

describe("the secret", () => {
  test.each([undefined, "", "Bearer ", "Bearer wrong", SECRET, `bearer ${SECRET}`, `Bearer ${SECRET}x`])(
    "is not %j",
    async (header) => {
      for (const operation of [...Object.keys(ROUTES), "none"]) {
        const problem = await problemOf(await world.send(operation, "{}", header ?? ""));
        expect([problem.status, problem.code, problem.retryable]).toEqual([401, "unauthorized", false]);
      }
    },
  );

  test("may be the present or the previous one", async () => {
    vi.stubEnv("SLIPWAY_GATEWAY_SECRET_PREVIOUS", "older");
    for (const secret of [SECRET, "older"]) {
      const response = await world.send("check", "{}", `Bearer ${secret}`);
      expect(await response.json()).toEqual({ schema: 1, testing: false, importing: false });
    }
  });

  test.each(["", undefined])("lets nobody in where it is %j", async (unset) => {
    vi.stubEnv("SLIPWAY_GATEWAY_SECRET", unset);
    for (const header of ["Bearer ", "Bearer undefined", "", `Bearer ${SECRET}`]) {
      expect((await world.send("check", "{}", header)).status).toBe(401);
    }
  });
});

describe("a request", () => {
  test.each(["none", "", "check/more", "constructor", "__proto__"])("to %j is to no operation", async (operation) => {
    const problem = await problemOf(await world.send(operation, "{}"));
    expect([problem.status, problem.code]).toEqual([404, "not_found"]);
  });

  test.each(["GET", "PUT", "DELETE", "PATCH"])("by %s is by no method of an operation", async (method) => {
    const response = await world.convex.fetch(`${PREFIX}check`, {
      method,
      headers: { Authorization: `Bearer ${SECRET}` },
    });
    expect(response.headers.get("Allow")).toBe("POST");
    expect((await problemOf(response)).code).toBe("method_not_allowed");
  });

  test.each(["", "{", "nothing"])("with the body %j is no JSON", async (body) => {
    const problem = await problemOf(await world.send("check", body));
    expect([problem.status, problem.code, problem.errors?.[0]?.field]).toEqual([400, "invalid_request", "body"]);
  });

  test.each([
    ["submission-contexts", "keys", 501],
    ["create-submissions", "submissions", 501],
    ["apply-projection-updates", "updates", 201],
    ["ack-commands", "command_ids", 101],
  ])("to %s with too many %s is too large", async (operation, list, count) => {
    const over = await problemOf(await world.send(operation, JSON.stringify({ [list]: Array(count).fill("x") })));
    expect([over.status, over.code]).toEqual([413, "payload_too_large"]);
    const full = await problemOf(await world.send(operation, JSON.stringify({ [list]: Array(count - 1).fill(0) })));
    expect(full.code).toBe("invalid_request");
  });

  test.each([
    ["check", 12],
    ["apply-projection-updates", 6],
  ])("to %s of more than %i MiB is too large", async (operation, mebibytes) => {
    const full = "é".repeat((mebibytes * 1024 * 1024) / 2 - 1);
    const over = await problemOf(await world.send(operation, JSON.stringify(`${full}x`)));
    expect([over.status, over.code]).toEqual([413, "payload_too_large"]);
    expect((await problemOf(await world.send(operation, JSON.stringify(full)))).code).toBe("invalid_request");
  });
});

describe("a field that does not hold is told by its path", () => {
  async function refused(operation: string, body: unknown): Promise<Record<string, string>> {
    const problem = await problemOf(await world.send(operation, JSON.stringify(body)));
    expect([problem.status, problem.code]).toEqual([400, "invalid_request"]);
    return Object.fromEntries(problem.errors?.map(({ field, message }) => [field, message]) ?? []);
  }

  test("when it is missing, unknown or of another type", async () => {
    expect(await refused("get-job", { tenant_id: 1, workspace_id: null, more: [] })).toEqual({
      tenant_id: "must be text",
      workspace_id: "must be text",
      job_id: "is missing",
      more: "is unknown",
    });
  });

  test("however deep it lies", async () => {
    const node = await world.node();
    const update = await world.update(await world.submit(node), "failed");
    const broken = { ...update, failure: { message: "why", retryable: 1 }, projection_state: "done" };
    expect(await refused("apply-projection-updates", world.application(node, update, broken))).toEqual({
      "updates.1.failure.code": "is missing",
      "updates.1.failure.retryable": "must be true or false",
      "updates.1.projection_state": "must be one of queued, running, succeeded, failed, cancelled",
    });
  });

  test("also where the body is no object, and the first fifty of many", async () => {
    expect(await refused("check", [])).toEqual({ body: "must be an object" });
    expect(Object.keys(await refused("submission-contexts", { keys: Array(100).fill(0) }))).toHaveLength(50);
  });
});

describe("what a function throws", () => {
  const request = () =>
    new Request(`https://some.convex.site${PREFIX}check`, {
      method: "POST",
      headers: { Authorization: `Bearer ${SECRET}` },
      body: "{}",
    });

  async function told(error: Error): Promise<string> {
    const logged = vi.spyOn(console, "error").mockReturnValue();
    const failing = () => Promise.reject(error);
    const response = await answer({ runQuery: failing, runMutation: failing }, request());
    expect(logged).toHaveBeenCalledOnce();
    logged.mockRestore();
    const text = await response.text();
    expect(text).not.toContain("tell-tale");
    return (JSON.parse(text) as Problem).code;
  }

  test("is an internal error without its text", async () => {
    expect(await told(new Error("Uncaught Error: tell-tale at handler (../convex/jobs.ts:1)"))).toBe("internal_error");
  });

  test.each([
    '{"code":"OptimisticConcurrencyControlFailure","message":"tell-tale"}',
    '{"code":"TooManyConcurrentRequests","message":"tell-tale"}',
  ])("is an unavailable store where Convex refused: %s", async (message) => {
    expect(await told(new Error(message))).toBe("product_store_unavailable");
  });

  test("is the node that is not there", async () => {
    const body = { management_node_id: "nowhere", draining: true, by: "admin", now: T0 };
    const problem = await problemOf(await world.send("set-draining", JSON.stringify(body)));
    expect([problem.status, problem.code]).toEqual([404, "management_node_not_found"]);
  });

  test("is an unavailable store where the node's key has changed, and nothing is written", async () => {
    const node = await world.node();
    const agent = { management_node_id: node, epoch: 1, journal_id: "journal", now: T0, public_key: "older" };
    const calls = {
      "record-heartbeat": { ...world.beat(node), received_at: T0 + SECOND, public_key: "older" },
      "lease-commands": { ...agent, max_commands: 1, expires_at: T0 + SECOND },
      "ack-commands": { ...agent, command_ids: [] },
      "apply-projection-updates": { ...world.application(node), public_key: "older" },
      "announce-key": { management_node_id: node, next_public_key: "next", now: T0, public_key: "older" },
    };
    const before = await world.call("find-node", { management_node_id: node });
    for (const [operation, body] of Object.entries(calls)) {
      const response = await world.send(operation, JSON.stringify(body));
      expect(response.headers.get("Slipway-Stale-Node")).toBe("1");
      const problem = await problemOf(response);
      expect([problem.code, problem.detail]).toEqual(["product_store_unavailable", "the node's key has changed"]);
    }
    expect(await world.call("find-node", { management_node_id: node })).toEqual(before);
    for (const [operation, body] of Object.entries(calls)) await world.call(operation, { ...body, public_key: "k" });
  });
});
