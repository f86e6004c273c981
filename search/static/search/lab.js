// Says how long a choice of cells takes and how much of the disk, whenever it changes.
(() => {
  "use strict";

  const QUIET_MS = 250;

  document.querySelectorAll("form[data-estimate-at]").forEach((form) => {
    const place = form.querySelector("[data-estimate]");
    let timer = null;
    let asked = 0;

    function show(text, tone) {
      place.textContent = text;
      place.className = `mw-note mw-${tone}`;
    }

    async function ask() {
      const number = ++asked;
      const choice = new FormData(form);
      choice.delete("csrfmiddlewaretoken");
      const words = new URLSearchParams(choice);
      try {
        const answer = await fetch(`${form.dataset.estimateAt}?${words}`, { credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        const said = await answer.json();
        if (number === asked) show(said.text, said.tone);
      } catch (error) {
        if (number === asked) show(place.dataset.trouble, "warn");
      }
    }

    form.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, QUIET_MS);
    });
    ask();
  });
})();
