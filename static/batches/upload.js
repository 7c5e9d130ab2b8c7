// The upload of one batch by tus: gone on with after whatever breaks it off. Knows no page; docs/uploads.md shows its use.

import "../vendor/tus-js-client-4.3.1/tus.min.js";
import { say } from "../words.js";
import { Pace } from "./pace.js";

const { Upload } = globalThis.tus;

const TIMING = {
  retry: 1_000, // before the first of several tries; doubled for each one after it
  longestRetry: 30_000,
  stalled: 30_000, // so long may nothing move while bytes are sent
  unanswered: 180_000, // and so long may the server check a ZIP that is all there
  look: 1_000,
};
const LEAST_PIECE = 2 ** 20;
const LARGEST_PIECE = 64 * 2 ** 20;
const FIRST_PIECE = 4 * 2 ** 20;
const PIECE_SECONDS = 8; // what a request should take: a server may lose the one that is cut off

const END_SIGNATURE = [0x50, 0x4b, 5, 6];
const END_BYTES = 22 + 65_535; // the record and the longest comment behind it

const PASSING = [0, 408, 423, 429, 460, 500, 502, 503, 504];
const MENDABLE = [401, 403, 429, 507]; // somebody can do something about it, and then it goes on
const SENTENCES = {
  401: say("You are signed out: sign in again in another tab, then go on here"),
  403: say("This upload belongs to somebody else"),
  404: say("The batch of this upload was deleted"),
  410: say("This upload was cancelled, or not gone on with for too long, and what had arrived is gone"),
};
const LOST = say("The connection is lost");
const ELSEWHERE = say("This upload goes on in another window");
const UNREADABLE = say("The file was changed or moved, or cannot be read any more: choose it again");

/**
 * One ZIP on its way. `onChange(upload)` is called when `state` or `offset` has changed.
 *
 * `state` is `ready`, `sending`, `waiting` (for the next try), `paused`, `elsewhere`, `stopped` (goes on when what
 * `sentence` says is mended), or, for ever, `done`, `refused` or `cancelled`.
 */
export class BatchUpload {
  state = "ready";
  sentence = "";
  offset = 0; // bytes
  retryAt = 0; // performance.now() of the next try
  #file;
  #options;
  #timing;
  #tus = null;
  #address;
  #isZip = false; // known to be one
  #pace = new Pace();
  #piece = FIRST_PIECE;
  #largest = LARGEST_PIECE;
  #pieceBegan = 0;
  #kept = -1; // bytes that the server was known to have when the last try began; -1: none yet
  #tries = 0;
  #movedAt = 0;
  #timers = [];
  #windows = new BroadcastChannel("omr-uploads");

