// How fast an upload is now.

const WINDOW_MS = 10_000;
const LEAST_MS = 1_000;

/** Bytes a second over the last ten seconds. */
export class Pace {
  #points = [];

  /** Take down that `offset` bytes have gone out at `now`, in milliseconds. */
  move(offset, now) {
    this.#points.push({ offset, now });
    // One point from before the window stays, so that it is always spanned.
    while (this.#points.length > 2 && this.#points[1].now < now - WINDOW_MS) this.#points.shift();
  }

  /** Null while too little is known. */
  get rate() {
    const [first, last] = [this.#points.at(0), this.#points.at(-1)];
    const [bytes, milliseconds] = [last?.offset - first?.offset, last?.now - first?.now];
    return milliseconds >= LEAST_MS && bytes > 0 ? (bytes / milliseconds) * 1_000 : null;
  }
}
