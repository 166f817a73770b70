/**
 * What can go wrong.
 *
 *     SlipwayError
 *     ├── InputRefusedError          what was given does not hold; nothing was sent
 *     ├── RefusedError               the gateway answered with a code: `code`, `problem`
 *     │   └── UnauthorizedError      the code is `unauthorized`: get a new token
 *     ├── UnreachableError           no answer came, so a write's outcome is unknown and its retry is safe
 *     ├── UnexpectedAnswerError      something answered that is no Slipway gateway: `status`
 *     └── WaitTimeoutError           the job is not at its end yet; it goes on
 *
 * What an AbortSignal aborts is rejected with the signal's own reason, as everywhere in JavaScript.
 */
import { isCode, type Code } from "./codes.js";
import type { Problem, SubmitJobCommand } from "./contract.js";

const REQUEST_TIMEOUT = 408;
const TOO_MANY_REQUESTS = 429;
const FIRST_SERVER_ERROR = 500;
const TOLD_FAULTS = 3; // a message is a line; `problem.errors` has them all

/** The base of all. */
export class SlipwayError extends Error {
  override name = "SlipwayError";
  /** What was being submitted, each with its key: submitted again as they are, nothing runs twice. */
  commands: readonly SubmitJobCommand[] = [];

  constructor(
    message: string,
    /** The same call may be made again and may then succeed. */
    readonly retryable: boolean,
    /** What the gateway asked to wait before that, in seconds. */
    readonly retryAfterSeconds?: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

/** What was given does not hold: an URL, a job's id, a position. */
export class InputRefusedError extends SlipwayError {
  override name = "InputRefusedError";

  constructor(message: string) {
    super(message, false);
  }
}

/** The gateway refused, and `problem` says why. */
export class RefusedError extends SlipwayError {
  override name = "RefusedError";
  /** The contract's code; `unknown_code` where the gateway is newer than this client and `problem.code` has its word. */
  readonly code: Code | "unknown_code";

  constructor(
    readonly problem: Problem,
    retryAfterSeconds?: number,
  ) {
    super(told(problem), problem.retryable, retryAfterSeconds);
    this.code = isCode(problem.code) ? problem.code : "unknown_code";
  }
}

/** The credential is missing, malformed, expired or unknown. */
export class UnauthorizedError extends RefusedError {
  override name = "UnauthorizedError";
}

/** No answer came, or not the whole of it; or the token function gave no token to ask with. */
export class UnreachableError extends SlipwayError {
  override name = "UnreachableError";

  constructor(message: string, options?: ErrorOptions) {
    super(message, true, undefined, options);
  }
}

/** An answer came that no Slipway gateway gives, as from a proxy; 408, 429 and 5xx are retryable. */
export class UnexpectedAnswerError extends SlipwayError {
  override name = "UnexpectedAnswerError";

  constructor(
    message: string,
    readonly status: number,
    retryAfterSeconds?: number,
  ) {
    const passing = status === REQUEST_TIMEOUT || status === TOO_MANY_REQUESTS || status >= FIRST_SERVER_ERROR;
    super(message, passing, retryAfterSeconds);
  }
}

/** The job did not end within the time that the caller gave; it goes on. */
export class WaitTimeoutError extends SlipwayError {
  override name = "WaitTimeoutError";

  constructor(message: string) {
    super(message, true);
  }
}

/** Return the error of a problem, to be thrown; also for one outcome of a batch. */
export function refusal(problem: Problem, retryAfterSeconds?: number): RefusedError {
  return problem.code === "unauthorized"
    ? new UnauthorizedError(problem, retryAfterSeconds)
    : new RefusedError(problem, retryAfterSeconds);
}

/** Return code, detail and the first fields that did not hold; a reason in the detail gets its field there. */
function told(problem: Problem): string {
  const faults = problem.errors ?? [];
  let detail = problem.detail;
  const others: string[] = [];
  for (const { field, message } of faults.slice(0, TOLD_FAULTS)) {
    const named = `${field}: ${message}`;
    if (problem.detail.includes(message) && problem.detail.includes(field)) continue;
    if (problem.detail.includes(message) && detail === problem.detail) detail = detail.replace(message, () => named);
    else others.push(named);
  }
  if (faults.length > TOLD_FAULTS) others.push(`and ${faults.length - TOLD_FAULTS} more`);
  return [`${problem.code}: ${detail}`, ...others].join("; ");
}
