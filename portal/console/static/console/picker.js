// Names both lists of a picker for whoever hears the page, and calls its marks pictures: Django's script
// makes lists without a label and labels on plain text. It works when the page is loaded, so this comes after.
(() => {
  "use strict";

  function name() {
    document.querySelectorAll(".selector .help-tooltip[aria-label]").forEach((mark) => mark.setAttribute("role", "img"));
    for (const part of document.querySelectorAll(".selector-available, .selector-chosen")) {
      const title = part.querySelector("label, h2, [class*='title']");
      if (!title) continue;
      part.querySelectorAll("select").forEach((list) => list.setAttribute("aria-label", title.textContent.trim()));
    }
  }

  window.addEventListener("load", () => setTimeout(name, 0));
})();
