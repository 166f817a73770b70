/** The client of a Slipway gateway, for product backends and pages (docs/how-to/typescript.md). */
import type { Answer } from "./answers.js";
import type {
  CancelAccepted,
  Job,
  NodeView,
  Projection,
  ProjectionState,
  SubmitJobCommand,
  TimelineEntry,
} from "./contract.js";
import { InputRefusedError, UnexpectedAnswerError, WaitTimeoutError } from "./errors.js";
import { DEFAULT_RETRIES, type Retries } from "./retries.js";
import type { StreamEvent } from "./stream_events.js";
import { Following, type StreamOptions } from "./streaming.js";
import {
  batches,
  submitting,
  withIdempotencyKey,
  type CommandDraft,
  type ManyOutcome,
  type Submission,
} from "./submitting.js";
import { Transport, type CallOptions, type Token } from "./transport.js";
import { ended } from "./waiting.js";
import { within } from "./within.js";

const TIMEOUT_SECONDS = 30; // of one try: a durable accept takes milliseconds, a slow network its time
const PAGE_MAX = 200;
const ID_PATTERN = /^[A-Za-z0-9._~-]{1,128}$/;
const WAIT_LEAST_SECONDS = 1; // so that a job that has ended is told of, however little time there is
const EVENT_STREAM = "text/event-stream";
const HTTP_OK = 200;
const IDEMPOTENT_REPLAYED_HEADER = "Idempotent-Replayed";

export interface SlipwayOptions {
  /** The gateway, as in `https://slipway.example.org`. */
  url: string;
  token: Token;
  /** May be left out where the token lists one workspace only. */
  workspaceId?: string;
  fetch?: (request: Request) => Promise<Response>;
  retries?: Partial<Retries>;
  /** How long one try may take, in seconds; 30. */
  timeoutSeconds?: number;
}

/** Which jobs are listed; times are RFC 3339. */
export interface JobsOptions extends CallOptions {
  states?: ProjectionState[];
  managementNodeId?: string;
  submittedAfter?: string;
  submittedBefore?: string;
  /** How many jobs a request reads: 1 to 200. */
  pageSize?: number;
}

export interface CancelOptions extends CallOptions {
  /** The submission that is meant: `submission_superseded` where the job has a newer one. */
  submissionId?: string;
}

export interface WaitOptions extends CallOptions {
  /** How long to wait, in seconds; for ever without, and a second at least. */
  timeoutSeconds?: number;
  patienceSeconds?: number;
}

/** Return a client of one gateway, with one credential, in one workspace; throws InputRefusedError. */
export function createSlipway(options: SlipwayOptions): Slipway {
  return new Slipway(options);
}

/**
 * A gateway. Calls throw the classes of errors.ts; what may be retried is retried within `retries` first. Aborting a
 * call's signal rejects it with the signal's reason.
 */
export class Slipway {
  readonly #gateway: Transport;
  readonly #query: { workspace_id?: string };
  readonly #renewable: boolean;

