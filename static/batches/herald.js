// What is told beside the page itself: in the title of its tab, to screen readers, and at the end as a notification.

/** @import { BatchEvent } from "../progress/batch-stream.js" */

const REMEMBERED = "omr-notify";
const MARKS = { completed: "✓", failed: "✗" };

export class Herald {
  #title;
  #spoken = document.getElementById("spoken");
  #question = document.getElementById("notify");
  #hasEnded = false;

  /** @param {string} title of the page, without how far it is */
  constructor(title) {
    this.#title = title;
  }

  /** @param {number} percent of all of it */
  show(percent) {
    document.title = `${Math.floor(percent)} % · ${this.#title}`;
  }

  /** Say something to who listens instead of looking: once a stage, since every event would drown all else. */
  speak(text) {
    this.#spoken.textContent = text;
  }

  /** Tell the end, once. @param {BatchEvent} event */
  end(event) {
    if (this.#hasEnded) return;
    this.#hasEnded = true;
    document.title = `${MARKS[event.stage]} ${this.#title}`;
    this.#question.hidden = true;
    if (this.#isWanted) new Notification(this.#title, { body: event.message, tag: event.batch_id });
  }

  /** Ask whether a notification is wanted, where the browser can show one. */
  offer() {
    if (!("Notification" in window) || Notification.permission === "denied") return;
    this.#box.checked = this.#isWanted;
    this.#box.addEventListener("change", () => this.#choose());
    this.#question.hidden = false;
  }

  get #box() {
    return this.#question.querySelector("input");
  }

  get #isWanted() {
    return "Notification" in window && Notification.permission === "granted" && remembered() === "yes";
  }

  async #choose() {
    const isGranted = this.#box.checked && (await Notification.requestPermission()) === "granted";
    remember(isGranted ? "yes" : "no");
    this.#box.checked = isGranted;
  }
}

// A browser that lets nobody store anything asks anew on the next page.

function remembered() {
  try {
    return localStorage.getItem(REMEMBERED);
  } catch {
    return null;
  }
}

/** @param {string} answer */
function remember(answer) {
  try {
    localStorage.setItem(REMEMBERED, answer);
  } catch {
    // See above.
  }
}
