// What the console's screens need beyond htmx: dialogs, keys at the till, one sale per form, a word when the line is lost.
"use strict";

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (event.target.closest("[data-close]")) event.target.closest("dialog").close();
  if (event.target.closest("[data-print]")) window.print();
  const filler = event.target.closest("[data-fills]");
  if (filler) {
    const field = document.getElementById(filler.dataset.fills);
    field.value = filler.value;
    field.focus();
    field.dispatchEvent(new Event("filled"));
  }
});

// Notes and coins add up to what was counted, in cents: halves are exact in them.
document.addEventListener("input", (event) => {
  if (!event.target.matches("[data-worth]")) return;
  const form = event.target.form;
  const cents = [...form.querySelectorAll("[data-worth]")].reduce((sum, field) => sum + Math.round(100 * field.dataset.worth) * (parseInt(field.value, 10) || 0), 0);
  form.querySelector("[data-sum]").value = cents ? `${Math.floor(cents / 100)}.${String(cents % 100).padStart(2, "0")}` : "";
});

// One box for all boxes of a name.
document.addEventListener("change", (event) => {
  const name = event.target.dataset.all;
  if (name) event.target.form.querySelectorAll(`input[name="${name}"]`).forEach((box) => { box.checked = event.target.checked; });
});

// The frame's own script writes a chosen file's name into a text field beside it, and breaks where there is none.
document.addEventListener("change", (event) => {
  if (event.target.matches("input[type=file]")) event.stopImmediatePropagation();
}, true);

// A second click while the first is under way; the server would sell once anyway.
document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once], [data-dialog] form")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  form.querySelectorAll("button:not([type=button])").forEach((button) => button.setAttribute("aria-busy", "true"));
});
window.addEventListener("pageshow", () => {
  document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent);
});

// Arrow keys walk from the search field through the choices and back.
document.addEventListener("keydown", (event) => {
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  const field = document.querySelector("[data-arrows]");
  if (!step || !field) return;
  const stops = [field, ...document.querySelectorAll(field.dataset.arrows)];
  const at = stops.indexOf(document.activeElement);
  const next = stops[at + step];
  if (at < 0 || !next) return;
  event.preventDefault();
  next.focus();
});

// Fragments that refresh themselves pause where nobody looks, and say when the line is lost.
document.addEventListener("htmx:beforeRequest", (event) => {
  if (document.hidden && event.target.matches("[data-live]")) event.preventDefault();
});
const lost = (is) => document.querySelectorAll("[data-lost]").forEach((note) => { note.hidden = !is; });
document.addEventListener("htmx:sendError", () => lost(true));
document.addEventListener("htmx:responseError", (event) => {
  if (event.detail.xhr.status === 403 || event.detail.xhr.status === 401) window.location.reload();
  lost(true);
});
document.addEventListener("htmx:afterOnLoad", () => lost(false));
// The frame is hidden until Alpine is ready, and what is hidden takes no focus: the browser's own attempt came too early.
document.addEventListener("alpine:initialized", () => requestAnimationFrame(() => document.querySelector("[autofocus]")?.focus()));
