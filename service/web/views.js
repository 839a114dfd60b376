// The views that the encoder saw, drawn again from the picture and the box.

export const VIEWS = {
  full: { title: "Full picture", phrase: "the full picture", colour: "full" },
  fg: { title: "Crop", phrase: "the crop", colour: "fg" },
  fg_mask: { title: "Cut-out", phrase: "the cut-out", colour: "mask", words: "The crop with its background masked out. The mask stays in the service." },
  fg_margin: { title: "Wider crop", phrase: "the wider crop", colour: "wide" },
  bg_shape: { title: "Without the object", phrase: "the picture without its object", colour: "rest", words: "The picture with the object masked out." },
  bg_box: { title: "Without the box", phrase: "the picture without its box", colour: "rest" },
  full_blur: { title: "Background blurred", phrase: "the picture with a blurred background", colour: "wide", words: "The picture with a blurred background." },
  full_colour: { title: "Background plain", phrase: "the picture with a plain background", colour: "mask", words: "The picture with a background of one colour." },
  center_crop: { title: "Middle", phrase: "the middle", colour: "rest" },
};
export const WIDE_MARGIN = 0.25;
const LONGEST_SIDE = 480;

/** The whole pixels of a picture that a box touches, widened on every side by `margin` times its size. */
export function cropOf(box, margin, width, height) {
  const dx = (box.x1 - box.x0) * margin, dy = (box.y1 - box.y0) * margin;
  const x0 = Math.min(Math.max(Math.floor(box.x0 - dx), 0), width - 1);
  const y0 = Math.min(Math.max(Math.floor(box.y0 - dy), 0), height - 1);
  const x1 = Math.max(Math.min(Math.ceil(box.x1 + dx), width), x0 + 1);
  const y1 = Math.max(Math.min(Math.ceil(box.y1 + dy), height), y0 + 1);
  return { x: x0, y: y0, width: x1 - x0, height: y1 - y0 };
}

/** The region of the picture that a view shows, whether it is padded to a square; null for what cannot be drawn here. */
export function regionOf(view, scene) {
  const { width, height, box, margin, wideMargin } = scene;
  if (view === "full" || (view === "bg_box" && box)) return { x: 0, y: 0, width, height, padded: false };
  if (view === "center_crop") {
    const side = Math.min(width, height);
    return { x: Math.floor((width - side) / 2), y: Math.floor((height - side) / 2), width: side, height: side, padded: false };
  }
  if (!box || (view !== "fg" && view !== "fg_margin")) return null;
  return { ...cropOf(box, view === "fg" ? margin : wideMargin, width, height), padded: true };
}

/**
 * A canvas with the view, or null. `source` is an image or bitmap of any resolution, upright.
 * scene: `width`, `height` of the original, `box`, `margin`, `wideMargin`, `pad` (a CSS colour).
 */
export function drawn(view, source, scene) {
  const region = regionOf(view, scene);
  if (!region || !source) return null;
  const side = Math.max(region.width, region.height);
  const scale = Math.min(1, LONGEST_SIDE / side);
  const canvas = document.createElement("canvas");
  canvas.width = Math.max(1, Math.round((region.padded ? side : region.width) * scale));
  canvas.height = Math.max(1, Math.round((region.padded ? side : region.height) * scale));
  const context = canvas.getContext("2d");
  context.fillStyle = scene.pad;
  context.fillRect(0, 0, canvas.width, canvas.height);
  const left = region.padded ? Math.floor((side - region.width) / 2) : 0;
  const top = region.padded ? Math.floor((side - region.height) / 2) : 0;
  const fx = sizeOf(source).width / scene.width, fy = sizeOf(source).height / scene.height;
  context.imageSmoothingQuality = "high";
  context.drawImage(source, region.x * fx, region.y * fy, region.width * fx, region.height * fy,
    left * scale, top * scale, region.width * scale, region.height * scale);
  if (view === "bg_box") {
    const hole = cropOf(scene.box, 0, scene.width, scene.height);
    context.fillRect(hole.x * scale, hole.y * scale, hole.width * scale, hole.height * scale);
  }
  return canvas;
}

const sizeOf = (source) => ({ width: source.naturalWidth ?? source.width, height: source.naturalHeight ?? source.height });
