// The view that asks: a picture, classes, settings; each change asks anew, and only the last question is answered.

import { showAnswer, spoken } from "./answer.js";
import { call } from "./api.js";
import { debounced, find, make, plural, say } from "./dom.js";
import { namesIn } from "./names.js";
import { drawBoxes, showPicture, wirePicture } from "./picture.js";
import { atField, clear, clearFields, show } from "./trouble.js";
import { WIDE_MARGIN } from "./views.js";

const SETTLED_MS = 250;
const FORM_BYTES = 16_384; // of a request, besides its picture
const MOST_SHOWN = 10;
const NAMED_COLOURS = { black: "#000000", white: "#ffffff" };
const READS_PROMPTS = ["grounding_dino", "owlv2"];
const FIELDS = { fusion: "fusion", prompt: "localizer_prompt", threshold: "box_threshold", margin: "box_margin" };

const state = { blob: null, name: "", image: null, sampleNames: null, models: null, datasets: [], dataset: null, asking: null, last: null, ready: null, loading: null };
const touched = new Set(); // settings that differ from what would hold anyway
const view = () => find("recognize");

export function wireRecognize() {
  wirePicture(take, (words) => refuse("image", words));
  find("names-form").addEventListener("submit", (event) => { event.preventDefault(); ask(true); });
  find("names").addEventListener("input", countNames);
  find("names").addEventListener("keydown", (event) => {
    if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    ask(true);
  });
  for (const radio of document.querySelectorAll("[name=source]")) radio.addEventListener("change", chooseSource);
  find("dataset").addEventListener("change", () => chooseDataset(find("dataset").value));
  wireSettings();
}

function wireSettings() {
  const later = debounced(SETTLED_MS, () => { if (state.last || state.asking) ask(false); });
  for (const id of Object.keys(FIELDS))
    find(id).addEventListener("input", () => { touched.add(id); showSettings(); later(); });
  find("prompt").addEventListener("change", () => { if (!find("prompt").value.trim()) touched.delete("prompt"); });
  find("reset").addEventListener("click", () => { touched.clear(); showSettings(); later(); find("fusion").focus(); });
}

/** What is loaded, and the datasets there are; asked for when the view is opened. */
export async function openRecognize() {
  try {
    await loaded();
  } catch (problem) {
    return show(find("trouble"), problem, { retry: openRecognize });
  }
  return datasetIsStale() ? chooseSource() : undefined;
}

/** Once at a time, whoever waits for it. */
function loaded() {
  state.loading ??= load().finally(() => { state.loading = null; });
  return state.loading;
}

async function load() {
  [state.models, { datasets: state.datasets }] = await Promise.all([call("models"), call("datasets")]);
  clear(find("trouble"));
  listDatasets();
  showSettings();
}

/** Deleted or replaced since it was chosen, or not read yet. */
function datasetIsStale() {
  if (!usesDataset()) return false;
  return state.dataset?.version !== state.datasets.find((entry) => entry.name === find("dataset").value)?.version;
}

/** Opens the view with a dataset chosen, which stays chosen where it has to be waited for. */
export function useDataset(name) {
  const select = find("dataset");
  if (![...select.options].some((option) => option.value === name)) select.append(make("option", { value: name }, name));
  select.disabled = false;
  select.value = name;
  document.querySelector("[name=source][value=dataset]").checked = true;
  state.dataset = null;
  showSource();
  location.hash = "#recognize";
}

async function take(blob, name, sample) {
  stop();
  find("answer").hidden = true; // it is another picture's
  Object.assign(state, { blob, name, image: null, last: null });
  const names = find("names");
  if (sample && (!names.value.trim() || names.value === state.sampleNames)) {
    names.value = state.sampleNames = sample.names.join(", ");
    countNames();
  }
  find("picture").alt = sample?.alt ?? "The picture to recognize";
  const decoding = showPicture(blob, name);
  state.ready = decoding.then((image) => { if (state.blob === blob) state.image = image; });
  if (classesGiven()) await ask(true);
  else if (!usesDataset()) { names.focus(); say("Picture taken. Now type what it could be."); }
}

const usesDataset = () => document.querySelector("[name=source]:checked").value === "dataset";
const typedNames = () => namesIn(find("names").value).names;
const classesGiven = () => (usesDataset() ? Boolean(find("dataset").value) : typedNames().length > 0);
const classCount = () => (usesDataset() ? state.dataset?.class_count ?? 0 : typedNames().length);

function countNames() {
  const { names, doubles } = namesIn(find("names").value);
  const twice = doubles ? `, ${doubles} given twice` : "";
  const alone = names.length === 1 ? " Alone it is every picture's answer: name what else it may be." : "";
  find("names-count").textContent = names.length ? `${plural(names.length, "class", "classes")}${twice}.${alone}` : "";
}

function listDatasets() {
  const select = find("dataset"), chosen = select.value;
  const usable = state.datasets.filter((entry) => entry.version !== null);
  select.replaceChildren(...usable.map((entry) => make("option", { value: entry.name }, `${entry.name} (${plural(entry.class_count, "class", "classes")})`)));
  select.disabled = usable.length === 0;
  if (usable.some((entry) => entry.name === chosen)) select.value = chosen;
  find("dataset-hint").replaceChildren(...(usable.length ? [] : ["None is ready. ", make("a", { href: "#datasets" }, "Register one")]));
}

function showSource() {
  find("by-names").hidden = usesDataset();
  find("by-dataset").hidden = !usesDataset();
}

function chooseSource() {
  showSource();
  state.dataset = null;
  if (usesDataset() && find("dataset").value) return chooseDataset(find("dataset").value);
  showSettings();
  return state.blob && classesGiven() ? ask(false) : undefined;
}

