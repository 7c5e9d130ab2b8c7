// One thing that is followed: its connection, what to do when that is lost, and what the page round it has to say.

import { Refusal, ask, messages } from "./event-stream.js";
import { LONGEST_TIMER, sleep, spread, startAlarm, unlessAborted } from "./waiting.js";

/** @import { BatchEvent, Credential, Options, State } from "./batch-stream.js" */
/** @import { Message } from "./event-stream.js" */
/** @import { Alarm } from "./waiting.js" */

/** In milliseconds; waits are spread at random, up to half as long again. */
const TIMING = Object.freeze({
  retry: 2_000, // before the first reconnection; the stream's own `retry:` replaces it, and each failure doubles it
  longestRetry: 30_000,
  longestRetryAfterSilence: 300_000, // something on the way swallows the stream: it is seldom worth asking again
  silence: 45_000, // the server says something every 15 s
  stable: 10_000, // a connection that is heard for so long makes up for the failures before it
  poll: 5_000,
  hidden: 30_000, // a page that nobody sees for so long gives up its connection (a browser has six) and polls …
  pollHidden: 30_000, // … so often
});

/** @typedef {{ -readonly [name in keyof typeof TIMING]: number }} Timing */

const FAILURES_BEFORE_POLLING = 3;
const REFUSALS = [401, 403, 404];

/**
 * What is followed, and how far it is known.
 *
 * @typedef {object} Source
 * @property {() => string} address of the stream, from here on
 * @property {boolean} endsWithBatch
 * @property {(event: BatchEvent) => boolean} isNew notes it, too
 * @property {Poll} poll
 */

/**
 * Asks once for what is new; whether the batch has ended.
 *
 * @typedef {(ask: (url: string) => Promise<any>, take: (event: BatchEvent) => void) => Promise<boolean>} Poll
 */

/** What `follow` and `followAll` return. */
export class Following {
  /** @type {State} */
  state = "connecting";
  /** @type {number | null} of a refusal: 401, 403 or 404 */
  status = null;
  /** @type {BatchEvent | null} the last event that was delivered */
  latest = null;
  /** @type {Promise<Following>} kept when nothing more will come: finished, denied or stopped */
  over;

  #options;
  #source;
  #timing;
  /** @type {number} */
  #retry;
  #failures = 0; // in a row
  #heardAt = 0;
  #notBefore = 0; // the server asked us to stay away until then
  #isAway = false; // the last poll failed
  #isResting = false; // without a connection, because nobody looks
  #connection = new AbortController();
  #pause = new AbortController();
  /** @type {AbortController | null} */
  #polling = null;
  #page = new AbortController();
  /** @type {(following: Following) => void} */
  #settle = () => {};

