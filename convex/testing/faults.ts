/** Faults that convex-test lacks: what a deployment answers when it refuses, dies or is slow. */
import { setTimeout as sleep } from "node:timers/promises";

export const KINDS = [
  "occ_503",
  "overloaded_429",
  "server_560",
  "timeout_before_commit",
  "timeout_after_commit",
  "slow",
  "redacted_error",
] as const;
type Kind = (typeof KINDS)[number];

const SLOW_MS = 1_000;
/** A client gives up long before; then the connection is dropped. */
const SILENCE_MS = 60_000;

/** A fault to inject: into the next `times` calls of `operation`, or of any. */
export interface Fault {
  kind: Kind;
  operation: string | null;
  times: number;
  milliseconds?: number;
}

/** Read a fault; throws a TypeError for what is none. */
export function readFault(told: unknown): Fault {
  const { kind, operation = null, times = 1, milliseconds } = Object(told) as Record<string, unknown>;
  if (!KINDS.some((known) => known === kind)) throw new TypeError(`kind is one of ${KINDS.join(", ")}`);
  if (operation !== null && typeof operation !== "string") throw new TypeError("operation is a name or null");
  if (typeof times !== "number" || !Number.isInteger(times) || times < 0) throw new TypeError("times is a count");
  return { kind: kind as Kind, operation, times, ...(typeof milliseconds === "number" ? { milliseconds } : {}) };
}

/** Run `call` as `fault` has it. Undefined is silence: no answer ever comes. */
export async function suffered(fault: Fault, call: () => Promise<Response>): Promise<Response | undefined> {
  switch (fault.kind) {
    case "occ_503":
      return refusal(503, "OptimisticConcurrencyControlFailure", "injected: a conflict outlived its retries");
    case "overloaded_429":
      return refusal(429, "TooManyConcurrentRequests", "injected: too many requests at once");
    case "server_560":
      return refusal(560, "InternalServerError", "injected: the server failed");
    case "redacted_error":
      return Response.json({ code: "[Request ID: 00000000deadbeef] Server Error" }, { status: 500 });
    case "timeout_before_commit":
      await sleep(fault.milliseconds ?? SILENCE_MS);
      return undefined;
    case "timeout_after_commit":
      await call();
      await sleep(fault.milliseconds ?? SILENCE_MS);
      return undefined;
    case "slow":
      await sleep(fault.milliseconds ?? SLOW_MS);
      return await call();
  }
}

function refusal(status: number, code: string, message: string): Response {
  return Response.json({ code, message }, { status });
}

/** The faults that are yet to come, each of its kind in the order they were set. */
export class Faults {
  private readonly due: Fault[] = [];

  add(fault: Fault): void {
    this.due.push({ ...fault });
  }

  clear(): void {
    this.due.length = 0;
  }

  /** Return the next fault of a call to `operation`, which is then one fewer. */
  take(operation: string): Fault | undefined {
    const fault = this.due.find((each) => each.times > 0 && (each.operation ?? operation) === operation);
    if (fault !== undefined) fault.times -= 1;
    return fault;
  }
}
