// The editor of a tariff's draft: what is painted, typed and undone changes the model; the server says what is wrong
// with it and what it costs, and alone decides what is saved.
"use strict";

const CHECK_AFTER_MS = 350; // long enough to finish a word, short enough to feel at once
const UNDO_MAX = 60;
const YEAR_MIN = 2000, YEAR_MAX = 2100;
const json = (id) => JSON.parse(document.getElementById(id).textContent);
const language = () => document.documentElement.lang;
const told = (date, how) => new Intl.DateTimeFormat(language(), { timeZone: "UTC", ...how }).format(date);
const dayOfYear = (season) => (Date.UTC(2023, season.month - 1, season.day) - Date.UTC(2023, 0, 1)) / 86_400_000;

// Called inside a loop of the page, `this` has the loop's names too: no property may be named like one of them.

// Painting: a stroke begins at one cell of a day and covers all up to where the pointer is now.
const painting = {
  brush: 0, grid: 30, chosen: 0, looked: null, cursor: null, stroke: null,

  segments(table, from, until) {
    const slots = table.slots, length = until - from;
    return slots.map((slot, index) => {
      const start = Math.max(slot.start, from), end = Math.min(slots[index + 1]?.start ?? Tariff.DAY_MIN, until);
      return { key: `${from} ${slot.start}`, period: slot.period, left: 100 * (start - from) / length, width: 100 * (end - start) / length, carried: slot.start < from };
    }).filter((segment) => segment.width > 0);
  },
  minuteAt(strip, event) {
    const away = (box) => Math.max(box.left - event.clientX, event.clientX - box.right, 0) + 4 * Math.max(box.top - event.clientY, event.clientY - box.bottom, 0);
    const halves = [...strip.querySelectorAll(".t-half")].map((half) => ({ box: half.getBoundingClientRect(), from: Number(half.dataset.from) }));
    const { box, from } = halves.sort((a, b) => away(a.box) - away(b.box))[0];
    const share = Math.min(.9999, Math.max(0, (event.clientX - box.left) / box.width));
    return this.snapped(from + share * Tariff.DAY_MIN / 2);
  },
  snapped(minute) { return Math.floor(minute / this.grid) * this.grid; },
  touch(index, event) {
    if (event.button) return;
    const strip = event.currentTarget;
    strip.setPointerCapture(event.pointerId);
    this.chosen = index;
    this.stroke = { index, start: this.minuteAt(strip, event), before: this.energy.tables[index].slots };
    this.draw(event);
  },
  draw(event) {
    if (!this.stroke) return;
    this.cover(this.stroke, this.minuteAt(event.currentTarget, event));
  },
  cover(stroke, minute) {
    const from = Math.min(stroke.start, minute), until = Math.max(stroke.start, minute) + this.grid;
    this.energy.tables[stroke.index].slots = Tariff.painted(stroke.before, from, until, this.brush);
    this.cursor = { index: stroke.index, minute, from, until };
  },
  lift() { this.stroke = null; },
  // A finger that scrolls the page did not want to paint.
  cancel() {
    if (this.stroke) this.energy.tables[this.stroke.index].slots = this.stroke.before;
    this.lift();
  },
  press(index, event) {
    const steps = { ArrowRight: this.grid, ArrowLeft: -this.grid, Home: -Tariff.DAY_MIN, End: Tariff.DAY_MIN };
    const minute = this.cursor?.index === index ? this.cursor.minute : 0;
    if (/^[1-9]$/.test(event.key) && this.energy.periods[event.key - 1]) this.brush = event.key - 1;
    else if (event.key === " " || event.key === "Enter") this.cover({ index, start: minute, before: this.energy.tables[index].slots }, minute);
    else if (event.key in steps) {
      const next = this.snapped(Math.min(Tariff.DAY_MIN - 1, Math.max(0, minute + steps[event.key])));
      if (event.shiftKey) {
        this.stroke ??= { index, start: minute, before: this.energy.tables[index].slots };
        this.cover(this.stroke, next);
      } else this.cursor = { index, minute: next, from: next, until: next + this.grid };
    } else return;
    event.preventDefault();
    this.chosen = index;
  },
  // What the strip says under the pointer: the stretch, and what it is now.
  readout(index) {
    if (this.cursor?.index !== index) return "";
    const slot = this.energy.tables[index].slots.findLast((each) => each.start <= this.cursor.minute);
    return `${Tariff.clock(this.cursor.from)} – ${Tariff.clock(this.cursor.until)} · ${this.energy.periods[slot?.period]?.name ?? "?"}`;
  },
  sortSlots(table) { table.slots = [...table.slots].sort((a, b) => a.start - b.start); },
  addSlot(table) {
    const last = table.slots.at(-1);
    if (last.start + 60 < Tariff.DAY_MIN) table.slots.push({ start: last.start + 60, period: this.brush });
  },
};

