// Follows batches live, through every interruption. No dependencies; browsers, and Node 18 or later.
//
//   import { follow } from "/static/progress/batch-stream.js";
//
//   const following = follow(batchId, {
//     onEvent: (event) => show(event.message),
//     onState: (state) => (pill.textContent = state),
//   });
//   following.stop();
//
// It reads the stream with fetch rather than EventSource, which hides what matters here: the status of a refusal,
// Retry-After, and the comments that show that a quiet connection lives.

import { Following } from "./following.js";

/**
 * One line of a batch's log. docs/stream.md says what each field means.
 *
 * @typedef {object} BatchEvent
 * @property {string} batch_id
 * @property {number} seq 1, 2, 3 … without a gap, for the whole life of the batch
 * @property {string} stage
 * @property {string} message one line for a person
 * @property {number} progress_percentage 0–100, within the stage
 * @property {number} sheets_total
 * @property {number} sheets_processed
 * @property {number} sheets_review
 * @property {number} elapsed_seconds
 * @property {number | null} rate_per_second
 * @property {number | null} eta_seconds
 * @property {string} timestamp
 * @property {number} attempt
 * @property {string | null} error_details
 * @property {string | null} code
 * @property {string | null} failed_stage
 */

/**
 * `live`: events come as they happen. `reconnecting`: nothing comes for now, and nothing is lost. `polling`: the stream
 * does not get through, events come every few seconds. The last three are for ever: `finished`: the batch has ended,
 * completed or failed, as its last event says; `denied`: the server refused, 401, 403 or 404; `stopped`: by `stop()`.
 *
 * @typedef {"connecting" | "live" | "reconnecting" | "polling" | "finished" | "denied" | "stopped"} State
 */

/** @typedef {string | (() => string | null | Promise<string | null>)} Credential null: nobody is signed in any more */

/**
 * @typedef {object} Options
 * @property {(event: BatchEvent) => void} [onEvent] each event, once, in order
 * @property {(state: State, status: number | null) => void} [onState] each change; the status of `denied`
 * @property {string} [server] such as "https://omr.example.org"; without it, the page's own
 * @property {Credential} [token] goes into `Authorization: Bearer`; a function is asked for each request
 * @property {Credential} [ticket] goes into `?ticket=`, from POST /api/tickets; a function is asked for each request.
 *   With neither, the browser's session cookie says who asks.
 * @property {Partial<import("./following.js").Timing>} [timing]
 */

/**
 * Follow one batch to its end.
 *
 * @param {string} batch its id
 * @param {Options & { after?: number }} [options] after: the last `seq` that is known already
 */
export function follow(batch, { after = 0, ...options } = {}) {
  const address = `${options.server ?? ""}/api/batches/${encodeURIComponent(batch)}`;
  let position = after;
  return new Following(options, {
    address: () => `${address}/stream?last_event_id=${position}`,
    endsWithBatch: true,
    isNew: ({ seq }) => seq > position && Boolean((position = seq)),
    async poll(ask, take) {
      const { current } = await ask(`${address}/progress`);
      if (current === null || current.seq < position) return false;
      const { events } = current.seq > position ? await ask(`${address}/events?after=${position}`) : { events: [] };
      events.forEach(take);
      return ["completed", "failed"].includes((events.at(-1) ?? current).stage);
    },
  });
}

/**
 * Follow every batch that one may see, or some of them, over one connection, until `stop()`. It begins with the latest
 * event of each, and so does every reconnection: what came in between is passed over. The end of a batch is no end here:
 * one that is retried goes on.
 *
 * @param {Options & { batches?: string[] }} [options] batches: ids, to narrow it
 */
export function followAll({ batches = [], ...options } = {}) {
  /** @type {Map<string, number>} */
  const positions = new Map();
  const address = `${options.server ?? ""}/api`;
  const narrowed = batches.map((id) => `batch=${encodeURIComponent(id)}`).join("&");
  return new Following(options, {
    address: () => `${address}/stream?${narrowed}`,
    endsWithBatch: false,
    isNew: ({ batch_id, seq }) => seq > (positions.get(batch_id) ?? 0) && Boolean(positions.set(batch_id, seq)),
    async poll(ask, take) {
      const { events } = await ask(`${address}/progress?${narrowed}`);
      events.forEach(take);
      return false;
    },
  });
}
