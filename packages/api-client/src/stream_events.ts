/** What a stream tells, and how it is read from the wire (docs/contracts/reads.md, "Streams"). */
import type { EventSourceMessage } from "eventsource-parser";
import type { JobChange, StreamEnd, StreamReset } from "./contract.js";
import { UnexpectedAnswerError } from "./errors.js";

/** One change of a job. `id` is the workspace's change counter, and rises within a stream. */
export interface ChangeEvent {
  type: "change";
  id: number;
  change: JobChange;
}

/** The state now, where single changes cannot be told: what was known before is to be replaced by it. */
export interface ResetEvent {
  type: "reset";
  id: number;
  reset: StreamReset;
}

/** What a stream yields. */
export type StreamEvent = ChangeEvent | ResetEvent;

/** The last event of a connection; another one follows it. */
export interface EndEvent {
  type: "end";
  reason: StreamEnd["reason"];
}

/** Return the event, or undefined for one newer than this client; throws UnexpectedAnswerError for a malformed one. */
export function readEvent(message: EventSourceMessage): StreamEvent | EndEvent | undefined {
  switch (message.event) {
    case "change":
      return { type: "change", id: position(message), change: document<JobChange>(message) };
    case "reset":
      return { type: "reset", id: position(message), reset: document<StreamReset>(message) };
    case "end":
      return { type: "end", reason: document<StreamEnd>(message).reason };
    default:
      return undefined;
  }
}

function position({ event, id }: EventSourceMessage): number {
  if (id === undefined || !/^[0-9]{1,18}$/.test(id)) throw malformed(`${event} with the id ${String(id)}`);
  return Number(id);
}

function document<T extends object>({ event, data }: EventSourceMessage): T {
  try {
    const value: unknown = JSON.parse(data);
    if (typeof value === "object" && value !== null) return value as T;
  } catch {
    // told below
  }
  throw malformed(`${event} with data that is no JSON object`);
}

function malformed(what: string): UnexpectedAnswerError {
  return new UnexpectedAnswerError(`the stream has an event ${what}`, 200);
}