// The year: its picture, and where seasons begin.
const yearly = {
  year: new Date().getFullYear(), drag: null, pointed: "",

  turn(by) { this.year = Math.min(YEAR_MAX, Math.max(YEAR_MIN, this.year + by)); },
  monthNames(how = "short") { return Array.from({ length: 12 }, (_, month) => told(new Date(Date.UTC(2023, month, 1)), { month: how })); },
  dayNames(how = "short") { return Array.from({ length: 7 }, (_, day) => told(new Date(Date.UTC(2024, 0, 1 + day)), { weekday: how })); },
  // Monday to Friday are one column, unless they differ or somebody wants to make them differ.
  apart: false,
  daysDiffer() { return this.energy.seasons.some((season) => season.days.slice(1, 5).some((table) => table !== season.days[0])); },
  dayColumns() {
    const names = this.dayNames(), each = names.map((name, day) => ({ name, day, until: day + 1 }));
    return this.apart || this.daysDiffer() ? each : [{ name: `${names[0]} – ${names[4]}`, day: 0, until: 5 }, each[5], each[6]];
  },
  setDays(season, column, table) { season.days = season.days.map((before, day) => (day >= column.day && day < column.until ? table : before)); },
  weave(canvas) { Tariff.weave(canvas, this.energy, this.year, this.looked); },
  pointAt(event) {
    const box = event.currentTarget.getBoundingClientRect();
    const dates = Tariff.datesOf(this.year);
    const date = dates[Math.min(dates.length - 1, Math.max(0, Math.floor(dates.length * (event.clientX - box.left) / box.width)))];
    const minute = 15 * Math.min(95, Math.max(0, Math.floor(96 * (event.clientY - box.top) / box.height)));
    const day = Tariff.dayOf(this.energy, date), table = this.energy.tables[day?.table];
    const slot = table?.slots.findLast((each) => each.start <= minute);
    const parts = [told(date, { weekday: "short", day: "numeric", month: "short" }), Tariff.clock(minute), this.energy.periods[slot?.period]?.name, this.energy.seasons[day?.season]?.name, table?.name, day?.holiday];
    this.pointed = parts.filter(Boolean).join(" · ");
    return day;
  },
  choose(event) {
    const day = this.pointAt(event);
    if (day) this.chosen = day.table;
  },
  sortedSeasons() { return [...this.energy.seasons].sort((a, b) => dayOfYear(a) - dayOfYear(b)); },
  // The parts of the year's strip; the last season comes round into January.
  seasonBars() {
    const sorted = this.sortedSeasons();
    const bars = sorted.map((season, index) => ({ season, from: dayOfYear(season), until: sorted[index + 1] ? dayOfYear(sorted[index + 1]) : 365, starts: true }));
    if (bars.length && bars[0].from > 0) bars.unshift({ season: sorted.at(-1), from: 0, until: bars[0].from, starts: false });
    return bars.map((bar) => ({ ...bar, key: `${bar.starts} ${this.energy.seasons.indexOf(bar.season)}`, left: bar.from / 3.65, width: (bar.until - bar.from) / 3.65, nth: sorted.indexOf(bar.season) % 4 }));
  },
  // A season's first day moves between its neighbours' only.
  shift(season, day) {
    const sorted = this.sortedSeasons(), at = sorted.indexOf(season);
    const low = at > 0 ? dayOfYear(sorted[at - 1]) + 1 : 0, high = at + 1 < sorted.length ? dayOfYear(sorted[at + 1]) - 1 : 364;
    const date = new Date(Date.UTC(2023, 0, 1 + Math.min(high, Math.max(low, Math.round(day)))));
    season.month = date.getUTCMonth() + 1;
    season.day = date.getUTCDate();
  },
  pull(season, event) {
    event.currentTarget.setPointerCapture(event.pointerId);
    this.drag = season;
  },
  pulled(event) {
    if (!this.drag) return;
    const box = event.currentTarget.closest(".t-seasons").getBoundingClientRect();
    this.shift(this.drag, 365 * (event.clientX - box.left) / box.width);
  },
  nudge(season, event) {
    const by = { ArrowRight: 1, ArrowLeft: -1, PageUp: 30, PageDown: -30 }[event.key];
    if (!by) return;
    event.preventDefault();
    this.shift(season, dayOfYear(season) + by);
  },
  seasonDate(season) { return told(new Date(Date.UTC(2023, season.month - 1, season.day)), { day: "numeric", month: "short" }); },
  addSeason() {
    const [widest] = this.seasonBars().sort((a, b) => b.width - a.width);
    const season = { ...JSON.parse(JSON.stringify(widest.season)), name: this.fresh(this.words.season, this.energy.seasons), month: 1, day: 1 };
    const date = new Date(Date.UTC(2023, 0, 1 + Math.round((widest.from + widest.until) / 2)));
    this.energy.seasons.push({ ...season, month: date.getUTCMonth() + 1, day: date.getUTCDate() });
    this.energy.seasons = this.sortedSeasons();
  },
  addList() {
    const list = { name: this.fresh(this.words.holidays, this.energy.lists), dates: [] };
    this.energy.lists.push(list);
    this.energy.seasons.forEach((season) => season.holidays.push({ list: list.name, table: season.days[6] }));
  },
  renameList(list, name) {
    this.energy.seasons.forEach((season) => season.holidays.forEach((each) => { if (each.list === list.name) each.list = name; }));
    list.name = name;
  },
  removeList(list) {
    this.energy.lists = this.energy.lists.filter((each) => each !== list);
    this.energy.seasons.forEach((season) => { season.holidays = season.holidays.filter((each) => each.list !== list.name); });
  },
  holidayTable(season, list) { return season.holidays.find((each) => each.list === list.name)?.table ?? ""; },
  setHolidayTable(season, list, value) {
    season.holidays = season.holidays.filter((each) => each.list !== list.name);
    if (value !== "") season.holidays.push({ list: list.name, table: Number(value) });
  },
  setDates(list, text) { list.dates = [...new Set(text.split(/[\s,;]+/).filter(Boolean))].sort(); },
};

