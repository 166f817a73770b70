/** Requests to one gateway: the credential, the deadline of a try, and retries. */
import createClient, { type Client } from "openapi-fetch";
import { answered, told, unanswered, type Answer, type Fetched } from "./answers.js";
import { InputRefusedError, SlipwayError, UnreachableError } from "./errors.js";
import type { paths } from "./generated/schema.js";
import { retried, type Retries } from "./retries.js";
import { within } from "./within.js";

/**
 * A bearer token, or what gives one: it is asked before every try and within its time, so that it may renew what has
 * expired. What it throws counts as no answer and is tried again; an error of this package stays what it is.
 */
export type Token = string | (() => string | Promise<string>);

/** What every call takes. */
export interface CallOptions {
  signal?: AbortSignal;
  /** A W3C `traceparent`: the job is then part of that trace. */
  traceparent?: string;
}

/** What a try is sent with. */
export interface TryInit {
  headers: Record<string, string>;
  signal: AbortSignal;
}

export interface TransportOptions {
  url: string;
  token: Token;
  fetch?: (request: Request) => Promise<Response>;
  retries: Retries;
  timeoutSeconds: number;
}

type Http = Client<paths>;
type Send<T> = (http: Http, init: TryInit) => Promise<Fetched<T>>;

export class Transport {
  readonly url: string;
  readonly #http: Http;

  constructor(private readonly options: TransportOptions) {
    this.url = checkedUrl(options.url);
    const fetch = options.fetch;
    this.#http = createClient<paths>({ baseUrl: this.url, ...(fetch === undefined ? {} : { fetch }) });
  }

  /** Call until there is an answer that stands; throws RefusedError, UnreachableError, UnexpectedAnswerError. */
  call<T>(send: Send<T>, options: CallOptions): Promise<Answer<T>> {
    return retried(() => this.once(send, options), this.options.retries, options.signal);
  }

  /** Try once. A body that is not read yet is the caller's to bound and to cancel. Throws as `call` does. */
  async once<T>(send: Send<T>, { signal, traceparent }: CallOptions): Promise<Answer<T>> {
    signal?.throwIfAborted();
    const seconds = this.options.timeoutSeconds;
    const late = (): Error => new Error(`it took longer than ${seconds} s`);
    const sent = async (stop: AbortSignal): Promise<Fetched<T>> => {
      const headers = await this.#headers(traceparent);
      stop.throwIfAborted(); // the token came too late, and nobody waits for the answer any more
      return send(this.#http, { headers, signal: stop });
    };
    let fetched: Fetched<T>;
    try {
      fetched = await within(sent, { seconds, late, signal });
    } catch (error) {
      signal?.throwIfAborted();
      throw unanswered(error, this.url);
    }
    return answered(fetched);
  }

  async #headers(traceparent: string | undefined): Promise<Record<string, string>> {
    const headers: Record<string, string> = { Authorization: `Bearer ${await this.#token()}` };
    if (traceparent !== undefined) headers["traceparent"] = traceparent;
    return headers;
  }

  async #token(): Promise<string> {
    const { token } = this.options;
    const value = typeof token === "string" ? token : await given(token);
    if (!/^[\x21-\x7e]+$/.test(value)) {
      throw new InputRefusedError("the token is empty, or has characters that no token has");
    }
    return value;
  }
}

/** Return what the caller's token function gives; the network that it renews by may be away, as the gateway may. */
async function given(token: () => string | Promise<string>): Promise<string> {
  try {
    return await token();
  } catch (error) {
    if (error instanceof SlipwayError) throw error;
    throw new UnreachableError(`no token was given: ${told(error)}`, { cause: error });
  }
}

function checkedUrl(url: string): string {
  if (!URL.canParse(url)) throw new InputRefusedError(`${JSON.stringify(url)} is not a URL`);
  const { protocol, username, password, search, hash } = new URL(url);
  if (!/^https?:$/.test(protocol) || username || password || search || hash) {
    throw new InputRefusedError(`${JSON.stringify(url)} is not a gateway's URL, as in https://slipway.example.org`);
  }
  return url.replace(/\/+$/, "");
}
