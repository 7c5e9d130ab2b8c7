// Waiting that can be cut short.

export const LONGEST_TIMER = 2 ** 31 - 1; // milliseconds; a longer one would ring at once

/** Up to half as long again, at random: a thousand viewers are cut off at once. @param {number} ms */
export function spread(ms) {
  return ms * (1 + Math.random() / 2);
}

/** @typedef {{ restart(): void, stop(): void }} Alarm */

/** Rings once, unless it is stopped or started anew before. @param {number} ms @param {() => void} ring @returns {Alarm} */
export function startAlarm(ms, ring) {
  let timer = setTimeout(ring, ms);
  return {
    restart() {
      clearTimeout(timer);
      timer = setTimeout(ring, ms);
    },
    stop: () => clearTimeout(timer),
  };
}

/** @param {number} ms @param {AbortSignal} signal ends it early @returns {Promise<void>} */
export function sleep(ms, signal) {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, ms);
    signal.addEventListener("abort", wake);
  });
}

/**
 * What `promise` gives, or the signal's reason thrown when that comes first.
 *
 * @template T
 * @param {Promise<T>} promise
 * @param {AbortSignal} signal
 * @returns {Promise<T>}
 */
export function unlessAborted(promise, signal) {
  const aborted = new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
  return Promise.race([promise, /** @type {Promise<never>} */ (aborted)]);
}
