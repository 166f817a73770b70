/** The package as it is published, in a real browser's page of another origin than the gateway's. */
import { readFile } from "node:fs/promises";
import { existsSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:http";
import { extname, join, normalize } from "node:path";
import { chromium, type Browser, type Page } from "playwright-core";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { CommandDraft, Slipway, Submission } from "../../src/index.js";
import { packed, type Packed } from "../package/packed.js";
import { describeLive, freePort, LiveGateway, needed } from "./gateway.js";

const CHROMIUM = "/usr/bin/chromium"; // Debian's; a continuous integration on Ubuntu brings the other
const CHROME = "/usr/bin/google-chrome";
const EXECUTABLE = existsSync(CHROME) && !existsSync(CHROMIUM) ? CHROME : CHROMIUM;
const INTRANET = "slipway.lab"; // its page over plain HTTP is no secure context; one of 127.0.0.1 is
const describeBrowser = needed(EXECUTABLE, "tests/services/install.sh") ? describeLive : describe.skip;

const IMPORTS = {
  "@slipway/api-client": "/node_modules/@slipway/api-client/dist/index.js",
  "eventsource-parser": "/node_modules/eventsource-parser/dist/index.js",
  "openapi-fetch": "/node_modules/openapi-fetch/dist/index.mjs",
};
const PAGE = `<!doctype html><title>a product</title>
<script type="importmap">${JSON.stringify({ imports: IMPORTS })}</script>
<script type="module">window.api = await import("@slipway/api-client"); window.loaded = true;</script>`;

/** What the page's own script puts there. */
interface Product {
  api: { createSlipway(options: { url: string; token: string }): Slipway };
  loaded: boolean;
  slipway: Slipway;
  seen: Promise<string[]>;
}

describeBrowser("in a browser", () => {
  let published: Packed;
  let site: Server;
  let gateway: LiveGateway;
  let browser: Browser;
  let page: Page;
  let insecureOrigin: string;

  beforeAll(async () => {
    published = packed();
    const port = await freePort();
    const origin = `http://127.0.0.1:${port}`;
    insecureOrigin = `http://${INTRANET}:${port}`;
    site = serve(published.folder);
    await new Promise<void>((resolve) => site.listen(port, "127.0.0.1", resolve));
    gateway = await LiveGateway.started({ SLIPWAY_CORS_ORIGINS: `${origin},${insecureOrigin}` });
    const args = ["--no-sandbox", `--host-resolver-rules=MAP ${INTRANET} 127.0.0.1`];
    browser = await chromium.launch({ executablePath: EXECUTABLE, args });
    page = await opened(origin);
  });

  afterAll(async () => {
    await browser?.close();
    site?.close();
    await gateway?.stop();
    if (published !== undefined) rmSync(published.folder, { recursive: true, force: true });
  });

  /** Return the product's page, come from `origin`, with its client. */
  async function opened(origin: string): Promise<Page> {
    const opening = await browser.newPage();
    await opening.goto(origin);
    await opening.waitForFunction(() => (globalThis as unknown as Product).loaded);
    await opening.evaluate((options) => {
      const product = globalThis as unknown as Product;
      product.slipway = product.api.createSlipway(options);
    }, { url: gateway.url, token: gateway.token });
    return opening;
  }

  const submit = (draft: CommandDraft, from = page): Promise<Submission> =>
    from.evaluate((command) => (globalThis as unknown as Product).slipway.submit(command), draft);

  test("a command that is submitted again is a replay", async () => {
    const draft = { ...gateway.draft("page-once"), idempotency_key: "page-once" };
    const first = await submit(draft);
    const again = await submit(draft);
    expect(first.idempotentReplayed).toBe(false);
    expect(again).toEqual({ ...first, idempotentReplayed: true });
  });

  test("a command is submitted also from a page that is no secure context", async () => {
    const insecure = await opened(insecureOrigin);
    expect(await insecure.evaluate(() => globalThis.isSecureContext)).toBe(false);
    const submission = await submit(gateway.draft("page-insecure"), insecure);
    expect(submission).toMatchObject({ job_id: "page-insecure", idempotentReplayed: false });
  });

  test("a refusal has its code", async () => {
    const code = await page.evaluate(async () => {
      const { slipway } = globalThis as unknown as Product;
      return slipway.projection("no-such-job").catch((error: unknown) => (error as { code: string }).code);
    });
    expect(code).toBe("job_not_found");
  });

  test("a stream tells each change once, over a gateway that is killed", async () => {
    const job = await submit(gateway.draft("page-stream"));
    await page.evaluate(() => {
      const product = globalThis as unknown as Product;
      const read = async (): Promise<string[]> => {
        const seen: string[] = [];
        for await (const event of product.slipway.stream({ jobId: "page-stream", lastEventId: 0 })) {
          if (event.type === "change") seen.push(event.change.source_execution_state ?? event.change.kind);
          if (seen.at(-1) === "completed") break;
        }
        return seen;
      };
      product.seen = read();
    });
    await gateway.report(job, "accepted");
    await gateway.kill();
    await gateway.start();
    await gateway.report(job, "running", "completed");
    const seen = await page.evaluate(() => (globalThis as unknown as Product).seen);
    expect(seen).toEqual(["submitted", "accepted", "running", "completed"]);
  });
});

/** Serve the page, and the installed packages beside it. */
function serve(folder: string): Server {
  const types: Record<string, string> = { ".js": "text/javascript", ".mjs": "text/javascript" };
  return createServer((request, response) => {
    const path = normalize(new URL(request.url ?? "/", "http://site").pathname);
    if (path === "/") {
      response.writeHead(200, { "Content-Type": "text/html" }).end(PAGE);
      return;
    }
    readFile(join(folder, path)).then(
      (content) => response.writeHead(200, { "Content-Type": types[extname(path)] ?? "text/plain" }).end(content),
      () => response.writeHead(404).end(),
    );
  });
}
