/** Commands on their way out: the key of each, and batches that the contract takes. */
import type { SubmitJobAccepted, SubmitJobCommand, SubmitOutcome } from "./contract.js";
import { SlipwayError } from "./errors.js";
import { randomUuid } from "./uuid.js";

export const BATCH_MAX_COMMANDS = 500;
export const BATCH_MAX_BYTES = 8 * 1024 * 1024;

const FRAME_BYTES = '{"commands":[]}'.length;
const ENCODER = new TextEncoder();

/** A command whose key may be left to the client. */
export type CommandDraft = Omit<SubmitJobCommand, "idempotency_key"> & { idempotency_key?: string };

/** An accepted command: submitting it again with the same key gives the same, as a replay. */
export type Submission = SubmitJobAccepted & { idempotencyKey: string; idempotentReplayed: boolean };

/** One outcome of many, with the key that its command was sent with. */
export type ManyOutcome = SubmitOutcome & { idempotencyKey: string };

/**
 * Return the command with its key, a random UUID where it had none. Keep it where you keep your own record: whatever
 * sends it again, after whatever failure, gets the first answer.
 */
export function withIdempotencyKey(draft: CommandDraft): SubmitJobCommand {
  return { ...draft, idempotency_key: draft.idempotency_key ?? randomUuid() };
}

/** Cut commands, in order, into as few batches as the contract's count and size (in bytes of JSON) allow. */
export function* batches(commands: Iterable<SubmitJobCommand>): Generator<SubmitJobCommand[], void, void> {
  let held: SubmitJobCommand[] = [];
  let size = FRAME_BYTES;
  for (const command of commands) {
    const weight = ENCODER.encode(JSON.stringify(command)).length + 1; // with its comma
    if (held.length > 0 && (held.length === BATCH_MAX_COMMANDS || size + weight > BATCH_MAX_BYTES)) {
      yield held;
      held = [];
      size = FRAME_BYTES;
    }
    held.push(command);
    size += weight;
  }
  if (held.length > 0) yield held;
}

/** Have an error that `submit` throws tell what was being submitted. */
export async function submitting<T>(commands: readonly SubmitJobCommand[], submit: () => Promise<T>): Promise<T> {
  try {
    return await submit();
  } catch (error) {
    if (error instanceof SlipwayError) error.commands = commands;
    throw error;
  }
}
