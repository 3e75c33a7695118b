// Checking a project's files, and repairing them: what is damaged and what a repair would do is said first.
import { ask, byId, element, number, pause } from "./parts.js";

const POLL = 300;
const open = { turn: 0, checking: "" }; // checking: the address of a check under way

const dialog = () => byId("care");

function paragraph(words, attributes = {}) {
  return element("p", attributes, words);
}

function list(lines) {
  return element("ul", {}, ...lines.map((line) => element("li", {}, line)));
}

function button(words, act, name = "") {
  return element("button", { type: "button", class: name, onclick: act }, words);
}

function draw(content, buttons) {
  byId("care-content").replaceChildren(...content);
  byId("care-acts").replaceChildren(...buttons, button("Close", () => dialog().close()));
}

function drawRunning(one, state) {
  const [what, done, total] = state.progress;
  const words = total > 1 ? `${what}: ${number(done)} of ${number(total)}` : `${what} …`;
  const bar = element("progress", { max: 1, "aria-label": "Progress", value: total ? Math.min(1, done / total) : null });
  const place = byId("care-content");
  if (place.dataset.running === "yes") {
    place.firstChild.textContent = words;
    place.lastChild.replaceWith(bar);
    return;
  }
  draw([paragraph(words, { role: "status" }), bar], [button("Stop", () => ask(address(one), undefined, "DELETE").catch(() => {}))]);
  place.dataset.running = "yes";
}

function drawChecked(one, { damage, sound, plan }) {
  const read = element("details", {}, element("summary", {}, "What was read"), paragraph(`Sound: ${sound.join(", ") || "nothing"}.`));
  if (!damage.length) {
    draw([paragraph("Everything is as it was written.", { role: "status" }), read], []);
    return;
  }
  const content = [element("h3", {}, "Damaged"), list(damage)];
  if (plan.length) content.push(element("h3", {}, "What a repair does"), list(plan));
  else content.push(paragraph("A repair mends none of this: it is for the database and the settings."));
  draw([...content, read], plan.length ? [button("Repair", () => begin(one, "repair"), "primary")] : []);
}

function drawRepaired(one, { lines }) {
  draw([paragraph("It can be opened again.", { role: "status" }), list(lines)],
    [element("a", { class: "button primary", href: `p/${one.key}/` }, "Open it")]);
}

const address = (one) => `api/home/projects/${one.key}/care`;

/** Begins, or follows what somebody has begun here. */
async function begin(one, act) {
  const turn = ++open.turn;
  byId("care-content").dataset.running = "no";
  try {
    let state = await ask(address(one), { act });
    open.checking = state.act === "check" ? address(one) : "";
    while (state.phase === "running") {
      if (turn !== open.turn) return;
      drawRunning(one, state);
      await pause(POLL);
      state = await ask(address(one));
    }
    if (turn !== open.turn) return;
    open.checking = "";
    if (state.phase !== "done") throw new Error(state.error);
    if (state.act === "check") drawChecked(one, state.result);
    else drawRepaired(one, state.result);
  } catch (error) {
    if (turn === open.turn) draw([paragraph(error.message, { role: "alert" })], [button("Check", () => begin(one, "check"))]);
  }
}

/** closed: is called when the dialog is. */
export function care(one, closed) {
  byId("care-title").textContent = one.name;
  dialog().onclose = () => {
    open.turn += 1;
    // nobody can open the project while it is checked
    if (open.checking) ask(open.checking, undefined, "DELETE").catch(() => {});
    open.checking = "";
    closed();
  };
  draw([], []);
  dialog().showModal();
  begin(one, "check");
}
