/**
 * What a batch is judged by, read as far as one transaction reads.
 *
 * Convex lets a transaction read 16 MiB, and what a batch names may be more: a node has up to 64 KiB of policy and
 * health, a job as much of a result. So a call is answered for the first of what it names, at least one, and the
 * gateway asks again for the rest. A mutation has written what it answers for, and nothing of the rest.
 */
import { getDocumentSize } from "convex/values";
import type { Doc, TableNames } from "../_generated/dataModel";

/** Enough read for one call. */
const READ_BYTES_MAX = 8 * 1024 * 1024;
/** Items read for at once: of the largest that there are these go 6 MiB beyond what is enough, and no further. */
const AT_ONCE = 16;
/** How often a document is read that is then written anew. */
export const REWRITTEN = 2;

/** Read for `items` in order, until it is enough; return those that were read for. `read` tells the bytes. */
export async function asFarAsRead<Item>(items: Item[], read: (some: Item[]) => Promise<number>[]): Promise<Item[]> {
  let bytes = 0;
  let end = 0;
  while (end < items.length && bytes < READ_BYTES_MAX) {
    const some = items.slice(end, end + AT_ONCE);
    for (const more of await Promise.all(read(some))) bytes += more;
    end += some.length;
  }
  return items.slice(0, end);
}

/** Looks up each distinct key once; a key is told apart by its text. */
export class Lookup<Key, Found extends Doc<TableNames>> {
  readonly found = new Map<string, Found | null>();
  private readonly text: (key: Key) => string;
  private readonly find: (key: Key) => Promise<Found | null>;
  private readonly times: number;

  /** `times` is how often each is read in all. */
  constructor(text: (key: Key) => string, find: (key: Key) => Promise<Found | null>, times = 1) {
    this.text = text;
    this.find = find;
    this.times = times;
  }

  /** Look up those of `keys` that were not, all together; return the bytes of what is there. */
  async read(keys: Iterable<Key>): Promise<number> {
    const distinct = new Map(Array.from(keys, (key) => [this.text(key), key]));
    const fresh = Array.from(distinct).filter(([text]) => !this.found.has(text));
    const docs = await Promise.all(fresh.map(async ([text, key]) => [text, await this.find(key)] as const));
    let bytes = 0;
    for (const [text, doc] of docs) {
      this.found.set(text, doc);
      if (doc !== null) bytes += this.times * getDocumentSize(doc);
    }
    return bytes;
  }

  /** Return what is there under `key`, which was looked up. */
  get(key: Key): Found | null {
    return this.found.get(this.text(key)) ?? null;
  }
}
