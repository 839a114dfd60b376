// How a picture gets in: chosen, photographed, dropped, pasted, or a sample; and how it is shown with its boxes.

import { find, make, makeSvg } from "./dom.js";
import { SAMPLES } from "./samples.js";
import { cropOf } from "./views.js";

let shownUrl = null;
const elsewhere = () => find("recognize").hidden; // another view is open

/** Wires every way in; `taken(blob, name, sample)` is called with each picture, `refused(words)` with what is none. */
export function wirePicture(taken, refused) {
  const take = (files) => {
    const file = [...files].find((entry) => entry.type.startsWith("image/")) ?? files[0];
    if (file) taken(file, file.name || "picture", null);
  };
  for (const [button, input] of [["choose", "file"], ["photograph", "camera"]]) {
    find(button).addEventListener("click", () => find(input).click());
    find(input).addEventListener("change", (event) => { take(event.target.files); event.target.value = ""; });
  }
  document.addEventListener("paste", (event) => {
    const carried = event.clipboardData;
    const isText = carried?.types.includes("text/plain") && event.target.closest?.("textarea, input");
    if (!carried?.files.length || isText || elsewhere()) return;
    event.preventDefault();
    take(carried.files);
  });
  wireDrops(take, refused);
  find("samples").append(...SAMPLES.map((sample) => sampleButton(sample, taken, refused)));
}

function wireDrops(take, refused) {
  let depth = 0;
  const mark = (change) => {
    depth = change === 0 ? 0 : Math.max(0, depth + change);
    find("drop").classList.toggle("over", depth > 0);
  };
  document.addEventListener("dragenter", (event) => { event.preventDefault(); mark(+1); });
  document.addEventListener("dragleave", () => mark(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    mark(0);
    if (elsewhere()) return;
    if (event.dataTransfer.files.length) take(event.dataTransfer.files);
    else refused("Only files can be dropped here. Save the picture first, or copy and paste it.");
  });
}

function sampleButton(sample, taken, refused) {
  const address = new URL(`page/samples/${sample.file}`, document.baseURI);
  const use = async () => {
    try {
      const response = await fetch(address);
      if (!response.ok) throw new Error(response.statusText);
      taken(await response.blob(), sample.file, sample);
    } catch {
      refused("The sample picture could not be loaded.");
    }
  };
  return make("button", { type: "button", class: "sample", onclick: use },
    make("img", { src: address.href, alt: "", width: sample.width, height: sample.height, loading: "lazy" }), make("span", {}, sample.title));
}

/** Shows the picture; gives the image once it is decoded, or null where this browser cannot read it. */
export async function showPicture(blob, name) {
  const image = find("picture");
  if (shownUrl) URL.revokeObjectURL(shownUrl);
  shownUrl = URL.createObjectURL(blob);
  image.src = shownUrl;
  find("stage").hidden = false;
  find("invite").hidden = true;
  find("picture-name").textContent = name;
  find("choose").textContent = "Choose another";
  drawBoxes(null);
  const asked = shownUrl;
  const decoded = await image.decode().then(() => true, () => false);
  if (asked !== shownUrl) return null; // another one came meanwhile
  find("frame").hidden = !decoded;
  find("undrawable").hidden = decoded;
  return decoded ? image : null;
}

/** The located box, solid where it was used, and the outline of the crop where a margin widened it. */
export function drawBoxes(answer, margin = 0) {
  const svg = find("boxes");
  const box = answer?.box;
  find("box-words").textContent = answer ? boxWords(answer) : "";
  if (!box) return svg.replaceChildren();
  const { width, height } = answer.image;
  const used = answer.fallback === null;
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  svg.setAttribute("preserveAspectRatio", "none");
  const shapes = [...outlined({ x: box.x0, y: box.y0, width: box.x1 - box.x0, height: box.y1 - box.y0 }, used ? "box" : "box unused")];
  if (used && margin > 0) shapes.push(...outlined(cropOf(box, margin, width, height), "box widened"));
  return svg.replaceChildren(...shapes);
}

/** Twice the same, so that it is seen on any ground. */
function outlined(rectangle, kind) {
  return [`${kind} casing`, kind].map((name) => makeSvg("rect", { ...rectangle, class: name }));
}

function boxWords(answer) {
  if (!answer.box) return "No box";
  const { x0, y0, x1, y1, score, prompt } = answer.box;
  const found = prompt ? `“${prompt}” ` : "";
  return `Box ${found}${Math.round(x1 - x0)} × ${Math.round(y1 - y0)} of ${answer.image.width} × ${answer.image.height}, score ${score.toFixed(2)}`;
}
