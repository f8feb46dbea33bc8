// A tariff's document (what is stored, and what the server checks) and the model that the editor paints on.
// `opened(written(model))` is the same model: whatever the editor does not know, it keeps.
"use strict";

const Tariff = {};

Tariff.DAY_MIN = 1440;
Tariff.ROLES = ["sharp", "peak", "flat", "valley", "deep_valley"];
Tariff.WEEKDAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
// Warm where energy is dear, cold where it is cheap, light in between; also told apart without colours.
Tariff.HUES = { sharp: [50, .19, 20], peak: [69, .17, 48], flat: [87, .11, 95], valley: [68, .12, 235], deep_valley: [43, .14, 275] };

Tariff.clock = (minute) => `${String(Math.floor(minute / 60)).padStart(2, "0")}:${String(minute % 60).padStart(2, "0")}`;
Tariff.decimal = (text) => String(text ?? "").trim().replace(",", ".");

// The colour of a period: by its role, and the second of a role a little further on.
Tariff.colour = (periods, index) => {
  const role = periods[index]?.role ?? "flat";
  const [light, chroma, hue] = Tariff.HUES[role] ?? Tariff.HUES.flat;
  const nth = periods.slice(0, index).filter((other) => other.role === role).length;
  return `oklch(${light - 9 * (nth % 4)}% ${chroma} ${hue + 26 * nth})`;
};

const twoDigits = (number) => String(number).padStart(2, "0");

const openedDays = (season, tableNo) =>
  Tariff.WEEKDAYS.map((day, index) => tableNo(season[day] ?? season["every day"] ?? season[index < 5 ? "weekdays" : "weekends"]));

const writtenDays = (days, name) => {
  const names = days.map(name);
  const [first, , , , , saturday, sunday] = names;
  if (names.every((each) => each === first)) return { "every day": first };
  if (names.slice(0, 5).every((each) => each === first)) return { weekdays: first, saturday, sunday };
  return Object.fromEntries(Tariff.WEEKDAYS.map((day, index) => [day, names[index]]));
};

const openedSlot = (text, periods) => {
  const [, hour, minute, name] = /^(\d\d):(\d\d) (.*)$/.exec(text);
  return { start: 60 * Number(hour) + Number(minute), period: periods.findIndex((period) => period.name === name) };
};

// A calendar of periods: what `energy` and `demand` have in common. The shortest document leaves one out.
const openedCalendar = (component) => {
  const periods = component.periods.map((period) => ({ role: "flat", ...period, prices: [...period.prices] }));
  const dayTables = component.day_tables ?? { "all day": [`00:00 ${periods[0].name}`] };
  const tables = Object.entries(dayTables).map(([name, slots]) => ({ name, slots: slots.map((slot) => openedSlot(slot, periods)) }));
  const tableNo = (name) => Math.max(0, tables.findIndex((table) => table.name === name));
  const seasons = (component.seasons ?? [{ name: "all year", "every day": tables[0].name }]).map((season) => {
    const [month, day] = (season.from ?? "01-01").split("-").map(Number);
    const holidays = Object.entries(season.holidays ?? {}).map(([list, table]) => ({ list, table: tableNo(table) }));
    return { name: season.name, month, day, days: openedDays(season, tableNo), holidays };
  });
  const lists = Object.entries(component.holidays ?? {}).map(([name, dates]) => ({ name, dates: [...dates] }));
  return { ...component, periods, tables, seasons, lists };
};

const writtenCalendar = ({ tables, seasons, lists, ...component }) => {
  const name = (index) => tables[index]?.name ?? "";
  const slots = (table) => table.slots.map((slot) => `${Tariff.clock(slot.start)} ${component.periods[slot.period]?.name ?? ""}`);
  const written = {
    ...component,
    periods: component.periods.map((period) => ({ ...period, prices: period.prices.map(Tariff.decimal) })),
    day_tables: Object.fromEntries(tables.map((table) => [table.name, slots(table)])),
    seasons: seasons.map((season) => ({
      name: season.name,
      from: `${twoDigits(season.month)}-${twoDigits(season.day)}`,
      ...writtenDays(season.days, name),
      ...(season.holidays.length && { holidays: Object.fromEntries(season.holidays.map((each) => [each.list, name(each.table)])) }),
    })),
    holidays: Object.fromEntries(lists.map((list) => [list.name, list.dates])),
  };
  if (!lists.length) delete written.holidays;
  return written;
};

// What the shortest document leaves out, and what it then is.
const STEPS = { bounds_kwh: [], window: "month", kind: "graduated", scope: "total", allocation: "chronological", scale: "none", on_change: "continue", prorate_moves: false, year_start: "01-01" };
const LEFT_OUT = { percent: { base: [], included: false }, minimum: { base: [] }, allowance: { window: "month", counts_in_steps: false }, recovery: { least: "0" }, demand: { interval_minutes: 60 } };

const openedComponent = (component) => {
  const whole = { ...LEFT_OUT[component.kind], ...component };
  if (component.kind === "energy") whole.steps = { ...STEPS, ...component.steps };
  return "periods" in component ? openedCalendar(whole) : whole;
};

Tariff.opened = (document) => ({
  ...document,
  cycle_day: document.cycle_day ?? 1,
  rounding: { place: "running", mode: "half_up", ...document.rounding },
  components: document.components.map(openedComponent),
});

// Whoever writes a decimal comma means a point.
const writtenNumbers = (component) => {
  for (const field of ["price", "amount", "percent", "energy_kwh", "least"]) if (field in component) component[field] = Tariff.decimal(component[field]);
  if (component.steps) component.steps = { ...component.steps, bounds_kwh: component.steps.bounds_kwh.map(Tariff.decimal) };
  return component;
};

Tariff.written = (model) => ({
  ...model,
  cycle_day: Number(model.cycle_day),
  components: model.components.map((component) => writtenNumbers("tables" in component ? writtenCalendar(component) : { ...component })),
});

// Paint a stretch of a day: what was there before and after stays, neighbours of one period become one slot.
Tariff.painted = (slots, from, until, period) => {
  const at = (minute) => slots.findLast((slot) => slot.start <= minute)?.period ?? period;
  const edges = [...new Set([0, ...slots.map((slot) => slot.start), from, until])].filter((minute) => minute < Tariff.DAY_MIN).sort((a, b) => a - b);
  const all = edges.map((start) => ({ start, period: start >= from && start < until ? period : at(start) }));
  return all.filter((slot, index) => index === 0 || slot.period !== all[index - 1].period);
};

// Which season and which kind of day a date is; null where the calendar has no season.
Tariff.dayOf = (calendar, date) => {
  const order = (season) => 100 * season.month + season.day;
  const sorted = calendar.seasons.map((season, index) => ({ season, index })).sort((a, b) => order(a.season) - order(b.season));
  const today = 100 * (date.getUTCMonth() + 1) + date.getUTCDate();
  const found = sorted.findLast(({ season }) => order(season) <= today) ?? sorted.at(-1);
  if (!found) return null;
  const iso = date.toISOString().slice(0, 10);
  const holiday = found.season.holidays.find((each) => calendar.lists.find((list) => list.name === each.list)?.dates.includes(iso));
  return { season: found.index, table: holiday?.table ?? found.season.days[(date.getUTCDay() + 6) % 7], holiday: holiday?.list };
};
