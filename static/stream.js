// Follows one batch's event stream to its end, through every interruption.

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 30_000;

/**
 * Follow the events after `seq` and tell `listener`:
 *   event(event)   one event, each once, in order
 *   state(word)    "live", "reconnecting", "finished", or "signed out"
 * Returns a function that stops following.
 */
export function follow({ streamUrl, progressUrl, seq, listener }) {
  let source = null;
  let timer = 0;
  let wait = FIRST_WAIT_MS;

  function open() {
    source = new EventSource(`${streamUrl}?last_event_id=${seq}`);
    source.addEventListener("open", () => {
      wait = FIRST_WAIT_MS;
      listener.state("live");
    });
    source.addEventListener("progress", (message) => take(JSON.parse(message.data)));
    source.addEventListener("complete", (message) => end(JSON.parse(message.data)));
    // Two things share this name: the batch's own "error" event, which has data, and the browser's
    // word that the connection is gone, which has none.
    source.addEventListener("error", (message) => {
      if (typeof message.data === "string") end(JSON.parse(message.data));
      else if (source.readyState === EventSource.CLOSED) again();
      else listener.state("reconnecting");
    });
  }

  function take(event) {
    if (event.seq <= seq) return; // sent again after a reconnect that carried an old position
    seq = event.seq;
    listener.event(event);
  }

  function end(event) {
    stop();
    take(event);
    listener.state("finished");
  }

  // The browser gave up: the answer was no stream. Ask why before trying again.
  function again() {
    stop();
    listener.state("reconnecting");
    timer = setTimeout(async () => {
      wait = Math.min(wait * 2, LONGEST_WAIT_MS);
      const answer = await fetch(progressUrl).catch(() => null);
      if (answer && [401, 403, 404].includes(answer.status)) return listener.state("signed out");
      if (answer?.ok && hasEnded(await answer.json())) return listener.state("finished");
      open();
    }, wait * (0.5 + Math.random() / 2));
  }

  function hasEnded({ current }) {
    return current !== null && current.seq <= seq && ["completed", "failed"].includes(current.stage);
  }

  function stop() {
    clearTimeout(timer);
    source?.close();
  }

  open();
  return stop;
}
