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
    const selection = window.getSelection();
    if (selection && !selection.isCollapsed && live.contains(selection.anchorNode)) {
      return; // somebody copies something
    }
    const focused = live.contains(document.activeElement) ? document.activeElement : null;
    const known = focused && (focused.getAttribute("href") || focused.getAttribute("aria-label"));
    // Made and escaped by the server's own template.
    live.innerHTML = JSON.parse(event.data);
    if (known) {
      const again = [...live.querySelectorAll("a[href], [tabindex]")].find(
        (one) => one.getAttribute("href") === known || one.getAttribute("aria-label") === known,
      );
      if (again) {
        again.focus({ preventScroll: true });
      }
    }
    note.textContent = "Live: this page follows what happens.";
  });
  source.addEventListener("error", () => {
    note.textContent =
      source.readyState === EventSource.CLOSED
        ? "Not live any more. Load the page again."
        : "The connection was lost; trying again.";
  });
})();
