// What a replay is to play: the file, what is answered in it, its columns, and how much. Starts nothing.
import { ask, byId, element, number, pause, send, show, size } from "./parts.js";
import { TASKS, drawTasks } from "./tasks.js";

const ROLES = {
  labels: { text: "text", label: "label", split: "split", none: "not used" },
  pairs: { left: "left side", right: "right side", label: "label", split: "split", none: "not used" },
  extract: { none: "as the steps say", text: "text", label: "the only field", split: "split" },
};
const SPEND = { labels: "Labels to spend", pairs: "Decisions to spend", extract: "Answers to spend" };
const SHOWN_ROWS = 6, MOST_STEPS = 2 ** 20, OWN = "file";
const form = { draft: null, chosen: TASKS[0], roles: {}, guessed: {}, turn: 0, asked: 0, steps: "", recorded: null };
let offered, onready;

export const opened = () => form.draft;

/** The file is another's now, or nobody's. */
export function close() {
  Object.assign(form, { draft: null, recorded: null, turn: form.turn + 1 });
  byId("form").hidden = true;
}

/** Deletes what was sent, and nothing is left of it. */
export async function forget() {
  for (const one of [form.draft, form.recorded]) if (one) await ask(`api/home/drafts/${one.id}`, undefined, "DELETE").catch(() => {});
}

export function failed(error) {
  byId("sending").textContent = "";
  if (!error.message) return;
  show("error", error.message);
  byId("error").scrollIntoView({ block: "nearest" });
}

// ---- the file

/** The draft, when none of these phases is its phase any more. */
async function settled(begun, phases) {
  let state = begun;
  while (phases.includes(state.phase)) {
    await pause(150);
    state = await ask(`api/home/drafts/${state.id}`);
  }
  if (state.phase === "failed") throw new Error(state.error);
  return state;
}

/** Reads a file's beginning, guesses what is answered in it, then reads all of it. ontaken: it can be shown. */
export async function take(begun, ontaken) {
  show("error", "");
  try {
    const state = await begun();
    byId("sending").textContent = `Reading ${state.title} …`;
    const first = await settled(state, ["reading"]);
    await ask(`api/home/drafts/${first.id}/check`, { task: "pairs", roles: {} });
    const second = await settled({ ...first, phase: "checking" }, ["checking"]);
    byId("sending").textContent = "";
    form.draft = second;
    form.guessed = { labels: guessed(first, "labels"), pairs: guessed(second, "pairs"), extract: guessed(first, "extract") };
    byId("form").hidden = false;
    ontaken();
    const template = templateOf(first);
    drawSteps(template);
    const task = isPairs() ? "pairs" : template ? "extract" : "labels";
    await choose(TASKS.find((one) => one.task === task));
  } catch (error) {
    failed(error);
  }
  byId("file").value = "";
}

/** What a task does not use is not used; what structured answers use, the steps say. */
function guessed({ preview }, task) {
  return Object.fromEntries(preview.columns.map(({ name, role }) => [name, task !== "extract" && role in ROLES[task] ? role : "none"]));
}

const isPairs = () => ["left", "right", "label"].every((role) => Object.values(form.guessed.pairs).includes(role));

/** The template of steps all of whose columns are there. */
function templateOf({ preview }) {
  const names = preview.columns.map((one) => one.name);
  return offered.templates.find((one) => one.columns.every((name) => names.includes(name)))?.name ?? "";
}

export function upload(file, ontaken) {
  const told = (done, total) => { byId("sending").textContent = `Sending ${file.name}: ${size(done)} of ${size(total)}`; };
  return take(() => send(`api/home/drafts/file?name=${encodeURIComponent(file.name)}`, file, told).done, ontaken);
}

/** All rows are read with the columns as they are chosen; a newer choice ends an older check. */
async function check() {
  const turn = ++form.turn, { task } = form.chosen;
  onready(false);
  byId("estimate").textContent = "";
  try {
    if (task === "extract") {
      byId("notes").replaceChildren(element("p", {}, "All of it is read as the steps say; what does not fit them is left out and counted."));
      await settled(form.draft, ["checking"]).catch(() => {}); // what another task's columns came to is nothing to these
      if (turn !== form.turn) return;
    } else {
      byId("notes").textContent = "Reading all rows …";
      const roles = form.recorded ? form.roles : without(form.roles, "id");
      form.draft = await ask(`api/home/drafts/${form.draft.id}/check`, { task, roles });
      const state = await settled(form.draft, ["checking"]);
      if (turn !== form.turn) return;
      form.draft = state;
      draw();
    }
    onready(true);
    estimate();
  } catch (error) {
    if (turn !== form.turn) return;
    byId("notes").textContent = "";
    failed(error);
  }
}

