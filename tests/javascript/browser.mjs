// The app's scripts share one scope in the browser; here each test runs them in a scope of its own, with what it lends them.

import { readFileSync } from "node:fs";
import vm from "node:vm";

const APP = new URL("../../app/", import.meta.url);

/** Runs scripts of app/ one after the other and returns these names of their scope. lent: what else a browser has. */
export function load(files, names, lent = {}) {
  const source = files.map((file) => readFileSync(new URL(file, APP), "utf8")).join("\n");
  return vm.runInNewContext(`${source}\n;({ ${names.join(", ")} })`, { crypto, AbortSignal, setInterval, ...lent });
}

/** As localStorage: texts by name, which are its keys. full: nothing more can be stored. */
export function storage({ full = false } = {}) {
  const hidden = (value) => ({ value, enumerable: false });
  return Object.create({}, {
    getItem: hidden(function (key) { return this[key] ?? null; }),
    setItem: hidden(function (key, text) {
      if (full) throw new Error("QuotaExceededError");
      Object.defineProperty(this, key, { value: String(text), enumerable: true, configurable: true, writable: true });
    }),
    removeItem: hidden(function (key) { delete this[key]; }),
  });
}
