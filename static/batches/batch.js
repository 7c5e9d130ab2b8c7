// The page of one batch: what the server has painted goes on living through the stream.

import { clock, decimal } from "../figures.js";
import { follow } from "../progress/batch-stream.js";
import { Herald } from "./herald.js";
import { LogView } from "./log-view.js";
import { Parts } from "./parts.js";
import { isTerminal, stageOf, Timeline } from "./timeline.js";

/** @import { BatchEvent, State } from "../progress/batch-stream.js" */

const page = part("batch");
const number = new Intl.NumberFormat(document.documentElement.lang);

const TICK_MS = 1_000;
const UNSEEN_MS = 250; // a page in the background gets no frames, and says all the same that its batch has ended
const LONGEST_SILENCE_MS = 15_000; // the clock stops when nothing was heard for so long
const SILENT_LOOK_MS = 20_000; // between two looks at a batch of which nothing is heard: nobody may be at work on it

const timeline = new Timeline(Number(page.dataset.attempt));
const log = new LogView();
const parts = new Parts(page.dataset, { onPaint: showPainted });
const herald = new Herald(document.title);

/** @type {BatchEvent[]} */
let waiting = []; // for the next frame
let frame = 0;
let timer = 0;
/** @type {BatchEvent | null} */
let latest = null;
let heardAt = performance.now();
let lookedAt = heardAt;
let isOver = page.dataset.finished === "yes"; // as the server has painted it

/** @param {string} id */
function part(id) {
  return document.getElementById(id);
}

// --- Events -----------------------------------------------------------------------------------------------------------

/** Events that come together are shown together: a backlog of ten thousand is painted once a frame. */
function take(event) {
  waiting.push(event);
  if (waiting.length > 1) return;
  frame = requestAnimationFrame(show);
  timer = setTimeout(show, UNSEEN_MS);
}

function show() {
  cancelAnimationFrame(frame);
  clearTimeout(timer);
  const events = waiting;
  waiting = [];
  const before = latest;
  for (const event of events) timeline.take(event);
  latest = events.at(-1);
  heardAt = performance.now();
  showFigures(latest);
  timeline.show(latest);
  log.add(events);
  tellWhoListens(before);
}

/** @param {BatchEvent | null} before */
function tellWhoListens(before) {
  const isTurn = latest.stage !== before?.stage || latest.attempt !== before.attempt;
  if (isTurn) herald.speak(isTerminal(latest) ? latest.message : timeline.titleOf(latest));
  if (isTerminal(latest)) herald.end(latest);
  else herald.show(timeline.whole);
  if (isTurn || isInterrupted()) parts.askSoon(isTerminal(latest));
  else if (latest.sheets_processed !== before.sheets_processed) parts.count();
}

/** @param {BatchEvent} event */
function showFigures(event) {
  part("message").textContent = event.message;
  part("bar").value = event.progress_percentage;
  part("percent").textContent = `${Math.floor(event.progress_percentage)} %`;
  for (const id of ["bar", "whole"]) {
    part(id).toggleAttribute("data-end", isTerminal(event));
    if (isTerminal(event)) part(id).dataset.end = event.stage;
  }
  part("processed").textContent = number.format(event.sheets_processed);
  part("total").textContent = number.format(event.sheets_total);
  part("review").textContent = number.format(event.sheets_review);
  part("elapsed").textContent = clock(event.elapsed_seconds);
  part("rate").textContent = event.rate_per_second == null ? "–" : pace(event);
  part("eta").textContent = event.eta_seconds == null ? "–" : clock(event.eta_seconds);
}

/** @param {BatchEvent} event */
function pace({ stage, rate_per_second: rate }) {
  // Bytes of an upload, sheets otherwise.
  const [count, unit] = stage === "uploading" ? [rate / 2 ** 20, "MB/s"] : [rate, "/s"];
  return `${decimal(count, count >= 10 ? 0 : 1)} ${unit}`;
}

/** @param {boolean} isEnded */
function showPainted(isEnded) {
  if (isOver && !isEnded) location.reload(); // somebody has it go on
  isOver = isEnded;
  if (latest !== null) timeline.show(latest);
  if (isInterrupted()) for (const id of ["rate", "eta"]) part(id).textContent = "–";
}

// --- The connection ---------------------------------------------------------------------------------------------------

/** @param {State} state @param {number | null} status */
function showState(state, status) {
  const pill = part("connection");
  const word = pill.dataset[status === null ? state : `denied-${status}`];
  if (word) pill.textContent = word;
  pill.className = `pill ${state}`;
  part("denied").hidden = state !== "denied";
  // It ended while the page was on its way here: the stream has nothing left to tell.
  if (state === "finished" && latest === null) parts.askSoon(true);
}

function tick() {
  if (latest !== null && (isTerminal(latest) || isWaiting(latest))) return;
  const silence = performance.now() - heardAt;
  if (silence >= LONGEST_SILENCE_MS) lookInSilence();
  if (latest === null || isInterrupted()) return;
  const seconds = latest.elapsed_seconds + Math.min(silence, LONGEST_SILENCE_MS) / 1_000;
  part("elapsed").textContent = clock(seconds);
  timeline.tick(seconds, stageOf(latest));
}

function lookInSilence() {
  if (isInterrupted() || performance.now() - Math.max(lookedAt, heardAt) < SILENT_LOOK_MS) return;
  lookedAt = performance.now();
  parts.askSoon(false);
}

function isInterrupted() {
  return part("status").querySelector(".interrupted") !== null;
}

/** Whether the batch lies still: its upload is complete and no runner has taken it yet. @param {BatchEvent} event */
function isWaiting(event) {
  return event.stage === "uploading" && event.progress_percentage >= 100;
}

document.addEventListener("visibilitychange", () => document.hidden || !isOver || parts.askSoon(false));
if (!isOver) {
  herald.offer();
  follow(page.dataset.id, { after: Number(page.dataset.seq), onEvent: take, onState: showState });
  setInterval(tick, TICK_MS);
  // The way back leads to a page that was kept as it was: the stream catches up by itself, the server's part does not.
  addEventListener("pageshow", (event) => event.persisted && parts.askSoon(false));
}
