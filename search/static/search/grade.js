// Grading by keyboard: a digit grades the row in hand and goes on to the next.
(() => {
  "use strict";

  const form = document.querySelector("[data-grade]");
  if (!form) return;
  const rows = [...form.querySelectorAll("[data-row]")];
  let at = Math.max(rows.findIndex((row) => !row.querySelector("input[type=radio]:checked")), 0);

  function take(place, isShown = true) {
    if (!rows[place]) return;
    rows[at].classList.remove("mw-in-hand");
    at = place;
    rows[at].classList.add("mw-in-hand");
    if (!isShown) return;
    rows[at].focus({ preventScroll: true });
    rows[at].scrollIntoView({ block: "center" });
  }

  function grade(value) {
    const choice = rows[at].querySelector(`input[type=radio][value="${value}"]`);
    if (!choice || choice.matches(":disabled")) return;
    choice.checked = true;
    if (at + 1 < rows.length) take(at + 1);
    else form.querySelector("[data-keep]").focus();
  }

  rows.forEach((row, place) => row.addEventListener("focusin", () => { if (place !== at) take(place, false); }));
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing || event.repeat) return;
    const field = event.target.closest("input, textarea, select, [contenteditable]");
    if (field && field.type !== "radio") return;
    // By the place of the key too, so that a Korean layout need not be switched off.
    const key = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
    const press = (name) => () => { const button = form.querySelector(name); if (button) button.click(); };
    const act = /^[0-3]$/.test(key)
      ? () => grade(key)
      : { j: () => take(at + 1), k: () => take(at - 1), s: press("[data-keep]"), n: press("[data-next]") }[key];
    if (!act) return;
    event.preventDefault();
    act();
  });
  if (rows.length) take(at, false);
})();
