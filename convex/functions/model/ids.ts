/** The derived ids: UUIDv5 of what names a thing, so that a thing told twice has one id. */
import type { ExecutionState } from "../wire/types";

const EVENT_NAMESPACE = "8e0f2f0a-3f53-5b0e-8d0e-2b6f5f3f7c11";
const PROJECTION_NAMESPACE = "3b1c2c0e-6f0b-5d0a-9a70-0d6c6d1b8f52";
const UUID_BYTES = 16;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/** Derive an event's id, so that an event rebuilt after a loss is the same event. */
export async function eventIdFor(submissionId: string, executionId: string, state: ExecutionState): Promise<string> {
  return await uuid5(EVENT_NAMESPACE, `${submissionId}/${executionId}/${state}`);
}

/**
 * Derive the id of a timeline row from what names it; an event is named by submission_id and event_id.
 *
 * By both, since emitters older than contract 1 choose their event ids: two that choose alike must not meet in one
 * receipt.
 */
export async function projectionEventIdFor(...names: string[]): Promise<string> {
  return await uuid5(PROJECTION_NAMESPACE, names.join("/"));
}

async function uuid5(namespace: string, name: string): Promise<string> {
  const text = new TextEncoder().encode(name);
  const named = new Uint8Array(UUID_BYTES + text.length);
  named.set(bytesOf(namespace));
  named.set(text, UUID_BYTES);
  const digest = await crypto.subtle.digest("SHA-1", named);
  const id = new DataView(digest, 0, UUID_BYTES);
  id.setUint8(VERSION_BYTE, (id.getUint8(VERSION_BYTE) & 0x0f) | 0x50);
  id.setUint8(VARIANT_BYTE, (id.getUint8(VARIANT_BYTE) & 0x3f) | 0x80);
  const hex = Array.from({ length: UUID_BYTES }, (_, at) => id.getUint8(at).toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

function bytesOf(uuid: string): number[] {
  return (uuid.replaceAll("-", "").match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
}
