// What the review page shows: one thing to decide, where to look, what was read of it, and what can be said.

import { Typed } from "./review-keys.js";
import { buildForm } from "./review-typing.js";

/** @import { Item, ReviewQueue } from "./review-queue.js" */

const words = document.getElementById("words")?.content;
const number = new Intl.NumberFormat(document.documentElement.lang);

export const desk = document.getElementById("desk");
export const part = (id) => document.getElementById(id);
export const word = (name) => words.querySelector(`[data-word="${name}"]`).textContent;
export const button = (act) => desk.querySelector(`[data-act="${act}"]`);

/** Say in the line for that what has just happened. @param {string} text */
export function tell(text) {
  part("said").textContent = text;
}

/** Say aloud what keeps an item from being settled. @param {string} text */
export function warn(text) {
  part("conflict").textContent = text;
  part("conflict").hidden = false;
}

export class ReviewDesk {
  typed = new Typed([]); // what was pressed of the item that is shown
  #queue;
  #onChoice;
  #isWhole = false;
  #isBare = false;

  /** @param {ReviewQueue} queue @param {{ onChoice: (pressed: {letter: string, joins: boolean}) => void }} options */
  constructor(queue, { onChoice }) {
    this.#queue = queue;
    this.#onChoice = onChoice;
  }

  /** Show `item` afresh: near, and with nothing pressed yet. @param {Item} item */
  show(item) {
    this.typed = new Typed(item.options);
    this.#isWhole = false;
    part("conflict").hidden = true;
    this.#showText(item);
    this.#showChoices(item);
    this.#showForm(item);
    this.#look(item);
  }

  /** Show the whole page, or the item alone again. @param {Item} item */
  turnWhole(item) {
    this.#isWhole = !this.#isWhole;
    this.#look(item);
  }

  /** Take the rings away, or draw them again. @param {Item} item */
  turnBare(item) {
    this.#isBare = !this.#isBare;
    this.#look(item);
  }

  /** Forget what was pressed, and show what `item` says by now. @param {Item} item */
  showAgain(item) {
    this.typed = new Typed(item.options);
    this.#showText(item);
    this.showTyped(item);
  }

  showLeft() {
    part("review-left").textContent = `${number.format(this.#queue.left)} ${word("left")}`;
  }

  /** Show that nothing is left. @param {number} decided @param {number} minutes */
  finish(decided, minutes) {
    const rate = decided / Math.max(minutes, 1 / 60);
    const pace = decided > 1 ? ` · ${number.format(Math.round(rate))} ${word("aMinute")}` : "";
    part("tally").textContent = `${number.format(decided)} ${word("decided")}${pace}`;
    part("finished").querySelector("a").focus();
  }

  #showText(item) {
    const { file_name: file, group: code, number: place, identity } = this.#queue.sheetOf(item);
    part("field").textContent = this.titleOf(item);
    const who = Object.entries(identity).map(([name, value]) => `${name} ${value || "–"}`);
    part("page").textContent = [file, `${word("group")} ${code}`, `${word("sheet")} ${place}`, ...who].join(" · ");
    part("why").textContent = item.waits ? item.sentence : word("nothingWaits");
    part("read").textContent = item.field ? item.said?.value || item.value || word("blank") : "";
    part("read-word").textContent = word(item.said || item.isTheirs ? "now" : "read");
    part("read").parentElement.hidden = !item.field;
    part("opinions").hidden = item.opinions.length === 0;
    part("opinions").replaceChildren(...item.opinions.map(({ by, value }) => line(`${by}: ${value || word("blank")}`)));
    part("window").setAttribute("aria-label", `${this.titleOf(item)}, ${file}`);
  }

  #showChoices(item) {
    const buttons = item.options.map((option) => {
      const made = Object.assign(document.createElement("button"), { type: "button", textContent: option });
      made.className = "choice";
      made.addEventListener("click", (event) => this.#onChoice({ letter: option, joins: event.shiftKey }));
      return made;
    });
    part("choices").replaceChildren(...buttons);
    this.showTyped(item);
  }

  /** Show what was pressed so far, else what `item` says. @param {Item} item */
  showTyped(item) {
    const now = this.typed.isEmpty ? (item.said?.value ?? item.value) : this.typed.value;
    for (const made of part("choices").children) made.ariaPressed = String(now.includes(made.textContent));
    part("typed-so-far").hidden = this.typed.isEmpty;
    part("typed-so-far").textContent = `${word("several")} ${this.typed.value || this.typed.begun}`;
  }

  #showForm(item) {
    const isOpen = !item.field && !this.isUnreadable(item);
    desk.querySelector(".help").hidden = !item.field;
    const form = part("typing");
    form.hidden = !isOpen;
    if (isOpen) buildForm(form, item.waits ? this.#queue.form.filter(isIdentity) : this.#queue.form, item.known);
    else form.replaceChildren();
    part("accept-word").textContent = word(item.field ? "accept" : "confirm");
    part("blank-word").textContent = word(item.field ? "blankVerb" : "ignore");
    button("accept").hidden = this.isUnreadable(item);
    button("blank").hidden = isOpen;
    button("type").hidden = Boolean(item.field) || (isOpen && !item.waits);
    button("turn").hidden = !this.isUnreadable(item);
    button("page").hidden = !item.field;
    button("overlay").hidden = this.isUnreadable(item);
  }

  #look(item) {
    const scan = this.#queue.sheetOf(item);
    part("window").rings = !this.#isBare;
    const whole = scan.window && { ...scan.window, frame: item.field ? item.window.frame : null, isAll: true };
    part("window").show(scan, this.#isWhole || !item.field ? whole : item.window);
  }

  /** What an item is called. @param {Item} item */
  titleOf(item) {
    const question = /^q(\d+)$/.exec(item.field);
    if (question) return `${word("question")} ${question[1]}`;
    return item.field || word(this.isUnreadable(item) ? "unreadable" : "whole");
  }

  /** Whether it is a page that nothing is known of. @param {Item} item */
  isUnreadable(item) {
    return !item.field && this.#queue.sheetOf(item).status === "unreadable";
  }
}

function line(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}

function isIdentity({ name }) {
  return !/^q\d+$/.test(name);
}