  /**
   * `options`: `template` (a slug), `name` of the batch, `address` of an upload that goes on, `onChange`;
   * on other sites `server` (an origin) and `headers`, a function that gives the headers that say who one is.
   */
  constructor(file, { timing = {}, ...options }) {
    this.#file = file;
    this.#options = { name: "", server: "", headers: sessionHeaders, onChange: () => {}, ...options };
    this.#address = options.address ?? null;
    this.#timing = { ...TIMING, ...timing };
    this.#windows.onmessage = ({ data }) => data === this.#address && this.isUnderWay && this.#stop("elsewhere", ELSEWHERE);
    addEventListener("online", () => this.state === "waiting" && this.#try());
  }

  get size() {
    return this.#file.size;
  }

  /** Where the upload is, to go on with it later; null until the server has taken it. */
  get address() {
    return this.#address;
  }

  /** The batch's id; null until the server has taken the upload. */
  get batch() {
    return this.#address?.split("/").at(-1) ?? null;
  }

  get isUnderWay() {
    return this.state === "sending" || this.state === "waiting";
  }

  get isOver() {
    return ["done", "refused", "cancelled"].includes(this.state);
  }

  /** Bytes a second; null while it cannot be known. */
  get rate() {
    return this.state === "sending" ? this.#pace.rate : null;
  }

  /** Begin, or go on. */
  start() {
    if (this.state === "sending" || this.isOver) return;
    this.#tries = 0;
    if (this.#isZip) this.#try();
    else this.#lookInside();
  }

  pause() {
    if (this.isUnderWay) this.#stop("paused");
  }

  /** End it for good; what has arrived is dropped. */
  async cancel() {
    if (this.isOver) return;
    this.#stop("paused");
    try {
      if (this.#address !== null) await Upload.terminate(this.#address, { ...this.#tusOptions(null), retryDelays: null });
      this.#stop("cancelled");
    } catch (error) {
      const { status, detail } = refusalOf(error);
      if (status === 404 || status === 410) this.#stop("cancelled");
      else this.#stop(status === 409 ? "refused" : "stopped", say("It could not be cancelled: {why}", { why: detail }));
    }
  }

  /** Refuse what the server would refuse too, but after its last byte. */
  async #lookInside() {
    this.#turn("sending");
    const isZip = await hasEndOfZip(this.#file).catch(() => null);
    if (this.state !== "sending") return; // paused meanwhile
    this.#isZip = isZip ?? false;
    if (isZip) this.#try();
    else if (isZip === null) this.#stop("stopped", UNREADABLE);
    else this.#stop("refused", say("{name} is not a ZIP file, or not all of one; give the scanned pages as one ZIP", this.#file));
  }

  #try() {
    this.#halt();
    const upload = new Upload(this.#file, {
      ...this.#tusOptions(() => upload === this.#tus),
      onUploadUrlAvailable: () => this.#begin(upload.url),
      onProgress: (offset) => this.#move(offset),
      onChunkComplete: () => (upload.options.chunkSize = this.#choosePiece()),
      onSuccess: () => this.#arrive(),
      onError: (error) => this.#fail(error),
    });
    this.#tus = upload;
    this.#pace = new Pace();
    this.#pieceBegan = 0;
    this.#movedAt = performance.now();
    this.#timers = [setInterval(() => this.#look(), this.#timing.look)];
    this.#turn("sending");
    upload.start();
  }

  #tusOptions(isWanted) {
    const { server, template, name, headers } = this.#options;
    const metadata = { filename: this.#file.name, template, ...(name && { name }) };
    // With an address and without an endpoint: what is refused must not be begun anew.
    const where = this.#address === null ? { endpoint: new URL(`${server}/api/uploads`, location.href).href, metadata } : { uploadUrl: this.#address };
    return {
      ...where,
      chunkSize: this.#piece,
      retryDelays: null,
      storeFingerprintForResuming: false,
      async onBeforeRequest(request) {
        for (const [header, value] of Object.entries(await headers())) request.setHeader(header, value);
        if (isWanted?.() === false) await new Promise(() => {}); // it was paused meanwhile
      },
    };
  }

  #begin(address) {
    this.#address = address;
    this.#windows.postMessage(address);
    this.#options.onChange(this);
  }

  #move(offset) {
    const now = performance.now();
    if (this.#pieceBegan === 0) {
      // The first word after the server's own: all that is here.
      if (offset > this.#kept) this.#tries = 0;
      this.#kept = offset;
      this.#pieceBegan = now;
    }
    this.offset = offset;
    this.#movedAt = now;
    this.#pace.move(offset, now);
    this.#options.onChange(this);
  }

  #choosePiece() {
    const now = performance.now();
    const seconds = Math.max(0.1, (now - this.#pieceBegan) / 1_000);
    const fitting = this.#piece * Math.min(2, PIECE_SECONDS / seconds);
    this.#piece = Math.round(Math.min(this.#largest, Math.max(LEAST_PIECE, fitting)));
    this.#pieceBegan = now;
    this.#tries = 0;
    return this.#piece;
  }

  /** Break off a connection that is dead without saying so, as after a laptop's sleep. */
  #look() {
    const longest = this.offset === this.size ? this.#timing.unanswered : this.#timing.stalled;
    if (performance.now() - this.#movedAt > longest) this.#retry(say("Nothing moves any more"));
  }

  async #arrive() {
    this.#halt();
    this.offset = this.size;
    const batch = await this.#askBatch();
    // What arrived may be no ZIP; who comes back to an upload that is whole is not told.
    if (batch?.status === "failed") this.#turn("refused", batch.error.message);
    else this.#turn("done", sentenceOfSame(batch?.same_as ?? []));
  }

  async #askBatch() {
    const { server, headers } = this.#options;
    try {
      const answer = await fetch(`${server}/api/batches/${this.batch}`, { headers: await headers() });
      return answer.ok ? await answer.json() : null;
    } catch {
      return null;
    }
  }