// Periods, steps, kinds of day, and the other lines of the bill.
const parts = {
  fresh(name, others) {
    const taken = new Set(others.map((other) => other.name));
    for (let number = 1; number <= taken.size; number += 1) {
      const tried = number === 1 ? name : `${name} ${number}`;
      if (!taken.has(tried)) return tried;
    }
    return taken.has(name) ? `${name} ${taken.size + 1}` : name;
  },
  addPeriod() {
    const used = new Set(this.energy.periods.map((period) => period.role));
    const role = ["flat", "valley", "peak", "sharp", "deep_valley"].find((each) => !used.has(each)) ?? "flat";
    const last = this.energy.periods.at(-1);
    this.energy.periods.push({ ...JSON.parse(JSON.stringify(last)), name: this.fresh(this.words[role], this.energy.periods), role });
    this.brush = this.energy.periods.length - 1;
  },
  // What was painted with it is painted with its neighbour.
  removePeriod(index) {
    const kept = Math.max(0, index - 1);
    this.energy.tables.forEach((table) => {
      const slots = table.slots.map((slot) => ({ ...slot, period: slot.period === index ? kept : slot.period - (slot.period > index) }));
      table.slots = slots.filter((slot, at) => at === 0 || slot.period !== slots[at - 1].period);
    });
    this.energy.periods.splice(index, 1);
    this.brush = Math.min(this.brush, this.energy.periods.length - 1);
  },
  get bounds() { return this.energy.steps.bounds_kwh ?? []; },
  get stepsCount() { return Math.max(1, ...this.energy.periods.map((period) => period.prices.length)); },
  addStep() {
    const last = Number(Tariff.decimal(this.bounds.at(-1) ?? "0")) || 0;
    this.energy.steps.bounds_kwh = [...this.bounds, String(last + (last || 100))];
    this.energy.periods.forEach((period) => {
      period.prices.push(period.prices.at(-1));
      if (period.bounds_kwh) period.bounds_kwh.push(this.bounds.at(-1));
    });
  },
  removeStep() {
    this.energy.steps.bounds_kwh = this.bounds.slice(0, -1);
    this.energy.periods.forEach((period) => {
      period.prices.pop();
      if (period.bounds_kwh) period.bounds_kwh.pop();
    });
  },
  ownBounds(period, own) {
    if (own) period.bounds_kwh = [...this.bounds];
    else delete period.bounds_kwh;
  },
  addTable() {
    const like = this.energy.tables[this.chosen];
    this.energy.tables.push({ name: this.fresh(this.words.kind_of_day, this.energy.tables), slots: like.slots.map((slot) => ({ ...slot })) });
    this.chosen = this.energy.tables.length - 1;
  },
  tableUsed(index) { return this.energy.seasons.some((season) => season.days.includes(index) || season.holidays.some((each) => each.table === index)); },
  removeTable(index) {
    const without = (table) => (table === index ? 0 : table - (table > index));
    this.energy.seasons.forEach((season) => {
      season.days = season.days.map(without);
      season.holidays.forEach((each) => { each.table = without(each.table); });
    });
    this.energy.tables.splice(index, 1);
    this.chosen = 0;
  },
  get others() { return this.model.components.map((component, index) => ({ component, index })).filter(({ component }) => component !== this.energy); },
  addComponent(kind) {
    const made = JSON.parse(JSON.stringify(this.blanks[kind]));
    made.name = this.fresh(made.name, this.model.components);
    this.model.components.push(...Tariff.opened({ components: [made] }).components);
    this.$nextTick(() => document.querySelector(".t-component:last-of-type input")?.focus());
  },
  removeComponent(index) {
    const [removed] = this.model.components.splice(index, 1);
    this.model.components.forEach((each) => { if (each.base) each.base = each.base.filter((name) => name !== removed.name); });
  },
  moveComponent(index, by) {
    const components = this.model.components, to = index + by;
    if (to < 0 || to >= components.length) return;
    [components[index], components[to]] = [components[to], components[index]];
  },
  renameComponent(component, name) {
    this.model.components.forEach((each) => { if (each.base) each.base = each.base.map((base) => (base === component.name ? name : base)); });
    component.name = name;
  },
  before(index) { return this.model.components.slice(0, index).filter((each) => !["allowance", "recovery"].includes(each.kind)).map((each) => each.name); },
  toggleBase(component, name) {
    const base = component.base ?? [];
    component.base = base.includes(name) ? base.filter((each) => each !== name) : [...base, name];
  },
  likeEnergy(component) {
    const { tables, seasons, lists } = JSON.parse(JSON.stringify(this.energy));
    const price = component.periods[0].prices;
    Object.assign(component, { tables, seasons, lists, periods: this.energy.periods.map(({ name, role }) => ({ name, role, prices: [...price] })) });
  },
};

