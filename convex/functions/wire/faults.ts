/** Where a body does not hold: the validator's own rules, told with the path of each field that breaks one. */
import type { GenericValidator } from "convex/values";

export interface FieldFault {
  field: string;
  message: string;
}

/** Faults told of one body. */
const TOLD_MAX = 50;

/** Return what of `value` the validator would refuse, by dotted path, the first ones of many. */
export function faultsOf(validator: GenericValidator, value: unknown): FieldFault[] {
  return faults(validator, value, "").slice(0, TOLD_MAX);
}

function faults(validator: GenericValidator, value: unknown, path: string): FieldFault[] {
  switch (validator.kind) {
    case "object":
      return objectFaults(validator.fields as Record<string, GenericValidator>, value, path);
    case "array":
      if (!Array.isArray(value)) return [fault(path, "must be a list")];
      return value.flatMap((each, at) => faults(validator.element as GenericValidator, each, joined(path, String(at))));
    case "union":
      return unionFaults(validator.members as GenericValidator[], value, path);
    case "literal":
      return value === validator.value ? [] : [fault(path, `must be ${String(validator.value)}`)];
    case "string":
      return typeof value === "string" ? [] : [fault(path, "must be text")];
    case "float64":
      return typeof value === "number" ? [] : [fault(path, "must be a number")];
    case "boolean":
      return typeof value === "boolean" ? [] : [fault(path, "must be true or false")];
    default:
      throw new Error(`the wire has no ${validator.kind}`);
  }
}

function objectFaults(fields: Record<string, GenericValidator>, value: unknown, path: string): FieldFault[] {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return [fault(path, "must be an object")];
  const told = value as Record<string, unknown>;
  const unknown = Object.keys(told).filter((name) => !Object.hasOwn(fields, name));
  return [
    ...Object.entries(fields).flatMap(([name, validator]) => {
      if (Object.hasOwn(told, name)) return faults(validator, told[name], joined(path, name));
      return validator.isOptional === "optional" ? [] : [fault(joined(path, name), "is missing")];
    }),
    ...unknown.map((name) => fault(joined(path, name), "is unknown")),
  ];
}

function unionFaults(members: GenericValidator[], value: unknown, path: string): FieldFault[] {
  if (members.some((member) => faults(member, value, path).length === 0)) return [];
  const named = members.find((member) => isOfKind(member, value));
  if (named !== undefined) return faults(named, value, path);
  const words = members.flatMap((member) => (member.kind === "literal" ? [String(member.value)] : []));
  return [fault(path, words.length > 0 ? `must be one of ${words.join(", ")}` : "must be of a kind that there is")];
}

/** Tell whether `value` says by its `kind` that it is meant to be this member of a union. */
function isOfKind(member: GenericValidator, value: unknown): boolean {
  if (member.kind !== "object" || typeof value !== "object" || value === null) return false;
  const { kind } = member.fields as Record<string, GenericValidator>;
  return kind?.kind === "literal" && kind.value === (value as Record<string, unknown>).kind;
}

function fault(path: string, message: string): FieldFault {
  return { field: path || "body", message };
}

function joined(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}
