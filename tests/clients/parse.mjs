// The parser of event-stream syntax: node parse.mjs MODULE, a JSON list of pieces a line; answers each with a line.

import { createInterface } from "node:readline";

const { eventStreamParser } = await import(process.argv[2]);
for await (const line of createInterface({ input: process.stdin })) {
  console.log(JSON.stringify(JSON.parse(line).flatMap(eventStreamParser())));
}
