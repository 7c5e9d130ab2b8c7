// Rows of batches that live: each event changes the row of its batch, in our own list and in the administrators'.
//
// A row is the <tr> round an element with data-batch and data-seq, the position of the event that it was painted with.
// What changes in it is named by data-part; what a list does not show is left out.

/** @import { BatchEvent } from "../progress/batch-stream.js" */

const number = new Intl.NumberFormat(document.documentElement.lang || undefined);
const words = document.getElementById("live-words").content;

/** Return the translated word for `name`. @param {"state" | "stage" | "connection"} kind @param {string} name */
export function wordOf(kind, name) {
  return words.querySelector(`[data-${kind}="${name}"]`)?.textContent ?? name;
}

/**
 * Return the elements with data-batch below `root`, by the ids of their batches.
 *
 * @param {ParentNode} root
 * @returns {Map<string, HTMLElement>}
 */
export function rowsBelow(root) {
  return new Map([...root.querySelectorAll("[data-batch]")].map((element) => [element.dataset.batch, element]));
}

/**
 * Show `event` in the row of `element`, unless the row is as new.
 *
 * @param {HTMLElement} element
 * @param {BatchEvent} event
 */
export function showEvent(element, event) {
  if (event.seq <= Number(element.dataset.seq)) return;
  element.dataset.seq = event.seq;
  element.dataset.state = stateOf(event);
  const row = element.closest("tr");
  const isUnderWay = ["uploading", "processing"].includes(element.dataset.state);
  showStatus(row.querySelector(".status"), element.dataset.state);
  change(row, "way", (part) => (part.hidden = !isUnderWay));
  change(row, "bar", (part) => (part.value = event.progress_percentage));
  change(row, "stage", (part) => setText(part, wordOf("stage", event.stage)));
  change(row, "message", (part) => setText(part, event.message));
  change(row, "total", (part) => setText(part, number.format(event.sheets_total)));
  change(row, "processed", (part) => setText(part, number.format(event.sheets_processed)));
  change(row, "read", (part) => (part.hidden = element.dataset.state !== "processing" || event.sheets_processed === 0));
  change(row, "review", (part) => setText(part, number.format(event.sheets_review)));
}

/** Show that nothing more will be heard of the batch of `element`. @param {HTMLElement} element */
export function showGone(element) {
  element.dataset.state = "gone";
  const row = element.closest("tr");
  showStatus(row.querySelector(".status"), "gone");
  change(row, "way", (part) => (part.hidden = true));
}

/** @param {BatchEvent} event */
export function isTerminal({ stage }) {
  return stage === "completed" || stage === "failed";
}

/** What `event` says of the status of its batch. @param {BatchEvent} event */
function stateOf(event) {
  if (event.stage === "completed") return "completed";
  if (event.stage === "failed") return event.code === "cancelled" ? "cancelled" : "failed";
  if (event.stage === "uploading") return event.progress_percentage >= 100 ? "queued" : "uploading";
  return "processing";
}

/** @param {HTMLElement} chip @param {string} state */
function showStatus(chip, state) {
  chip.className = `status ${state}`;
  setText(chip, wordOf("state", state));
}

/** @param {HTMLElement} row @param {string} name @param {(part: any) => void} make */
function change(row, name, make) {
  const part = row.querySelector(`[data-part="${name}"]`);
  if (part) make(part);
}

/** @param {HTMLElement} element @param {string} text */
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}
