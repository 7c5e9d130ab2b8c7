// The page of a sheet: the arrow keys lead to the sheets beside it.

const WAYS = { ArrowLeft: "prev", ArrowRight: "next" };

addEventListener("keydown", (event) => {
  const isMeant = !event.defaultPrevented && !event.altKey && !event.ctrlKey && !event.metaKey && !event.shiftKey;
  const way = isMeant && !event.target.closest("input, select, textarea") ? WAYS[event.key] : undefined;
  if (way) document.querySelector(`a[rel="${way}"]`)?.click();
});
