/** What is read from functions that are served somewhere: `pnpm run test:live`, told where by its environment. */
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: { environment: "node", testTimeout: 60_000, include: ["tests/live/**/*.test.ts"] },
});
