// The stages of a batch in their order: how each stands, how long it took, and how far all of it is.

import { span } from "../figures.js";

/** @import { BatchEvent } from "../progress/batch-stream.js" */

/** @param {BatchEvent} event */
export function isTerminal(event) {
  return event.stage === "completed" || event.stage === "failed";
}

/** The stage that an event is about: of a failure the one that failed. @param {BatchEvent} event */
export function stageOf(event) {
  return event.stage === "failed" ? event.failed_stage : event.stage;
}

export class Timeline {
  whole; // percent of all stages
  #attempt;
  #reached = -1; // position of the furthest stage of this attempt
  /** @type {BatchEvent | null} */
  #first = null; // the first event that was seen of the present stage
  /** @type {Map<string, number>} */
  #took = new Map(); // stage → seconds, of those that ended before our eyes

  /** @param {number} attempt that the server has painted */
  constructor(attempt) {
    this.#attempt = attempt;
    this.whole = this.#bar.value;
  }

  // The server paints the list anew now and then, so it is looked up each time.
  get #list() {
    return document.getElementById("steps");
  }

  get #bar() {
    return /** @type {HTMLProgressElement} */ (document.getElementById("whole"));
  }

  /** What the page calls the stage of `event`. @param {BatchEvent} event */
  titleOf(event) {
    return this.#list.querySelector(`[data-stage="${event.stage}"] .step`)?.textContent ?? event.message;
  }

  /** Note `event`, so that nothing is missed when many come at once. @param {BatchEvent} event */
  take(event) {
    if (event.attempt !== this.#attempt) {
      [this.#attempt, this.#reached, this.whole, this.#first] = [event.attempt, -1, 0, null];
      this.#took.clear();
    }
    if (this.#first?.stage === event.stage) return;
    // Only a stage that was seen from its beginning can be timed here; the server knows the others.
    if (this.#first?.progress_percentage === 0) this.#took.set(this.#first.stage, secondsBetween(this.#first, event));
    this.#first = event;
  }

  /** Show how all stands after `event`, the latest; nothing goes back within an attempt. @param {BatchEvent} event */
  show(event) {
    const steps = [...this.#list.children];
    const at = event.stage === "completed" ? steps.length : steps.findIndex((step) => step.dataset.stage === stageOf(event));
    this.#reached = Math.max(this.#reached, at);
    steps.forEach((step, position) => {
      const isDone = position < this.#reached || "finished" in step.dataset;
      this.#showStep(step, isDone ? "done" : position > this.#reached ? "ahead" : stateOf(event));
    });
    this.#showWhole(steps, event);
  }

  /** @param {HTMLElement} step @param {string} state */
  #showStep(step, state) {
    const seconds = step.dataset.seconds ?? this.#took.get(step.dataset.stage);
    const isTimed = state === "done" && seconds !== undefined;
    if (state !== "now" || step.dataset.state !== "now") {
      step.querySelector("small").textContent = isTimed ? span(Number(seconds)) : this.#list.dataset[state];
    }
    step.dataset.state = state;
    if (state === "now") step.setAttribute("aria-current", "step");
    else step.removeAttribute("aria-current");
  }

  /** @param {HTMLElement[]} steps @param {BatchEvent} event */
  #showWhole(steps, event) {
    let [done, all] = [0, 0];
    for (const { dataset } of steps) {
      all += Number(dataset.share);
      if (dataset.state === "done") done += 100 * Number(dataset.share);
      else if (dataset.state === "now") done += event.progress_percentage * Number(dataset.share);
    }
    this.whole = Math.max(this.whole, done / all);
    this.#bar.value = this.whole;
    document.getElementById("whole-percent").textContent = `${Math.floor(this.whole)} %`;
  }

  /** Let the clock of the stage at work run. @param {number} elapsed seconds of the whole batch @param {string} stage */
  tick(elapsed, stage) {
    const step = this.#list.querySelector(`[data-stage="${stage}"][data-state="now"]`);
    if (step === null) return;
    const others = [...this.#list.querySelectorAll(`[data-state="done"]`)];
    const before = others.map(({ dataset }) => Number(dataset.seconds ?? this.#took.get(dataset.stage) ?? 0));
    const seconds = elapsed - before.reduce((sum, one) => sum + one, 0);
    if (seconds >= 1) step.querySelector("small").textContent = span(Math.floor(seconds), { isRunning: true });
  }
}

/** @param {BatchEvent} event */
function stateOf(event) {
  if (event.stage === "failed") return "failed";
  return event.progress_percentage >= 100 ? "done" : "now";
}

/** @param {BatchEvent} first @param {BatchEvent} last */
function secondsBetween(first, last) {
  return (Date.parse(last.timestamp) - Date.parse(first.timestamp)) / 1_000;
}
