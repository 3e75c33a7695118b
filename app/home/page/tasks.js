// What can be answered, as a choice with pictures: for the page that makes a project and the one that plays a replay.
import { element } from "./parts.js";

export const TASKS = [
  { id: "one", task: "labels", several: false, title: "One label each", caption: "spam or not, a mood",
    picture: [["rect", { x: 3, y: 4, width: 34, height: 9, rx: 2 }], ["rect", { x: 3, y: 18, width: 15, height: 9, rx: 4, class: "on" }],
              ["rect", { x: 22, y: 18, width: 15, height: 9, rx: 4 }]] },
  { id: "several", task: "labels", several: true, title: "Several labels", caption: "all that hold, or none",
    picture: [["rect", { x: 3, y: 4, width: 34, height: 9, rx: 2 }], ["rect", { x: 3, y: 18, width: 10, height: 9, rx: 4, class: "on" }],
              ["rect", { x: 15, y: 18, width: 10, height: 9, rx: 4 }], ["rect", { x: 27, y: 18, width: 10, height: 9, rx: 4, class: "on" }]] },
  { id: "pairs", task: "pairs", several: false, title: "Pairs: the same?", caption: "duplicates, twins",
    picture: [["rect", { x: 3, y: 6, width: 13, height: 20, rx: 2 }], ["rect", { x: 24, y: 6, width: 13, height: 20, rx: 2 }],
              ["path", { d: "M17 13h6M17 19h6" }]] },
  { id: "extract", task: "extract", several: false, title: "Values from text", caption: "names, dates, amounts",
    picture: [["path", { d: "M3 8h9M30 8h7M3 16h16M3 24h6M26 24h11" }], ["rect", { x: 14, y: 4, width: 14, height: 8, rx: 2, class: "on" }],
              ["rect", { x: 11, y: 20, width: 13, height: 8, rx: 2, class: "on" }]] },
];

function drawn(name, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

/** Into a fieldset; onchosen gets the one that is chosen. */
export function drawTasks(fieldset, chosen, onchosen) {
  for (const one of TASKS) {
    const picture = drawn("svg", { viewBox: "0 0 40 32", "aria-hidden": "true" });
    picture.append(...one.picture.map(([name, attributes]) => drawn(name, attributes)));
    fieldset.append(element("label", { class: "task-choice" },
      element("input", { type: "radio", name: "task", value: one.id, checked: one === chosen, onchange: () => onchosen(one) }),
      picture, element("span", {}, one.title), element("small", {}, one.caption)));
  }
}
