// The page of one batch: what the server has painted goes on living through the stream.

import { clock } from "./figures.js";
import { follow } from "./progress/batch-stream.js";
import { showAllLocally, showLocally } from "./times.js";

const page = document.getElementById("batch");
const part = (id) => document.getElementById(id);

const number = new Intl.NumberFormat("en");
const TICK_MS = 1_000;
const LONGEST_SILENCE_MS = 15_000; // the clock stops when nothing was heard for so long
const SILENT_LOOK_MS = 20_000; // between two looks at a batch of which nothing is heard: nobody may be at work on it
const REFUSALS = { 401: "signed out", 403: "access denied", 404: "not found" };
const REPAINT_TRIES = 15; // some 13 seconds: the row of a batch may say later than its log that it ended

let latest = null;
let heardAt = performance.now();
let lookedAt = heardAt;
let repaintTimer = 0;

function showEvent(event) {
  const isTurn = event.stage !== latest?.stage || isInterrupted();
  latest = event;
  heardAt = performance.now();
  showFigures(event);
  showStep(event);
  addToLog(event);
  if (isTurn) repaintSoon(isTerminal(event) ? REPAINT_TRIES : 1);
}

function isTerminal(event) {
  return event.stage === "completed" || event.stage === "failed";
}

function showFigures(event) {
  part("message").textContent = event.message;
  part("bar").value = event.progress_percentage;
  part("bar").toggleAttribute("data-end", isTerminal(event));
  if (isTerminal(event)) part("bar").dataset.end = event.stage;
  part("percent").textContent = `${Math.floor(event.progress_percentage)} %`;
  part("processed").textContent = number.format(event.sheets_processed);
  part("total").textContent = number.format(event.sheets_total);
  part("review").textContent = number.format(event.sheets_review);
  part("elapsed").textContent = clock(event.elapsed_seconds);
  part("rate").textContent = event.rate_per_second == null ? "–" : pace(event);
  part("eta").textContent = event.eta_seconds == null ? "–" : clock(event.eta_seconds);
}

function pace({ stage, rate_per_second: rate }) {
  // Bytes of an upload, sheets otherwise.
  const [count, unit] = stage === "uploading" ? [rate / 2 ** 20, "MB/s"] : [rate, "/s"];
  return `${count >= 10 ? Math.round(count) : count.toFixed(1)} ${unit}`;
}

function showStep(event) {
  const steps = [...part("steps").children];
  const at = event.stage === "completed" ? steps.length : steps.findIndex((step) => step.dataset.stage === stageOf(event));
  if (at < 0) return;
  steps.forEach((step, position) => {
    const isDone = position < at || "finished" in step.dataset;
    const state = isDone ? "done" : position > at ? "ahead" : stateOf(event);
    const small = step.querySelector("small");
    if (small.textContent === step.dataset.state || state !== "done") small.textContent = state;
    step.dataset.state = state;
    step.toggleAttribute("aria-current", state === "now");
    if (state === "now") step.setAttribute("aria-current", "step");
  });
}

function stageOf(event) {
  return event.stage === "failed" ? event.failed_stage : event.stage;
}

function stateOf(event) {
  if (event.stage === "failed") return "failed";
  return event.progress_percentage >= 100 ? "done" : "now";
}

function addToLog(event) {
  const time = Object.assign(document.createElement("time"), { dateTime: event.timestamp, title: event.timestamp });
  showLocally(time);
  const text = Object.assign(document.createElement("span"), { textContent: event.message });
  const line = document.createElement("li");
  line.dataset.seq = event.seq;
  if (isTerminal(event)) line.className = event.stage;
  line.append(time, " ", text);
  const log = part("log");
  log.prepend(line);
  while (log.children.length > Number(page.dataset.logLines)) log.lastElementChild.remove();
}

// What only the server can paint (times of the stages, groups, downloads, forms) is asked for again
// when a stage begins or the batch ends. Spread out, because all viewers learn of it at the same instant.
function repaintSoon(tries) {
  clearTimeout(repaintTimer);
  repaintTimer = setTimeout(() => repaint(tries), 300 + Math.random() * 1_200);
}

async function repaint(tries) {
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  showAllLocally(fresh);
  for (const old of document.querySelectorAll("[data-swap]")) {
    const next = fresh.getElementById(old.id);
    if (next && next.innerHTML !== old.innerHTML && !isBusy(old)) old.replaceWith(next);
  }
  const isEnding = latest === null || isTerminal(latest);
  const isPainted = !isEnding || fresh.getElementById("batch").dataset.finished === "yes";
  if (latest !== null) showStep(latest);
  if (isInterrupted()) for (const id of ["rate", "eta"]) part(id).textContent = "–";
  if (!isPainted && tries > 1) repaintSoon(tries - 1);
}

/** Whether somebody is in the middle of something there: typing a code, about to cancel. */
function isBusy(element) {
  return element.contains(document.activeElement) && document.activeElement.matches("input, button, summary");
}

function showState(state, status) {
  const pill = part("connection");
  pill.textContent = status === null ? state : REFUSALS[status];
  pill.className = `pill ${state}`;
  // It ended while the page was on its way here: the stream has nothing left to tell.
  if (state === "finished" && latest === null) repaintSoon(REPAINT_TRIES);
}

function tick() {
  if (latest !== null && (isTerminal(latest) || isWaiting(latest))) return;
  const silence = performance.now() - heardAt;
  if (silence >= LONGEST_SILENCE_MS) lookInSilence();
  if (latest === null || isInterrupted()) return;
  part("elapsed").textContent = clock(latest.elapsed_seconds + Math.min(silence, LONGEST_SILENCE_MS) / 1_000);
}

function lookInSilence() {
  if (isInterrupted() || performance.now() - Math.max(lookedAt, heardAt) < SILENT_LOOK_MS) return;
  lookedAt = performance.now();
  repaintSoon(1);
}

function isInterrupted() {
  return part("status").querySelector(".interrupted") !== null;
}

/** Whether the batch lies still: its upload is complete and no runner has taken it yet. */
function isWaiting(event) {
  return event.stage === "uploading" && event.progress_percentage >= 100;
}

if (page.dataset.finished !== "yes") {
  follow(page.dataset.id, { after: Number(page.dataset.seq), onEvent: showEvent, onState: showState });
  setInterval(tick, TICK_MS);
  // The way back leads to a page that was kept as it was: the stream catches up by itself, the server's part does not.
  addEventListener("pageshow", (event) => event.persisted && repaintSoon(1));
}
