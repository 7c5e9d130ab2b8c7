// Figures as the pages show them, written as their language writes numbers.

const language = globalThis.document?.documentElement.lang || undefined;

/** Return `value` with so many decimals. @param {number} value @param {number} decimals */
export function decimal(value, decimals) {
  return value.toLocaleString(language, { minimumFractionDigits: decimals, maximumFractionDigits: decimals });
}

/** Return `seconds` as a running clock shows them: 0:07, 12:30, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Return `seconds` in words: < 0.1 s, 0.8 s, 41 s, 2 min 17 s; one that is running is not split finer than a second. */
export function span(seconds, { isRunning = false } = {}) {
  if (seconds < 0.1 && !isRunning) return `< ${decimal(0.1, 1)} s`;
  if (seconds < 10 && !isRunning) return `${decimal(seconds, 1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Return a number of bytes as 812 KB, 43.1 MB or 6.94 GB; 1 MB is 2²⁰ bytes. */
export function fileSize(bytes) {
  if (bytes >= 2 ** 30) return `${decimal(bytes / 2 ** 30, 2)} GB`;
  return bytes >= 2 ** 20 ? `${decimal(bytes / 2 ** 20, 1)} MB` : `${Math.ceil(bytes / 2 ** 10)} KB`;
}
