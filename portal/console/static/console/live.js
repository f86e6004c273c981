// Keeps a run page and the dashboard's list of runs up to date.
// The server renders everything; this asks for it again when the event stream says that something happened,
// and every two seconds where there is no stream.
(() => {
  "use strict";

  const POLL_MS = 2000;
  const LIST_POLL_MS = 4000;
  const AT_MOST_EVERY_MS = 700;

  async function json(url) {
    const answer = await fetch(url, { headers: { Accept: "application/json" }, credentials: "same-origin" });
    const type = answer.headers.get("content-type") || "";
    if (!answer.ok || !type.includes("json")) throw new Error(`no JSON: ${answer.status}`);
    return answer.json();
  }

  function followRun(box) {
    const log = document.querySelector("[data-run-log]");
    let last = Number(box.dataset.last) || 0;
    let over = false;
    let busy = false;
    let again = false;
    let timer = null;
    let stream = null;

    const stop = () => {
      over = true;
      if (stream) stream.close();
      if (timer) clearInterval(timer);
    };

    async function refresh() {
      if (busy) { again = true; return; }
      busy = true;
      try {
        const state = await json(`${box.dataset.poll}?after=${last}`);
        box.innerHTML = state.html;
        if (state.last && log) {
          const atEnd = log.scrollHeight - log.scrollTop - log.clientHeight < 40;
          log.insertAdjacentHTML("beforeend", state.lines);
          last = state.last;
          if (atEnd) log.scrollTop = log.scrollHeight;
        }
        box.dataset.last = String(last);
        if (state.is_terminal) stop();
      } catch (error) {
        box.dataset.trouble = String(error);
      } finally {
        busy = false;
        if (again && !over) { again = false; setTimeout(refresh, AT_MOST_EVERY_MS); }
      }
    }

    let soon = null;
    const poke = () => {
      if (over || soon) return;
      soon = setTimeout(() => { soon = null; refresh(); }, AT_MOST_EVERY_MS);
    };
    const poll = () => { if (!over && !timer) timer = setInterval(refresh, POLL_MS); };

    if (log) log.scrollTop = log.scrollHeight;  // a study has no log on its page
    if (!box.dataset.events) return;
    if (!("EventSource" in window)) { poll(); return; }
    stream = new EventSource(box.dataset.events);
    box.dataset.source = "stream";
    for (const kind of ["message", "state", "progress", "log", "metric", "end"]) stream.addEventListener(kind, poke);
    stream.onerror = () => {
      // A stream that ended by itself comes back; one that was refused does not, and polling takes over.
      poke();
      if (stream.readyState === EventSource.CLOSED) { box.dataset.source = "poll"; poll(); }
    };
    // The stream may be silent while resources change; a slow look keeps the figures fresh.
    setInterval(() => { if (!over && !document.hidden) refresh(); }, 3 * POLL_MS);
  }

  function followList(card) {
    const body = card.querySelector("[data-live-body]");
    const note = card.querySelector("[data-live-trouble]");
    let busy = false;
    setInterval(async () => {
      if (document.hidden || busy) return;
      busy = true;
      try {
        const answer = await fetch(card.dataset.liveList, { credentials: "same-origin", redirect: "error" });
        if (!answer.ok) throw new Error(String(answer.status));
        body.innerHTML = await answer.text();
        delete card.dataset.trouble;
      } catch (error) {
        card.dataset.trouble = String(error);
      } finally {
        busy = false;
        if (note) note.hidden = !card.dataset.trouble;
      }
    }, Number(card.dataset.every) || LIST_POLL_MS);
  }

  document.querySelectorAll("[data-run]").forEach(followRun);
  document.querySelectorAll("[data-live-list]").forEach(followList);
})();
