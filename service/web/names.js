// Class names out of what people type, paste or upload.

const HEADS = ["name", "names", "class", "classes", "label", "labels"];

/** Names separated by commas or lines, each once, in their order. A text with several lines is separated by lines alone if asked. */
export function namesIn(text, linesOnly = false) {
  return distinct(text.split(linesOnly ? /[\r\n]+/ : /[\r\n,;]+/));
}

function distinct(names) {
  const tidy = names.map((name) => name.replace(/\s+/g, " ").trim()).filter(Boolean);
  return { names: [...new Set(tidy)], doubles: tidy.length - new Set(tidy).size };
}

/** Names of a file: the lines of a text, or a CSV's first column or the one whose head says that it holds them. */
export function namesInFile(fileName, text) {
  const plain = text.replace(/^\uFEFF/, "");
  if (!/\.csv$/i.test(fileName)) return namesIn(plain, true);
  const rows = csvRows(plain, separatorOf(plain));
  if (rows.length === 0) return { names: [], doubles: 0 };
  const heads = rows[0].map((cell) => cell.trim().toLowerCase());
  const column = heads.findIndex((head) => HEADS.includes(head));
  return distinct((column < 0 ? rows : rows.slice(1)).map((row) => row[Math.max(column, 0)] ?? ""));
}

function separatorOf(text) {
  const first = text.slice(0, text.search(/[\r\n]|$/));
  return [";", "\t"].find((separator) => first.includes(separator) && !first.includes(",")) ?? ",";
}

/** RFC 4180: cells may be quoted, quotes in them doubled; lines end as they like. */
export function csvRows(text, separator = ",") {
  const rows = [];
  let row = [], cell = "", quoted = false;
  const endCell = () => { row.push(cell); cell = ""; };
  const endRow = () => { endCell(); if (row.length > 1 || row[0] !== "") rows.push(row); row = []; };
  for (let place = 0; place < text.length; place++) {
    const character = text[place];
    if (quoted) {
      if (character !== '"') cell += character;
      else if (text[place + 1] === '"') { cell += '"'; place++; }
      else quoted = false;
    } else if (character === '"' && cell === "") quoted = true;
    else if (character === separator) endCell();
    else if (character === "\n" || character === "\r") { if (character === "\n" || text[place + 1] !== "\n") endRow(); }
    else cell += character;
  }
  endRow();
  return rows;
}
