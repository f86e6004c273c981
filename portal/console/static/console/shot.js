// Says at each field of a shot, while it is typed, what the server would refuse. The server decides.
(() => {
  const form = document.querySelector("[data-shot]");
  if (!form) return;
  const words = form.querySelector("[data-say-number]").dataset;
  const inputs = [...form.querySelectorAll("input[data-low], input[data-allowed]")];
  const fill = (text, values) => text.replace(/\{(\w+)\}/g, (_all, name) => values[name]);

  function problem(input) {
    const text = input.value.trim();
    if (!text) return input.required ? words.sayEmpty : "";
    const number = Number(text);
    if (!Number.isFinite(number)) return words.sayNumber;
    if (input.dataset.allowed !== undefined) {
      const allowed = input.dataset.allowed.split(" ");
      return allowed.some((one) => Number(one) === number) ? "" : fill(words.sayAllowed, { allowed: allowed.join(", ") });
    }
    const { low, high } = input.dataset;
    return number < Number(low) || number > Number(high) ? fill(words.sayRange, { low, high }) : "";
  }

  function show(input) {
    const said = problem(input);
    const slot = input.closest(".mw-slot");
    const place = slot.querySelector("[data-problem]");
    place.textContent = said;
    place.hidden = !said;
    slot.toggleAttribute("data-wrong", Boolean(said));
    if (said) input.setAttribute("aria-invalid", "true");
    else input.removeAttribute("aria-invalid");
  }

  function count() {
    const n = inputs.filter(problem).length;
    form.querySelector("[data-count]").textContent = n ? fill(words.sayCount, { n }) : "";
  }

  form.addEventListener("input", (event) => {
    if (!inputs.includes(event.target)) return;
    show(event.target);
    count();
  });
  form.addEventListener("submit", (event) => {
    const wrong = inputs.filter(problem);
    wrong.forEach(show);
    count();
    if (!wrong.length) return;
    event.preventDefault();
    wrong[0].focus();
  });
})();
