// Before the first paint: the colours that were chosen here before; without a choice the system's.
(() => {
  try {
    const chosen = localStorage.getItem("l2r2-theme");
    if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
  } catch { /* no storage: the system's */ }
})();
