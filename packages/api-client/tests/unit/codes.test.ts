/** The client's codes are the contract's, as its error table tells them. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { CODES } from "../../src/index.js";

const contract = new URL("../../../../docs/contracts/README.md", import.meta.url);

test("the codes are those of the error table, in its order", () => {
  const table = readFileSync(contract, "utf8").split("### The error table")[1]?.split("\n## ")[0] ?? "";
  const codes = [...table.matchAll(/^\| `([a-z_]+)` \| \d{3} \|/gm)].map((row) => row[1]);
  expect(codes.length).toBeGreaterThan(0);
  expect([...CODES]).toEqual(codes);
});
