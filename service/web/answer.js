// The answer: the label with its reason, and every view's word beside it.

import { find, make, percent, plural } from "./dom.js";
import { VIEWS, drawn } from "./views.js";

const MOST_ROWS = 6;
const FUSED = "answer";
const FALLBACKS = {
  no_detection: "No object was found, so the full picture answered alone.",
  low_score: "A box was found, but scored below the threshold, so it was not used and the full picture answered alone.",
  timeout: "Locating took too long, so the full picture answered alone.",
  disabled: "No object was looked for, so the full picture answered alone.",
};
const STAGES = { decode: "decode", locate: "locate", segment: "segment", views: "make views", embed: "embed", score: "compare" };
let before = new Map(); // what the bars showed last

/** scene: how views were made, for `drawn`; `image` may be null. */
export function showAnswer(answer, image, scene, classCount) {
  find("explain").hidden = true;
  find("answer").hidden = false;
  find("label").textContent = answer.label ?? "None of them";
  find("confidence").textContent = percent(answer.confidence);
  find("reason").replaceChildren(...reasonOf(answer));
  find("dissent").textContent = dissent(answer);
  find("fallback").hidden = answer.fallback === null;
  find("fallback").textContent = FALLBACKS[answer.fallback] ?? answer.fallback ?? "";
  showBars(answer, image, scene);
  find("cached").hidden = !answer.cached;
  find("timings").textContent = timings(answer.timings_ms);
  find("models").textContent = `${answer.models.localizer} + ${answer.models.encoder}`;
  const left = classCount - find("bars").tBodies[0].rows.length;
  find("others").hidden = left <= 0;
  find("others").textContent = left > 0 ? `${plural(left, "further class", "further classes")} scored lower.` : "";
}

/** The service's own sentence, the names of views in their colours. */
function reasonOf(answer) {
  const parts = answer.reason.split(/\b([a-z]+(?:_[a-z]+)*)\b/);
  const shown = parts.map((part) => (Object.hasOwn(answer.branches, part) ? make("code", { class: `name ${VIEWS[part]?.colour ?? "rest"}` }, part) : part));
  return [...shown, "."];
}

/** What views that disagree would have said alone. */
function dissent(answer) {
  const byLabel = new Map();
  for (const [name, branch] of Object.entries(answer.branches))
    if (branch && branch.label !== answer.scores[0].label) byLabel.set(branch.label, [...(byLabel.get(branch.label) ?? []), [name, branch]]);
  return [...byLabel].map(([label, voices]) => {
    const names = voices.map(([name]) => VIEWS[name]?.phrase ?? name);
    const sure = voices.length === 1 ? ` (${percent(voices[0][1].confidence)})` : "";
    return `Alone, ${new Intl.ListFormat("en-GB", { type: "disjunction" }).format(names)} would have said ${label}${sure}.`;
  }).join(" ");
}

/** What an answer comes to, in one sentence. */
export function spoken(answer) {
  const cached = answer.cached ? " From memory." : "";
  const fallback = answer.fallback ? ` ${FALLBACKS[answer.fallback]}` : "";
  return `Answer: ${answer.label ?? "none of them"}, ${percent(answer.confidence)}. ${answer.reason}.${dissent(answer) && ` ${dissent(answer)}`}${fallback}${cached}`;
}

function showBars(answer, image, scene) {
  const columns = [[FUSED, answer], ...Object.entries(answer.branches)];
  const now = new Map();
  const head = columns.map(([name, branch]) => (name === FUSED ? fusedHead(answer) : viewHead(name, branch, answer, image, scene)));
  const corner = make("td", { role: "cell" }, make("span", { class: "hidden" }, "Class"));
  const rows = labelsOf(answer).map((label) => row(label, columns, answer, now));
  const table = find("bars");
  table.style.setProperty("--columns", columns.length);
  table.classList.toggle("many", columns.length > 5);
  table.setAttribute("role", "table");
  table.tHead.replaceChildren(make("tr", { role: "row" }, corner, ...head));
  table.tBodies[0].replaceChildren(...rows);
  table.parentElement.tabIndex = columns.length > 5 ? 0 : -1;
  requestAnimationFrame(() => {
    for (const fill of table.querySelectorAll(".fill")) fill.style.width = `${100 * fill.dataset.part}%`;
  });
  before = now;
}

/** The answer's best classes, and what each view takes for the best. */
function labelsOf(answer) {
  const best = answer.scores.slice(0, MOST_ROWS).map((score) => score.label);
  const others = Object.values(answer.branches).filter(Boolean).map((branch) => branch.label);
  return [...new Set([...best, ...others])];
}

function fusedHead(answer) {
  return make("th", { scope: "col", role: "columnheader", class: "fused" }, make("span", { class: "look" }),
    make("span", { class: "title" }, "Answer"), breakable(answer.fusion));
}

function viewHead(name, branch, answer, image, scene) {
  const view = VIEWS[name] ?? { title: name, colour: "rest" };
  const canvas = branch && drawn(name, image, scene);
  const unseen = branch ? "Seen by the service alone" : "Not shown";
  const look = make("span", { class: "look" }, canvas || make("span", { class: "unseen", title: view.words }, unseen));
  canvas?.setAttribute("aria-hidden", "true");
  const decides = branch && name === answer.branch;
  return make("th", { scope: "col", role: "columnheader", class: `view ${view.colour}`, dataset: { branch: name } },
    look, make("span", { class: "title" }, view.title), breakable(name),
    decides ? make("span", { class: "decides" }, "decides") : null);
}

/** A name in code that may break after an underscore. */
const breakable = (name) => make("code", {}, ...name.split(/(?<=_)/).flatMap((part, place) => (place ? [make("wbr"), part] : [part])));

function row(label, columns, answer, now) {
  const cells = columns.map(([name, branch]) => {
    const score = branch?.scores.find((entry) => entry.label === label);
    const colour = name === FUSED ? FUSED : (VIEWS[name]?.colour ?? "rest");
    return cell(`${name} ${label}`, score?.confidence, colour, branch?.label === label, now);
  });
  const best = answer.scores[0].label === label;
  return make("tr", { role: "row", class: best ? "best" : undefined }, make("th", { scope: "row", role: "rowheader" }, label), ...cells);
}

function cell(key, part, colour, top, now) {
  if (part === undefined) return make("td", { role: "cell", class: "none" }, make("span", { title: "Not among its best" }, "–"));
  const fill = make("span", { class: "fill", dataset: { part } });
  fill.style.width = `${100 * (before.get(key) ?? 0)}%`;
  now.set(key, part);
  return make("td", { role: "cell", class: `${colour}${top ? " top" : ""}` },
    make("span", { class: "track" }, fill), make("span", { class: "value" }, percent(part)));
}

function timings(stages_ms) {
  const words = Object.entries(stages_ms).filter(([name]) => name !== "total").map(([name, ms]) => `${STAGES[name] ?? name} ${duration(ms)}`);
  return [`${duration(stages_ms.total)} in all`, ...words].join(" · ");
}

const duration = (ms) => (ms >= 1000 ? `${(ms / 1000).toFixed(2)}\u00a0s` : `${ms < 10 ? ms.toFixed(1) : Math.round(ms)}\u00a0ms`);
