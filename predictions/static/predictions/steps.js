// A routing as a table: add, remove and move steps. Without this file the lines can still be edited.
"use strict";

document.querySelectorAll("[data-steps-form]").forEach((form) => {
  const body = form.querySelector("tbody");
  const blank = form.querySelector("template");
  const keep = form.querySelector("[data-step-keep]");
  const reveal = (part) => part.querySelectorAll("button[hidden]").forEach((button) => (button.hidden = false));
  const changed = () => (keep.textContent = keep.dataset.changed);

  const moves = {
    up: (row) => row.previousElementSibling?.before(row),
    down: (row) => row.nextElementSibling?.after(row),
    remove: (row) => row.remove(),
  };

  form.addEventListener("click", (event) => {
    const button = event.target.closest("[data-step]");
    if (!button) return;
    const row = button.closest("tr");
    const next = button.dataset.step === "remove" ? row.nextElementSibling || row.previousElementSibling : row;
    moves[button.dataset.step](row);
    changed();
    // Moving a row takes the focus from its button.
    next?.querySelector(`[data-step="${button.dataset.step}"]`)?.focus();
  });

  form.querySelector("[data-step-add]").addEventListener("click", () => {
    const row = blank.content.cloneNode(true);
    reveal(row);
    body.append(row);
    changed();
    body.lastElementChild.querySelector("[name=operation]").focus();
  });

  body.addEventListener("input", changed);
  reveal(form);
});
