// Says how long a choice of cells takes, whenever it changes.
(() => {
  "use strict";

  const QUIET_MS = 250;

  document.querySelectorAll("form[data-estimate-at]").forEach((form) => {
    const place = form.querySelector("[data-estimate]");
    let timer = null;
    let asked = 0;

    async function ask() {
      const number = ++asked;
      const choice = new FormData(form);
      choice.delete("csrfmiddlewaretoken");
      const words = new URLSearchParams(choice);
      try {
        const answer = await fetch(`${form.dataset.estimateAt}?${words}`, { credentials: "same-origin" });
        if (!answer.ok) throw new Error(String(answer.status));
        const said = await answer.json();
        if (number === asked) place.textContent = said.text;
      } catch (error) {
        place.dataset.trouble = String(error);
      }
    }

    form.addEventListener("change", () => {
      clearTimeout(timer);
      timer = setTimeout(ask, QUIET_MS);
    });
    ask();
  });
})();