/** A dataset has defaults of its own, which the settings show. */
async function chooseDataset(name) {
  try {
    if (!await readDataset(name)) return; // another choice came meanwhile
  } catch (problem) {
    return show(find("trouble"), problem, { scope: view(), retry: () => chooseDataset(name) });
  }
  if (state.blob) ask(false);
}

async function readDataset(name) {
  const dataset = await call(`datasets/${encodeURIComponent(name)}`);
  if (!usesDataset() || find("dataset").value !== name) return false;
  state.dataset = dataset;
  const names = state.dataset.classes.slice(0, 8).map((entry) => entry.name).join(", ");
  find("dataset-hint").textContent = state.dataset.class_count > 8 ? `${names} …` : names;
  showSettings();
  return true;
}

/** What would hold without a word from the user. */
function usual() {
  const { models, dataset } = state;
  return {
    fusion: dataset?.fusion ?? "max_confidence",
    prompt: "",
    threshold: dataset?.box_threshold ?? models?.box_threshold ?? 0,
    margin: dataset?.box_margin ?? models?.box_margin ?? 0,
  };
}

function showSettings() {
  const { models } = state;
  if (models && !find("fusion").options.length)
    find("fusion").append(...Object.keys(models.fusions).map((name) => make("option", { value: name }, name.replaceAll("_", " "))));
  for (const [id, value] of Object.entries(usual())) if (!touched.has(id)) find(id).value = value;
  find("threshold-value").textContent = Number(find("threshold").value).toFixed(2);
  find("margin-value").textContent = `${Math.round(100 * find("margin").value)} %`;
  find("reset").hidden = touched.size === 0;
  if (!models) return;
  find("fusion-hint").textContent = `${models.fusions[find("fusion").value] ?? ""}.`.replace(/^./, (first) => first.toUpperCase());
  const reads = READS_PROMPTS.includes(models.localizer.family);
  find("prompt-hint").textContent = reads ? "What the localizer looks for, in words." : `${models.localizer.name} finds what stands out and reads no words.`;
  find("about").textContent = `${models.profile} · ${models.localizer.name} + ${models.encoder.name} · ${models.device}`;
}

function question() {
  const form = new FormData();
  form.append("image", state.blob, state.name);
  if (usesDataset()) form.append("dataset", find("dataset").value);
  else form.append("classes", JSON.stringify(typedNames()));
  if (classCount() > 5) form.append("top_k", Math.min(classCount(), MOST_SHOWN));
  for (const id of touched) {
    const value = find(id).value.trim();
    if (value) form.append(FIELDS[id], value);
  }
  return form;
}

function refuse(field, words) {
  atField(view(), field, words);
  say(words);
}

function done() {
  state.asking = null;
  busy(false);
}

/** Ends the question under way, and clears what an earlier one left; the wait for models goes on, as nobody else ends it. */
function stop() {
  state.asking?.abort();
  done();
  if (state.models) clear(find("trouble"));
  clearFields(view());
}

/** Such a picture would be refused before it is read, which a browser takes for a broken connection. */
function isTooLarge() {
  const most = state.models.max_body_bytes;
  if (state.blob.size + FORM_BYTES <= most) return false;
  refuse("image", `This picture has ${megabytes(state.blob.size)}; the service takes at most ${megabytes(most)}.`);
  return true;
}

/** byHand: asked for by the user's own hand, so that the answer is brought into sight. */
async function ask(byHand) {
  stop();
  if (!state.blob) return refuse("image", "Choose a picture first.");
  if (!classesGiven()) {
    if (usesDataset()) return refuse("dataset", "Choose a dataset.");
    find("names").focus();
    return refuse("classes", "Type at least one name.");
  }
  const asking = state.asking = new AbortController();
  busy(true);
  try {
    if (!state.models) await loaded();
    if (usesDataset() && !state.dataset) await readDataset(find("dataset").value);
    if (asking.signal.aborted) return undefined;
    if (isTooLarge()) return done();
    const margin = touched.has("margin") ? Number(find("margin").value) : usual().margin;
    const answer = await call("classify", { method: "POST", form: question(), signal: asking.signal });
    await state.ready;
    if (asking.signal.aborted) return undefined;
    showLooks(answer, margin);
    if (byHand) find("answer").scrollIntoView({ block: "nearest", behavior: calm() ? "auto" : "smooth" });
  } catch (problem) {
    if (asking.signal.aborted) return undefined;
    show(find("trouble"), problem, { scope: view(), retry: () => ask(true) });
    if (byHand) find("trouble").scrollIntoView({ block: "nearest" });
  }
  return done();
}

const megabytes = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MB`;
const calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

function showLooks(answer, margin) {
  state.last = answer;
  drawBoxes(answer, margin);
  const wideMargin = state.dataset?.wide_margin ?? WIDE_MARGIN;
  const box = answer.fallback === null ? answer.box : null;
  showAnswer(answer, state.image, { ...answer.image, box, margin, wideMargin, pad: padColour() }, classCount());
  say(spoken(answer));
}

function padColour() {
  const wanted = state.dataset?.pad_colour ?? "mean";
  return wanted === "mean" ? state.models?.pad_colour ?? "#7f7f7f" : NAMED_COLOURS[wanted] ?? wanted;
}

function busy(is) {
  find("answer").setAttribute("aria-busy", String(is));
  find("ask").classList.toggle("working", is);
  find("ask").textContent = is ? "Looking …" : "Recognize";
  view().classList.toggle("busy", is);
}
