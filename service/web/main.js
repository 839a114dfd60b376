// The beginning: views by the address's fragment, the colours, the key.

import { wireKey } from "./api.js";
import { closeDatasets, openDatasets, wireDatasets } from "./datasets.js";
import { find, wireDialogs } from "./dom.js";
import { openRecognize, useDataset, wireRecognize } from "./recognize.js";

const OPEN = { recognize: openRecognize, datasets: openDatasets };
let current = null;

function route() {
  const asked = location.hash.slice(1), first = current === null;
  const name = Object.hasOwn(OPEN, asked) ? asked : current ?? "recognize"; // other fragments lie within a view
  if (name === current) return;
  current = name;
  closeDatasets();
  for (const other of Object.keys(OPEN)) find(other).hidden = other !== name;
  for (const link of document.querySelectorAll("nav [data-view]"))
    link.dataset.view === name ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  document.title = `${find(name).dataset.title} · L2R2`;
  if (!first) {
    scrollTo(0, 0);
    find(`${name}-title`).focus({ preventScroll: true });
  }
  OPEN[name]();
}

function wireTheme() {
  const button = find("theme"), system = matchMedia("(prefers-color-scheme: dark)");
  const isDark = () => (document.documentElement.dataset.theme ?? (system.matches ? "dark" : "light")) === "dark";
  const show = () => button.setAttribute("aria-pressed", String(isDark()));
  button.addEventListener("click", () => {
    const chosen = isDark() ? "light" : "dark";
    document.documentElement.dataset.theme = chosen;
    try { localStorage.setItem("l2r2-theme", chosen); } catch { /* for this page alone */ }
    show();
  });
  system.addEventListener("change", show);
  show();
}

wireTheme();
wireDialogs();
wireKey(() => { current = null; route(); });
wireRecognize();
wireDatasets(useDataset);
addEventListener("hashchange", route);
route();
