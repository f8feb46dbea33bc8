// The plan that is drawn is the table: a click adds a row, and whatever the table says is drawn.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const picture = document.querySelector(".pl-draw");
  const table = document.querySelector("textarea[name=table]");
  if (!picture || !table) return;
  const WIDE = 900, TALL = 420, GRID_M = 20, METRES_MIN = 100, POINTS_MAX = 3000;

  const parsed = () => {
    const [heading, ...lines] = table.value.split("\n");
    const names = heading.split(",").map((name) => name.trim());
    return { names, lines: lines.filter((line) => line.trim()) };
  };
  const places = ({ names, lines }) => lines.slice(0, POINTS_MAX).map((line) => {
    const cells = line.split(",");
    return Object.fromEntries(names.map((name, at) => [name, (cells[at] || "").trim()]));
  });
  const add = (tag, facts) => {
    const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
    for (const [name, value] of Object.entries(facts)) made.setAttribute(name, value);
    picture.append(made);
    return made;
  };
  const draw = () => {
    const there = places(parsed()).filter((place) => place.x_m !== "" && Number.isFinite(Number(place.x_m)));
    const far = Math.max(METRES_MIN, ...there.map((p) => Number(p.x_m) + 20), ...there.map((p) => (Number(p.y_m) + 20) * WIDE / TALL));
    picture.dataset.metres = far;
    picture.replaceChildren();
    const unit = WIDE / far, step = GRID_M * Math.max(1, Math.ceil(far / 1200));
    for (let at = 0; at <= far; at += step) {
      add("path", { d: `M${at * unit} 0V${TALL}M0 ${TALL - at * unit}H${WIDE}`, class: "pl-grid" });
    }
    for (const place of there) {
      const x = Number(place.x_m) * unit, y = TALL - Number(place.y_m) * unit - 5 * Number(place.floor || 0);
      add("circle", { cx: x, cy: y, r: 5, class: place.lan === "yes" ? "pl-lan" : "pl-place" }).append(
        Object.assign(document.createElementNS("http://www.w3.org/2000/svg", "title"), { textContent: `${place.place} · ${place.meters}` }));
    }
  };
  picture.addEventListener("click", (event) => {
    const box = picture.getBoundingClientRect(), far = Number(picture.dataset.metres);
    const metres = (pixels) => (pixels / box.width * far).toFixed(1);
    const brush = Object.fromEntries([...document.querySelectorAll("[data-brush]")].map(
      (field) => [field.dataset.brush, field.type === "checkbox" ? (field.checked ? "yes" : "no") : field.value.replaceAll(",", " ")]));
    const { names, lines } = parsed();
    const row = { ...brush, place: `${brush.building} ${brush.floor}-${lines.length + 1}`, x_m: metres(event.clientX - box.left), y_m: metres(box.bottom - event.clientY) };
    table.value = [names.join(","), ...lines, names.map((name) => row[name] ?? "").join(",")].join("\n") + "\n";
    draw();
  });
  document.querySelector("[data-undo]").addEventListener("click", () => {
    const { names, lines } = parsed();
    table.value = [names.join(","), ...lines.slice(0, -1)].join("\n") + "\n";
    draw();
  });
  table.addEventListener("input", draw);
  draw();
});
