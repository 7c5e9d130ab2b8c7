// Event streams over fetch: what is asked, what is refused, and the syntax of what comes.

import { LONGEST_TIMER } from "./waiting.js";

export class Refusal extends Error {
  /** @param {Response} response */
  constructor({ status, headers }) {
    super(`the server answered ${status}`);
    this.status = status;
    this.waitMs = retryAfter(headers.get("Retry-After"));
  }
}

/**
 * Ask for something; what is not 2xx is thrown as a Refusal.
 *
 * @param {string} url
 * @param {RequestInit} init
 */
export async function ask(url, init) {
  const response = await fetch(url, { cache: "no-store", ...init });
  if (!response.ok) throw new Refusal(response);
  return response;
}

/** Milliseconds of a Retry-After, which is a number of seconds or a date. @param {string | null} said */
function retryAfter(said) {
  if (!said) return 0;
  const ms = /^\s*\d+\s*$/.test(said) ? Number(said) * 1_000 : Date.parse(said) - Date.now();
  return Math.min(Math.max(ms || 0, 0), LONGEST_TIMER / 2);
}

// --- Event-stream syntax ----------------------------------------------------------------------------------------------

/** @typedef {{ name: string, data: string } | { retry: number }} Message */

/** Returns a function that takes the text as it comes and gives the messages that are complete. `id` is passed over. */
export function eventStreamParser() {
  let rest = "";
  let name = "";
  /** @type {string[]} */
  let data = [];
  /** @param {string} text @returns {Message[]} */
  return (text) => {
    /** @type {Message[]} */
    const messages = [];
    const lines = (rest + text).split(/\r\n|\n|\r(?!$)/); // an "\r" at the end may be half a line break
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line) ?? [];
      if (field === "event") name = value;
      else if (field === "data") data.push(value);
      else if (field === "retry" && /^\d+$/.test(value)) messages.push({ retry: Number(value) });
      else if (line === "") {
        if (data.length) messages.push({ name: name || "message", data: data.join("\n") });
        [name, data] = ["", []];
      }
    }
    return messages;
  };
}

/**
 * The messages of a stream, as they come.
 *
 * @param {Response} response
 * @param {AbortSignal} signal ends it
 * @param {() => void} onBytes also for comments
 */
export async function* messages(response, signal, onBytes) {
  const type = response.headers.get("Content-Type");
  if (!type?.startsWith("text/event-stream") || !response.body) throw new Error(`an event stream was expected: ${type}`);
  const reader = response.body.getReader();
  // Under Node an aborted fetch may leave the read of an answer that has ended just then waiting for ever.
  signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
  const decoder = new TextDecoder();
  const parse = eventStreamParser();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    onBytes();
    yield* parse(decoder.decode(value, { stream: true }));
  }
}
