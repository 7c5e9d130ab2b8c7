// What a key means on the review page. Letters and digits are what a field may say, so no command is one of them.

const COMMANDS = {
  Enter: "accept",
  "-": "blank",
  "−": "blank",
  Delete: "blank",
  ArrowRight: "next",
  ArrowLeft: "back",
  Backspace: "undo",
  " ": "page",
  ".": "overlay",
};

/**
 * Return the command of a key press, or null.
 * @param {KeyboardEvent} event
 */
export function commandOf(event) {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "z") return "undo";
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  return COMMANDS[event.key] ?? null;
}

/**
 * Return the letter or digit of a key press, and whether it joins others; null for any other key.
 * @param {KeyboardEvent} event
 */
export function letterOf(event) {
  if (event.ctrlKey || event.metaKey || event.altKey) return null;
  const digit = /^(?:Digit|Numpad)(\d)$/.exec(event.code);
  if (event.shiftKey && digit) return { letter: digit[1], joins: true };
  if ([...event.key].length !== 1) return null;
  return { letter: event.key, joins: event.shiftKey };
}

/** What is typed of one field until it is decided: a value of several characters, or several marks. */
export class Typed {
  /** @param {string[]} options in print order */
  constructor(options) {
    this.options = options;
    this.chosen = new Set();
    this.begun = "";
  }

  get isEmpty() {
    return this.chosen.size === 0 && this.begun === "";
  }

  /** What Enter would say. */
  get value() {
    const whole = this.#exact(this.begun);
    const chosen = whole ? new Set([...this.chosen, whole]) : this.chosen;
    return this.options.filter((option) => chosen.has(option)).join("");
  }

  /**
   * Take one letter; return what became of it: "decided", "open" (more may come), or "unknown".
   * @param {{letter: string, joins: boolean}} pressed
   */
  take({ letter, joins }) {
    const text = this.begun + letter;
    const whole = this.#exact(text);
    const longer = this.options.filter((option) => same(option.slice(0, text.length), text) && option !== whole);
    if (!whole && longer.length === 0) return "unknown";
    if (!whole || longer.length) {
      this.begun = text;
      return "open";
    }
    this.begun = "";
    if (joins) {
      if (!this.chosen.delete(whole)) this.chosen.add(whole);
      return "open";
    }
    this.chosen.add(whole);
    return "decided";
  }

  #exact(text) {
    return this.options.find((option) => option === text) ?? this.options.find((option) => text && same(option, text));
  }
}

function same(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}
