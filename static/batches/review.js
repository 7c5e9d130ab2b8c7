// The review page: shows one thing after the other, takes keys and clicks, and sends what a person says.

import { button, desk, part, ReviewDesk, tell, warn, word } from "./review-desk.js";
import { commandOf, letterOf } from "./review-keys.js";
import { ReviewQueue } from "./review-queue.js";
import { buildForm, linesOf } from "./review-typing.js";

const token = document.querySelector("[name=csrfmiddlewaretoken]")?.value ?? "";
const { api, group, sheet } = part("review").dataset;
const queue = new ReviewQueue(api, { group, sheet, token });
const shown = new ReviewDesk(queue, { onChoice: choose });
const decided = []; // by this person on this page, in order
const began = performance.now();
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
  const trouble = await goOn().catch((error) => error);
  if (trouble && !queue.item) return warn(word("unreachable"));
  const { item } = queue;
  shown.showLeft();
  desk.classList.toggle("done", !item);
  part("finished").hidden = Boolean(item);
  if (!item) return shown.finish(decided.length, (performance.now() - began) / 60_000);
  shown.show(item);
  queue.fetchAhead();
}

/** Come to what waits next, and pass by what was settled since it was loaded. */
async function goOn() {
  await queue.fill();
  while (queue.item && (await queue.isSettled())) {
    if (queue.item.field) tell(word("passedBy"));
    queue.drop();
    await queue.fill();
  }
}

// --- What a person does --------------------------------------------------------------------------------------------

const ACTS = {
  accept: () => accept(),
  blank: () => (queue.item.field ? say("") : shown.isUnreadable(queue.item) && decide("ignored")),
  type: () => openTyping(),
  turn: () => part("window").turn(),
  back: () => move(-1),
  next: () => skip(),
  undo: () => undo(),
  page: () => shown.turnWhole(queue.item),
  overlay: () => shown.turnBare(queue.item),
};

const LOOKS = ["back", "next", "page", "overlay", "turn"];

async function act(name) {
  if (busy || (!queue.item && !["undo", "back", "next"].includes(name))) return;
  if (!LOOKS.includes(name) && !queue.mayCorrect) return;
  await ACTS[name]();
}

function choose(pressed) {
  if (busy || !queue.mayCorrect) return;
  const outcome = shown.typed.take(pressed);
  if (outcome === "unknown") tell(`${word("noSuch")} ${pressed.letter}`);
  shown.showTyped(queue.item);
  if (outcome === "decided") say(shown.typed.value);
}

function accept() {
  const { item } = queue;
  if (!item.field) return confirm();
  // What somebody else has decided meanwhile needs no second voice.
  if (shown.typed.isEmpty && item.isTheirs) return skip();
  return say(shown.typed.isEmpty ? item.value : shown.typed.value);
}

/** Say of the field before us what it says, and go on. */
function say(value) {
  const { item } = queue;
  return send(item, () => queue.say(item, value), `${shown.titleOf(item)}: ${value || word("blank")}`);
}

function confirm() {
  const { item } = queue;
  const lines = linesOf(part("typing"), item.known);
  if (shown.isUnreadable(item)) return decide("typed", lines);
  if (item.waits) return decide("confirmed", lines);
  return lines.length ? decide(undefined, lines) : skip();
}

function decide(decision, lines = []) {
  const { item } = queue;
  return send(item, () => queue.decide(item, decision, lines), shown.titleOf(item));
}

async function send(item, call, text) {
  const answer = await alone(call);
  const [other] = answer.conflicts ?? [];
  // Two who say the same need not be asked once more.
  if (item.field && other && other.now === other.yours) return agree(item, other);
  if (!answer.ok) return refuse(item, answer);
  decided.push(item);
  tell(`${word(answer.counts ? "settled" : "second")} ${text}`);
  skip();
}

function agree(item, { by, now }) {
  queue.makeRoom();
  tell(`${by} ${word("agrees")} ${shown.titleOf(item)}: ${now || word("blank")}`);
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
  if (conflicts.length) queue.makeRoom();
  shown.showAgain(item);
  if (status === 0) return warn(word("unsaved"));
  warn(conflicts.length ? conflicts.map(conflictText).join(" ") : detail);
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
  if (answer.ok) tell(`${word("undone")} ${shown.titleOf(item)}`);
  else refuse(item, answer);
}

function openTyping() {
  const form = part("typing");
  buildForm(form, queue.form, queue.item.known);
  form.hidden = false;
  if (shown.isUnreadable(queue.item)) part("accept-word").textContent = word("save");
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
