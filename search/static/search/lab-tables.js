// Sorts the rows of a table by a column when its heading is pressed.
(() => {
  "use strict";

  const wanted = new WeakMap();

  const valueOf = (row, place) => {
    const cell = row.cells[place];
    if (!cell) return "";
    const span = cell.querySelector("span") || cell;
    const own = Array.from(span.childNodes).filter((one) => one.nodeName !== "SMALL");
    return own.map((one) => one.textContent).join(" ").trim();
  };

  // “1,234”, “2.5 MB” and “1 min 5 s” are numbers; the server writes the number itself where units differ.
  const numberOf = (row, place) => {
    const cell = row.cells[place];
    const text = cell && cell.dataset.value !== undefined ? cell.dataset.value : valueOf(row, place).replace(/,/g, "");
    const found = Number.parseFloat(text);
    return Number.isNaN(found) ? null : found;
  };

  function sort(table) {
    const state = wanted.get(table);
    if (!state) return;
    const { place, isDown } = state;
    const isNumber = table.tHead.rows[0].cells[place].classList.contains("mw-num");
    const rows = Array.from(table.tBodies[0].rows);
    const missing = (one) => (isNumber ? one === null : one === "");
    const keyed = rows.map((row) => ({ row, key: isNumber ? numberOf(row, place) : valueOf(row, place) }));
    keyed.sort((one, other) => {
      if (missing(one.key) || missing(other.key)) return missing(one.key) - missing(other.key);
      const order = isNumber ? one.key - other.key : one.key.localeCompare(other.key, undefined, { numeric: true });
      return isDown ? -order : order;
    });
    table.tBodies[0].append(...keyed.map((one) => one.row));
    Array.from(table.tHead.rows[0].cells).forEach((cell, at) => {
      if (at === place) cell.setAttribute("aria-sort", isDown ? "descending" : "ascending");
      else cell.removeAttribute("aria-sort");
    });
  }

  function prepare(table) {
    Array.from(table.tHead.rows[0].cells).forEach((cell, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "mw-sorter";
      button.append(...cell.childNodes);
      cell.append(button);
      button.addEventListener("click", () => {
        const before = wanted.get(table);
        const isDown = before && before.place === place ? !before.isDown : false;
        wanted.set(table, { place, isDown });
        sort(table);
      });
    });
  }

  document.querySelectorAll("table[data-sortable]").forEach(prepare);

  // The live part of a page is replaced: its new table is sorted as the old one was.
  let last = null;
  document.querySelectorAll("[data-run]").forEach((body) => {
    new MutationObserver(() => {
      const table = body.querySelector("table[data-sortable]");
      if (!table || table.querySelector(".mw-sorter")) return;
      prepare(table);
      if (last && wanted.get(last)) { wanted.set(table, wanted.get(last)); sort(table); }
      last = table;
    }).observe(body, { childList: true });
    last = body.querySelector("table[data-sortable]");
  });
})();
