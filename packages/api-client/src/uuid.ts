/** Random UUIDs. */

const BYTES = 16;
const VERSION_BYTE = 6;
const VARIANT_BYTE = 8;

/**
 * Return a random UUID (RFC 9562, version 4). crypto.randomUUID is missing in a page that is no secure context, as one
 * that came over plain HTTP on a lab's intranet; getRandomValues is there in every one.
 */
export function randomUuid(): string {
  const bytes = new DataView(crypto.getRandomValues(new Uint8Array(BYTES)).buffer);
  bytes.setUint8(VERSION_BYTE, (bytes.getUint8(VERSION_BYTE) & 0x0f) | 0x40);
  bytes.setUint8(VARIANT_BYTE, (bytes.getUint8(VARIANT_BYTE) & 0x3f) | 0x80);
  const hex = Array.from(new Uint8Array(bytes.buffer), (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