  /** @param {Options} options @param {Source} source */
  constructor(options, source) {
    this.#options = options;
    this.#source = source;
    this.#timing = { ...TIMING, ...options.timing };
    this.#retry = this.#timing.retry;
    this.over = new Promise((resolve) => (this.#settle = resolve));
    this.#watchPage();
    this.#run();
  }

  /** Stop following; nothing is delivered from now on. */
  stop() {
    this.#end("stopped");
  }

  // --- The stream ---------------------------------------------------------------------------------------------------

  async #run() {
    while (!this.#isOver) {
      const waitMs = this.#isResting ? LONGEST_TIMER : await this.#connect();
      this.#pause = new AbortController();
      if (!this.#isOver) await sleep(waitMs, this.#pause.signal);
    }
  }

  /** Make one connection and read it until it is lost; returns how long to wait before the next. */
  async #connect() {
    const connection = (this.#connection = new AbortController());
    const alarm = startAlarm(this.#timing.silence, () => connection.abort("silence"));
    const openedAt = (this.#heardAt = Date.now());
    let askedMs = 0;
    try {
      await this.#read(connection.signal, alarm);
    } catch (error) {
      askedMs = this.#note(error);
    }
    alarm.stop();
    const { reason } = connection.signal;
    connection.abort(); // an answer that was no stream is not read to its end
    if (this.#isOver || reason === "again") return 0;
    if (this.#heardAt - openedAt >= this.#timing.stable) this.#failures = 0;
    return this.#lose(reason === "silence", askedMs);
  }

  /** @param {AbortSignal} signal @param {Alarm} alarm */
  async #read(signal, alarm) {
    const response = await this.#ask(this.#source.address(), "text/event-stream", signal);
    if (response.status === 204) return this.#end("finished");
    for await (const message of messages(response, signal, () => this.#hear(alarm))) this.#take(message);
  }

  /** @param {Alarm} alarm */
  #hear(alarm) {
    alarm.restart();
    this.#heardAt = Date.now();
    this.#stopPolling();
    this.#show("live");
  }

  /** @param {Message} message */
  #take(message) {
    if ("retry" in message) this.#retry = message.retry;
    else {
      this.#deliver(JSON.parse(message.data));
      if (this.#source.endsWithBatch && message.name !== "progress") this.#end("finished");
    }
  }

  /**
   * Note that the connection is lost; returns how long to wait before the next.
   *
   * @param {boolean} isSilent it was open and nothing came: something on the way keeps or swallows it
   * @param {number} askedMs what the server asked us to wait
   */
  #lose(isSilent, askedMs) {
    this.#failures = Math.max(this.#failures + 1, isSilent ? FAILURES_BEFORE_POLLING : 0);
    if (askedMs || this.#failures >= FAILURES_BEFORE_POLLING) this.#startPolling();
    if (!this.#polling) this.#show("reconnecting");
    this.#notBefore = Date.now() + askedMs;
    const longest = isSilent ? this.#timing.longestRetryAfterSilence : this.#timing.longestRetry;
    const doubled = Math.min(longest, this.#retry * 2 ** (this.#failures - 1));
    return spread(Math.max(askedMs, this.#retry, doubled));
  }

  // --- Polling ------------------------------------------------------------------------------------------------------

  async #startPolling() {
    if (this.#polling) return;
    const { signal } = (this.#polling = new AbortController());
    while (!signal.aborted) {
      const waitMs = await this.#poll(signal);
      await sleep(spread(waitMs), signal);
    }
  }

  #stopPolling() {
    this.#polling?.abort();
    this.#polling = null;
  }

  /** Ask once; returns how long to wait before the next. @param {AbortSignal} signal */
  async #poll(signal) {
    const waitMs = this.#isResting ? this.#timing.pollHidden : this.#timing.poll;
    const request = new AbortController();
    const alarm = startAlarm(this.#timing.silence, () => request.abort());
    /** @param {string} url */
    const ask = async (url) => (await this.#ask(url, "application/json", request.signal)).json();
    try {
      const hasEnded = await this.#source.poll(ask, (event) => this.#deliver(event));
      if (signal.aborted) return 0;
      if (hasEnded) this.#end("finished");
      if (this.#isAway) this.#hurry(); // the server is back: its stream may be, too
      this.#isAway = false;
      this.#show("polling");
      return waitMs;
    } catch (error) {
      if (signal.aborted) return 0;
      this.#isAway = true;
      const askedMs = this.#note(error);
      this.#show("reconnecting");
      return Math.max(waitMs, askedMs);
    } finally {
      alarm.stop();
    }
  }

  // --- What both share ----------------------------------------------------------------------------------------------

  /** @param {string} url @param {string} accept @param {AbortSignal} signal */
  async #ask(url, accept, signal) {
    const { ticket, token } = this.#options;
    /** @type {Record<string, string>} */
    const headers = { Accept: accept };
    if (token !== undefined) headers.Authorization = `Bearer ${await this.#tell(token, signal)}`;
    if (ticket !== undefined) {
      url += `${url.includes("?") ? "&" : "?"}ticket=${encodeURIComponent(await this.#tell(ticket, signal))}`;
    }
    return ask(url, { headers, signal, credentials: (token ?? ticket) === undefined ? "same-origin" : "omit" });
  }

  /** @param {Credential} credential @param {AbortSignal} signal */
  async #tell(credential, signal) {
    const told = typeof credential === "function" ? credential() : credential;
    const value = await unlessAborted(Promise.resolve(told), signal);
    if (value === null) throw new Refusal(new Response(null, { status: 401 }));
    return value;
  }

  /** Note what went wrong; returns how long the server asked us to wait, in milliseconds. @param {unknown} error */
  #note(error) {
    if (!(error instanceof Refusal)) return 0;
    if (REFUSALS.includes(error.status)) this.#end("denied", error.status);
    return error.waitMs;
  }

  /** @param {BatchEvent} event */
  #deliver(event) {
    if (this.#isOver || !this.#source.isNew(event)) return;
    this.latest = event;
    call(this.#options.onEvent, event);
  }

  /** @param {State} state @param {number | null} status */
  #show(state, status = null) {
    if (this.#isOver || state === this.state) return;
    this.state = state;
    this.status = status;
    if (state !== "stopped") call(this.#options.onState, state, status); // who stops knows it
  }

  get #isOver() {
    return ["finished", "denied", "stopped"].includes(this.state);
  }

  /** @param {State} state @param {number | null} status */
  #end(state, status = null) {
    if (this.#isOver) return;
    this.#show(state, status);
    this.#stopPolling();
    for (const part of [this.#connection, this.#pause, this.#page]) part.abort();
    this.#settle(this);
  }

  // --- The page -----------------------------------------------------------------------------------------------------

  #watchPage() {
    if (typeof document === "undefined") return; // Node, or a worker
    const { signal } = this.#page;
    let hiding = 0;
    const look = () => {
      clearTimeout(hiding);
      if (document.hidden) hiding = setTimeout(() => this.#rest(), this.#timing.hidden);
      else if (this.state !== "live" || Date.now() - this.#heardAt > this.#timing.silence / 2) this.#again();
    };
    document.addEventListener("visibilitychange", look, { signal });
    addEventListener("online", () => document.hidden || this.#again(), { signal });
    // A page that is kept for the way back holds no connection; whoever comes back goes on where it was.
    addEventListener("pagehide", () => this.#leave(), { signal });
    addEventListener("pageshow", (event) => event.persisted && this.#again(), { signal });
    signal.addEventListener("abort", () => clearTimeout(hiding));
    if (document.hidden) look();
  }

  #leave() {
    this.#isResting = true;
    this.#stopPolling();
    this.#connection.abort("again");
  }

  #rest() {
    this.#leave();
    this.#startPolling();
  }

  /** Connect now: what there was before may be dead. */
  #again() {
    this.#isResting = false;
    this.#connection.abort("again");
    this.#hurry();
  }

  #hurry() {
    if (Date.now() >= this.#notBefore) this.#pause.abort();
  }
}

/**
 * Call a listener; what it throws is its own, and takes no stream down.
 *
 * @template {unknown[]} Values
 * @param {((...values: Values) => void) | undefined} listener
 * @param {Values} values
 */
function call(listener, ...values) {
  try {
    listener?.(...values);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}