  constructor({ url, token, workspaceId, fetch, retries, timeoutSeconds = TIMEOUT_SECONDS }: SlipwayOptions) {
    this.#gateway = new Transport({
      url,
      token,
      retries: { ...DEFAULT_RETRIES, ...retries },
      timeoutSeconds,
      ...(fetch === undefined ? {} : { fetch }),
    });
    this.#query = workspaceId === undefined ? {} : { workspace_id: workspaceId };
    this.#renewable = typeof token === "function";
  }

  /**
   * Submit a command (surface 1), every try with one key; a repeated one is answered as the first. Where it cannot be
   * told whether the job was taken, the error's `commands` has what to submit again.
   */
  async submit(draft: CommandDraft, options: CallOptions = {}): Promise<Submission> {
    const body = withIdempotencyKey(draft);
    const answer = await submitting([body], () =>
      this.#gateway.call((http, init) => http.POST("/api/runtime/jobs:submit", { ...init, body }), options),
    );
    const idempotentReplayed = answer.headers.get(IDEMPOTENT_REPLAYED_HEADER)?.toLowerCase() === "true";
    return { ...answer.data, idempotencyKey: body.idempotency_key, idempotentReplayed };
  }

  /**
   * Submit all and return an outcome a command, in order; each is accepted or refused on its own, and
   * `refusal(outcome.problem)` is a refusal's error. They are sent in batches as large as the contract allows. Where
   * one cannot be sent this throws, and the error's `commands`, which are all, may be given again: keys replay.
   */
  submitMany(drafts: Iterable<CommandDraft>, options: CallOptions = {}): Promise<ManyOutcome[]> {
    const every = Array.from(drafts, withIdempotencyKey);
    return submitting(every, () => this.#sendInBatches(every, options));
  }

  async #sendInBatches(every: SubmitJobCommand[], options: CallOptions): Promise<ManyOutcome[]> {
    const outcomes: ManyOutcome[] = [];
    for (const commands of batches(every)) {
      const answer = await this.#gateway.call(
        (http, init) => http.POST("/api/runtime/jobs:batchSubmit", { ...init, body: { commands } }),
        options,
      );
      for (const [index, outcome] of answer.data.outcomes.entries()) {
        outcomes.push({ ...outcome, idempotencyKey: commands[index]?.idempotency_key ?? "" });
      }
    }
    return outcomes;
  }

  /** Return a job's projection and its current submission's command; throws `job_not_found`. */
  async job(jobId: string, options: CallOptions = {}): Promise<Job> {
    const params = this.#jobParams(jobId);
    const answer = await this.#gateway.call(
      (http, init) => http.GET("/api/runtime/jobs/{job_id}", { ...init, params }),
      options,
    );
    return answer.data;
  }

  /** Return a job's state as a person sees it; throws `job_not_found`. */
  async projection(jobId: string, options: CallOptions = {}): Promise<Projection> {
    const params = this.#jobParams(jobId);
    const answer = await this.#gateway.call(
      (http, init) => http.GET("/api/runtime/jobs/{job_id}/projection", { ...init, params }),
      options,
    );
    return answer.data;
  }

  /** Return a job's changes, oldest first, over all its attempts; throws `job_not_found`. */
  async timeline(jobId: string, options: CallOptions = {}): Promise<TimelineEntry[]> {
    const params = this.#jobParams(jobId);
    const answer = await this.#gateway.call(
      (http, init) => http.GET("/api/runtime/jobs/{job_id}/timeline", { ...init, params }),
      options,
    );
    return answer.data.entries;
  }

  /** Yield the workspace's jobs, newest submission first, reading page after page as they are asked for. */
  async *jobs(options: JobsOptions = {}): AsyncGenerator<Projection, void, void> {
    let cursor: string | null | undefined;
    do {
      const query = { ...this.#query, ...listQuery(options), ...(cursor == null ? {} : { cursor }) };
      const answer = await this.#gateway.call(
        (http, init) => http.GET("/api/runtime/jobs", { ...init, params: { query } }),
        options,
      );
      yield* answer.data.jobs;
      cursor = answer.data.next_cursor;
    } while (cursor != null);
  }

  /** Ask that a job be stopped (surface 5); its projection tells whether it was. Throws `job_terminal`. */
  async cancel(jobId: string, options: CancelOptions = {}): Promise<CancelAccepted> {
    const params = this.#jobParams(jobId);
    const { submissionId } = options;
    const body = submissionId === undefined ? {} : { body: { submission_id: submissionId } };
    const answer = await this.#gateway.call(
      (http, init) => http.POST("/api/runtime/jobs/{job_id}:cancel", { ...init, ...body, params }),
      options,
    );
    return answer.data;
  }

  /** Return the tenant's nodes, by name. */
  async nodes(options: CallOptions = {}): Promise<NodeView[]> {
    const answer = await this.#gateway.call((http, init) => http.GET("/api/runtime/nodes", { ...init }), options);
    return answer.data.nodes;
  }

  /**
   * Yield the changes of a job, or of the workspace, as they come: each once, in order. It has no end of its own;
   * leave the loop, or abort its signal. It goes on by itself after a broken connection, and with a new token where
   * `token` is a function; a token that is a string ends it with UnauthorizedError when it expires.
   */
  stream(options: StreamOptions = {}): AsyncGenerator<StreamEvent, void, void> {
    const { jobId } = options;
    if (jobId !== undefined) checkedId(jobId);
    const following = new Following((after) => this.#connect(after, options), options, this.#renewable);
    return following.events();
  }

  /** Return the job's projection once it is terminal; throws WaitTimeoutError, and as `stream` does. */
  wait(jobId: string, options: WaitOptions = {}): Promise<Projection> {
    const { timeoutSeconds, signal, ...others } = options;
    const seconds = timeoutSeconds === undefined ? undefined : Math.max(timeoutSeconds, WAIT_LEAST_SECONDS);
    const late = (): Error => new WaitTimeoutError(`${jobId} is not at its end after ${timeoutSeconds} s`);
    return within((stop) => {
      const rest = { ...others, signal: stop };
      return ended(this.stream({ ...rest, jobId }), () => this.projection(jobId, rest));
    }, { seconds, late, signal });
  }

  async #connect(after: number | undefined, options: StreamOptions): Promise<ReadableStream<Uint8Array>> {
    const { jobId } = options;
    const header = after === undefined ? {} : { "Last-Event-ID": String(after) };
    const query = this.#query;
    const answer: Answer<ReadableStream<Uint8Array> | null> =
      jobId === undefined
        ? await this.#gateway.once(
            (http, init) =>
              http.GET("/api/runtime/stream", { ...init, params: { query, header }, parseAs: "stream" }),
            options,
          )
        : await this.#gateway.once((http, init) => {
            const params = { path: { job_id: jobId }, query, header };
            return http.GET("/api/runtime/jobs/{job_id}/stream", { ...init, params, parseAs: "stream" });
          }, options);
    if (!answer.headers.get("Content-Type")?.startsWith(EVENT_STREAM)) {
      await answer.data?.cancel();
      throw new UnexpectedAnswerError(`${this.#gateway.url} answered something that is no stream`, HTTP_OK);
    }
    return answer.data as ReadableStream<Uint8Array>;
  }

  #jobParams(jobId: string): { path: { job_id: string }; query: { workspace_id?: string } } {
    return { path: { job_id: checkedId(jobId) }, query: this.#query };
  }
}

function listQuery(options: JobsOptions): {
  state?: ProjectionState[];
  management_node_id?: string;
  submitted_after?: string;
  submitted_before?: string;
  limit: number;
} {
  const { states, managementNodeId, submittedAfter, submittedBefore, pageSize = PAGE_MAX } = options;
  return {
    limit: pageSize,
    ...(states === undefined ? {} : { state: states }),
    ...(managementNodeId === undefined ? {} : { management_node_id: managementNodeId }),
    ...(submittedAfter === undefined ? {} : { submitted_after: submittedAfter }),
    ...(submittedBefore === undefined ? {} : { submitted_before: submittedBefore }),
  };
}

/** Refuse what is no id before it becomes part of a path. */
function checkedId(jobId: string): string {
  if (!ID_PATTERN.test(jobId) || jobId === "." || jobId === "..") {
    throw new InputRefusedError(`${JSON.stringify(jobId)} is not an id: letters, digits and . _ ~ -, at most 128`);
  }
  return jobId;
}
