// Somebody else's EventSource on one stream, to where it gives up: node watch.mjs eventsource|polyfill URL TOKEN
// Prints a line of JSON for all that it notices.

import { EventSource as Modern } from "eventsource";
import { EventSourcePolyfill } from "event-source-polyfill";

const CLOSED = 2;
const [kind, url, token] = process.argv.slice(2);
const headers = { Authorization: `Bearer ${token}` };

const makers = {
  eventsource: () =>
    new Modern(url, { fetch: (input, init) => fetch(input, { ...init, headers: { ...init.headers, ...headers } }) }),
  polyfill: () => new EventSourcePolyfill(url, { headers }),
};

const say = (line) => console.log(JSON.stringify(line));
const source = makers[kind]();
for (const name of ["progress", "complete", "error"]) {
  source.addEventListener(name, (message) => {
    if (typeof message.data !== "string") return say(source.readyState === CLOSED ? { refused: true } : { lost: true });
    say({ name, seq: JSON.parse(message.data).seq, id: message.lastEventId });
    // It wants a body of every answer, and would take a 204 for another lost connection, for ever.
    if (kind === "polyfill" && name !== "progress") source.close();
  });
}
process.on("exit", () => say({ over: true }));
