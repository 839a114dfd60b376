// Class lists: what is registered and how far it is, registering, and deleting.

import { call } from "./api.js";
import { confirmed, find, make, plural, say } from "./dom.js";
import { namesIn, namesInFile } from "./names.js";
import { atField, clear, show } from "./trouble.js";

const AGAIN_MS = 1000;
let opened = null; // aborted when the view is left
let use = () => {};
let fromFile = null; // `doubles` of a file whose lines the text holds: they may hold commas

export function wireDatasets(useDataset) {
  use = useDataset;
  find("register").addEventListener("submit", (event) => { event.preventDefault(); register("POST"); });
  find("new-classes").addEventListener("input", () => { fromFile = fromFile && find("new-classes").value ? { doubles: 0 } : null; countClasses(); });
  find("choose-list").addEventListener("click", () => find("list-file").click());
  find("list-file").addEventListener("change", (event) => { readList(event.target.files[0]); event.target.value = ""; });
  find("register").addEventListener("drop", (event) => { if (event.dataTransfer.files.length) readList(event.dataTransfer.files[0]); });
}

export function openDatasets() {
  opened?.abort();
  opened = new AbortController();
  refresh(opened.signal);
}

export function closeDatasets() {
  opened?.abort();
  for (const place of ["list-trouble", "delete-trouble"]) clear(find(place)); // and what they count down
}

/** The list now, and again while something is being built. */
async function refresh(signal) {
  try {
    const { datasets } = await call("datasets", { signal });
    clear(find("list-trouble"));
    showList(datasets);
    if (datasets.some(isBuilding)) setTimeout(() => { if (!signal.aborted) refresh(signal); }, AGAIN_MS);
  } catch (problem) {
    if (!signal.aborted) show(find("list-trouble"), problem, { retry: openDatasets });
  }
}

const isBuilding = (entry) => entry.status === "building";
const words = (entry) => plural(entry.class_count, "class", "classes");

/** Entries are kept as long as they are there, so that the focus stays where it is. */
function showList(datasets) {
  const list = find("list");
  const kept = new Map([...list.children].map((item) => [item.dataset.name, item]));
  const items = datasets.map((entry) => {
    const item = kept.get(entry.name) ?? newItem(entry.name);
    kept.delete(entry.name);
    fill(item, entry);
    return item;
  });
  for (const gone of kept.values()) gone.remove();
  items.forEach((item, place) => { if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null); });
  find("list-empty").hidden = datasets.length > 0;
}

function newItem(name) {
  return make("li", { class: "entry", dataset: { name } },
    make("div", { class: "entry-words" }, make("strong", {}, name), make("span", { class: "hint facts-of" }),
      make("progress", { max: 1, "aria-label": `Building ${name}`, hidden: true }), make("p", { class: "field-error", hidden: true })),
    make("div", { class: "actions" },
      make("button", { type: "button", class: "use", "aria-label": `Use ${name}`, onclick: () => use(name) }, "Use"),
      make("button", { type: "button", class: "quiet delete", "aria-label": `Delete ${name}`, onclick: () => remove(name) }, "Delete")));
}

function fill(item, entry) {
  const building = isBuilding(entry), bar = item.querySelector("progress"), failure = item.querySelector(".field-error");
  const version = entry.version ? ` · version ${entry.version.slice(0, 8)}` : "";
  item.querySelector(".facts-of").textContent = building ? `${words(entry)} · building, ${Math.floor(100 * entry.progress)} %` : `${words(entry)}${version}`;
  bar.hidden = !building;
  bar.value = entry.progress;
  if (item.dataset.building === "true" && !building && !entry.failure) say(`${entry.name} is ready.`);
  item.dataset.building = String(building);
  item.querySelector(".use").disabled = entry.version === null;
  failure.hidden = !entry.failure;
  failure.textContent = entry.failure ? `The build failed: ${entry.failure}` : "";
}

async function remove(name) {
  if (!await confirmed(`Delete ${name}?`, "Its classes and kept versions are gone for everybody. This cannot be undone.", "Delete")) return;
  clear(find("delete-trouble"));
  try {
    await call(`datasets/${encodeURIComponent(name)}`, { method: "DELETE" });
    say(`${name} is deleted.`);
    find("datasets-title").focus(); // what had it is about to go
  } catch (problem) {
    show(find("delete-trouble"), problem, { retry: () => remove(name) }); // the list's own place is cleared with each list
  }
  openDatasets();
}

function listed() {
  const { names, doubles } = namesIn(find("new-classes").value, fromFile !== null);
  return { names, doubles: doubles + (fromFile?.doubles ?? 0) };
}

function countClasses() {
  const { names, doubles } = listed();
  const left = doubles ? ` ${plural(doubles, "name")} given twice, kept once.` : "";
  find("new-classes-count").textContent = names.length ? `${words({ class_count: names.length })}.${left}` : "";
}

async function readList(file) {
  clear(find("register-trouble"), find("register"));
  const { names, doubles } = namesInFile(file.name, await file.text());
  fromFile = { doubles };
  find("new-classes").value = names.join("\n");
  if (!find("new-name").value) find("new-name").value = file.name.replace(/\.[^.]*$/, "").replace(/[^\w.-]+/g, "-");
  countClasses();
  if (names.length === 0) atField(find("register"), "classes", `${file.name} holds no names.`);
  say(`${words({ class_count: names.length })} read from ${file.name}.`);
}

/** The form's words as a request; null, with words at the fields, where something is missing. */
function content() {
  const form = find("register"), name = find("new-name").value.trim(), template = find("new-template").value.trim();
  const { names } = listed();
  clear(find("register-trouble"), form);
  if (!name) atField(form, "name", "Give it a name.");
  if (!names.length) atField(form, "classes", "Give at least one class name.");
  form.querySelector('[aria-invalid="true"]')?.focus();
  return name && names.length ? { name, classes: names, ...(template ? { templates: [template] } : {}) } : null;
}

async function register(method) {
  const form = find("register"), document = content();
  if (!document) return;
  const button = form.querySelector("[type=submit]");
  button.disabled = true;
  try {
    const path = method === "PUT" ? `datasets/${encodeURIComponent(document.name)}` : "datasets";
    const made = await call(path, { method, json: document });
    const state = made.status === "ready" ? "is ready." : "is being built.";
    say(`${made.name} ${state}`);
    form.reset();
    fromFile = null;
    countClasses();
    openDatasets();
  } catch (problem) {
    if (problem.code === "dataset_conflict") replaceIfWanted(document.name);
    else show(find("register-trouble"), problem, { scope: form, retry: () => register(method) });
  } finally {
    button.disabled = false;
  }
}

async function replaceIfWanted(name) {
  const title = `${name} is there already`;
  if (await confirmed(title, "It has other content. Replace it? What it holds now is gone for everybody then, unless it is among its kept versions.", "Replace", "Leave it")) register("PUT");
  else atField(find("register"), "name", "This name is taken.");
}
