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
})();