// The server's word: faults at their places, the bill of a load, saving; and what can be undone.
const keeping = {
  faults: [], bill: "", total: "", asking: 0, past: [], text: "", savedText: "", saving: false, notice: "", load: { kwh: "250", shape: "home", account: "" },

  init() {
    // Called from inside a nested component, $root would be that one.
    this.addresses = { ...this.$root.dataset };
    this.model = Tariff.opened(json("tariff-document"));
    this.text = this.savedText = this.current();
    this.effective = this.savedEffective = this.addresses.effective;
    window.addEventListener("beforeunload", (event) => { if (this.dirty) event.preventDefault(); });
    this.$watch("load", () => this.check());
    this.check();
  },
  current() { return JSON.stringify(Tariff.written(this.model)); },
  effective: "", savedEffective: "",
  get dirty() { return this.text !== this.savedText || this.effective !== this.savedEffective; },
  get energy() { return this.model.components.find((component) => component.kind === "energy"); },
  get energyPlace() { return `components[${this.model.components.indexOf(this.energy)}]`; },
  // Runs whenever anything of the model changes; a whole stroke is one thing to undo.
  changed() {
    const text = this.current();
    if (text === this.text || this.stroke || this.drag) return;
    this.past = [...this.past.slice(1 - UNDO_MAX), this.text];
    this.text = text;
    this.notice = "";
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.check(), CHECK_AFTER_MS);
  },
  undo() {
    const text = this.past.pop();
    if (text === undefined) return;
    this.text = text;
    this.model = Tariff.opened(JSON.parse(text));
    this.brush = Math.min(this.brush, this.energy.periods.length - 1);
    this.chosen = Math.min(this.chosen, this.energy.tables.length - 1);
    this.check();
  },
  async ask(address, values) {
    const token = document.querySelector("[name=csrfmiddlewaretoken]").value;
    const answer = await fetch(address, { method: "POST", headers: { "Content-Type": "application/json", "X-CSRFToken": token }, body: JSON.stringify(values) });
    if (answer.status === 403 || answer.redirected) window.location.reload();
    if (!answer.ok && answer.status !== 422) throw new Error(String(answer.status));
    return answer.json();
  },
  // Answers may overtake each other: only the one to the last question counts.
  async check() {
    const number = this.asking += 1;
    try {
      const answer = await this.ask(this.addresses.check, { document: JSON.parse(this.text), load: this.load });
      if (number !== this.asking) return;
      this.faults = answer.faults;
      this.bill = answer.bill ?? "";
      this.total = answer.total ?? "";
      this.lost = false;
    } catch { this.lost = true; }
  },
  lost: false,
  async save() {
    const text = this.text, effective = this.effective;
    this.saving = true;
    try {
      const answer = await this.ask(this.addresses.save, { document: JSON.parse(text), effective_from: effective });
      this.faults = answer.faults;
      this.notice = answer.notice;
      if (answer.saved) [this.savedText, this.savedEffective] = [text, effective];
      this.lost = false;
    } catch { this.lost = true; }
    this.saving = false;
  },
  wrong(place) { return this.faults.find((fault) => fault.place === place)?.reason ?? ""; },
  wrongIn(place) { return this.faults.some((fault) => fault.place.startsWith(place)); },
  // Leads to what is wrong, or to the nearest thing around it.
  lead(fault) {
    const places = [...document.querySelectorAll("[data-place]")].filter((element) => fault.place.startsWith(element.dataset.place));
    const nearest = places.sort((a, b) => b.dataset.place.length - a.dataset.place.length)[0];
    if (!nearest) return;
    nearest.closest("details")?.setAttribute("open", "");
    nearest.scrollIntoView({ block: "center", behavior: "smooth" });
    (nearest.matches("input, select, textarea, [tabindex]") ? nearest : nearest.querySelector("input, select, textarea, [tabindex]"))?.focus({ preventScroll: true });
  },
  get stairsHeight() { return this.stepsCount > 1 || this.energy.periods.length > 1 ? 220 : 110; },
  stairs(box) {
    const marked = this.load.account ? null : Number(Tariff.decimal(this.load.kwh)) || null;
    return Tariff.staircase({ periods: this.energy.periods, bounds: this.bounds, marked, width: Math.max(260, box.clientWidth), height: this.stairsHeight, words: this.words });
  },
  width: 0,
};

// Getters stay getters: spreading them would call them once, too early.
const merged = (...pieces) => pieces.reduce((whole, piece) => Object.defineProperties(whole, Object.getOwnPropertyDescriptors(piece)), {});
document.addEventListener("alpine:init", () => {
  window.Alpine.data("tariff", () => merged(painting, yearly, parts, keeping, { model: { components: [] }, words: json("tariff-words"), blanks: json("tariff-blanks") }));
});
