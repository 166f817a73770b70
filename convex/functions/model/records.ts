/** Documents of the tables as the wire's records. */
import type { Doc } from "../_generated/dataModel";
import type { Entry, Node, Projection, Submission } from "../wire/types";

type Given<T> = { [K in keyof T as undefined extends T[K] ? never : K]: T[K] } & {
  [K in keyof T as undefined extends T[K] ? K : never]?: Exclude<T[K], undefined>;
};

/** Leave out the fields that have no value: on the wire nothing is null. */
export function given<T extends object>(fields: T): Given<T> {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as Given<T>;
}

export function nodeRecord(doc: Doc<"nodes">): Node {
  const { _id, _creationTime, policy_version, ...node } = doc;
  return node;
}

export function submissionRecord(doc: Doc<"submissions">): Submission {
  const { _id, _creationTime, closed_state, ...submission } = doc;
  return submission;
}

export function projectionRecord(doc: Doc<"projections">): Projection {
  const { _id, _creationTime, submitted_change, ...projection } = doc;
  return projection;
}

export function entryRecord(doc: Doc<"timeline">): Entry {
  const { _id, _creationTime, tenant_id, workspace_id, ...entry } = doc;
  return entry;
}
