// The page of completeness: a CSV dropped anywhere on it is given as the list.

const form = document.getElementById("expected");
const file = form?.querySelector("input[type=file]");

function hasFile(event) {
  return file && [...event.dataTransfer.types].includes("Files");
}

addEventListener("dragover", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  form.classList.add("over");
});

addEventListener("dragleave", (event) => {
  if (event.relatedTarget === null) form?.classList.remove("over");
});

addEventListener("drop", (event) => {
  if (!hasFile(event)) return;
  event.preventDefault();
  form.classList.remove("over");
  file.files = event.dataTransfer.files;
  form.requestSubmit();
});
