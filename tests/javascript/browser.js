// What a browser offers and node does not: storage that may be full, tabs without locks, a clock that tests move on.

import { mock } from "node:test";

/** Keys as properties, as in a browser's storage. */
class Storage {
  getItem(key) {
    return Object.hasOwn(this, key) ? this[key] : null;
  }

  setItem(key, value) {
    if (browser.full) throw new Error("QuotaExceededError");
    this[key] = String(value);
  }

  removeItem(key) {
    delete this[key];
  }
}

export const browser = { full: false, now: 0 };

/** A browser in which nothing was opened yet. Time stands still until `wait`. */
export function openBrowser() {
  Object.assign(browser, { full: false, now: 1_000_000 });
  mock.reset();
  mock.timers.reset();
  mock.timers.enable({ apis: ["setTimeout", "setInterval"] });
  mock.method(performance, "now", () => browser.now);
  mock.method(Date, "now", () => browser.now);
  const page = new EventTarget();
  const values = { navigator: {}, localStorage: new Storage(), addEventListener: page.addEventListener.bind(page) };
  for (const [name, value] of Object.entries(values)) Object.defineProperty(globalThis, name, { value, configurable: true });
  openSession();
  return page;
}

/** Another tab, or the same one when its session is handed in: a reload. */
export function openSession(session = new Storage()) {
  Object.defineProperty(globalThis, "sessionStorage", { value: session, configurable: true });
  return session;
}

/** A copy of what a tab holds, as a browser makes it for a duplicated tab. */
export function duplicate(session) {
  return openSession(Object.assign(new Storage(), session));
}

/** Lets so many milliseconds pass, and all that was waiting for them. */
export async function wait(milliseconds) {
  for (let passed = 0; passed < milliseconds; passed += 50) {
    browser.now += 50;
    mock.timers.tick(50);
    for (let turn = 0; turn < 4; turn += 1) await new Promise(setImmediate);
  }
}
