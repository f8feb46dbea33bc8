// Tariffs to look at: each place gets the staircase and the year of the document that it names.
"use strict";

const shown = (id) => JSON.parse(document.getElementById(id).textContent);
const YEAR = new Date().getFullYear();
const HOURS = [0, 6, 12, 18, 24];

const marks = (names) => names.map((name) => `<b>${name}</b>`).join("");
const months = () => {
  const written = new Intl.DateTimeFormat(document.documentElement.lang, { month: "narrow", timeZone: "UTC" });
  return Array.from({ length: 12 }, (_, month) => written.format(Date.UTC(YEAR, month, 1)));
};

const looks = (place, words) => {
  const energy = Tariff.opened(shown(place.dataset.look)).components.find((component) => component.kind === "energy");
  const box = document.createElement("div");
  place.append(box);
  const draw = () => {
    const stairs = { periods: energy.periods, bounds: energy.steps.bounds_kwh, marked: null, width: Math.max(240, place.clientWidth), height: 180, words };
    box.innerHTML = Tariff.staircase(stairs);
  };
  new ResizeObserver(draw).observe(place);
  if (energy.periods.length === 1) return;
  const year = document.createElement("div");
  year.className = "t-year";
  year.innerHTML = `<canvas class="t-cloth" role="img"></canvas><div class="t-clock" aria-hidden="true">${marks(HOURS)}</div><div class="t-months" aria-hidden="true">${marks(months())}</div>`;
  place.append(year);
  const cloth = year.querySelector("canvas");
  cloth.setAttribute("aria-label", words.year_cloth);
  Tariff.weave(cloth, energy, YEAR, null);
};

document.addEventListener("DOMContentLoaded", () => {
  const words = shown("tariff-words");
  document.querySelectorAll("[data-look]").forEach((place) => looks(place, words));
});

// When a replay has gone through all accounts, who would pay most more comes first.
document.addEventListener("htmx:afterSettle", () => {
  const sums = document.querySelector("[data-sort]"), body = document.querySelector("[data-rows]");
  if (!sums || !body) return;
  sums.removeAttribute("data-sort");
  body.querySelectorAll("[data-sums]").forEach((row) => row.remove());
  body.append(...[...body.children].sort((a, b) => Number(b.dataset.change) - Number(a.dataset.change)));
});
