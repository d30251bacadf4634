// Keeps the status page as things are now. Without it, the page says how they were when it was loaded.
"use strict";
(() => {
  const live = document.getElementById("live");
  const note = document.getElementById("live-note");
  if (!live || !window.EventSource) {
    return;
  }
  const source = new EventSource(live.dataset.live);
  source.addEventListener("status", (event) => {
    // Made and escaped by the server's own template.
    live.innerHTML = JSON.parse(event.data);
    note.textContent = "Live: this page follows what happens.";
  });
  source.addEventListener("error", () => {
    note.textContent =
      source.readyState === EventSource.CLOSED
        ? "Not live any more. Load the page again."
        : "The connection was lost; trying again.";
  });
})();
