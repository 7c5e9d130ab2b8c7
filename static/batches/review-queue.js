// What waits for a person, as the API tells it, and what this person says of it.

import { fetchPicture } from "./review-window.js";

const AHEAD = 12; // items that are there before the last is decided
const PICTURES_AHEAD = 3;

/**
 * @typedef {{name: string, value: string, seen: number | null}} Known
 * @typedef {object} Item one thing to decide
 * @property {string} sheet
 * @property {string} field empty: the sheet as a whole
 * @property {string} sentence why it is here
 * @property {string} value
 * @property {number | null} seen
 * @property {string[]} options
 * @property {import("./review-window.js").Window | null} window
 * @property {{by: string, value: string}[]} opinions
 * @property {Known[]} known what the columns of a whole sheet say
 * @property {boolean} waits no: it is here because its sheet was asked for
 * @property {{value: string, made: object[], counts: boolean} | undefined} said what this person said of it here
 * @property {boolean | undefined} isTheirs somebody else has settled it meanwhile
 *
 * @typedef {{ok: true, counts: boolean} | {ok: false, status: number, detail: string, conflicts: object[]}} Answer
 */

export class ReviewQueue {
  /** @type {Item[]} */
  items = [];
  /** @type {Map<string, any>} */
  sheets = new Map();
  /** @type {{name: string, length: number | null, options: string[]}[]} */
  form = [];
  at = 0;
  left = 0;
  mayCorrect = false;
  #hasCompany = false; // somebody else was met here
  #after = 0;
  #isRest = false;
  #loading = null;

  /**
   * @param {string} api the address of the batch
   * @param {{group: string, sheet: string, token: string}} from
   */
  constructor(api, { group, sheet, token }) {
    this.api = api;
    this.group = group;
    this.sheet = sheet;
    this.token = token;
  }

  /** @returns {Item | undefined} */
  get item() {
    return this.items[this.at];
  }

  sheetOf(item) {
    return this.sheets.get(item.sheet);
  }

  /** Make sure that there is something to go on with, if there is anything. */
  async fill() {
    if (!this.#isRest && this.items.length - this.at <= AHEAD) {
      this.#loading ??= this.#more().finally(() => (this.#loading = null));
      if (!this.item) await this.#loading;
    }
    if (!this.item && !this.sheet) await this.#beginAgain();
  }

