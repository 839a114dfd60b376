// What went wrong, where it can be read: at its field, or in a panel with a way out.

import { make, say } from "./dom.js";

const BY_ITSELF = ["not_ready", "dataset_building"]; // waiting is all that helps
const timers = new WeakMap();

/** Clears a panel, and the words at the fields of `scope`. */
export function clear(place, scope) {
  clearInterval(timers.get(place));
  place.replaceChildren();
  if (scope) clearFields(scope);
}

export function clearFields(scope) {
  for (const error of scope.querySelectorAll(".field-error")) {
    error.hidden = true;
    error.textContent = "";
    markInvalid(scope, error, false);
  }
}

/** Words at the field of `scope` that is named so; false where there is none. */
export function atField(scope, name, words) {
  const top = name.split(/[.[]/)[0];
  const error = [...scope.querySelectorAll(".field-error")].find((entry) => (entry.dataset.field ?? "").split(" ").includes(top));
  if (!error) return false;
  error.textContent = error.textContent ? `${error.textContent} ${words}` : words;
  error.hidden = false;
  markInvalid(scope, error, true);
  return true;
}

function markInvalid(scope, error, invalid) {
  const control = error.id && scope.querySelector(`[aria-describedby~="${error.id}"]`);
  if (control) invalid ? control.setAttribute("aria-invalid", "true") : control.removeAttribute("aria-invalid");
}

/** Shows a problem: at its fields as far as `scope` has them, and in the panel `place`, with `retry` offered. */
export function show(place, problem, { scope, retry } = {}) {
  const itself = BY_ITSELF.includes(problem.code) && problem.retryAfter_s !== null;
  const before = itself && place.querySelector(`[data-code="${problem.code}"] .actions`);
  if (before) return before.replaceWith(wayOut(place, problem, retry)); // said already
  clear(place, scope);
  const unplaced = problem.fields.filter((entry) => !(scope && atField(scope, entry.field, fieldWords(entry))));
  const panel = make("section", { class: `card trouble${itself ? " waiting" : ""}`, role: itself ? "status" : "alert", dataset: { code: problem.code } },
    make("h2", {}, headline(problem)), words(problem, unplaced, scope));
  if (unplaced.length) panel.append(make("ul", {}, ...unplaced.map((entry) =>
    make("li", {}, make("code", {}, entry.field), ` ${fieldWords(entry)}`))));
  if (retry && (problem.status === 0 || problem.status === 401 || problem.status >= 429)) panel.append(wayOut(place, problem, retry));
  if (problem.requestId && !itself) panel.append(make("p", { class: "hint" }, "Request ", make("code", {}, problem.requestId)));
  return place.replaceChildren(panel);
}

function headline(problem) {
  if (problem.code === "not_ready") return "The models are being loaded";
  if (problem.code === "overloaded") return "The service is busy";
  return problem.title || `Status ${problem.status}`;
}

/** A refusal's detail repeats what stands at the fields. */
function words(problem, unplaced, scope) {
  if (!problem.fields.length) return make("p", {}, sentence(problem.message));
  if (unplaced.length) return make("p", {}, "The service does not accept this:");
  const go = () => (scope.querySelector('[aria-invalid="true"]') ?? firstOfCard(scope)).focus();
  return make("div", { class: "actions start" }, make("button", { type: "button", onclick: go }, "Go to the marked field"));
}

/** The button beside the first words at a field that has no control, as a picture has none. */
const firstOfCard = (scope) => scope.querySelector(".field-error:not([hidden])").closest(".card").querySelector("button");

const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");

const fieldWords = (entry) => sentence(entry.detail) + (entry.allowed ? ` Allowed: ${entry.allowed.join(", ")}.` : "");

/** A button, and a countdown where the service said how long to wait. */
function wayOut(place, problem, retry) {
  const button = make("button", { type: "button", class: "primary", onclick: retry }, problem.status === 401 ? "Enter a key" : "Try again");
  const wait = make("p", { class: "countdown" });
  if (problem.retryAfter_s === null) return make("div", { class: "actions start" }, button);
  clearInterval(timers.get(place));
  const itself = BY_ITSELF.includes(problem.code);
  const due_ms = performance.now() + 1000 * problem.retryAfter_s;
  button.disabled = true;
  const tick = () => {
    const left_s = Math.ceil((due_ms - performance.now()) / 1000);
    wait.textContent = left_s > 0 ? `${itself ? "Trying again" : "There should be room"} in ${left_s} s.` : "There should be room now.";
    if (left_s > 0) return;
    clearInterval(timers.get(place));
    if (itself) return void retry();
    button.disabled = false;
    say("You may try again now.");
  };
  timers.set(place, setInterval(tick, 250));
  tick();
  return make("div", { class: "actions start" }, button, make("div", { role: "timer", "aria-live": "off" }, wait));
}
