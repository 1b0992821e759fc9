// Beside the form, which is whole without this: a file may be dropped on it, and the way of a large one is shown.
"use strict";
for (const form of document.querySelectorAll("form[data-upload]")) enhance(form);

function enhance(form) {
  const zone = form.querySelector("[data-drop]");
  const field = form.querySelector("input[type=file]");
  const hint = form.querySelector("[data-drop-hint]");
  const way = form.querySelector("[data-progress]");
  const said = way.querySelector("[role=status]");
  const words = hint.textContent;
  hint.hidden = false;
  field.addEventListener("change", () => {
    hint.textContent = field.files.length ? form.dataset.chosen + [...field.files].map((file) => file.name).join(", ") : words;
  });
  for (const name of ["dragenter", "dragover"]) {
    zone.addEventListener(name, (event) => { event.preventDefault(); zone.classList.add("over"); });
  }
  for (const name of ["dragleave", "drop"]) {
    zone.addEventListener(name, () => zone.classList.remove("over"));
  }
  zone.addEventListener("drop", (event) => {
    event.preventDefault();
    if (!event.dataTransfer.files.length) return;
    // Of several files a field that takes one keeps the first.
    const dropped = new DataTransfer();
    for (const file of field.multiple ? event.dataTransfer.files : [event.dataTransfer.files[0]]) dropped.items.add(file);
    field.files = dropped.files;
    field.dispatchEvent(new Event("change"));
    field.focus();
  });
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    // Of several buttons the one that was pressed says what is done.
    const button = event.submitter || form.querySelector("button[type=submit]");
    const sent = new FormData(form);
    if (button.name) sent.append(button.name, button.value);
    const sending = new XMLHttpRequest();
    button.disabled = true;
    way.hidden = false;
    said.textContent = form.dataset.sending;
    sending.upload.addEventListener("progress", (step) => {
      if (step.lengthComputable) way.querySelector("progress").value = Math.round((100 * step.loaded) / step.total);
    });
    sending.addEventListener("load", () => {
      if (sending.responseURL !== form.action) { location.assign(sending.responseURL); return; }
      const page = new DOMParser().parseFromString(sending.responseText, "text/html");
      document.title = page.title;
      document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
      for (const next of document.querySelectorAll("form[data-upload]")) enhance(next);
      document.querySelector("main").focus();
    });
    sending.addEventListener("error", () => {
      button.disabled = false;
      said.textContent = form.dataset.failed;
    });
    sending.open("POST", form.action);
    sending.send(sent);
  });
}
