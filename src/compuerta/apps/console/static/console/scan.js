// The camera reads a label where the browser can; where it cannot, the button stays hidden and one types.
"use strict";

if ("BarcodeDetector" in window && navigator.mediaDevices) {
  const camera = document.getElementById("camera");
  const picture = camera.querySelector("video");
  document.querySelectorAll("[data-scans]").forEach((button) => { button.hidden = false; });

  const stop = () => {
    picture.srcObject?.getTracks().forEach((track) => track.stop());
    picture.srcObject = null;
  };
  camera.addEventListener("close", stop);

  const look = async (detector, field) => {
    if (!camera.open) return;
    const [code] = await detector.detect(picture).catch(() => []);
    if (code) {
      field.value = code.rawValue;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      camera.close();
    } else {
      setTimeout(look, 150, detector, field);
    }
  };

  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-scans]");
    if (!button) return;
    const field = document.getElementById(button.dataset.scans);
    try {
      picture.srcObject = await navigator.mediaDevices.getUserMedia({ video: { facingMode: "environment" } });
    } catch {
      field.focus(); // no camera, or not allowed: one types
      return;
    }
    camera.showModal();
    await picture.play();
    look(new window.BarcodeDetector(), field);
  });
}
