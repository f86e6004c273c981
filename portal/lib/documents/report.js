(() => {
  "use strict";
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  const options = { responsive: true, displaylogo: false };
  const themed = (layout) => {
    const style = getComputedStyle(document.documentElement);
    const [ink, line] = ["--ink", "--line"].map((name) => style.getPropertyValue(name).trim());
    const axis = (own) => ({ ...own, gridcolor: line, zerolinecolor: line, linecolor: line });
    return {
      ...layout,
      paper_bgcolor: "rgba(0,0,0,0)",
      plot_bgcolor: "rgba(0,0,0,0)",
      font: { color: ink, family: getComputedStyle(document.body).fontFamily },
      xaxis: axis(layout.xaxis),
      yaxis: axis(layout.yaxis),
    };
  };
  const draw = (figure) => {
    const source = figure.querySelector('script[type="application/json"]');
    if (!source) return;
    const spec = JSON.parse(source.textContent);
    const live = figure.querySelector(".live");
    const still = figure.querySelector(".still");
    live.hidden = false;
    live.setAttribute("role", "img");
    live.setAttribute("aria-label", still.getAttribute("aria-label"));
    Plotly.react(live, spec.data, themed(spec.layout), options);
    still.style.display = "none";
  };
  const all = () => document.querySelectorAll("figure").forEach(draw);
  all();
  dark.addEventListener("change", all);

  // A heading pressed sorts the rows below it; what is no number stands last.
  const numberOf = (text) => Number.parseFloat(text.replace(/,/g, ""));
  const sort = (table, place, isDown, isNumber) => {
    const keyed = Array.from(table.tBodies[0].rows, (row) => {
      const text = row.cells[place].textContent.trim();
      return { row, key: isNumber ? numberOf(text) : text };
    });
    keyed.sort((one, other) => {
      if (isNumber && (Number.isNaN(one.key) || Number.isNaN(other.key))) {
        return Number.isNaN(one.key) - Number.isNaN(other.key);
      }
      const order = isNumber
        ? one.key - other.key
        : one.key.localeCompare(other.key, undefined, { numeric: true });
      return isDown ? -order : order;
    });
    table.tBodies[0].append(...keyed.map((one) => one.row));
  };
  document.querySelectorAll("main table").forEach((table) => {
    if (table.tBodies[0].rows.length < 2) return;
    const heads = Array.from(table.tHead.rows[0].cells);
    heads.forEach((head, place) => {
      const button = document.createElement("button");
      button.type = "button";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const isDown = head.getAttribute("aria-sort") === "ascending";
        heads.forEach((one) => one.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", isDown ? "descending" : "ascending");
        sort(table, place, isDown, head.classList.contains("right"));
      });
    });
  });
})();
