// The review page: shows one thing after the other, takes keys and clicks, and sends what a person says.

import { Typed, commandOf, letterOf } from "./review-keys.js";
import { ReviewQueue } from "./review-queue.js";
import { buildForm, linesOf } from "./review-typing.js";

const page = document.getElementById("review");
const desk = document.getElementById("desk");
const part = (id) => document.getElementById(id);
const words = document.getElementById("words")?.content;
const word = (name) => words.querySelector(`[data-word="${name}"]`).textContent;
const button = (act) => desk.querySelector(`[data-act="${act}"]`);

const number = new Intl.NumberFormat(document.documentElement.lang);
const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";

const { api, group, sheet } = page.dataset;
const queue = new ReviewQueue(api, { group, sheet, token });
const decided = []; // by this person on this page, in order
const began = performance.now();
let typed = new Typed([]);
let isWhole = false;
let isBare = false;
let busy = 0; // while something is shown or sent, keys are not taken: they would be for what comes after it

async function start() {
  desk.hidden = false;
  await show();
  desk.classList.toggle("look-only", !queue.mayCorrect);
  if (!queue.mayCorrect) tell(word("lookOnly"));
}

// --- What is shown -------------------------------------------------------------------------------------------------

/** Show the item that is now the next; nothing that is pressed meanwhile counts for it. */
function show() {
  return alone(showNext);
}

async function showNext() {
  const trouble = await queue.fill().catch((error) => error);
  if (trouble && !queue.item) return showTrouble();
  part("review-left").textContent = `${number.format(queue.left)} ${word("left")}`;
  const { item } = queue;
  desk.classList.toggle("done", !item);
  part("finished").hidden = Boolean(item);
  if (!item) return finish();
  if (!item.field && !item.said && !(await queue.refresh(item))) {
    queue.at += 1; // somebody else has settled it
    return showNext();
  }
  typed = new Typed(item.options);
  isWhole = false;
  part("conflict").hidden = true;
  showText(item);
  showChoices(item);
  showForm(item);
  look(item);
  queue.fetchAhead();
}

function showTrouble() {
  part("conflict").textContent = word("unreachable");
  part("conflict").hidden = false;
}

function showText(item) {
  const { file_name: file, group: code, number: place, identity } = queue.sheetOf(item);
  part("field").textContent = titleOf(item);
  const who = Object.entries(identity).map(([name, value]) => `${name} ${value || "–"}`);
  part("page").textContent = [file, `${word("group")} ${code}`, `${word("sheet")} ${place}`, ...who].join(" · ");
  part("why").textContent = item.waits ? item.sentence : word("nothingWaits");
  part("read").textContent = item.field ? item.said?.value || item.value || word("blank") : "";
  part("read-word").textContent = word(item.said || item.isTheirs ? "now" : "read");
  part("read").parentElement.hidden = !item.field;
  part("opinions").hidden = item.opinions.length === 0;
  part("opinions").replaceChildren(...item.opinions.map(({ by, value }) => line(`${by}: ${value || word("blank")}`)));
  part("window").setAttribute("aria-label", `${titleOf(item)}, ${file}`);
}

function titleOf(item) {
  const question = /^q(\d+)$/.exec(item.field);
  if (question) return `${word("question")} ${question[1]}`;
  return item.field || word(isUnreadable(item) ? "unreadable" : "whole");
}

function line(text) {
  return Object.assign(document.createElement("li"), { textContent: text });
}

function isUnreadable(item) {
  return !item.field && queue.sheetOf(item).status === "unreadable";
}

function showChoices(item) {
  const buttons = item.options.map((option) => {
    const made = Object.assign(document.createElement("button"), { type: "button", textContent: option });
    made.className = "choice";
    made.addEventListener("click", (event) => choose({ letter: option, joins: event.shiftKey }));
    return made;
  });
  part("choices").replaceChildren(...buttons);
  showTyped();
}

function showTyped() {
  const { item } = queue;
  const now = typed.isEmpty ? (item.said?.value ?? item.value) : typed.value;
  for (const made of part("choices").children) made.ariaPressed = String(now.includes(made.textContent));
  part("typed-so-far").hidden = typed.isEmpty;
  part("typed-so-far").textContent = `${word("several")} ${typed.value || typed.begun}`;
}

function showForm(item) {
  const isOpen = !item.field && !isUnreadable(item);
  desk.querySelector(".help").hidden = !item.field;
  const form = part("typing");
  form.hidden = !isOpen;
  if (isOpen) buildForm(form, item.waits ? queue.form.filter(isIdentity) : queue.form, item.known);
  else form.replaceChildren();
  part("accept-word").textContent = word(item.field ? "accept" : "confirm");
  part("blank-word").textContent = word(item.field ? "blankVerb" : "ignore");
  button("accept").hidden = isUnreadable(item);
  button("blank").hidden = isOpen;
  button("type").hidden = Boolean(item.field) || (isOpen && !item.waits);
  button("turn").hidden = !isUnreadable(item);
  button("page").hidden = !item.field;
  button("overlay").hidden = isUnreadable(item);
}

function isIdentity({ name }) {
  return !/^q\d+$/.test(name);
}

function look(item) {
  const scan = queue.sheetOf(item);
  part("window").rings = !isBare;
  const whole = scan.window && { ...scan.window, frame: item.field ? item.window.frame : null, isAll: true };
  part("window").show(scan, isWhole || !item.field ? whole : item.window);
}

