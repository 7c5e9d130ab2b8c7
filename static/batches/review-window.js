// <review-window>: a page as it was scanned, seen through a window: one field, or all of it, upright.

const SVG = "http://www.w3.org/2000/svg";
const QUARTER = 90;

/**
 * @typedef {{left: number, top: number, width: number, height: number}} Box
 * @typedef {{matrix: number[], view: Box, frame: Box | null, isAll?: boolean}} Window where to look
 * @typedef {{image: string, overlay: string | null, size: number[] | null}} Scan
 */

class ReviewWindow extends HTMLElement {
  #svg = document.createElementNS(SVG, "svg");
  #pixels = document.createElementNS(SVG, "g");
  #page = document.createElementNS(SVG, "image");
  #rings = document.createElementNS(SVG, "image");
  #veil = document.createElementNS(SVG, "path");
  #turned = 0;
  /** @type {Scan | null} */
  #scan = null;

  connectedCallback() {
    this.#page.addEventListener("error", () => this.toggleAttribute("data-gone", true));
    this.#page.addEventListener("load", () => this.toggleAttribute("data-gone", false));
    this.#rings.classList.add("rings");
    this.#veil.setAttribute("fill-rule", "evenodd");
    this.#veil.classList.add("veil");
    this.#pixels.append(this.#page, this.#rings);
    this.#svg.append(this.#pixels, this.#veil);
    this.append(this.#svg);
  }

  /**
   * Show `scan` through `where`; the same page again moves only the window.
   * @param {Scan} scan
   * @param {Window | null} where null: nobody knows how the page lies
   */
  async show(scan, where) {
    if (this.#scan?.image !== scan.image) this.#turned = 0;
    this.#scan = scan;
    const size = scan.size ?? (await sizeOf(scan.image));
    if (this.#scan !== scan) return; // meanwhile another one was asked for
    this.#lay(this.#page, scan.image, size);
    this.#lay(this.#rings, scan.overlay, size);
    if (where) this.#look(where);
    else this.#lookAtAll(size);
  }

  /** Turn a page of which nobody knows how it lies by a quarter. */
  turn() {
    if (!this.#scan) return;
    this.#turned = (this.#turned + QUARTER) % 360;
    const scan = { ...this.#scan };
    this.show(scan, null);
  }

  /** @param {boolean} shown */
  set rings(shown) {
    this.classList.toggle("bare", !shown);
  }

  #lay(image, href, [width, height]) {
    if (!href) {
      image.removeAttribute("href");
      return;
    }
    // The middle of the first pixel is (0, 0), so the picture begins half a pixel before it.
    const place = { x: -0.5, y: -0.5, width, height, preserveAspectRatio: "none" };
    for (const [name, value] of Object.entries(place)) image.setAttribute(name, value);
    if (image.getAttribute("href") !== href) image.setAttribute("href", href);
  }

  /** @param {Window} where */
  #look({ matrix, view, frame, isAll = false }) {
    this.#pixels.setAttribute("transform", `matrix(${matrix.join(" ")})`);
    this.#svg.setAttribute("viewBox", `${view.left} ${view.top} ${view.width} ${view.height}`);
    this.classList.toggle("all", isAll);
    this.classList.toggle("tall", !isAll && view.height > view.width);
    if (frame) this.#veil.setAttribute("d", (isAll ? "" : rectangle(spread(view))) + rectangle(frame));
    else this.#veil.removeAttribute("d");
  }

  #lookAtAll([width, height]) {
    const lies = this.#turned % 180 !== 0;
    const [across, down] = lies ? [height, width] : [width, height];
    const middle = `translate(${across / 2} ${down / 2}) rotate(${this.#turned}) translate(${-width / 2} ${-height / 2})`;
    this.#pixels.setAttribute("transform", middle);
    this.#svg.setAttribute("viewBox", `0 0 ${across} ${down}`);
    this.classList.add("all");
    this.classList.remove("tall");
    this.#veil.removeAttribute("d");
  }
}

/** The veil covers more than the window, which is seldom of the same shape as its place on the screen. */
function spread({ left, top, width, height }) {
  const reach = 4 * Math.max(width, height);
  return { left: left - reach, top: top - reach, width: width + 2 * reach, height: height + 2 * reach };
}

function rectangle({ left, top, width, height }) {
  return `M${left} ${top}h${width}v${height}h${-width}z`;
}

const kept = new Map();
const MOST_KEPT = 12;

/**
 * Load a picture before it is needed, and keep it for a while.
 * @param {string} href
 * @returns {Promise<HTMLImageElement>}
 */
export function fetchPicture(href) {
  if (!kept.has(href)) {
    const picture = new Image();
    picture.src = href;
    kept.set(href, picture.decode().then(() => picture));
    kept.get(href).catch(() => kept.delete(href));
    if (kept.size > MOST_KEPT) kept.delete(kept.keys().next().value);
  }
  return kept.get(href);
}

async function sizeOf(href) {
  const picture = await fetchPicture(href).catch(() => null);
  return picture ? [picture.naturalWidth, picture.naturalHeight] : [1, 1];
}

customElements.define("review-window", ReviewWindow);
