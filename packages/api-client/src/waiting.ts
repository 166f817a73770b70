/** Waiting for a job's end, on its stream. */
import { isTerminal, type Projection } from "./contract.js";
import type { StreamEvent } from "./stream_events.js";

/** Return the projection once it is terminal. `look` reads it. */
export async function ended(stream: AsyncIterable<StreamEvent>, look: () => Promise<Projection>): Promise<Projection> {
  for await (const event of stream) {
    const told = event.type === "reset" ? event.reset.jobs[0] : event.change;
    if (told === undefined || !isTerminal(told.projection_state)) continue;
    const projection = await look();
    if (isTerminal(projection.projection_state)) return projection; // it was not submitted again since
  }
  throw new Error("a stream that has no end ended");
}
