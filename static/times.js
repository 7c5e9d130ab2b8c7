// Shows every <time> in the zone and language of whoever reads; its title keeps the exact value.

const forms = {
  time: new Intl.DateTimeFormat(undefined, { timeStyle: "medium" }),
  date: new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" }),
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
