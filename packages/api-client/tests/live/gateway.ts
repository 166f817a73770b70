/** A real gateway on this machine, with a node that takes its jobs and reports what it is told to. */
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe } from "vitest";
import type { CommandDraft, SubmitJobAccepted } from "../../src/index.js";

const ROOT = fileURLToPath(new URL("../../../../", import.meta.url));
const BIN = join(ROOT, ".venv", "bin");
const READY_SECONDS = 60; // a first start on a loaded two-core machine, with room
const REQUIRED = process.env["SLIPWAY_REQUIRE_SERVICES"] === "1";

/** Tell whether what a test needs is there; a missing one fails where services are required, and is told otherwise. */
export function needed(path: string, how: string): boolean {
  if (existsSync(path)) return true;
  if (REQUIRED) throw new Error(`${path} is missing: ${how}`);
  console.warn(`skipped, since ${path} is missing: ${how}`);
  return false;
}

/** `describe`, skipped with a message where the gateway is not installed. */
export const describeLive = describe.skipIf(!needed(join(BIN, "slipway-gateway"), "scripts/bootstrap.sh dev"));

export async function freePort(): Promise<number> {
  const probe = createServer();
  await new Promise<void>((resolve) => probe.listen(0, "127.0.0.1", resolve));
  const { port } = probe.address() as AddressInfo;
  await new Promise((resolve) => probe.close(resolve));
  return port;
}

export class LiveGateway {
  readonly url: string;
  token = "";
  nodeId = "";
  readonly #data = mkdtempSync(join(tmpdir(), "slipway-ts-"));
  readonly #log = join(this.#data, "gateway.log");
  #process: ChildProcess | undefined;
  #node: ChildProcess | undefined;
  #lines: AsyncIterator<string> | undefined;

  private constructor(
    private readonly port: number,
    private readonly env: Record<string, string>,
  ) {
    this.url = `http://127.0.0.1:${port}`;
  }

  /** Start a gateway with an enrolled node; `env` is the gateway's own settings. */
  static async started(env: Record<string, string> = {}): Promise<LiveGateway> {
    const gateway = new LiveGateway(await freePort(), env);
    await gateway.start();
    await gateway.#enrol();
    return gateway;
  }

  async start(): Promise<void> {
    const log = openSync(this.#log, "a");
    const argv = ["serve", "--port", String(this.port), "--data-dir", this.#data];
    const child = spawn(join(BIN, "slipway-gateway"), argv, {
      stdio: ["ignore", log, log],
      env: { ...process.env, ...this.env },
    });
    this.#process = child;
    const deadline = Date.now() + READY_SECONDS * 1000;
    while (!(await this.#ready())) {
      if (child.exitCode !== null || Date.now() > deadline) {
        throw new Error(`the gateway did not come up:\n${readFileSync(this.#log, "utf8").slice(-2000)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** Kill it outright. */
  kill(): Promise<void> {
    return ended(this.#process, "SIGKILL");
  }

  /** Stop it as an operator does. */
  terminate(): Promise<void> {
    return ended(this.#process, "SIGTERM");
  }

  async stop(): Promise<void> {
    this.#node?.stdin?.end();
    await ended(this.#node, "SIGTERM");
    await ended(this.#process, "SIGTERM");
    rmSync(this.#data, { recursive: true, force: true });
  }

  /** Return a development token that is good for so many seconds. */
  tokenFor(seconds: number): string {
    const whose = ["--tenant", "lab", "--workspace", "physics", "--user", "ada"];
    const argv = ["dev-token", ...whose, "--ttl-seconds", String(seconds), "--data-dir", this.#data];
    return execFileSync(join(BIN, "slipway-gateway"), argv, { encoding: "utf8" }).trim();
  }

  draft(jobId: string): CommandDraft {
    return {
      tenant_id: "lab",
      workspace_id: "physics",
      job_id: jobId,
      management_node_id: this.nodeId,
      execution_profile: { queue_name: "default" },
      resource_shape: { cpu: 1, memory_mib: 10, walltime_seconds: 60 },
      payload_ref: { input_uri: "https://inputs.example/job.yaml" },
      requested_by: { user_id: "ada" },
    };
  }

  /** Let the node report these states of a job; returns when the gateway has them, also after an outage. */
  async report(job: SubmitJobAccepted, ...states: string[]): Promise<void> {
    const scope = { tenant_id: "lab", workspace_id: "physics" };
    this.#node?.stdin?.write(`${JSON.stringify({ job: { ...job, ...scope }, states })}\n`);
    await this.#line();
  }

  async #enrol(): Promise<void> {
    const argv = [join(ROOT, "tools", "job_reporter.py"), "--port", String(this.port), "--data-dir", this.#data];
    const node = spawn(join(BIN, "python"), argv, { stdio: ["pipe", "pipe", "inherit"] });
    this.#node = node;
    this.#lines = createInterface({ input: node.stdout })[Symbol.asyncIterator]();
    const said = JSON.parse(await this.#line()) as { management_node_id: string; token: string };
    this.nodeId = said.management_node_id;
    this.token = said.token;
  }

  async #line(): Promise<string> {
    const next = await this.#lines?.next();
    if (next === undefined || next.done === true) throw new Error("the node is gone");
    return next.value;
  }

  async #ready(): Promise<boolean> {
    return fetch(`${this.url}/api/ready`).then(
      (response) => response.ok,
      () => false,
    );
  }
}

async function ended(child: ChildProcess | undefined, signal: NodeJS.Signals): Promise<void> {
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  const exited = new Promise((resolve) => child.once("exit", resolve));
  child.kill(signal);
  await exited;
}