function finish() {
  const minutes = (performance.now() - began) / 60_000;
  const rate = decided.length / Math.max(minutes, 1 / 60);
  const pace = decided.length > 1 ? ` · ${number.format(Math.round(rate))} ${word("aMinute")}` : "";
  part("tally").textContent = `${number.format(decided.length)} ${word("decided")}${pace}`;
  part("finished").querySelector("a").focus();
}

function tell(text) {
  part("said").textContent = text;
}

// --- What a person does --------------------------------------------------------------------------------------------

const ACTS = {
  accept: () => accept(),
  blank: () => (queue.item.field ? say("") : isUnreadable(queue.item) && decide("ignored")),
  type: () => openTyping(),
  turn: () => part("window").turn(),
  back: () => move(-1),
  next: () => skip(),
  undo: () => undo(),
  page: () => {
    isWhole = !isWhole;
    look(queue.item);
  },
  overlay: () => {
    isBare = !isBare;
    look(queue.item);
  },
};

const LOOKS = ["back", "next", "page", "overlay", "turn"];

async function act(name) {
  if (busy || (!queue.item && !["undo", "back", "next"].includes(name))) return;
  if (!LOOKS.includes(name) && !queue.mayCorrect) return;
  await ACTS[name]();
}

function choose(pressed) {
  if (busy || !queue.mayCorrect) return;
  const outcome = typed.take(pressed);
  if (outcome === "unknown") tell(`${word("noSuch")} ${pressed.letter}`);
  showTyped();
  if (outcome === "decided") say(typed.value);
}

function accept() {
  const { item } = queue;
  if (!item.field) return confirm();
  // What somebody else has decided meanwhile needs no second voice.
  if (typed.isEmpty && item.isTheirs) return skip();
  return say(typed.isEmpty ? item.value : typed.value);
}

/** Say of the field before us what it says, and go on. */
function say(value) {
  const { item } = queue;
  return send(item, () => queue.say(item, value), `${titleOf(item)}: ${value || word("blank")}`);
}

function confirm() {
  const { item } = queue;
  const lines = linesOf(part("typing"), item.known);
  if (isUnreadable(item)) return decide("typed", lines);
  if (item.waits) return decide("confirmed", lines);
  return lines.length ? decide(undefined, lines) : skip();
}

function decide(decision, lines = []) {
  const { item } = queue;
  return send(item, () => queue.decide(item, decision, lines), titleOf(item));
}

async function send(item, call, text) {
  const answer = await alone(call);
  if (!answer.ok) return refuse(item, answer);
  decided.push(item);
  tell(`${word(answer.counts ? "settled" : "second")} ${text}`);
  skip();
}

async function alone(call) {
  busy += 1;
  try {
    return await call();
  } finally {
    busy -= 1;
    desk.setAttribute("aria-busy", String(busy > 0));
  }
}

function refuse(item, { status, detail, conflicts }) {
  const box = part("conflict");
  if (status === 0) box.textContent = word("unsaved");
  else if (conflicts.length) {
    box.textContent = conflicts.map(conflictText).join(" ");
    queue.makeRoom();
  }
  else box.textContent = detail;
  typed = new Typed(item.options);
  showText(item);
  showTyped();
  box.hidden = false;
}

function conflictText({ by, now, yours }) {
  const both = `${by}: ${now || word("blank")}; ${word("youSaid")} ${yours || word("blank")}.`;
  return `${word("conflict")} ${both} ${word("keepTheirs")}`;
}

function skip() {
  return move(1);
}

async function move(by) {
  queue.at = Math.max(0, Math.min(queue.items.length, queue.at + by));
  await show();
}

async function undo() {
  const item = decided.at(-1);
  if (!item) return tell(word("nothingToUndo"));
  const answer = await alone(() => queue.takeBack(item));
  decided.pop();
  queue.at = queue.items.indexOf(item);
  await show();
  if (answer.ok) tell(`${word("undone")} ${titleOf(item)}`);
  else refuse(item, answer);
}

function openTyping() {
  const form = part("typing");
  buildForm(form, queue.form, queue.item.known);
  form.hidden = false;
  if (isUnreadable(queue.item)) part("accept-word").textContent = word("save");
  button("accept").hidden = false;
  form.elements[0]?.focus();
}

// --- Keys and clicks -----------------------------------------------------------------------------------------------

function pressed(event) {
  const isTyping = event.target.closest("#typing, select");
  if (isTyping && !(event.key === "Enter" && event.target.closest("#typing"))) return;
  if (event.target.closest("a, button, summary") && [" ", "Enter"].includes(event.key)) return;
  const command = commandOf(event);
  if (command) {
    event.preventDefault();
    act(command);
    return;
  }
  const letter = letterOf(event);
  if (!letter || !queue.item) return;
  if (queue.item.field) choose(letter);
  else letterOfPage(event, letter.letter.toLowerCase());
}

function letterOfPage(event, letter) {
  const command = { t: "type", r: "turn" }[letter];
  if (!command || button(command).hidden) return;
  event.preventDefault(); // or it would stand in the first place to type
  act(command);
}

if (desk) {
  desk.addEventListener("click", ({ target }) => {
    const name = target.closest("[data-act]")?.dataset.act;
    if (name) act(name);
    // The next key is for the next decision, not for this button.
    if (name && name !== "type") document.activeElement.blur();
  });
  part("typing").addEventListener("submit", (event) => event.preventDefault());
  document.addEventListener("keydown", pressed);
  start();
}
