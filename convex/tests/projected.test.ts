// @vitest-environment node
/** ADR-0003 tells each column of a projection and of the timeline as they lie here, and names what is none. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import schema from "../functions/schema";

const PAGE = new URL("../../docs/adr/0003-projection-boundary-single-write.md", import.meta.url);
const [, projected = "", never = ""] = /### What is projected\n(.*)### What never is\n(.*)## Rejected/s.exec(
  readFileSync(PAGE, "utf8"),
) ?? [];
const { projections, timeline } = schema.tables;

/** A validator, as far as it has fields. */
interface Shape {
  kind: string;
  fields?: Record<string, Shape>;
}

function columns(shape: Shape, prefix = ""): string[] {
  return Object.entries(shape.fields ?? {}).flatMap(([name, field]) => [
    prefix + name,
    ...columns(field, `${prefix}${name}.`),
  ]);
}

function rows(table: string): string[][] {
  const lines = table.split("\n").filter((line) => line.startsWith("| `"));
  return lines.map((line) => line.split("|").map((cell) => cell.trim()));
}

function told(column: number): string[] {
  return rows(projected).flatMap((row) => (row[column] === "yes" ? [(row[1] ?? "").replaceAll("`", "")] : []));
}

test.each([
  ["projections", projections.validator, 2],
  ["timeline", timeline.validator, 3],
] as const)("every column of %s has a line, and every line a column", (_, validator, column) => {
  expect(columns(validator as Shape)).toContain("result_ref.summary");
  expect(told(column).sort()).toEqual(columns(validator as Shape).sort());
});

test("what is never projected is no column", () => {
  const what = rows(never).flatMap((row) => [...(row[1] ?? "").matchAll(/`(\w+)`/g)].map(([, name]) => name));
  const paths = [projections, timeline].flatMap(({ validator }) => columns(validator as Shape));
  const names = new Set<string | undefined>(paths.flatMap((path) => path.split(".")));
  expect(what).toContain("idempotency_key");
  expect(what.filter((name) => names.has(name))).toEqual([]);
});
