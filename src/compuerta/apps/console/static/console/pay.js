// Follows one order until there is power. Asks every two seconds, which keeps the provider asked too.
"use strict";

const ASK_EVERY_MS = 2000;
const FOLLOW_FOR_MS = 30 * 60 * 1000;
const ENDS = ["power", "kept"];
const STEPS = ["paid", "credited", "power"];
const began = Date.now();

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("[data-once]")) return;
  if (form.dataset.sent) event.preventDefault();
  form.dataset.sent = "1";
  form.querySelectorAll("button").forEach((button) => button.setAttribute("aria-busy", "true"));
});
window.addEventListener("pageshow", () => document.querySelectorAll("form[data-sent]").forEach((form) => delete form.dataset.sent));

// A typed amount is meant, not the button that is still chosen, and the other way round.
document.querySelectorAll("input[name=amount][type=radio]").forEach((choice) =>
  choice.addEventListener("change", () => { document.querySelector("input[name=other]").value = ""; }));

// What an amount comes to is said before it is ordered; only the ways that ask for a phone show its field.
const quoted = document.querySelector("[data-quote]");
if (quoted) {
  const form = quoted.closest("form");
  let waiting = null;
  let asked = 0;
  const quote = async () => {
    const mine = ++asked;
    const wanted = new URLSearchParams({ amount: form.amount?.value ?? "", other: form.other.value });
    try {
      const answer = await fetch(`${quoted.dataset.quote}?${wanted}`, { signal: AbortSignal.timeout(8000) });
      const told = answer.ok ? await answer.text() : "";
      if (mine === asked) quoted.innerHTML = told;
    } catch {
      if (mine === asked) quoted.innerHTML = "";
    }
  };
  const soon = () => { clearTimeout(waiting); waiting = setTimeout(quote, 250); };
  const fit = () => {
    const chosen = form.querySelector("[name=provider]:checked, [name=provider][type=hidden]");
    form.querySelectorAll("[data-for]").forEach((part) => {
      part.hidden = part.dataset.for !== chosen?.dataset.flow;
      part.querySelector("input").required = !part.hidden;
    });
  };
  form.addEventListener("input", soon);
  form.addEventListener("change", () => { soon(); fit(); });
  quote();
  fit();
}

// Inside WeChat the page hands the order over to the wallet; whether it was paid, the provider tells us.
const wallet = document.querySelector("[data-wallet]");
if (wallet) {
  const open = () => window.WeixinJSBridge?.invoke("getBrandWCPayRequest", JSON.parse(wallet.dataset.wallet), () => {});
  wallet.addEventListener("click", open);
  if (window.WeixinJSBridge) open();
  else document.addEventListener("WeixinJSBridgeReady", open);
}

const follow = document.querySelector("[data-follow]");
if (follow) {
  let expiresAt = Date.now() + 1000 * Number(follow.dataset.expiresInS);
  let paidAt = follow.dataset.waitedMs ? Date.now() - Number(follow.dataset.waitedMs) : null;
  const lost = follow.querySelector("[data-lost]");

  const mark = (state) => {
    const at = STEPS.indexOf(state);
    follow.querySelectorAll("[data-step]").forEach((step) => step.classList.toggle("done", STEPS.indexOf(step.dataset.step) <= at));
  };
  const tick = () => {
    const left = Math.max(0, Math.round((expiresAt - Date.now()) / 1000));
    follow.querySelector("[data-countdown]").textContent = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}`;
    if (paidAt !== null && ["paid", "credited"].includes(follow.dataset.state)) {
      follow.querySelector("[data-clock]").textContent = `${((Date.now() - paidAt) / 1000).toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} s`;
    }
  };
  const show = (told) => {
    // What the server says in words (the QR, who to ask, the button, the receipt) is read anew with the page.
    if (told.state !== follow.dataset.state && ["waiting", "credited", "power"].includes(told.state)) return window.location.reload();
    if (told.state === "ordered" && Date.now() - began > 4000) return window.location.reload();
    follow.dataset.state = told.state;
    expiresAt = Date.now() + 1000 * told.expires_in_s;
    if (told.waited_ms !== null) {
      paidAt = Date.now() - told.waited_ms;
      follow.querySelector("[data-clock]").textContent = `${(told.waited_ms / 1000).toLocaleString(document.documentElement.lang, { minimumFractionDigits: 1, maximumFractionDigits: 1 })} s`;
    }
    mark(told.state);
  };
  const ask = async () => {
    if (ENDS.includes(follow.dataset.state) || Date.now() - began > FOLLOW_FOR_MS) return;
    try {
      const answer = await fetch(follow.dataset.follow, { headers: { Accept: "application/json" }, signal: AbortSignal.timeout(8000) });
      if (!answer.ok) throw new Error(answer.status);
      lost.hidden = true;
      show(await answer.json());
    } catch {
      lost.hidden = false;
    }
    setTimeout(ask, ASK_EVERY_MS);
  };
  mark(follow.dataset.state);
  tick();
  setInterval(tick, 250);
  setTimeout(ask, ASK_EVERY_MS);
}
