// On a touch screen the first tap on a tile shows what is known of it, and the second opens it.
"use strict";

document.addEventListener("pointerdown", (event) => {
  const unit = event.target.closest(".b-unit");
  if (unit) unit.dataset.asks = event.pointerType === "touch" && document.activeElement !== unit ? "1" : "";
});
document.addEventListener("click", (event) => {
  const unit = event.target.closest(".b-unit");
  if (!unit || !unit.dataset.asks) return;
  event.preventDefault();
  unit.focus();
});
