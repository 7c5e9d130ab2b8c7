// The page that uploads batches: one row a file, one upload after another.

import { forget, remember, unfinishedOf, unfinishedUpload } from "./batches/unfinished.js";
import { BatchUpload } from "./batches/upload.js";
import { clock, fileSize } from "./figures.js";
import { showLocally } from "./times.js";
import { say } from "./words.js";

const page = document.getElementById("upload");
const part = (id) => document.getElementById(id);

const WORDS = {
  ready: say("ready"),
  queued: say("waits its turn"),
  sending: say("uploading"),
  checking: say("being checked"),
  waiting: say("interrupted"),
  elsewhere: say("in another window"),
  done: say("uploaded"),
  paused: say("paused"),
  stopped: say("stopped"),
  refused: say("refused"),
  cancelled: say("cancelled"),
};
const LOOKS = { sending: "processing", checking: "processing", done: "completed", refused: "failed", stopped: "failed" };
const HOLDING = ["sending", "waiting", "paused"]; // while one is like that, the next has to wait
const TICK_MS = 1_000;

const rows = [];

/** One file on the page. */
class Row {
  isQueued = false;
  #upload = null;
  #shown = null;

  constructor(file, known) {
    this.file = file;
    this.address = known?.address ?? null;
    this.element = part("upload-row").content.firstElementChild.cloneNode(true);
    this.#paint(known);
    this.#listen();
    part("uploads").append(this.element);
    this.show();
  }

  get state() {
    if (this.isQueued) return "queued";
    const state = this.#upload?.state ?? "ready";
    return state === "sending" && this.#upload.offset === this.file.size ? "checking" : state;
  }

  get isHolding() {
    return !this.isQueued && HOLDING.includes(this.#upload?.state);
  }

  get isUnderWay() {
    return this.#upload?.isUnderWay ?? false;
  }

  find(selector) {
    return this.element.querySelector(selector);
  }

  queue() {
    if (!this.find("form").reportValidity()) return false;
    this.isQueued = true;
    this.show();
    return true;
  }

  start() {
    this.isQueued = false;
    this.#upload ??= this.#makeUpload();
    this.#upload.start();
  }

  remove() {
    this.element.remove();
    rows.splice(rows.indexOf(this), 1);
    showAll();
  }

  show() {
    const { state } = this;
    if (state !== this.#shown) this.#showState(state);
    if (this.#upload) this.#showProgress();
  }

  #paint(known) {
    const { name, size } = this.file;
    this.find(".file-name").textContent = name;
    this.find(".file-size").textContent = fileSize(size);
    this.find(".name").value = known?.name ?? name.replace(/\.zip$/i, "");
    const last = known?.template ?? rows.at(-1)?.find(".template").value;
    if (last) this.find(".template").value = last;
    this.find("progress").setAttribute("aria-label", say("Upload of {name}", { name }));
  }

  #listen() {
    const onClick = (selector, act) => this.find(selector).addEventListener("click", act);
    this.find("form").addEventListener("submit", (event) => (event.preventDefault(), begin()));
    onClick(".pause", () => this.#pause());
    onClick(".go-on", () => this.#goOn());
    onClick(".cancel", () => this.#cancel());
    onClick(".remove", () => this.remove());
  }

  #pause() {
    this.#upload.pause();
    this.find(".go-on").focus();
  }

  #goOn() {
    if (this.#upload?.state === "waiting" || !rows.some((row) => row !== this && row.isHolding)) this.start();
    else this.queue();
    this.find(".pause").focus();
  }

  async #cancel() {
    this.isQueued = false;
    this.#upload ??= this.#makeUpload();
    await this.#upload.cancel();
  }

  #makeUpload() {
    return new BatchUpload(this.file, {
      template: this.find(".template").value,
      name: this.find(".name").value.trim(),
      address: this.address,
      onChange: () => this.#change(),
    });
  }

  #change() {
    const upload = this.#upload;
    if (upload.address !== this.address) {
      this.address = upload.address;
      const [template, name] = [this.find(".template").value, this.find(".name").value.trim()];
      remember(page.dataset.user, this.file, { template, name, address: upload.address });
    }
    if (upload.isOver && this.address) forget(this.address);
    this.show();
    if (!upload.isUnderWay) startNext();
  }

