// Shows how far an upload is. Without it the browser sends the plain form.
(() => {
  "use strict";

  const form = document.querySelector("[data-upload]");
  if (!form) return;
  const bar = form.querySelector("[role=progressbar]");
  const sending = form.querySelector("[data-sending]");
  const lost = form.querySelector("[data-lost]");
  const button = form.querySelector("button.mw-button-primary");

  function shown(isOn) {
    sending.hidden = !isOn;
    button.disabled = isOn;
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const call = new XMLHttpRequest();
    call.open("POST", form.action || location.href);
    call.upload.onprogress = (step) => {
      if (!step.lengthComputable) return;
      const percent = Math.floor((100 * step.loaded) / step.total);
      bar.setAttribute("aria-valuenow", String(percent));
      bar.firstElementChild.style.width = `${percent}%`;
    };
    call.onload = () => {
      // A redirect was followed: the page it led to, else this page with what is wrong.
      if (call.responseURL && call.responseURL !== location.href) { location.assign(call.responseURL); return; }
      document.open();
      document.write(call.responseText);
      document.close();
    };
    call.onerror = () => { shown(false); lost.hidden = false; };
    lost.hidden = true;
    shown(true);
    call.send(new FormData(form));
  });
})();
