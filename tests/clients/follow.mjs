// Our own module under Node: node follow.mjs MODULE OPTIONS, both told by the test.
// OPTIONS is JSON: what follow() takes, and `batch` (none: followAll), `tickets` (who gives them), `faulty` (a listener
// that throws), `last` (stop there). Prints a line of JSON for all that it notices.

const [module, options] = process.argv.slice(2);
const { follow, followAll } = await import(module);
const { batch, tickets, faulty, last, ...rest } = JSON.parse(options);

const say = (line) => console.log(JSON.stringify(line));
process.on("uncaughtException", (error) => say({ thrown: error.message }));

async function ticket() {
  if (tickets.hangs-- > 0) return new Promise(() => {});
  const headers = { Authorization: `Bearer ${tickets.token}`, "Content-Type": "application/json" };
  const answer = await fetch(tickets.url, { method: "POST", headers, body: JSON.stringify({ batch: batch ?? null }) });
  say({ ticket: answer.status });
  return answer.ok ? (await answer.json()).ticket : null;
}

const listeners = {
  onEvent(event) {
    say({ seq: event.seq, stage: event.stage, batch: event.batch_id });
    if (event.seq === last) following.stop();
    if (faulty) throw new Error(`a listener's own fault at ${event.seq}`);
  },
  onState: (state, status) => say({ state, status }),
};
const given = { ...rest, ...listeners, ...(tickets && { ticket }) };
const following = batch ? follow(batch, given) : followAll(given);
await following.over;
say({ over: following.state, last: following.latest?.stage ?? null });
