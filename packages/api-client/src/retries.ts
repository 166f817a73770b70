/** Trying again: how often, how long to wait, and what is worth it. */
import { SlipwayError } from "./errors.js";
import { TIMER_MAX_MILLISECONDS } from "./within.js";

/** How often a call is tried. Every call may be repeated: a submit by its idempotency key. Times in seconds. */
export interface Retries {
  attempts: number;
  /** No further try is begun after it. */
  totalSeconds: number;
  firstWaitSeconds: number;
  /** The longest wait; a gateway that asks for a longer one is told to the caller instead. */
  maxWaitSeconds: number;
}

export const DEFAULT_RETRIES: Retries = {
  attempts: 5,
  totalSeconds: 30,
  firstWaitSeconds: 0.2,
  maxWaitSeconds: 10,
};

const MILLISECONDS = 1000;

/** Return the wait before the next try, in seconds: doubled each time, half of it at random so that clients spread. */
export function backoffSeconds(failures: number, firstSeconds: number, maxSeconds: number): number {
  const whole = Math.min(maxSeconds, firstSeconds * 2 ** (failures - 1));
  return whole * (0.5 + Math.random() / 2);
}

/** Wait, at most as long as a timer can, 24 days; rejects with the signal's reason when it aborts. */
export function sleep(seconds: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(signal.reason as Error);
      return;
    }
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, Math.min(seconds * MILLISECONDS, TIMER_MAX_MILLISECONDS));
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** Run `once` until it succeeds, refuses for good, or `retries` are used up; then throw what it threw last. */
export async function retried<T>(once: () => Promise<T>, retries: Retries, signal?: AbortSignal): Promise<T> {
  const began = performance.now();
  for (let failures = 1; ; failures += 1) {
    try {
      return await once();
    } catch (error) {
      const wait = waitBeforeNext(error, failures, retries);
      const spent = (performance.now() - began) / MILLISECONDS;
      if (wait === undefined || spent + wait > retries.totalSeconds) throw error;
      await sleep(wait, signal);
    }
  }
}

function waitBeforeNext(error: unknown, failures: number, retries: Retries): number | undefined {
  if (!(error instanceof SlipwayError) || !error.retryable || failures >= retries.attempts) return undefined;
  const backoff = backoffSeconds(failures, retries.firstWaitSeconds, retries.maxWaitSeconds);
  const asked = error.retryAfterSeconds;
  if (asked === undefined) return backoff;
  return asked > retries.maxWaitSeconds ? undefined : asked + Math.random() * retries.firstWaitSeconds;
}