  /** At the end, whatever was put off comes once more. */
  async #beginAgain() {
    this.items = this.items.filter((item) => item.said || item.isTheirs);
    this.at = this.items.length;
    this.#after = 0;
    await this.#more();
  }

  /** Somebody else is at work just here: go on behind what is loaded, and come back to it at the end. */
  makeRoom() {
    this.#hasCompany = true;
    const next = this.items.splice(this.at + 1);
    if (next.length) this.#after = Math.max(this.#after, this.sheetOf(next.at(-1)).position);
  }

  async #more() {
    const asked = new URLSearchParams({ after: String(this.#after) });
    if (this.group) asked.set("group", this.group);
    if (this.sheet) asked.set("sheet", this.sheet);
    const found = await this.#ask(`review?${asked}`);
    this.#take(found);
    this.items.push(...found.items);
    this.left = found.left;
    this.#isRest = found.after === null;
    this.#after = found.after ?? this.#after;
    // A whole portion may have been decided by others.
    if (!this.item && !this.#isRest) await this.#more();
  }

  #take(found) {
    for (const sheet of found.sheets) this.sheets.set(sheet.id, sheet);
    if (found.form.length) this.form = found.form;
    this.mayCorrect = found.may_correct;
  }

  /**
   * Look once more at the present item, if it may have changed since it was loaded: what a sheet as a whole says, by
   * this person too; any field, once somebody else was met here.
   * @returns {Promise<boolean>} whether nothing waits there any more
   */
  async isSettled() {
    const { item } = this;
    if (item.said || item.isTheirs || (item.field && !this.#hasCompany)) return false;
    const found = await this.#ask(`review?sheet=${item.sheet}`).catch(() => null);
    if (found === null) return false; // the server refuses what comes too late
    this.#take(found);
    const fresh = found.items.find((other) => other.field === item.field);
    if (fresh) Object.assign(item, fresh);
    return !(fresh?.waits || this.sheet);
  }

  /** Leave the present item out for good. */
  drop() {
    this.items.splice(this.at, 1);
    this.left = Math.max(0, this.left - 1);
  }

  fetchAhead() {
    const pages = new Set(this.items.slice(this.at + 1).map((item) => item.sheet));
    for (const id of [...pages].slice(0, PICTURES_AHEAD)) {
      const { image, overlay } = this.sheets.get(id);
      for (const href of [image, overlay]) if (href) fetchPicture(href).catch(() => null);
    }
  }

  /**
   * Say of one field what it says.
   * @returns {Promise<Answer>}
   */
  async say(item, value) {
    const line = { field: item.field, value, saw: item.value, seen: item.seen };
    return this.#send(item, { corrections: [line] }, value);
  }

  /**
   * Say of a sheet as a whole that it is settled, with what was typed in; without a decision only the latter.
   * @returns {Promise<Answer>}
   */
  async decide(item, decision, corrections = []) {
    return this.#send(item, { decision, corrections }, decision);
  }

  async #send(item, body, value) {
    const answer = await this.#call("PATCH", `sheets/${item.sheet}`, body);
    if (!answer.ok) return this.#refused(item, answer);
    const made = madeBy(body, answer.told.corrections);
    const latest = made.at(-1);
    if (latest.applied && item.waits && !item.said && !item.isTheirs) this.left -= 1;
    item.said = { value, made, counts: latest.applied };
    if (latest.applied) [item.was, item.value, item.seen] = [item.was ?? [item.value, item.seen], value, latest.id];
    return { ok: true, counts: latest.applied };
  }

  #refused(item, { status, told }) {
    const conflicts = told?.conflicts ?? [];
    const about = conflicts.find((found) => found.field === item.field);
    // From here on this person has seen what it says now.
    if (about) {
      if (!item.isTheirs) this.left -= 1;
      [item.value, item.seen, item.isTheirs] = [about.now, about.correction, true];
    }
    return { ok: false, status, detail: told?.detail ?? "", conflicts };
  }

  /**
   * Take back what this person said of `item` here.
   * @returns {Promise<Answer>}
   */
  async takeBack(item) {
    const { made } = item.said;
    // What was typed in goes with the decision that it was all.
    const rows = made.at(-1).after === "typed" ? made.slice(-1) : [...made].reverse();
    for (const row of rows) {
      const answer = await this.#call("DELETE", `corrections/${row.id}`);
      if (!answer.ok) return this.#refused(item, answer);
    }
    if (item.said.counts) {
      if (item.waits && !item.isTheirs) this.left += 1;
      [item.value, item.seen] = item.was;
    }
    delete item.said;
    delete item.was;
    return { ok: true, counts: false };
  }

  async #ask(path) {
    const answer = await fetch(`${this.api}/${path}`);
    if (!answer.ok) throw new Error((await answer.json()).detail);
    return answer.json();
  }

  async #call(method, path, body) {
    const headers = { "Content-Type": "application/json", "X-CSRFToken": this.token };
    const request = { method, headers, body: body && JSON.stringify(body) };
    const answer = await fetch(`${this.api}/${path}`, request).catch(() => null);
    if (!answer) return { ok: false, status: 0, told: null };
    const told = await answer.json().catch(() => null);
    return { ok: answer.ok, status: answer.status, told };
  }
}

/** Find what `body` made among all `corrections` of its sheet; somebody else may have said something since. */
function madeBy(body, corrections) {
  const fields = body.corrections.map(({ field }) => field);
  if (body.decision) fields.push("");
  return fields.map((field) => corrections.findLast((row) => row.field === field));
}
