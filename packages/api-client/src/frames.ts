/** The events of one connection's body. */
import { createParser, type EventSourceMessage } from "eventsource-parser";
import { UnreachableError } from "./errors.js";
import { within } from "./within.js";

/** What a body says: an event, or the wait before a reconnect in milliseconds. */
export type Frame = { event: EventSourceMessage } | { retryMilliseconds: number };

/**
 * Yield frames until the body ends. Throws UnreachableError where the connection breaks or nothing, not even a
 * heartbeat, comes for `silenceSeconds`. An event that was cut in the middle is not yielded.
 */
export async function* frames(
  body: ReadableStream<Uint8Array>,
  silenceSeconds: number,
  signal?: AbortSignal,
): AsyncGenerator<Frame, void, void> {
  const waiting: Frame[] = [];
  const parser = createParser({
    onEvent: (event) => waiting.push({ event }),
    onRetry: (retryMilliseconds) => waiting.push({ retryMilliseconds }),
  });
  const decoder = new TextDecoder();
  const reader = body.getReader();
  try {
    while (true) {
      const { done, value } = await read(reader, silenceSeconds, signal);
      if (done) return;
      parser.feed(decoder.decode(value, { stream: true }));
      yield* waiting.splice(0);
    }
  } finally {
    await reader.cancel().catch(() => undefined); // a body that broke is over already
  }
}

async function read(
  reader: ReadableStreamDefaultReader<Uint8Array>,
  silenceSeconds: number,
  signal: AbortSignal | undefined,
): Promise<ReadableStreamReadResult<Uint8Array>> {
  const late = (): Error => new UnreachableError(`nothing came for ${silenceSeconds} s`);
  try {
    return await within(() => reader.read(), { seconds: silenceSeconds, late, signal });
  } catch (error) {
    signal?.throwIfAborted();
    if (error instanceof UnreachableError) throw error;
    throw new UnreachableError("the stream broke", { cause: error });
  }
}
