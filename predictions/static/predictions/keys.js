// Keys of the pages of predictions: arrows walk the bars of a waterfall, letters press a button.
"use strict";

document.querySelectorAll("[data-steps]").forEach((picture) => {
  const steps = [...picture.querySelectorAll("g.step")];
  picture.addEventListener("keydown", (event) => {
    const at = steps.indexOf(document.activeElement);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: steps.length - 1 }[event.key];
    if (at < 0 || to === undefined || !steps[to]) return;
    event.preventDefault();
    steps[to].focus();
  });
});

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  // By the place of the key too, so that a Korean layout need not be switched off.
  const key = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key.toLowerCase();
  const button = document.querySelector(`button[data-key="${CSS.escape(key)}"]`);
  if (!button || button.disabled) return;
  event.preventDefault();
  button.click();
});
