/** A stream that goes on over dropped connections, stopped gateways and expired tokens. */
import { InputRefusedError, SlipwayError, UnauthorizedError, UnreachableError } from "./errors.js";
import { frames } from "./frames.js";
import { backoffSeconds, sleep } from "./retries.js";
import { readEvent, type EndEvent, type StreamEvent } from "./stream_events.js";

const SILENCE_SECONDS = 45; // three heartbeats of the gateway
const RECONNECT_SECONDS = 1; // until the gateway says what it wants
const RECONNECT_MAX_SECONDS = 30;
const PATIENCE_SECONDS = 120; // a gateway that restarts, or a laptop that changes networks
const MILLISECONDS = 1000;

/** Where a stream begins, and how long it bears with a gateway that is away. */
export interface StreamOptions {
  /** One job's changes; otherwise the workspace's. */
  jobId?: string;
  /** The last change that was seen: the stream goes on after it. `0` on a job's stream tells its whole timeline. */
  lastEventId?: number;
  /**
   * How long the gateway may be away before its error is thrown, in seconds; 120, and `Infinity` is for ever. Where it
   * asks to wait for longer than is left of it, that is at once.
   */
  patienceSeconds?: number;
  /** How long nothing, not even a heartbeat, may come before the connection counts as broken, in seconds; 45. */
  silenceSeconds?: number;
  /** Told of each connection that failed and will be tried again. */
  onOutage?: (error: SlipwayError) => void;
  signal?: AbortSignal;
  traceparent?: string;
}

/** Opens one connection after the change `after`, and returns its body. */
export type Connect = (after: number | undefined) => Promise<ReadableStream<Uint8Array>>;

/** One stream being followed, over as many connections as it takes. */
export class Following {
  #last: number | undefined;
  #failures = 0;
  #awaySince: number | undefined;
  #reconnectSeconds = RECONNECT_SECONDS;

  constructor(
    private readonly connect: Connect,
    private readonly options: StreamOptions,
    private readonly renewable: boolean,
  ) {
    const { lastEventId } = options;
    if (lastEventId !== undefined && !(Number.isSafeInteger(lastEventId) && lastEventId >= 0)) {
      throw new InputRefusedError(`lastEventId ${lastEventId} is no position in a stream`);
    }
    this.#last = lastEventId;
  }

  /** Yield each event once, ids rising but for a reset's. Throws what no reconnecting mends. */
  async *events(): AsyncGenerator<StreamEvent, void, void> {
    const { signal } = this.options;
    while (true) {
      let askedSeconds = 0;
      try {
        yield* this.#connection();
      } catch (error) {
        askedSeconds = this.#outlive(error);
      }
      const backoff = backoffSeconds(Math.max(1, this.#failures), this.#reconnectSeconds, RECONNECT_MAX_SECONDS);
      await sleep(askedSeconds + backoff, signal);
    }
  }

  /** Yield what one connection tells that was not told before; returns after an `end`, throws where it broke. */
  async *#connection(): AsyncGenerator<StreamEvent, void, void> {
    const { signal, silenceSeconds = SILENCE_SECONDS } = this.options;
    const body = await this.connect(this.#last);
    for await (const frame of frames(body, silenceSeconds, signal)) {
      this.#failures = 0; // the gateway is there, whatever it says
      this.#awaySince = undefined;
      if ("retryMilliseconds" in frame) {
        this.#reconnectSeconds = Math.min(RECONNECT_MAX_SECONDS, frame.retryMilliseconds / MILLISECONDS);
        continue;
      }
      const event = readEvent(frame.event);
      if (event?.type === "end") return this.#ended(event);
      if (event === undefined || (event.type === "change" && this.#seen(event.id))) continue;
      this.#last = event.id;
      yield event;
    }
    throw new UnreachableError("the stream stopped without an end");
  }

  #seen(id: number): boolean {
    return this.#last !== undefined && id <= this.#last;
  }

  #ended({ reason }: EndEvent): void {
    if (reason !== "token_expired" || this.renewable) return;
    throw new UnauthorizedError({
      type: "about:blank",
      title: "The credential is missing, malformed, expired or unknown",
      status: 401,
      detail: "the token expired while the stream was open; give a function to renew it",
      code: "unauthorized",
      trace_id: "",
      retryable: false,
    });
  }

  /**
   * Bear with a gateway that is away and return the seconds that it asked to wait; throws `error` where it will not
   * come back, or not while there is patience left.
   */
  #outlive(error: unknown): number {
    if (!(error instanceof SlipwayError) || !error.retryable) throw error;
    const now = performance.now();
    this.#awaySince ??= now;
    const { patienceSeconds = PATIENCE_SECONDS, onOutage } = this.options;
    const askedSeconds = error.retryAfterSeconds ?? 0;
    const leftSeconds = patienceSeconds - (now - this.#awaySince) / MILLISECONDS;
    if (askedSeconds > leftSeconds) throw error;
    this.#failures += 1;
    onOutage?.(error);
    return askedSeconds;
  }
}
