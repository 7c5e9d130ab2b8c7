// Figures as the pages show them.

/** Return `seconds` as a running clock shows them: 0:07, 12:30, 1:02:03. */
export function clock(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  const [hours, minutes, rest] = [Math.floor(whole / 3600), Math.floor((whole % 3600) / 60), whole % 60];
  const two = (value) => String(value).padStart(2, "0");
  return hours ? `${hours}:${two(minutes)}:${two(rest)}` : `${minutes}:${two(rest)}`;
}

/** Return `seconds` in words: 0.8 s, 41 s, 2 min 17 s; one that is running is not split finer than a second. */
export function span(seconds, { isRunning = false } = {}) {
  if (seconds < 10 && !isRunning) return `${seconds.toFixed(1)} s`;
  const whole = Math.round(seconds);
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} min ${whole % 60} s`;
}

/** Return a number of bytes as 812 KB, 43.1 MB or 6.94 GB; 1 MB is 2²⁰ bytes. */
export function fileSize(bytes) {
  if (bytes >= 2 ** 30) return `${(bytes / 2 ** 30).toFixed(2)} GB`;
  return bytes >= 2 ** 20 ? `${(bytes / 2 ** 20).toFixed(1)} MB` : `${Math.ceil(bytes / 2 ** 10)} KB`;
}
