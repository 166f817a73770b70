/** What an answer means: its data, or the error that it is. */
import type { Problem } from "./contract.js";
import { refusal, SlipwayError, UnexpectedAnswerError, UnreachableError } from "./errors.js";

const SHOWN_CHARS = 120;

/** What the HTTP layer gives back for one try. */
export interface Fetched<T> {
  data?: T;
  error?: unknown;
  response: Response;
}

/** A success, with the headers that the contract gives a meaning. */
export interface Answer<T> {
  data: T;
  headers: Headers;
}

/** Return the success, or throw RefusedError or UnexpectedAnswerError. */
export function answered<T>({ data, error, response }: Fetched<T>): Answer<T> {
  if (!response.ok) throw refused(response, error);
  if (typeof data !== "object" || data === null) throw unexpected(response);
  return { data, headers: response.headers };
}

/** Return the error of a try without an answer; one of ours, as of its token, stays what it is. */
export function unanswered(error: unknown, url: string): SlipwayError {
  if (error instanceof SlipwayError) return error;
  if (error instanceof SyntaxError) return new UnexpectedAnswerError(`${url} answered something that is no JSON`, 200);
  return new UnreachableError(`no answer from ${url}: ${told(error)}`, { cause: error });
}

/** Return the message of whatever was thrown. */
export function told(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function refused(response: Response, body: unknown): SlipwayError {
  return isProblem(body) ? refusal(body, retryAfterSeconds(response)) : unexpected(response, body);
}

function unexpected(response: Response, body?: unknown): UnexpectedAnswerError {
  const start = typeof body === "string" ? body.replace(/\s+/g, " ").trim().slice(0, SHOWN_CHARS) : "";
  const where = response.url.split("?", 1)[0] || "the gateway's URL"; // a fetch of the caller's own may leave it empty
  const message = `${where} answered ${response.status}, not as a Slipway gateway does${start ? `: ${start}` : ""}`;
  return new UnexpectedAnswerError(message, response.status, retryAfterSeconds(response));
}

function isProblem(body: unknown): body is Problem {
  if (typeof body !== "object" || body === null) return false;
  const { code, detail, retryable } = body as Partial<Record<keyof Problem, unknown>>;
  return typeof code === "string" && typeof detail === "string" && typeof retryable === "boolean";
}

/** Read the header in seconds, which is the contract's form; a proxy's date is left to the back-off. */
function retryAfterSeconds(response: Response): number | undefined {
  const value = response.headers.get("Retry-After")?.trim() ?? "";
  return /^\d+$/.test(value) ? Number(value) : undefined;
}
