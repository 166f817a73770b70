/** The true functions on convex-test: in memory, one call at a time, within Convex's limits of a transaction. */
import { convexTest, type TestConvex } from "convex-test";
import { makeFunctionReference, type UserIdentity } from "convex/server";
import { ConvexError, convexToJson, jsonToConvex, type JSONValue, type Value } from "convex/values";
import { PREFIX } from "../functions/http";
import schema from "../functions/schema";
import { modules } from "./modules";

/** A call as it came in over HTTP. */
export interface Call {
  method: string;
  path: string;
  headers: Record<string, string>;
  body: string;
}

type Claims = Partial<UserIdentity> & { sub: string; iss: string };

export class TestStore {
  private convex: TestConvex<typeof schema> = convexTest({ schema, modules, transactionLimits: true });
  private last: Promise<unknown> = Promise.resolve();

  /** Forget everything. */
  async reset(): Promise<void> {
    await this.alone(() => {
      this.convex = convexTest({ schema, modules, transactionLimits: true });
      return Promise.resolve();
    });
  }

  /** Tell what the audit holds, oldest first: no operation reads it. */
  async deeds(): Promise<string[]> {
    return await this.alone(() =>
      this.convex.run(async (ctx) => (await ctx.db.query("audit").collect()).map(({ action }) => action)),
    );
  }

  /** Answer a call to the gateway's wire by its HTTP action; only here does `check` say that this is a test. */
  async act({ method, path, headers, body }: Call): Promise<Response> {
    const request = { method, headers, ...(method === "GET" || method === "HEAD" ? {} : { body }) };
    const answer = await this.alone(() => this.convex.fetch(path, request));
    if (path !== `${PREFIX}check` || !answer.ok) return answer;
    return Response.json({ ...((await answer.json()) as object), testing: true });
  }

  /** Answer a page's query as the backend does: an error of the function is told with status 200. */
  async query({ headers, body }: Call): Promise<Response> {
    const { path, args: given } = JSON.parse(body) as { path: string; args: JSONValue };
    // Convex's own client sends a list of one; what is sent by hand may be the arguments themselves.
    const args = jsonToConvex(Array.isArray(given) ? (given[0] ?? {}) : given) as Record<string, Value>;
    if (!/^pages:\w+$/.test(path)) {
      return told({ status: "error", errorMessage: "Server Error: no such public function" });
    }
    const claims = claimsOf(headers.authorization);
    const viewer = claims === undefined ? this.convex : this.convex.withIdentity(claims);
    try {
      const page = makeFunctionReference<"query", Record<string, Value>, Value>(path);
      return told({ status: "success", value: convexToJson(await this.alone(() => viewer.query(page, args))) });
    } catch (error) {
      const errorData = error instanceof ConvexError ? { errorData: error.data as Value } : {};
      return told({ status: "error", errorMessage: "Server Error", ...errorData });
    }
  }

  private async alone<Result>(call: () => Promise<Result>): Promise<Result> {
    const result = this.last.then(call);
    this.last = result.catch(() => undefined);
    return await result;
  }
}

function told(body: object): Response {
  return Response.json({ ...body, logLines: [] });
}

/** Read a JWT's claims; its signature is not looked at, and only a test may do so. */
function claimsOf(authorization: string | undefined): Partial<UserIdentity> | undefined {
  const payload = authorization?.replace(/^Bearer /, "").split(".")[1];
  if (payload === undefined) return undefined;
  const { sub, iss, ...claims } = JSON.parse(Buffer.from(payload, "base64url").toString()) as Claims;
  return { ...claims, subject: sub, issuer: iss };
}