  #showState(state) {
    const was = this.#shown;
    this.#shown = state;
    const isOver = this.#upload?.isOver ?? false;
    const pill = this.find(".status");
    pill.textContent = WORDS[state];
    pill.className = `status ${LOOKS[state] ?? state}`;
    this.find("form").hidden = state !== "ready";
    this.find(".meter").hidden = state === "ready" || (state === "queued" && was === "ready");
    this.find(".pause").hidden = !["sending", "waiting"].includes(state) || this.address === null;
    this.find(".go-on").hidden = !["paused", "waiting", "stopped", "elsewhere"].includes(state);
    this.find(".go-on").textContent = state === "waiting" ? say("Try now") : say("Go on");
    const isOpen = state === "ready" || (state === "queued" && this.address === null); // nothing of it has gone out
    // Its batch would not go with it: what has arrived only leads on.
    this.find(".remove").hidden = state === "done" || !(isOver || isOpen);
    this.find(".live").classList.toggle("button", state === "done");
    this.find(".confirm").hidden = isOver || isOpen || state === "checking";
    showAll();
  }

  #showProgress() {
    const { offset, size, batch, sentence } = this.#upload;
    const percent = Math.floor((100 * offset) / size);
    this.find("progress").value = (100 * offset) / size;
    this.find("output").textContent = `${percent} %`;
    this.find(".pause").hidden = !["sending", "waiting"].includes(this.state) || batch === null;
    show(this.find(".pace"), this.#pace());
    show(this.find(".sentence"), this.#sentence(sentence));
    if (batch !== null) Object.assign(this.find(".live"), { hidden: false, href: `/batches/${batch}` });
  }

  #pace() {
    const { offset, size, rate, isOver } = this.#upload;
    if (isOver) return "";
    const far = say("{done} of {all}", { done: fileSize(offset), all: fileSize(size) });
    if (rate === null) return far;
    return `${far} · ${fileSize(rate)}/s · ${say("{time} left", { time: clock((size - offset) / rate) })}`;
  }

  #sentence(sentence) {
    if (this.state === "checking") return say("All is there; the server checks the ZIP.");
    const said = sentence && `${sentence.replace(/\.$/, "")}.`;
    if (this.state === "done") return `${say("The batch goes on by itself: this page may be closed.")} ${said}`.trim();
    if (this.state !== "waiting") return said;
    const seconds = Math.max(0, Math.ceil((this.#upload.retryAt - performance.now()) / 1_000));
    if (seconds === 0) return say("{sentence}; trying again now.", { sentence });
    return say("{sentence}; trying again in {seconds} s.", { sentence, seconds });
  }
}

function show(element, text) {
  element.hidden = !text;
  if (element.textContent !== text) element.textContent = text;
}

function take(files) {
  for (const file of files) {
    const known = unfinishedUpload(page.dataset.user, file);
    const old = rows.find((row) => row.file.name === file.name && row.file.size === file.size && !hasEnded(row));
    if (old && (old.isUnderWay || old.isQueued)) continue; // it is on its way already
    old?.remove();
    const row = new Row(file, known);
    rows.push(row);
    if (known) row.queue();
    else tellOfOther(file);
  }
  showAll();
  startNext();
}

function hasEnded(row) {
  return ["done", "refused", "cancelled"].includes(row.state);
}

/** Say of an upload that is not at its end why this file of the same name does not go on with it. */
function tellOfOther(file) {
  for (const element of part("unfinished").querySelectorAll("li")) {
    if (element.dataset.fileName !== file.name) continue;
    show(element.querySelector(".sentence"), say("The file chosen now is another one: it has changed, or is a copy. It will be a new upload."));
  }
}

function begin() {
  for (const row of rows) if (row.state === "ready" && !row.queue()) break;
  startNext();
}

function startNext() {
  if (!rows.some((row) => row.isHolding)) rows.find((row) => row.isQueued)?.start();
}

function showAll() {
  const ready = rows.filter((row) => row.state === "ready").length;
  part("begin").hidden = ready === 0;
  part("start").textContent = ready === 1 ? say("Upload") : say("Upload {count} batches", { count: ready });
  const shown = new Set(rows.map((row) => row.address));
  const items = [...part("unfinished").querySelectorAll("li")];
  for (const item of items) item.hidden = shown.has(item.dataset.address);
  part("unfinished").hidden = items.every((item) => item.hidden);
}

async function listUnfinished() {
  const kept = await Promise.all(unfinishedOf(page.dataset.user).map(lookAt));
  for (const known of kept.filter(Boolean)) part("unfinished").querySelector("ul").append(unfinishedItem(known));
  showAll();
}

/** Return `known` with how far it is, in percent; null, and forgotten, when it is over. */
async function lookAt(known) {
  const address = `/api/batches/${known.address.split("/").at(-1)}`;
  const answer = await fetch(`${address}/progress`).catch(() => null);
  const progress = answer?.ok ? await answer.json() : null;
  const isOver = [403, 404].includes(answer?.status) || (progress !== null && progress.status !== "uploading");
  if (!isOver) return { ...known, percent: progress?.current?.progress_percentage ?? null };
  forget(known.address);
  return null;
}

function unfinishedItem(known) {
  const item = part("unfinished-row").content.firstElementChild.cloneNode(true);
  const find = (selector) => item.querySelector(selector);
  Object.assign(item.dataset, { address: known.address, fileName: known.fileName });
  find(".file-name").textContent = known.fileName;
  const far = known.percent ? ` · ${say("{percent} % there", { percent: Math.floor(known.percent) })}` : "";
  find(".facts").textContent = `${fileSize(known.size)} · ${known.template}${far}`;
  Object.assign(find("time"), { dateTime: known.begunAt, title: known.begunAt });
  showLocally(find("time"));
  find(".live").href = `/batches/${known.address.split("/").at(-1)}`;
  find(".choose").addEventListener("click", () => part("files").click());
  find(".cancel").addEventListener("click", () => cancelUnfinished(item, known));
  return item;
}

async function cancelUnfinished(item, known) {
  const upload = new BatchUpload(new File([], known.fileName), { template: known.template, address: known.address });
  await upload.cancel();
  if (upload.state === "stopped") return show(item.querySelector(".sentence"), `${upload.sentence}.`);
  forget(known.address);
  item.remove();
  showAll();
}

function listenToDrops() {
  const drop = part("drop");
  const mark = (isOver) => drop.classList.toggle("over", isOver);
  // Beside the field too: a browser would open the ZIP instead of this page.
  addEventListener("dragover", (event) => (event.preventDefault(), mark(true)));
  addEventListener("dragleave", (event) => event.relatedTarget === null && mark(false));
  addEventListener("drop", (event) => {
    event.preventDefault();
    mark(false);
    take(event.dataTransfer.files);
  });
  part("files").addEventListener("change", ({ target }) => {
    take([...target.files]);
    target.value = ""; // so that the same file can be chosen again
  });
}

if (page) {
  page.hidden = false;
  listenToDrops();
  part("start").addEventListener("click", begin);
  addEventListener("beforeunload", (event) => rows.some((row) => row.isUnderWay || row.isQueued) && event.preventDefault());
  setInterval(() => rows.forEach((row) => row.show()), TICK_MS);
  await listUnfinished();
}
