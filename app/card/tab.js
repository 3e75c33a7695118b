// Which browser tab this is. Two tabs of one person hold different records, so no two open tabs may share a name.

/** Lives as long as the page does, also when Streamlit takes the component away and puts it back. */
export const ROOM = (globalThis.__rondo ??= { tab: null, visits: new Map() });
const BEAT_MS = 3000;
/** For which a name is waited for: a page that was reloaded has it to itself once the one before it is gone, which a busy
 * machine may take seconds for; any other may be a duplicate, whose twin stays. */
const RELOADED_MS = 15_000;
const OTHER_MS = 1500;

/** Storage that may be full, forbidden or absent: then things are simply not there. */
export const storage = {
  get(store, key) {
    try { return JSON.parse(globalThis[store].getItem(key)); } catch { return null; }
  },
  set(store, key, value) {
    try { globalThis[store].setItem(key, JSON.stringify(value)); return true; } catch { return false; }
  },
  drop(store, key) {
    try { globalThis[store].removeItem(key); } catch { /* nothing stood there */ }
  },
  keys(store, prefix) {
    try { return Object.keys(globalThis[store]).filter((key) => key.startsWith(prefix)).sort(); } catch { return []; }
  },
};

/** A UUID; crypto.randomUUID is missing where the page comes over plain HTTP from another machine. */
export function newId() {
  if (crypto.randomUUID) return crypto.randomUUID();
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

/** The same name after a reload; a new one in a tab that was duplicated, whose twin is still open. */
export function claimTab() {
  return (ROOM.tab ??= findTab());
}

async function findTab() {
  const before = storage.get("sessionStorage", "rondo:tab");
  if (before && (await holdTab(before))) return before;
  const fresh = newId().slice(0, 18);
  storage.set("sessionStorage", "rondo:tab", fresh);
  await holdTab(fresh);
  return fresh;
}

/** True when the name is ours until the page goes. A page that reloads may have to wait for itself to let go. */
function holdTab(tab) {
  if (!navigator.locks) return Promise.resolve(startBeating(tab));
  const reloaded = performance.getEntriesByType?.("navigation")[0]?.type === "reload";
  return new Promise((resolve) => {
    navigator.locks
      .request(`rondo:tab:${tab}`, { signal: AbortSignal.timeout(reloaded ? RELOADED_MS : OTHER_MS) }, () => {
        resolve(true);
        return new Promise(() => {});
      })
      .catch(() => resolve(false));
  });
}

/** Without locks a tab shows by a time stamp that it lives. */
function startBeating(tab) {
  const key = `rondo:beat:${tab}`;
  if (Date.now() - (storage.get("localStorage", key) ?? 0) < 2 * BEAT_MS) return false;
  const beat = () => storage.set("localStorage", key, Date.now());
  beat();
  setInterval(beat, BEAT_MS);
  addEventListener("pagehide", () => storage.drop("localStorage", key));
  return true;
}

/** The tabs of this browser that are open now. */
export async function openTabs() {
  if (navigator.locks) return (await navigator.locks.query()).held.map(({ name }) => name).filter(isTab).map(tabOf);
  const beating = (key) => Date.now() - (storage.get("localStorage", key) ?? 0) < 2 * BEAT_MS;
  return storage.keys("localStorage", "rondo:beat:").filter(beating).map(tabOf);
}

function isTab(name) {
  return name.startsWith("rondo:tab:");
}

function tabOf(name) {
  return name.split(":").slice(2).join(":");
}