  async #fail(error) {
    const { status, code, detail } = refusalOf(error);
    const isProxys = status === 413 && code === null; // the server's own refusals have a code
    if (isProxys && this.#piece > LEAST_PIECE) {
      this.#piece = this.#largest = Math.max(LEAST_PIECE, this.#piece / 4);
      this.#try();
    } else if (code === "taken_over") this.#stop("elsewhere", ELSEWHERE);
    else if (isPassing(status, code)) await this.#failPassing(status, detail);
    else this.#stop(MENDABLE.includes(status) ? "stopped" : "refused", detail);
  }

  async #failPassing(status, detail) {
    const tus = this.#tus;
    const isReadable = status !== 0 || (await canBeRead(this.#file));
    if (tus !== this.#tus) return; // paused meanwhile
    this.#piece = Math.max(LEAST_PIECE, Math.round(this.#piece / 2));
    if (isReadable) this.#retry(detail);
    else this.#stop("stopped", UNREADABLE);
  }

  #retry(sentence) {
    this.#halt();
    const { retry, longestRetry } = this.#timing;
    const wait = Math.min(longestRetry, retry * 2 ** this.#tries++) * (0.75 + Math.random() / 2);
    this.retryAt = performance.now() + wait;
    this.#timers = [setTimeout(() => this.#try(), wait)];
    this.#turn("waiting", sentence);
  }

  #stop(state, sentence = "") {
    this.#halt();
    this.#turn(state, sentence);
  }

  #halt() {
    this.#timers.forEach(clearTimeout); // good for intervals too
    this.#tus?.abort();
    this.#tus = null;
  }

  #turn(state, sentence = "") {
    this.state = state;
    this.sentence = sentence;
    if (this.isOver) this.#windows.close();
    this.#options.onChange(this);
  }
}

/** Return the header that the site's own pages show beside the session's cookie. */
function sessionHeaders() {
  // Read anew each time: who signs in again, in another tab, gets another one.
  const token = /(?:^|;\s*)csrftoken=([^;]*)/.exec(document.cookie)?.[1];
  return token ? { "X-CSRFToken": token } : {};
}

/** Return what an answer says, with a sentence also where it has no body. */
function refusalOf({ originalResponse: answer }) {
  const status = answer?.getStatus() ?? 0;
  let told = {};
  try {
    told = JSON.parse(answer?.getBody() ?? "{}");
  } catch {
    // A proxy's own page, or the empty body of a HEAD.
  }
  const { code = null, detail = SENTENCES[status] ?? (status ? say("The server answered {status}", { status }) : LOST) } = told;
  return { status, code, detail: status === 401 ? SENTENCES[401] : detail };
}

/** Whether the same may be asked again after a while, and nobody has to do anything. */
function isPassing(status, code) {
  return (PASSING.includes(status) && code !== "too_many_uploads") || code === "offset_conflict";
}

/** Return what is to be said of other batches with the same bytes, the latest of `same` first. */
function sentenceOfSame([latest, ...others]) {
  if (!latest) return "";
  if (others.length === 0) {
    return say("This ZIP was uploaded before, as “{name}”: both stay, so delete the one that you do not want", latest);
  }
  const told = { name: latest.name, count: others.length };
  return say("This ZIP was uploaded before, as “{name}” and {count} more: all stay, so delete those that you do not want", told);
}

/** Return whether the end of a ZIP's directory is where it has to be; only the last 64 KB of `file` are read. */
async function hasEndOfZip(file) {
  const end = new Uint8Array(await file.slice(Math.max(0, file.size - END_BYTES)).arrayBuffer());
  return end.some((_, at) => END_SIGNATURE.every((byte, offset) => end[at + offset] === byte));
}

async function canBeRead(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
    return true;
  } catch {
    return false;
  }
}
