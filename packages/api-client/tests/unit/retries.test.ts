/** Waits between two tries, on a clock of the test's own. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { sleep } from "../../src/retries.js";

const TIMER_MAX_MILLISECONDS = 2 ** 31 - 1; // of setTimeout, in Node and in browsers

beforeEach(() => void vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout"] }));
afterEach(() => void vi.useRealTimers());

test.each([2 ** 31 / 1000, 9_999_999, Infinity])("a wait of %d s is as long as a timer can be", async (seconds) => {
  const woken = vi.fn();
  void sleep(seconds).then(woken);
  await vi.advanceTimersByTimeAsync(TIMER_MAX_MILLISECONDS - 1);
  expect(woken).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(woken).toHaveBeenCalledOnce();
});

test("a shorter wait is as long as it says", async () => {
  const woken = vi.fn();
  void sleep(86_400).then(woken);
  await vi.advanceTimersByTimeAsync(86_399_999);
  expect(woken).not.toHaveBeenCalled();
  await vi.advanceTimersByTimeAsync(1);
  expect(woken).toHaveBeenCalledOnce();
});
