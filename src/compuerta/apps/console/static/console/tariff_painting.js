// Pictures of a tariff: the year as woven cloth, and the steps as a staircase. They read the model, and change nothing.
"use strict";

const ROWS = 96; // quarter hours
const escaped = (text) => String(text).replace(/[&<>"']/g, (sign) => `&#${sign.charCodeAt(0)};`);

Tariff.datesOf = (year) => {
  const first = Date.UTC(year, 0, 1);
  const days = (Date.UTC(year + 1, 0, 1) - first) / 86_400_000;
  return Array.from({ length: days }, (_, index) => new Date(first + index * 86_400_000));
};

// One column a day, one row a quarter of an hour; days that do not use the table looked at step back.
Tariff.weave = (canvas, calendar, year, looked) => {
  const dates = Tariff.datesOf(year);
  canvas.width = dates.length;
  canvas.height = ROWS;
  const pen = canvas.getContext("2d");
  const colours = calendar.periods.map((_, index) => Tariff.colour(calendar.periods, index));
  dates.forEach((date, column) => {
    const day = Tariff.dayOf(calendar, date);
    const slots = calendar.tables[day?.table]?.slots ?? [];
    pen.globalAlpha = looked === null || looked === day?.table ? 1 : .25;
    slots.forEach((slot, index) => {
      const until = slots[index + 1]?.start ?? Tariff.DAY_MIN;
      pen.fillStyle = colours[slot.period] ?? "transparent";
      pen.fillRect(column, slot.start * ROWS / Tariff.DAY_MIN, 1, (until - slot.start) * ROWS / Tariff.DAY_MIN);
    });
  });
};

// Energy across, price up, one line per period. `marked` is an energy in kWh to point at, or null.
Tariff.staircase = ({ periods, bounds, marked, width, height, words }) => {
  const prices = periods.map((period) => period.prices.map((price) => Number(Tariff.decimal(price))));
  const edges = periods.map((period) => (period.bounds_kwh ?? bounds).map((bound) => Number(Tariff.decimal(bound))));
  const numbers = [...prices.flat(), ...edges.flat()];
  if (!numbers.length || numbers.some((number) => !Number.isFinite(number))) return "";
  const left = 8, right = 96, top = 14, bottom = 26;
  const kwhMax = Math.max(1, ...edges.flat(), marked ?? 0) * 1.3;
  const priceMax = Math.max(1e-9, ...prices.flat()) * 1.12;
  const x = (kwh) => left + (width - left - right) * kwh / kwhMax;
  const y = (price) => height - bottom - (height - top - bottom) * Math.max(0, price) / priceMax;
  const foot = height - bottom;
  const marks = [...new Set(edges.flat())].sort((a, b) => a - b).map((kwh) =>
    `<line class="t-grid" x1="${x(kwh)}" y1="${top}" x2="${x(kwh)}" y2="${foot}"/><text x="${x(kwh)}" y="${height - 8}" text-anchor="middle">${kwh}</text>`);
  const drawn = periods.map((_, index) => {
    const colour = Tariff.colour(periods, index);
    const path = prices[index].map((price, step) => {
      const from = x(edges[index][step - 1] ?? 0), until = x(edges[index][step] ?? kwhMax);
      return `${step ? "L" : "M"}${from} ${y(price)}L${until} ${y(price)}`;
    }).join("");
    return `<path class="t-under" fill="${colour}" d="${path}L${x(kwhMax)} ${foot}L${left} ${foot}Z"/><path class="t-stair" stroke="${colour}" d="${path}"/>`;
  });
  // A price stands on its stair where there is room for it.
  const written = periods.flatMap((period, index) => prices[index].map((price, step) => {
    const from = x(edges[index][step - 1] ?? 0), until = x(edges[index][step] ?? kwhMax);
    const crowded = prices.some((other, nth) => nth !== index && other[step] >= price && y(price) - y(other[step]) < 15);
    return until - from < 56 || crowded ? "" : `<text class="t-price-text" x="${(from + until) / 2}" y="${y(price) - 5}" text-anchor="middle">${escaped(period.prices[step])}</text>`;
  }));
  const told = labelled(periods.map((period, index) => ({ name: period.name, y: y(prices[index].at(-1) ?? 0), price: period.prices.at(-1), colour: Tariff.colour(periods, index) })), top + 6, foot);
  const names = told.map((each) => `<circle r="4" cx="${width - right + 8}" cy="${each.y - 4}" fill="${each.colour}"/><text class="t-name" x="${width - right + 17}" y="${each.y}">${escaped(each.name.slice(0, 12))}</text>`);
  const pointer = marked ? `<line class="t-marked" x1="${x(marked)}" y1="${top}" x2="${x(marked)}" y2="${foot}"/>` : "";
  return `<svg viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="${escaped(words.steps)}">` +
    `${marks.join("")}<line class="t-axis" x1="${left}" y1="${foot}" x2="${x(kwhMax)}" y2="${foot}"/>${drawn.join("")}${written.join("")}${pointer}${names.join("")}` +
    `<text x="${width - right + 8}" y="${height - 8}">kWh</text></svg>`;
};

// Names that would lie on each other move apart, from the top one down.
const labelled = (labels, top, foot) => {
  const sorted = [...labels].sort((a, b) => a.y - b.y);
  sorted.forEach((label, index) => { label.y = Math.max(label.y + 4, index ? sorted[index - 1].y + 15 : top); });
  const over = (sorted.at(-1)?.y ?? 0) - foot;
  if (over > 0) sorted.forEach((label) => { label.y -= over; });
  return sorted;
};
