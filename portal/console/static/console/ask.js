// Says that an answer is being looked for; Ctrl+Enter sends.
(() => {
  const form = document.querySelector("[data-ask]");
  if (!form) return;
  const busy = form.querySelector("[data-busy]");
  const button = form.querySelector("button");
  form.addEventListener("submit", () => {
    busy.hidden = false;
    button.disabled = true;
  });
  form.addEventListener("keydown", (event) => {
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) form.requestSubmit();
  });
  window.addEventListener("pageshow", () => {
    busy.hidden = true;
    button.disabled = false;
  });
})();
