// @vitest-environment node
/** The testing host: what it says it is, the true functions over HTTP, and the faults it injects. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { ConvexHttpClient } from "convex/browser";
import { afterAll, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { api } from "../functions/_generated/api";
import { PREFIX } from "../functions/http";
import type { Submission } from "../functions/wire/types";
import { KINDS } from "../testing/faults";
import { TestingHost } from "../testing/host";
import { SCOPE, SECRET, T0, World } from "./world";

const host = new TestingHost();
let url: string;
beforeAll(async () => {
  vi.stubEnv("SLIPWAY_GATEWAY_SECRET", SECRET);
  url = await host.listen(0);
});
afterAll(() => host.close());

/** A world that acts through the host. */
class HostedWorld extends World {
  override async send(operation: string, body: string, authorization = `Bearer ${SECRET}`): Promise<Response> {
    return await fetch(url + PREFIX + operation, { method: "POST", body, headers: { Authorization: authorization } });
  }
}

let world: HostedWorld;
let node: string;
beforeEach(async () => {
  await post("/testing/reset", {});
  world = new HostedWorld();
  node = await world.node();
});

async function post(path: string, body: object, headers: Record<string, string> = {}): Promise<Response> {
  return await fetch(url + path, { method: "POST", body: JSON.stringify(body), headers });
}

async function inject(kind: string, operation: string | null, times = 1): Promise<void> {
  const milliseconds = 20;
  expect((await post("/testing/fault", { kind, operation, times, milliseconds })).status).toBe(200);
}

/** Create the submission; return the status, or that no answer came. */
async function created(submission: object): Promise<number | "silence"> {
  const sent = world.send("create-submissions", JSON.stringify({ submissions: [submission] }));
  return await sent.then(
    (response) => response.status,
    () => "silence",
  );
}

async function jobs(): Promise<number> {
  return (await world.call<{ projections: object[] }>("list-jobs", { ...SCOPE, states: [], limit: 100 })).projections
    .length;
}

test("a check says that this is a test, and a reset forgets everything", async () => {
  expect(await world.call("check", {})).toEqual({ schema: 1, testing: true, importing: false });
  await world.submit(node);
  await post("/testing/reset", {});
  expect(await jobs()).toBe(0);
});

test("the audit can be read, which no operation tells", async () => {
  expect(await (await post("/testing/deeds", {})).json()).toEqual({ deeds: ["create_join_token", "enroll_node"] });
});

test("the secret is looked at as on a deployment", async () => {
  const response = await world.send("check", "{}", "Bearer wrong");
  expect([response.status, response.headers.get("Content-Type")]).toEqual([401, "application/problem+json"]);
});

test("calls at the same time are run one after the other", async () => {
  const submission = world.submission(node);
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, at) =>
      world.call<{ verdicts: [{ verdict: string; record: Submission }] }>("create-submissions", {
        submissions: [{ ...submission, submission_id: `s-${at}`, command_id: `c-${at}` }],
      }),
    ),
  );
  const verdicts = answers.map((answer) => answer.verdicts[0]);
  expect(verdicts.filter(({ verdict }) => verdict === "created")).toHaveLength(1);
  expect(new Set(verdicts.map(({ record }) => record.submission_id)).size).toBe(1);
});

describe("a fault", () => {
  test.each([
    ["occ_503", 503, 0],
    ["overloaded_429", 429, 0],
    ["server_560", 560, 0],
    ["redacted_error", 500, 0],
    ["timeout_before_commit", "silence", 0],
    ["timeout_after_commit", "silence", 1],
    ["slow", 200, 1],
  ] as const)("%s answers %s, with %i jobs committed, and a retry ends with one", async (kind, status, committed) => {
    const submission = world.submission(node);
    await inject(kind, "create-submissions");
    expect(await created(submission)).toBe(status);
    expect(await jobs()).toBe(committed);
    expect(await created(submission)).toBe(200);
    expect(await jobs()).toBe(1);
  });

  test("comes as often as was said, to its own operation", async () => {
    await inject("occ_503", "create-submissions", 2);
    expect((await world.send("check", "{}")).status).toBe(200);
    const submission = world.submission(node);
    expect([await created(submission), await created(submission), await created(submission)]).toEqual([503, 503, 200]);
  });

  test("of no operation comes to any, and none after a reset", async () => {
    await inject("server_560", null);
    expect((await world.send("check", "{}")).status).toBe(560);
    expect((await world.send("check", "{}")).status).toBe(200);
    await inject("server_560", null);
    await post("/testing/reset", {});
    expect((await world.send("check", "{}")).status).toBe(200);
  });

  test.each([{}, { kind: "none" }, { kind: "slow", times: -1 }, { kind: "slow", operation: 1 }])(
    "%j is none",
    async (told) => {
      expect((await post("/testing/fault", told)).status).toBe(400);
    },
  );

  test("has a test for every kind", () => {
    expect(KINDS).toHaveLength(7);
  });
});

describe("a page", () => {
  function token(claims: object): Record<string, string> {
    const part = (of: object) => Buffer.from(JSON.stringify(of)).toString("base64url");
    return { Authorization: `Bearer ${part({ alg: "ES256" })}.${part(claims)}.unsigned` };
  }

  async function query(path: string, args: object, headers: Record<string, string> = {}): Promise<object> {
    const response = await post("/api/query", { path, args, format: "json" }, headers);
    expect(response.status).toBe(200);
    return (await response.json()) as object;
  }

  const ada = token({ iss: "issuer", sub: "ada", tenant_id: "acme", workspace_ids: ["lab"], role: "member" });

  test("is read with the identity in the token", async () => {
    const { job_id } = await world.submit(node);
    const args = { workspace_id: "lab", job_id };
    const shown = { job_id, submitted_at: T0 };
    expect(await query("pages:job", args, ada)).toMatchObject({ status: "success", value: shown });
    const spy = token({ iss: "issuer", sub: "spy", tenant_id: "umbrella", workspace_ids: ["lab"] });
    expect(await query("pages:job", args, spy)).toMatchObject({ status: "success", value: null });
    expect(await query("pages:job", args)).toMatchObject({ status: "error", errorData: { code: "unauthorized" } });
  });

  test("is read by Convex's own client too", async () => {
    const { job_id } = await world.submit(node);
    const client = new ConvexHttpClient(url);
    client.setAuth(ada.Authorization?.slice("Bearer ".length) ?? "");
    const asked = { workspace_id: "lab", job_id };
    expect(await client.query(api.pages.job, asked)).toMatchObject({ job_id, node_last_seen_at: T0 });
    client.clearAuth();
    await expect(client.query(api.pages.job, asked)).rejects.toMatchObject({ data: { code: "unauthorized" } });
  });

  test.each(["jobs:get", "pages:none", "nodes:find"])("is not %s", async (path) => {
    expect(await query(path, {}, ada)).toMatchObject({ status: "error" });
  });
});

test("the program says first what it is, and then where", async () => {
  const program = spawn(process.execPath, ["--import", "tsx", "testing/main.ts", "--port", "0"]);
  try {
    const lines = createInterface(program.stdout)[Symbol.asyncIterator]();
    expect((await lines.next()).value).toMatch(/convex-test: a stand-in for tests.*no backend/);
    expect((await lines.next()).value).toMatch(/^ready http:\/\/127\.0\.0\.1:\d+$/);
  } finally {
    program.kill();
    await once(program, "exit");
  }
});
