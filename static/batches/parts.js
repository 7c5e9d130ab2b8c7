// What only the server can paint (times of the stages, groups, downloads, forms) and how far each group is: asked for
// again when a stage begins or the batch ends, never by the clock.

import { showAllLocally } from "../times.js";

const SOON_MS = [300, 1_200]; // at least, and at random more: all viewers learn of it at the same instant
const ENDING_TRIES = 15; // some 13 seconds: the row of a batch may say later than its log that it ended
const COUNT_MS = 4_000; // between two looks at the groups while sheets are read

export class Parts {
  #addresses;
  #onPaint;
  #timer = 0;
  #countedAt = -COUNT_MS;
  #counting = 0;
  #isSeen = true; // whether the groups are
  #number = new Intl.NumberFormat(document.documentElement.lang);
  #eye = new IntersectionObserver((entries) => (this.#isSeen = entries.at(-1).isIntersecting));

  /**
   * @param {{ parts: string, tallies: string }} addresses
   * @param {{ onPaint: (isEnded: boolean) => void }} options
   */
  constructor(addresses, { onPaint }) {
    this.#addresses = addresses;
    this.#onPaint = onPaint;
    this.#eye.observe(document.getElementById("outcome"));
  }

  /** Ask for all parts soon; at the end of a batch until they show it. @param {boolean} isEnding */
  askSoon(isEnding) {
    this.#askSoon(isEnding ? ENDING_TRIES : 1, isEnding);
  }

  /** @param {number} tries @param {boolean} isEnding */
  #askSoon(tries, isEnding) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.#ask(tries, isEnding), SOON_MS[0] + Math.random() * SOON_MS[1]);
  }

  /** @param {number} tries @param {boolean} isEnding */
  async #ask(tries, isEnding) {
    const text = await fetched(this.#addresses.parts, (answer) => answer.text());
    const fresh = new DOMParser().parseFromString(text ?? "", "text/html");
    const isEnded = fresh.getElementById("batch")?.dataset.finished === "yes";
    if (text !== null) this.#paint(fresh, isEnded);
    if (isEnding && !isEnded && tries > 1) this.#askSoon(tries - 1, isEnding);
  }

  /** @param {Document} fresh @param {boolean} isEnded */
  #paint(fresh, isEnded) {
    showAllLocally(fresh);
    for (const old of document.querySelectorAll("[data-swap]")) {
      const next = fresh.getElementById(old.id);
      if (!next || next.innerHTML === old.innerHTML || isBusy(old)) continue;
      keepAsItIs(old, next);
      old.replaceWith(next);
      restoreScroll(old, next);
    }
    this.#eye.disconnect();
    this.#eye.observe(document.getElementById("outcome"));
    this.#onPaint(isEnded);
  }

  // --- The groups -----------------------------------------------------------------------------------------------------

  /** Ask how far each group is, if somebody sees them and was not told just now. */
  count() {
    if (this.#counting || !this.#isSeen || document.hidden || !document.getElementById("groups")) return;
    const pause = this.#countedAt + COUNT_MS - performance.now();
    this.#counting = setTimeout(() => this.#count(), Math.max(0, pause) + Math.random() * SOON_MS[0]);
  }

  async #count() {
    const tallies = await fetched(this.#addresses.tallies, (answer) => answer.json());
    [this.#countedAt, this.#counting] = [performance.now(), 0];
    for (const row of document.querySelectorAll("#groups [data-group]")) {
      const tally = tallies?.[/** @type {HTMLElement} */ (row).dataset.group];
      if (tally) this.#showTally(row, tally);
    }
  }

  /** @param {Element} row @param {[number, number]} tally done, to be looked at */
  #showTally(row, [done, review]) {
    row.querySelector("progress").value = done;
    row.querySelector("[data-done]").textContent = this.#number.format(done);
    row.querySelector("[data-review]").textContent = this.#number.format(review);
  }
}

/**
 * What the server says at `address`, null when it refuses or cannot be reached: the page stays as it is then.
 *
 * @template Content
 * @param {string} address
 * @param {(answer: Response) => Promise<Content>} read
 */
async function fetched(address, read) {
  try {
    const answer = await fetch(address, { redirect: "error" });
    return answer.ok ? await read(answer) : null;
  } catch {
    return null;
  }
}

/** Whether somebody is in the middle of something there: typing a code, about to cancel. @param {Element} element */
function isBusy(element) {
  const isTyped = [...element.querySelectorAll("input[name^='cover:']")].some((input) => input.value !== "");
  return isTyped || (element.contains(document.activeElement) && document.activeElement.matches("input, button, summary"));
}

/** Leave open what is open. @param {Element} old @param {Element} next */
function keepAsItIs(old, next) {
  for (const { id, open } of old.querySelectorAll("details[id]")) {
    const same = next.querySelector(`#${id}`);
    if (same) same.open = open;
  }
}

/** @param {Element} old @param {Element} next */
function restoreScroll(old, next) {
  const [before, after] = [old, next].map((element) => element.querySelector("#groups-box"));
  if (before && after) after.scrollTop = before.scrollTop;
}
