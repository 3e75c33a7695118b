// Where the adjudication card gets its records: those on which people do not agree, the most instructive first.

import { percent } from "./elements.js";

/** A source as `labelling.js` describes it. Nothing is lent here, and each record shows who answered what. */
export const ADJUDICATION = {
  title: "Adjudication card",
  prefix: "adjudication:",
  path: "api/adjudicate",
  ahead: 20,
  refill: 10,
  review: true,
  scrolls: false, // the card stands on a page that scrolls itself
  submit: "Decide",
  actions: ["pass", "undo", "note", "keys"],

  headline({ latest, card }) {
    if (!latest) return ["", ""];
    const sure = card?.sure ?? null;
    return [
      `${latest.left.toLocaleString("en")} ${latest.left === 1 ? "conflict" : "conflicts"}`,
      card ? card.reason + (sure === null ? "" : ` · likeliest answer ${percent(sure)}`) : "",
    ];
  },

  nothing({ latest }) {
    if (!latest) return ["Looking for conflicts…", ""];
    return ["No conflicts", "Where people answer the same record in different ways, it comes here by itself."];
  },
};
