// The administrators' list of batches: the progress of every row lives, over one connection.

import { followAll } from "../progress/batch-stream.js";
import { rowsBelow, showEvent, wordOf } from "./rows.js";

const rows = rowsBelow(document);

followAll({
  onEvent(event) {
    const row = rows.get(event.batch_id);
    if (row) showEvent(row, event);
  },
  onState(state) {
    const pill = document.getElementById("connection");
    pill.hidden = false;
    pill.className = `pill ${state}`;
    pill.textContent = wordOf("connection", state);
  },
});
