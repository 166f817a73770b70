/** The HTTP of the testing host: the gateway's wire, the pages' queries, and the faults. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { PREFIX } from "../functions/http";
import { Faults, readFault, suffered } from "./faults";
import { TestStore, type Call } from "./store";

export class TestingHost {
  private readonly store = new TestStore();
  private readonly faults = new Faults();
  private readonly server: Server = createServer((request, response) => void this.serve(request, response));

  /** Listen on the loopback; return the URL. */
  async listen(port: number): Promise<string> {
    await new Promise<void>((ready) => this.server.listen(port, "127.0.0.1", ready));
    const address = this.server.address();
    if (address === null || typeof address === "string") throw new Error("the host listens on no port");
    return `http://127.0.0.1:${address.port}`;
  }

  async close(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((closed) => this.server.close(closed));
  }

  private async serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const answer = await this.answer(await callOf(request));
      if (answer === undefined) response.destroy();
      else response.writeHead(answer.status, Object.fromEntries(answer.headers)).end(await answer.text());
    } catch (error) {
      console.error(error);
      if (response.headersSent) response.destroy();
      else response.writeHead(500).end();
    }
  }

  private async answer(call: Call): Promise<Response | undefined> {
    if (call.path.startsWith(PREFIX)) {
      return await this.faulty(call.path.slice(PREFIX.length), () => this.store.act(call));
    }
    if (call.method !== "POST") return new Response(null, { status: 404 });
    switch (call.path) {
      case "/api/query":
        return await this.faulty("query", () => this.store.query(call));
      case "/testing/reset":
        this.faults.clear();
        await this.store.reset();
        return Response.json({});
      case "/testing/deeds":
        return Response.json({ deeds: await this.store.deeds() });
      case "/testing/heal":
        this.faults.clear();
        return Response.json({});
      case "/testing/fault":
        return this.inject(call.body);
      default:
        return new Response(null, { status: 404 });
    }
  }

  private async faulty(operation: string, call: () => Promise<Response>): Promise<Response | undefined> {
    const fault = this.faults.take(operation);
    return fault === undefined ? await call() : await suffered(fault, call);
  }

  private inject(body: string): Response {
    try {
      this.faults.add(readFault(JSON.parse(body)));
      return Response.json({});
    } catch (error) {
      return Response.json({ message: String(error) }, { status: 400 });
    }
  }
}

async function callOf(request: IncomingMessage): Promise<Call> {
  const parts: Buffer[] = [];
  for await (const part of request) parts.push(part as Buffer);
  const headers = Object.entries(request.headers).flatMap(([name, value]) =>
    value === undefined ? [] : [[name, String(value)] as const],
  );
  return {
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers: Object.fromEntries(headers),
    body: Buffer.concat(parts).toString(),
  };
}
