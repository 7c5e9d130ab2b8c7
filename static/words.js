// What modules say to people, in the language of their page. Their sentences stand in them in English; the page brings
// what another language says instead. On a page that brings nothing they speak English.

/** @type {Record<string, string>} */
const translated = JSON.parse(globalThis.document?.querySelector("[data-words]")?.dataset.words ?? "{}");

/**
 * Return `sentence` in the language of the page. Each sentence also stands in batches/web/module_words.py.
 *
 * @param {string} sentence with `{name}` where a value belongs
 * @param {Record<string, string | number>} values
 */
export function say(sentence, values = {}) {
  return (translated[sentence] ?? sentence).replace(/\{(\w+)\}/g, (place, name) => String(values[name] ?? place));
}
