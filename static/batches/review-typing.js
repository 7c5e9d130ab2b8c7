// The form in which a page that could not be read is typed in: whose it is, and question by question.

/**
 * @typedef {{name: string, length: number | null, options: string[]}} Column
 * @typedef {{field: string, value: string, saw: string, seen: number | null}} Line
 */

/**
 * Fill `form` with a place to type for each column.
 * @param {HTMLFormElement} form
 * @param {Column[]} columns
 * @param {import("./review-queue.js").Known[]} known what a sheet that was read says already
 */
export function buildForm(form, columns, known = []) {
  const before = new Map(known.map((one) => [one.name, one]));
  form.replaceChildren(...columns.map((column) => labelled(column, before.get(column.name)?.value ?? "")));
}

function labelled(column, value) {
  const label = document.createElement("label");
  const input = Object.assign(document.createElement("input"), { name: column.name, value, spellcheck: false });
  if (column.length !== null) input.maxLength = column.length;
  if (isLetter(column)) input.classList.add("letter");
  else label.classList.add("long");
  const name = /^q\d+$/.test(column.name) ? column.name.slice(1) : column.name;
  label.append(Object.assign(document.createElement("span"), { textContent: name }), input);
  if (isLetter(column)) input.addEventListener("keydown", (event) => typeLetter(event, input, column.options));
  return label;
}

/** Whether a column is one bubble among few, each named by one character. */
function isLetter({ length, options }) {
  return length === null && options.length > 0 && options.every((option) => option.length === 1);
}

/** One letter fills a place and goes on; with Shift it joins what is there; minus leaves it blank. */
function typeLetter(event, input, options) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const found = options.find((option) => option.toLowerCase() === event.key.toLowerCase());
  if (found) {
    const chosen = new Set(event.shiftKey ? [...input.value, found] : [found]);
    input.value = options.filter((option) => chosen.has(option)).join("");
    if (!event.shiftKey) step(input, 1);
  } else if (event.key === "-" || event.key === "−" || event.key === " ") {
    input.value = "";
    step(input, 1);
  } else if (event.key === "Backspace" && input.value === "") {
    step(input, -1);
  } else if ([...event.key].length > 1) {
    return; // Tab, arrows, Enter
  }
  event.preventDefault();
}

function step(input, by) {
  const all = [...input.form.elements];
  const next = all[all.indexOf(input) + by];
  next?.focus();
  next?.select();
}

/**
 * Return what `form` says otherwise than the sheet did.
 * @param {HTMLFormElement} form
 * @param {import("./review-queue.js").Known[]} known
 * @returns {Line[]}
 */
export function linesOf(form, known = []) {
  const before = new Map(known.map((one) => [one.name, one]));
  return [...form.elements].flatMap(({ name, value }) => {
    const { value: saw, seen } = before.get(name) ?? { value: "", seen: null };
    return value === saw ? [] : [{ field: name, value, saw, seen }];
  });
}