const without = (roles, role) => Object.fromEntries(Object.entries(roles).map(([name, one]) => [name, one === role ? "none" : one]));

// ---- what is answered

async function choose(one) {
  form.chosen = one;
  show("error", "");
  byId("tasks").querySelector(`[value=${one.id}]`).checked = true;
  form.roles = { ...form.guessed[one.task] };
  if (form.recorded) takeIds();
  for (const part of byId("form").querySelectorAll("[data-task]")) part.hidden = part.dataset.task !== one.task;
  byId("budget-words").textContent = SPEND[one.task];
  byId("batch-label").hidden = one.task === "pairs";
  const { strategies, ...counts } = offered.tasks[one.task];
  for (const [name, value] of Object.entries(counts)) byId(name).value = value;
  byId("strategies").hidden = !strategies.length;
  byId("strategies").replaceChildren(byId("strategies").querySelector("legend"), ...strategies.map((strategy) => element("label", { class: "tick" },
    element("input", { type: "checkbox", value: strategy.name, checked: strategy.ticked, onchange: estimate }), element("b", {}, strategy.name),
    element("small", {}, strategy.caption))));
  draw();
  await check();
}

function draw() {
  const { preview, title } = form.draft, { task } = form.chosen;
  const rows = task === "extract" ? "its first rows" : preview.whole ? `${number(preview.read)} rows` : "reading all rows …";
  show("state", `${title} · ${rows}`);
  const choices = form.recorded && task === "labels" ? { ...ROLES.labels, id: "id" } : ROLES[task];
  const heads = preview.columns.map((one, index) => {
    const choice = element("select", { id: `role-${index}`, onchange: (event) => role(one.name, event.target.value) },
      ...Object.entries(choices).map(([value, words]) => element("option", { value, selected: value === form.roles[one.name] }, words)));
    return element("th", { scope: "col" }, element("label", { for: `role-${index}` }, one.name), choice);
  });
  const cells = preview.rows.slice(0, SHOWN_ROWS).map((row) => element("tr", {},
    ...row.map((cell) => element("td", { dir: "auto", title: cell ?? null }, cell ?? ""))));
  byId("table").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...cells)));
  if (preview.whole && task !== "extract") drawNotes(preview, task === "pairs" ? "pairs" : "records");
}

function drawNotes(preview, records) {
  const notes = [];
  if (preview.labels.length) {
    const most = preview.labels.slice(0, 12).map(([name, count]) => `${name} (${number(count)})`).join(", ");
    const more = preview.labels.length > 12 ? ` and ${number(preview.labels.length - 12)} more` : "";
    notes.push(`${number(preview.labelled)} rows have a label: ${most}${more}.`);
  } else notes.push("Choose the column that holds the known answers, as label.");
  notes.push(preview.gold ? `${number(preview.gold)} test rows judge.` : `A fifth of the ${records}, drawn at random, judges: there is no split with test rows.`);
  if (preview.unusable) notes.push(`${number(preview.unusable)} ${preview.unusable === 1 ? "row is" : "rows are"} left out: they cannot be ${records}.`);
  byId("notes").replaceChildren(...notes.map((words) => element("p", {}, words)));
  drawPositive(preview);
}

/** Which label says "the same", guessed where one alone is usual. */
function drawPositive({ labels }) {
  const names = labels.map(([name]) => name), usual = names.filter((name) => offered.positives.includes(name));
  const before = byId("positive").value, chosen = names.includes(before) ? before : usual.length === 1 ? usual[0] : "";
  byId("positive").replaceChildren(...[...(chosen ? [] : [""]), ...names.slice(0, 100)].map((value) =>
    element("option", { value, selected: value === chosen }, value || "choose one")));
}

function role(name, value) {
  const single = value !== "none" && (value !== "text" || form.chosen.task === "extract");
  for (const other of Object.keys(form.roles)) if (single && form.roles[other] === value) form.roles[other] = "none";
  form.roles[name] = value;
  draw();
  check();
}

// ---- steps, and recorded answers

