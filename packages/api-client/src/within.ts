/** Bounding work by a time and a signal. */

const MILLISECONDS = 1000;
export const TIMER_MAX_MILLISECONDS = 2 ** 31 - 1; // a longer one would fire at once

export interface Bounds {
  /** How long the work may take; for ever when undefined or `Infinity`. */
  seconds: number | undefined;
  /** The error of work that took longer. */
  late: () => Error;
  signal: AbortSignal | undefined;
}

/**
 * Return what `work` gives, or reject as soon as its time is over or the signal aborts (with the signal's reason). The
 * work is given a signal that aborts then; it is not waited for. AbortSignal.any would say the same, did it not lose
 * a timeout to the garbage collector of Node 20 (nodejs/node#57736).
 */
export async function within<T>(work: (signal: AbortSignal) => Promise<T>, bounds: Bounds): Promise<T> {
  const { seconds = Infinity, late, signal } = bounds;
  signal?.throwIfAborted();
  const stop = new AbortController();
  const abort = (): void => stop.abort(signal?.reason);
  signal?.addEventListener("abort", abort, { once: true });
  const milliseconds = seconds * MILLISECONDS;
  const timer = milliseconds > TIMER_MAX_MILLISECONDS ? undefined : setTimeout(() => stop.abort(late()), milliseconds);
  const stopped = new Promise<never>((_, reject) => {
    stop.signal.addEventListener("abort", () => reject(stop.signal.reason as Error), { once: true });
  });
  try {
    return await Promise.race([work(stop.signal), stopped]);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", abort);
  }
}
