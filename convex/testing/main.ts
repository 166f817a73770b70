/** Runs the testing host: `pnpm -C convex run testing-host -- --port 0`. */
import { parseArgs } from "node:util";
import { TestingHost } from "./host";

// pnpm hands its own `--` on.
const args = process.argv.slice(2).filter((argument) => argument !== "--");
const { values } = parseArgs({ args, options: { port: { type: "string", default: "0" } } });

console.log("Slipway's Convex functions on convex-test: a stand-in for tests, in memory and unchecked; no backend.");
console.log(`ready ${await new TestingHost().listen(Number(values.port))}`);
