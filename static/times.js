// Shows every <time> in the zone of whoever reads, and in the language of the page; its title keeps the exact value.

// Of one language the reader's own country: in English the day comes before the month, or after it.
const page = document.documentElement.lang;
const language = navigator.languages.find((one) => one.split("-")[0] === page) ?? page;

const forms = {
  time: new Intl.DateTimeFormat(language, { timeStyle: "medium" }),
  date: new Intl.DateTimeFormat(language, { dateStyle: "medium", timeStyle: "short" }),
};

/** Show `element`, a <time> with a `datetime`, in the reader's zone. */
export function showLocally(element) {
  const moment = new Date(element.dateTime);
  if (!Number.isNaN(moment.getTime())) element.textContent = forms[element.dataset.form ?? "time"].format(moment);
}

/** Show every <time> below `root` in the reader's zone. */
export function showAllLocally(root) {
  root.querySelectorAll("time[datetime]").forEach(showLocally);
}

showAllLocally(document);
