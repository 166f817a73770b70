/** Waiting for a job's end, on its stream. */
import { isTerminal, type Projection } from "./contract.js";
import { WaitTimeoutError } from "./errors.js";
import type { StreamEvent } from "./stream_events.js";

const MILLISECONDS = 1000;

/** Return the projection once it is terminal. `look` reads it; `follow` streams the job's changes. */
export async function ended(
  follow: (signal: AbortSignal | undefined) => AsyncIterable<StreamEvent>,
  look: (signal: AbortSignal | undefined) => Promise<Projection>,
  options: { signal?: AbortSignal; timeoutSeconds?: number },
): Promise<Projection> {
  const { signal, timeoutSeconds } = options;
  if (timeoutSeconds === undefined) return atEnd(follow, look, signal);
  const late = new AbortController();
  const timer = setTimeout(() => {
    late.abort(new WaitTimeoutError(`the job is not at its end after ${timeoutSeconds} s`));
  }, timeoutSeconds * MILLISECONDS);
  try {
    return await atEnd(follow, look, signal === undefined ? late.signal : AbortSignal.any([signal, late.signal]));
  } finally {
    clearTimeout(timer);
  }
}

async function atEnd(
  follow: (signal: AbortSignal | undefined) => AsyncIterable<StreamEvent>,
  look: (signal: AbortSignal | undefined) => Promise<Projection>,
  signal: AbortSignal | undefined,
): Promise<Projection> {
  for await (const event of follow(signal)) {
    const told = event.type === "reset" ? event.reset.jobs[0] : event.change;
    if (told === undefined || !isTerminal(told.projection_state)) continue;
    const projection = event.type === "reset" ? event.reset.jobs[0] : await look(signal);
    if (projection !== undefined && isTerminal(projection.projection_state)) return projection; // not resubmitted since
  }
  throw new Error("a stream without an end ended");
}
