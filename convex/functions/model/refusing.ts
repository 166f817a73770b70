/** What the contract refuses comes back as a value, by its code. */
import type { Refused } from "../wire/types";

/** Return a refusal; `gap` tells that a predecessor may still make it legal. */
export function refused(code: string, detail: string, gap = false): Refused {
  return { verdict: "refused", code, detail, gap };
}
