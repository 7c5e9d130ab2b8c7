// The log of a batch: follows while its reader is at its end, and keeps still for one who reads further up.

import { showLocally } from "../times.js";

/** @import { BatchEvent } from "../progress/batch-stream.js" */

/** @typedef {Pick<BatchEvent, "seq" | "stage" | "message" | "timestamp">} Line */

const MOST_NODES = 2_000;
const MOST_LINES = 20_000; // that a filter looks through; all others are in the download
const MOST_AT_ONCE = 200; // in a frame; a backlog takes several, and the page answers in between
const END_PX = 8;

export class LogView {
  #list = document.getElementById("log");
  #box = document.getElementById("log-box");
  #news = document.getElementById("log-news");
  #filter = /** @type {HTMLInputElement} */ (document.getElementById("log-filter"));
  /** @type {Line[]} */
  #lines = [...this.#list.children].map(lineOf);
  /** @type {Line[]} */
  #unseen = []; // that fit the filter and wait until the reader comes to the end
  #wanted = "";
  #isAtEnd = true; // kept, since asking the box would have it laid out at every event
  #frame = 0;

  constructor() {
    document.getElementById("log-search").hidden = false;
    this.#filter.addEventListener("input", () => this.#search());
    this.#box.addEventListener("scroll", () => this.#look(), { passive: true });
    this.#news.addEventListener("click", () => this.#goToEnd());
  }

  /** Add the `events`, which follow all that came before. @param {BatchEvent[]} events */
  add(events) {
    this.#lines.push(...events);
    for (const event of events) if (this.#fits(event)) this.#unseen.push(event);
    for (const kept of [this.#lines, this.#unseen]) kept.splice(0, Math.max(0, kept.length - MOST_LINES));
    if (this.#isAtEnd) this.#follow();
    else this.#tellNews();
  }

  #look() {
    // The box is laid out from its end, so that it begins there and stays there by itself: 0 is the end, less is above.
    this.#isAtEnd = this.#box.scrollTop > -END_PX;
    if (this.#isAtEnd) this.#follow();
  }

  #follow() {
    cancelAnimationFrame(this.#frame);
    if (this.#unseen.length > MOST_NODES) this.#unseen.splice(0, this.#unseen.length - MOST_NODES);
    const lines = this.#unseen.splice(0, MOST_AT_ONCE);
    let surplus = this.#list.childElementCount + lines.length - MOST_NODES;
    for (; surplus > 0; surplus -= 1) this.#list.firstElementChild.remove();
    this.#list.append(...lines.map(nodeOf));
    if (this.#unseen.length) this.#frame = requestAnimationFrame(() => this.#follow());
    else this.#tellNews();
  }

  #tellNews() {
    const { length } = this.#unseen;
    const { one, many } = this.#news.dataset;
    this.#news.textContent = length === 1 ? one : many.replace("{n}", length.toLocaleString(document.documentElement.lang));
    this.#news.hidden = length === 0;
  }

  #goToEnd() {
    this.#box.scrollTop = 0;
    this.#isAtEnd = true;
    this.#follow();
    this.#box.focus({ preventScroll: true });
  }

  #search() {
    this.#wanted = this.#filter.value.trim().toLowerCase();
    this.#unseen = this.#lines.filter((line) => this.#fits(line));
    this.#list.replaceChildren();
    this.#isAtEnd = true;
    this.#follow();
  }

  /** @param {Line} line */
  #fits({ message, stage }) {
    return message.toLowerCase().includes(this.#wanted) || stage.includes(this.#wanted);
  }
}

/** What the server has painted. @param {Element} node @returns {Line} */
function lineOf(node) {
  const { dataset, className: stage, children } = /** @type {HTMLElement} */ (node);
  const [time, text] = children;
  return { seq: Number(dataset.seq), stage, message: text.textContent, timestamp: time.getAttribute("datetime") };
}

/** @param {Line} line */
function nodeOf({ seq, stage, message, timestamp }) {
  const time = Object.assign(document.createElement("time"), { dateTime: timestamp, title: timestamp });
  showLocally(time);
  const text = Object.assign(document.createElement("span"), { textContent: message });
  const node = document.createElement("li");
  node.dataset.seq = String(seq);
  if (stage === "completed" || stage === "failed") node.className = stage;
  node.append(time, " ", text);
  return node;
}
