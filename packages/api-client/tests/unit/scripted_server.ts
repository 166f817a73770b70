/** A server that answers each request by the next step of a script, and keeps what it was asked. */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createSlipway, type Problem, type Slipway, type SlipwayOptions } from "../../src/index.js";

export interface Asked {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  body: string;
}

export type Step = (response: ServerResponse, asked: Asked) => void;

export class ScriptedServer {
  readonly asked: Asked[] = [];
  #steps: Step[] = [];
  readonly #server = createServer((request, response) => void this.#answer(request, response));

  static async started(): Promise<ScriptedServer> {
    const scripted = new ScriptedServer();
    await new Promise<void>((resolve) => scripted.#server.listen(0, "127.0.0.1", resolve));
    return scripted;
  }

  /** The last step answers all further requests. */
  script(...steps: Step[]): void {
    this.#steps = steps;
    this.asked.length = 0;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  client(options: Partial<SlipwayOptions> = {}): Slipway {
    const retries = { firstWaitSeconds: 0.001, ...options.retries };
    return createSlipway({ url: this.url, token: "token", ...options, retries });
  }

  async stop(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    let body = "";
    for await (const chunk of request) body += String(chunk);
    const { method = "", url = "", headers } = request;
    const asked = { method, url, headers, body };
    this.asked.push(asked);
    const step = this.#steps.length > 1 ? this.#steps.shift() : this.#steps[0];
    if (step === undefined) response.destroy();
    else step(response, asked);
  }
}

export function json(status: number, body: unknown, headers: Record<string, string> = {}): Step {
  return (response) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers }).end(JSON.stringify(body));
  };
}

export function problem(status: number, code: string, retryable: boolean, headers: Record<string, string> = {}): Step {
  const body: Problem = { type: `urn:${code}`, title: code, status, detail: "so", code, trace_id: "t", retryable };
  return json(status, body, headers);
}

/** Hang up without an answer. */
export const hangUp: Step = (response) => void response.destroy();

/** Send these parts as a stream, then end it well, break it, or leave it open. */
export function events(parts: string[], then: "end" | "break" | "open"): Step {
  return (response) => {
    response.writeHead(200, { "Content-Type": "text/event-stream" });
    response.write(`retry: 5\n\n${parts.join("")}`, () => {
      if (then === "end") response.end();
      if (then === "break") setTimeout(() => response.destroy(), 20); // what was written arrives before
    });
  };
}

export function change(id: number, projection_state = "running"): string {
  return `event: change\nid: ${id}\ndata: ${JSON.stringify({ change: id, job_id: "j", projection_state })}\n\n`;
}

export function reset(id: number, jobs: object[] = []): string {
  return `event: reset\nid: ${id}\ndata: ${JSON.stringify({ change: id, jobs, next_cursor: null })}\n\n`;
}

export function end(reason: string): string {
  return `event: end\ndata: ${JSON.stringify({ reason })}\n\n`;
}
