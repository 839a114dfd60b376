// The service's public interface. Addresses are relative to the page's, so that they hold behind a proxy's prefix.

import { find, shown } from "./dom.js";

const STORED = "l2r2-key";
const SENDABLE = /^[\x21-\x7e]+$/; // in a header
const EXTRA_S = 1; // where the service names no time

/** What the service refused, or why it could not be asked: `status` 0. */
export class Problem extends Error {
  constructor(status, document, retryAfter_s = null) {
    super(document.detail ?? document.title ?? "unknown");
    this.status = status;
    this.title = document.title ?? "";
    this.code = document.code ?? "";
    this.fields = document.errors ?? [];
    this.requestId = document.request_id ?? null;
    this.retryAfter_s = retryAfter_s;
  }
}

let unstored = null; // where the tab keeps nothing

export const key = {
  get: () => { try { return sessionStorage.getItem(STORED); } catch { return unstored; } },
  set(value) {
    unstored = value;
    try { value === null ? sessionStorage.removeItem(STORED) : sessionStorage.setItem(STORED, value); } catch { /* unstored */ }
    find("forget-key").hidden = value === null;
  },
};

let prompting = null; // one question at a time, however many requests wait for it

function keyFromUser(refused) {
  prompting ??= askForKey(refused).finally(() => { prompting = null; });
  return prompting;
}

async function askForKey(refused) {
  const dialog = find("key-dialog"), field = find("key");
  field.value = "";
  refuseKey(refused ? "The service does not know this key, or it has expired." : "");
  if (!await shown(dialog)) return null;
  key.set(field.value.trim());
  field.value = "";
  return key.get();
}

function refuseKey(words) {
  find("key-error").hidden = !words;
  find("key-error").textContent = words;
  find("key").setAttribute("aria-invalid", String(Boolean(words)));
}

export function wireKey(changed) {
  find("key-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const given = find("key").value.trim();
    if (SENDABLE.test(given)) return find("key-dialog").close("given");
    if (given) refuseKey("A key has Latin letters, digits and ASCII signs only. Copy it anew.");
    return find("key").focus();
  });
  find("forget-key").hidden = key.get() === null;
  find("forget-key").addEventListener("click", () => { key.set(null); changed(); });
}

/**
 * The JSON answer to a request; null where there is none. `json` is sent as JSON, `form` as multipart.
 * Throws Problem, or an AbortError where `signal` says so. Where a key is asked for, the user is asked and it is sent anew.
 */
export async function call(path, { method = "GET", json, form, signal } = {}) {
  for (;;) {
    const sent = key.get();
    const headers = { Accept: "application/json" };
    if (sent !== null) headers.Authorization = `Bearer ${sent}`;
    if (json !== undefined) headers["Content-Type"] = "application/json";
    const response = await answered(new URL(path, document.baseURI), {
      method, headers, signal, body: json === undefined ? form : JSON.stringify(json), cache: "no-store", credentials: "same-origin",
    });
    if (response.ok) return read(response, signal);
    if (response.status !== 401) throw await problemOf(response);
    if (sent !== key.get()) continue; // another request got a new one meanwhile
    if (await keyFromUser(sent !== null) === null) throw await problemOf(response);
    signal?.throwIfAborted();
  }
}

async function answered(address, request) {
  try {
    return await fetch(address, request);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { title: "The service cannot be reached", code: "unreachable", detail: "No answer came. Is it running, and is this machine connected?" });
  }
}

async function read(response, signal) {
  if (response.status === 204) return null;
  try {
    return await response.json();
  } catch (error) {
    if (error.name === "AbortError" || signal?.aborted) throw error;
    throw new Problem(0, { title: "The answer broke off", code: "unreachable", detail: "The connection ended before all of it was there." });
  }
}

async function problemOf(response) {
  const stated = Number.parseInt(response.headers.get("Retry-After") ?? "", 10);
  const retryAfter_s = Number.isFinite(stated) ? Math.max(stated, EXTRA_S) : null;
  let document = {};
  try {
    document = await response.json();
  } catch { /* a proxy's own page */ }
  const fallback = { title: `Status ${response.status}`, detail: "Something between here and the service answered in its place." };
  return new Problem(response.status, { ...fallback, ...document }, retryAfter_s);
}
