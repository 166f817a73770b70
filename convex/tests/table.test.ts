// @vitest-environment node
/** The table of README.md is the one that the counted calls make, and has every operation of the store port. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { ROUTES } from "../functions/http";
import { PAGE, PORT, written } from "../scripts/operations_table";

const PORTS = new URL("../../apps/api/src/slipway_gateway/ports.py", import.meta.url);
/** What this store has no part in: it follows no changes, and a connection that is closed calls nothing. */
const NOT_CALLED = ["changes", "standing", "changed", "close"];

test("the table is the one that `pnpm run operations` writes", async () => {
  const page = readFileSync(PAGE, "utf8");
  expect(page).toBe(await written(page));
});

/** What `slipway-gateway import` calls, and no operation of the port: by batches of so many records (importing.test.ts). */
const OF_THE_IMPORT = ["import-records", "tally-import", "finish-import"];

test("every operation of the wire has a row, of the port's operations that call it", () => {
  expect([...Object.keys(PORT), ...OF_THE_IMPORT]).toEqual(Object.keys(ROUTES));
});

test("every operation of the store port calls one, or none for a reason", () => {
  const [, port = ""] = readFileSync(PORTS, "utf8").split("class ProductStore(Protocol):");
  const [body = ""] = port.split(/\n(?=\S)/);
  const operations = [...body.matchAll(/^ {4}(?:async )?def (\w+)\(/gm)].map(([, name]) => name);
  expect(operations.length).toBeGreaterThan(20);
  const told = [...Object.values(PORT).flat(), ...NOT_CALLED, "follows_changes"];
  expect(told.sort()).toEqual(operations.sort());
});
