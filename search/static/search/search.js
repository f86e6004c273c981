// The search page: keys, what is being waited for, and which hit was opened.
// Everything works without it: the form is a plain form and hits are plain links.
(() => {
  "use strict";

  const form = document.querySelector("[data-search]");
  const found = document.querySelector("[data-found]");
  if (!form || !found) return;
  const box = form.querySelector("input[type=search]");
  const hits = [...found.querySelectorAll("[data-hit]")];

  // Narrow screens begin with the hits; what narrows them down is one touch away.
  const aside = found.querySelector("[data-aside]");
  if (aside && matchMedia("(max-width: 899px)").matches) aside.open = false;

  function waiting(isOn) {
    found.toggleAttribute("aria-busy", isOn);
    found.querySelector("[data-loading]").hidden = !isOn;
  }
  form.addEventListener("submit", () => waiting(true));
  // A page that comes back from the browser's memory waits for nothing.
  window.addEventListener("pageshow", () => waiting(false));
  form.querySelectorAll("select, input[type=date]").forEach((one) => {
    one.addEventListener("change", () => { if (box.value.trim()) form.requestSubmit(); });
  });

  // The answer may take longer than the hits, which must not wait for it.
  const answer = found.querySelector("[data-answer]");
  if (answer) {
    answer.hidden = false;
    fetch(answer.dataset.answer, { credentials: "same-origin", redirect: "error" })
      .then(async (reply) => {
        if (!(reply.headers.get("content-type") || "").includes("html")) throw new Error(`no answer: ${reply.status}`);
        answer.querySelector(".mw-body").innerHTML = await reply.text();
      })
      // Without an answer the hits are what there is.
      .catch(() => answer.remove());
  }

  const linkOf = (hit) => hit && hit.querySelector("h2 a");
  const current = () => hits.find((hit) => hit.contains(document.activeElement));

  function go(step) {
    const at = hits.indexOf(current());
    const to = hits[at < 0 ? (step > 0 ? 0 : hits.length - 1) : at + step];
    if (!to) return;
    (linkOf(to) || to).focus();
    to.scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.altKey || event.metaKey || event.isComposing) return;
    if (event.target === box) {
      if (event.key === "Escape") box.blur();
      if (event.key === "ArrowDown" && hits.length) { event.preventDefault(); go(1); }
      return;
    }
    if (event.target.closest("input, textarea, select, [contenteditable]")) return;
    // By the place of the key too, so that a Korean layout need not be switched off.
    const key = event.code.startsWith("Key") ? event.code.slice(3).toLowerCase() : event.key;
    const act = {
      "/": () => { box.focus(); box.select(); },
      j: () => go(1),
      k: () => go(-1),
      w: () => { const why = (current() || hits[0])?.querySelector(".mw-why"); if (why) why.open = !why.open; },
    }[key];
    if (!act) return;
    event.preventDefault();
    act();
  });

  function opened(event) {
    if (event.type === "auxclick" && event.button !== 1) return;
    const link = event.target.closest("[data-hit] h2 a");
    if (!link || !found.dataset.record) return;
    const { rank, document: name, passage } = link.closest("[data-hit]").dataset;
    const body = new FormData();
    const token = document.querySelector("input[name=csrfmiddlewaretoken]").value;
    const said = { csrfmiddlewaretoken: token, search: found.dataset.record, collection: found.dataset.collection, document: name, passage, rank };
    Object.entries(said).forEach(([field, value]) => body.append(field, value));
    fetch(found.dataset.click, { method: "POST", body, credentials: "same-origin", keepalive: true }).catch(() => {
      // Feedback only: the page that opens matters more.
    });
  }
  found.addEventListener("click", opened);
  found.addEventListener("auxclick", opened);
})();
