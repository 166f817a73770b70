import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    environment: "edge-runtime", // what the functions run in: no Node.js
    testTimeout: 120_000, // convex-test scans its tables, and the machine may be busy
    include: ["tests/*.test.ts"], // those in tests/live want a host: vitest.live.config.ts
    server: { deps: { inline: ["convex-test"] } },
  },
});
