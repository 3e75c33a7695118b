// Where the labelling card gets its records: the queue of a batch, lent to this tab for a while.

/**
 * A source: where records come from and what the frame offers beside the task's answers. title: the card's name. prefix: of
 * what this browser keeps. path: the route. ahead, refill: how many records are at hand, and below how many it gets more.
 * review: the answers of others are in view. actions: keys of ACTIONS, in the order of their buttons. headline: what
 * stands above the record, two texts. nothing: [title, detail] for an empty screen.
 */
export const LABELLING = {
  title: "Labelling card",
  prefix: "",
  path: "api/label/events",
  ahead: 40, // ten seconds without a server at four keys a second
  refill: 33,
  review: false,
  scrolls: true,
  submit: "Submit",
  actions: ["skip", "undo", "flag", "hints", "similar", "keys"],

  headline(visit) {
    const { batch, size = 0, answered } = visit.latest?.progress ?? {};
    const total = visit.past.total;
    const pace = Math.round(visit.pace());
    return [
      size ? `Batch ${batch} · ${Math.min(answered, size)} of ${size}` : "",
      total ? `${pace ? `${pace} a minute` : `${total} in this visit`}` : "",
    ];
  },

  nothing({ latest }) {
    if (!latest) return ["Fetching records…", ""];
    const { records, waiting } = latest.progress;
    if (!records) return ["There are no records yet", "Bring some with: rondo import FILE --text COLUMN"];
    if (latest.learning) return ["The model is learning from your answers", "The next records come by themselves."];
    if (waiting) {
      const they = waiting === 1 ? "One record waits, but it is" : `${waiting} records wait, but they are`;
      return ["Nothing is free for you right now", `${they} with other people, or skipped by you. The next free one comes by itself.`];
    }
    return ["All done", "Every record that you could answer is answered. Backspace takes your last answer back."];
  },
};
