// Asks for the figures again every fifteen seconds, and says so when nobody answers.
(() => {
  const EVERY_MS = 15000;
  async function refresh() {
    const main = document.querySelector("[data-wall]");
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (answer.redirected || !answer.ok) throw new Error(String(answer.status));
      const page = new DOMParser().parseFromString(await answer.text(), "text/html");
      main.replaceWith(page.querySelector("[data-wall]"));
    } catch {
      const said = main.querySelector("[data-said]");
      said.textContent = main.dataset.lost;
      said.hidden = false;
    }
  }
  setInterval(() => document.hidden || refresh(), EVERY_MS);
})();