function drawSteps(chosen) {
  const options = [{ name: "", words: "choose" }, ...offered.templates.map(({ name }) => ({ name, words: name })), { name: OWN, words: "a file of yours" }];
  byId("steps").replaceChildren(...options.map(({ name, words }) => element("option", { value: name, selected: name === chosen }, words)));
  stepsChosen();
}

function stepsChosen() {
  const template = offered.templates.find((one) => one.name === byId("steps").value);
  byId("steps-file-line").hidden = byId("steps").value !== OWN;
  byId("steps-caption").textContent = template?.caption ?? "";
  byId("names").value = "";
  byId("names").placeholder = template ? template.steps.join(", ") : "";
}

async function readSteps() {
  const [file] = byId("steps-file").files;
  form.steps = "";
  show("error", "");
  if (!file) return;
  if (!file.name.toLowerCase().endsWith(".toml") || file.size > MOST_STEPS) {
    byId("steps-file").value = "";
    failed(new Error(`${file.name} is no file of steps for this page: it must be a .toml of up to 1 MB. A Python file of steps is run, so it is for the command.`));
  } else form.steps = await file.text();
  estimate();
}

/** An upload of its own, whose columns are known before anything is played. */
async function readRecorded() {
  const [file] = byId("recorded").files;
  if (!file) return;
  show("error", "");
  if (form.recorded) await ask(`api/home/drafts/${form.recorded.id}`, undefined, "DELETE").catch(() => {});
  form.recorded = null;
  const told = (done, total) => { byId("recorded-state").textContent = `Sending ${file.name}: ${size(done)} of ${size(total)}`; };
  try {
    form.recorded = await settled(await send(`api/home/drafts/file?name=${encodeURIComponent(file.name)}`, file, told).done, ["reading"]);
    takeIds();
    const ids = Object.keys(form.roles).find((name) => form.roles[name] === "id");
    byId("recorded-state").textContent = ids ? `Its ids are those of the column ${ids}.` : "Choose the column of ids above, as id.";
  } catch (error) {
    byId("recorded").value = byId("recorded-state").textContent = "";
    failed(error);
  }
  draw();
  check();
}

/** The ids are used now: those that look so. */
function takeIds() {
  if (form.chosen.task !== "labels" || Object.values(form.roles).includes("id")) return;
  const named = form.draft.preview.columns.find(({ name }) => form.roles[name] === "none" && /^(.*_)?id$/i.test(name));
  if (named) form.roles[named.name] = "id";
}

// ---- how much

const count = (id) => Math.max(0, Math.floor(byId(id).valueAsNumber || 0));

/** What is sent: the `ReplayStart` of the server. */
export function request() {
  const { task, several } = form.chosen;
  const ticked = [...byId("strategies").querySelectorAll(":checked")].map((one) => one.value);
  const both = { draft: form.draft.id, task, budget: count("budget"), batch: count("batch"), seeds: count("seeds") };
  if (task === "pairs") return { ...both, roles: form.roles, positive: byId("positive").value };
  if (task === "labels") {
    const recorded = form.recorded?.id ?? "", roles = recorded ? form.roles : without(form.roles, "id");
    return { ...both, roles, several, strategies: ticked, tuning: byId("tuning").checked, recorded };
  }
  const own = byId("steps").value === OWN, names = byId("names").value.split(",").map((one) => one.trim()).filter(Boolean);
  return { ...both, roles: form.roles, strategies: ticked, template: own ? "" : byId("steps").value, steps: own ? form.steps : "", names,
    test: count("test"), few_shot: count("few-shot"), base: byId("base").value.trim() };
}

/** How long it will take, or what is still missing. */
async function estimate() {
  const asked = ++form.asked;
  await pause(150);
  if (asked !== form.asked || !form.draft) return;
  const words = await ask("api/home/replays/estimate", request()).then(({ sentence }) => sentence, ({ message }) => message);
  if (asked === form.asked) byId("estimate").textContent = words;
}

/** ready: is called with whether it can be played. */
export function prepare(choices, ready) {
  offered = choices;
  onready = ready;
  byId("base-line").hidden = !offered.operator;
  drawTasks(byId("tasks"), form.chosen, choose);
  byId("steps").addEventListener("change", () => { stepsChosen(); estimate(); });
  byId("steps-file").addEventListener("change", readSteps);
  byId("recorded").addEventListener("change", readRecorded);
  for (const id of ["budget", "batch", "seeds", "tuning", "positive", "names", "test", "few-shot", "base"]) byId(id).addEventListener("input", estimate);
}
