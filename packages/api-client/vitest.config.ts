import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    testTimeout: 60_000, // a gateway that restarts on a loaded machine, with room
    hookTimeout: 90_000,
    fileParallelism: false, // each live file has a gateway, and the package is built into one dist
  },
});
