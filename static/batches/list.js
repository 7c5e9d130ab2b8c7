// The list of batches: every row lives, over one connection. New batches are told of, and move nothing.

import { followAll } from "../progress/batch-stream.js";
import { showAllLocally } from "../times.js";
import { isTerminal, rowsBelow, showEvent, showGone, wordOf } from "./rows.js";

/** @import { BatchEvent, State } from "../progress/batch-stream.js" */

const list = document.getElementById("list");
const isFirstPage = list.dataset.firstPage === "yes";

const TICK_MS = 5_000;
const SILENCE_MS = 20_000; // a runner says something every 5 s
const ENDS = ["completed", "failed", "cancelled"];
const LOOKS_FOR_AN_END = 5; // the row of a batch may say later than its log that it ended

/** @type {Map<string, BatchEvent>} batch → its last event */
const latest = new Map();
/** @type {Map<string, number>} */
const heardAt = new Map();
const rows = rowsBelow(list);
const begunAt = performance.now();
let looksLeft = 0;
let lookedAt = begunAt; // for the sake of silent ones

/** @param {BatchEvent} event */
function take(event) {
  const { batch_id: batch } = event;
  const isNew = !latest.has(batch);
  latest.set(batch, event);
  heardAt.set(batch, performance.now());
  const row = rows.get(batch);
  if (row) {
    const { state } = row.dataset;
    showEvent(row, event);
    if (isTerminal(event) && state !== row.dataset.state) lookSoon(LOOKS_FOR_AN_END);
  } else if (isNew && isFirstPage) lookSoon(1);
}

// What only the server knows (a batch that is new here, the counts of an end, that nobody works on a batch any more) is
// asked for: spread out, because all viewers learn of it at the same instant.
/** @param {number} tries */
function lookSoon(tries) {
  if (looksLeft === 0) setTimeout(look, 300 + Math.random() * 1_200);
  looksLeft = Math.max(looksLeft, tries);
}

async function look() {
  const tries = looksLeft;
  looksLeft = 0;
  const answer = await fetch(location.href).catch(() => null);
  if (!answer?.ok || answer.redirected) return; // who is signed out is sent elsewhere
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
  showAllLocally(fresh);
  const painted = rowsBelow(fresh);
  const late = [...painted].filter(([batch, row]) => rows.has(batch) && !paint(batch, row));
  const news = [...painted.keys()].filter((batch) => !rows.has(batch) && latest.has(batch)).length;
  if (isFirstPage) tellNews(news);
  if (!news) markGone(painted);
  if (late.length && tries > 1) lookSoon(tries - 1);
}

/**
 * Say of batches that fell silent and that the server does not list any more: deleted, or not this reader's to see.
 *
 * @param {Map<string, HTMLElement>} painted
 */
function markGone(painted) {
  for (const [batch, row] of rows) {
    if (!painted.has(batch) && isSilent(batch, row, performance.now())) showGone(row);
  }
}

/**
 * Put the row that the server has painted anew in the place of the old one; whether it knows of the batch's end.
 *
 * @param {string} batch
 * @param {HTMLElement} row
 */
function paint(batch, row) {
  const event = latest.get(batch);
  const isLate = event !== undefined && isTerminal(event) && !ENDS.includes(row.dataset.state);
  const old = rows.get(batch);
  if (isLate || old.contains(document.activeElement)) return !isLate;
  if (event) showEvent(row, event);
  rows.set(batch, document.adoptNode(row));
  old.replaceWith(row);
  return true;
}

/** @param {number} count */
function tellNews(count) {
  const news = document.getElementById("news");
  news.hidden = count === 0;
  news.textContent = count === 1 ? news.dataset.one : news.dataset.more.replace("{count}", count);
}

/** Look after batches of which nothing is heard: nobody may be at work on them any more. */
function tick() {
  const now = performance.now();
  if (document.hidden || now - lookedAt < SILENCE_MS) return;
  if (![...rows].some(([batch, row]) => isSilent(batch, row, now))) return;
  lookedAt = now;
  lookSoon(1);
}

/** @param {string} batch @param {HTMLElement} row @param {number} now */
function isSilent(batch, row, now) {
  return row.dataset.state === "processing" && now - (heardAt.get(batch) ?? begunAt) > SILENCE_MS;
}

/** @param {State} state */
function showState(state) {
  const pill = document.getElementById("connection");
  pill.hidden = false;
  pill.className = `pill ${state}`;
  pill.textContent = wordOf("connection", state);
}

followAll({ onEvent: take, onState: showState });
setInterval(tick, TICK_MS);
// The way back leads to a page that was kept as it was.
addEventListener("pageshow", (event) => event.persisted && lookSoon(1));
