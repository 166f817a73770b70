/** The gateway's bearer secret: two are good at once, so that it can be rotated without a pause. */

/** Tell whether the header carries one of the secrets; takes as long for a wrong one, and none is none. */
export async function isAuthorized(header: string | null, secrets: (string | undefined)[]): Promise<boolean> {
  const told = await digest(header ?? "");
  const due = await Promise.all(secrets.filter(Boolean).map((secret) => digest(`Bearer ${secret}`)));
  return due.map((each) => isEqual(told, each)).includes(true);
}

/** Digests have one length and tell nothing of where two texts differ. */
async function digest(text: string): Promise<Uint8Array> {
  return new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text)));
}

function isEqual(one: Uint8Array, other: Uint8Array): boolean {
  return one.reduce((difference, byte, at) => difference | (byte ^ (other[at] ?? ~byte)), 0) === 0;
}
