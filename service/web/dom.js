// Small helpers around the document.

export const find = (id) => document.getElementById(id);

/** An element with properties (`class`, `dataset`, `on…`, attributes) and children; text stays text. */
export function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "dataset") Object.assign(element.dataset, value);
    else if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

const SVG = "http://www.w3.org/2000/svg";

export function makeSvg(tag, attributes) {
  const element = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

/** Said to who listens instead of looking. The same words again are said again. */
export function say(words) {
  const place = find("said");
  place.textContent = "";
  requestAnimationFrame(() => { place.textContent = words; });
}

export const percent = (part) => {
  const hundredths = 100 * part;
  if (hundredths > 99.9 && part < 1) return "> 99.9 %";
  if (hundredths > 0 && hundredths < 0.1) return "< 0.1 %";
  return `${hundredths.toFixed(1)} %`;
};

export const plural = (number, one, many = `${one}s`) => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;

export function debounced(wait_ms, act) {
  let timer;
  return () => {
    clearTimeout(timer);
    timer = setTimeout(act, wait_ms);
  };
}

/** Asks in a dialog; true if the answer is `yes`. What had the focus gets it back. */
export function confirmed(title, words, yes, no = "Keep it") {
  const dialog = find("confirm");
  find("confirm-title").textContent = title;
  find("confirm-words").textContent = words;
  find("confirm-yes").textContent = yes;
  dialog.querySelector("[data-close]").textContent = no;
  return shown(dialog).then((value) => value === "yes");
}

/** Opens a modal dialog and gives what it was closed with; empty if it was dismissed. */
export function shown(dialog) {
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((resolve) => dialog.addEventListener("close", () => resolve(dialog.returnValue), { once: true }));
}

/** Buttons that close their dialog, and the one that says yes. */
export function wireDialogs() {
  for (const button of document.querySelectorAll("dialog [data-close]"))
    button.addEventListener("click", () => button.closest("dialog").close(""));
  find("confirm-yes").addEventListener("click", () => find("confirm").close("yes"));
}
