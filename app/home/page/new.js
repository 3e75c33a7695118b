// Making a project: a source, what is in it, what is to be found in it. Nothing is saved before "Start labelling".
import { ask, byId, element, number, pause, send, show, size } from "./parts.js";
import { TASKS, drawTasks } from "./tasks.js";

const ROLES = {
  text: "text", id: "id", label: "label", split: "split", annotator: "annotator", left: "left side",
  right: "right side", context: "context", none: "left out",
};
const SHOWN_ROWS = 8;
const offered = { templates: [], samples: [], operator: false, limit: Infinity, colours: ["none"] };
const project = { draft: null, labels: [], chosen: TASKS[0], template: "", sending: null, roles: {}, turn: 0, merged: new Set() };

const current = () => offered.templates.find((one) => one.name === project.template);
const column = (role) => project.draft?.preview?.columns.find((one) => project.roles[one.name] === role);

function working(words, done = 0, total = 0) {
  byId("working").hidden = !words;
  byId("source").hidden = Boolean(words) || Boolean(project.draft);
  byId("doing").textContent = words;
  if (total) byId("bar").value = Math.min(1, done / total);
  else byId("bar").removeAttribute("value");
}

function failed(error) {
  working("");
  if (!error.message) return;
  show("error", error.message);
  byId("error").scrollIntoView({ block: "nearest" });
}

// ---- where the records come from

async function upload(file) {
  show("error", "");
  if (file.size > offered.limit) return failed(new Error(`${file.name} has ${size(file.size)}; ${size(offered.limit)} can be uploaded.`));
  const told = (done, total) => working(`Sending ${file.name}: ${size(done)} of ${size(total)}`, done, total);
  told(0, file.size);
  project.sending = send(`api/home/drafts/file?name=${encodeURIComponent(file.name)}`, file, told);
  try {
    await begin(await project.sending.done);
  } catch (error) {
    failed(error);
  }
  project.sending = null;
  byId("file").value = "";
}

async function name(source) {
  show("error", "");
  working("Reading …");
  try {
    await begin(await ask("api/home/drafts", source));
  } catch (error) {
    failed(error);
  }
}

/** Waits for the draft's phase to be none of these; shows progress. */
async function follow(draft, phases, words) {
  let state = draft;
  while (phases.includes(state.phase)) {
    const [what, done, total] = state.progress;
    working(words(what, done, total), done, total);
    await pause(150);
    state = await ask(`api/home/drafts/${draft.id}`);
  }
  return state;
}

async function begin(draft) {
  project.pending = draft.id;
  const words = (what, done, total) => what === "Fetching" ? `Fetching ${draft.title}: ${number(done)} of ${number(total)} records` : `Reading ${draft.title} …`;
  const state = await follow(draft, ["reading"], words);
  project.pending = null;
  if (state.phase === "failed") throw new Error(state.error);
  take(state);
  working("");
  byId("form").hidden = byId("start").hidden = false;
  byId("source").hidden = true;
  if (!byId("name").value) byId("name").value = state.title.replace(/\.(gz|[a-z]{2,8})$/i, "").replace(/\.(csv|tsv|jsonl?)$/i, "");
  if (column("left")) choose(TASKS[2]);
  draw();
  byId("name").focus();
  await check();
}

function take(state) {
  project.draft = state;
  project.roles = Object.fromEntries(state.preview.columns.map((one) => [one.name, one.role]));
}

/** All rows are read with the columns as they are chosen; a newer choice ends an older check. */
async function check(again = false) {
  const turn = ++project.turn;
  const { id } = project.draft;
  byId("notes").textContent = "Reading all rows …";
  byId("start").disabled = true;
  try {
    let state = await ask(`api/home/drafts/${id}/check`, { task: project.chosen.task, roles: again ? {} : project.roles });
    while (state.phase === "checking" && turn === project.turn) {
      const [, done, total] = state.progress;
      byId("notes").textContent = total ? `Reading all rows: ${Math.round((100 * done) / total)} %` : "Reading all rows …";
      await pause(150);
      state = await ask(`api/home/drafts/${id}`);
    }
    if (turn !== project.turn) return;
    if (state.phase === "failed") throw new Error(state.error);
    take(state);
    draw();
    if (again) await check();
  } catch (error) {
    if (turn !== project.turn) return;
    byId("notes").textContent = "";
    failed(error);
  } finally {
    if (turn === project.turn) byId("start").disabled = false;
  }
}

// ---- what is in it

function draw() {
  show("error", "");
  drawTable();
  drawLabels();
  drawNotes();
  const { title, preview } = project.draft;
  const rows = preview.whole ? `${number(preview.read)} rows` : "reading all rows …";
  show("state", `${title} · ${rows} · nothing is saved yet`);
}

function drawTable() {
  const { preview } = project.draft;
  const heads = preview.columns.map((one, index) => {
    const choice = element("select", { id: `role-${index}`, onchange: (event) => role(one.name, event.target.value) });
    for (const [value, words] of Object.entries(ROLES)) {
      if (["left", "right"].includes(value) && project.chosen.task !== "pairs" && one.role !== value) continue;
      choice.append(element("option", { value, selected: value === project.roles[one.name] }, words));
    }
    const detail = one.role === "label" && preview.whole ? `${number(preview.labelled)} rows have one`
      : one.role === "split" && preview.gold ? `${number(preview.gold)} test rows become gold` : "";
    return element("th", { scope: "col" }, element("label", { for: `role-${index}` }, one.name), choice,
      detail ? element("small", {}, detail) : "");
  });
  const out = new Set(preview.left_out.map((one) => one.row));
  const rows = preview.rows.slice(0, SHOWN_ROWS).map((cells, index) => element("tr", { class: out.has(index + 1) ? "out" : null },
    ...cells.map((cell) => element("td", { dir: "auto", title: cell ?? null }, cell ?? ""))));
  byId("table").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)),
    element("tbody", {}, ...rows)));
}

function role(name, value) {
  if (["id", "label", "split", "annotator"].includes(value)) {
    for (const other of Object.keys(project.roles)) if (project.roles[other] === value) project.roles[other] = "context";
  }
  project.roles[name] = value;
  for (const one of project.draft.preview.columns) one.role = project.roles[one.name];
  draw();
  check();
}

function drawNotes() {
  const { preview } = project.draft;
  const notes = [];
  if (preview.unusable) {
    const rows = preview.left_out.map((one) => `${one.location} ${one.reason}`);
    const more = preview.unusable - rows.length;
    if (more > 0) rows.push(`and ${number(more)} more`);
    const words = `${number(preview.unusable)} ${preview.unusable === 1 ? "row is" : "rows are"} left out: `;
    notes.push(preview.unusable <= 3 ? element("p", {}, words + rows.join(", "))
      : element("details", {}, element("summary", {}, `${words}${rows[0]}, …`), element("ul", {}, ...rows.map((one) => element("li", {}, one)))));
  }
  if (project.chosen.task === "labels") notes.push(...alike().map(noteAlike));
  for (const words of preview.notes) notes.push(element("p", {}, words));
  if (preview.whole) notes.push(element("p", {}, "The first record comes at once; the rest is read by the model behind it."));
  byId("notes").replaceChildren(...notes);
}

// ---- labels that are written in several ways

const written = (name) => name.normalize("NFKC").toLowerCase().split(/\s+/).filter(Boolean).join(" ");

/** Labels that differ by case or spaces alone: {key, names, into}; into: the one that was typed, else the most frequent. */
function alike() {
  const counts = new Map(project.labels.map((name) => [name, 0]));
  for (const [name, count] of project.draft?.preview.labels ?? []) counts.set(name, count);
  const groups = new Map();
  for (const name of counts.keys()) groups.set(written(name), [...(groups.get(written(name)) ?? []), name]);
  const rank = (name) => (project.labels.includes(name) ? Infinity : counts.get(name));
  return [...groups].filter(([, names]) => names.length > 1).map(([key, names]) => {
    const [into] = [...names].sort((one, other) => rank(other) - rank(one) || counts.get(other) - counts.get(one));
    return { key, into, names, others: names.filter((name) => name !== into) };
  });
}

function noteAlike({ key, into, names, others }) {
  const isMerged = project.merged.has(key);
  const words = isMerged ? `${others.join(", ")} ${others.length === 1 ? "counts" : "count"} as ${into}. `
    : `${names.length} labels differ only by case or spaces: ${names.join(", ")}. `;
  const act = () => {
    project.merged[isMerged ? "delete" : "add"](key);
    draw();
    byId("notes").querySelector(`[data-alike="${CSS.escape(key)}"]`)?.focus();
  };
  return element("p", {}, words, element("button", { type: "button", class: "quiet", "data-alike": key, onclick: act },
    isMerged ? "Keep them apart" : `Merge into ${into}`));
}

/** Label to the one that it counts as. */
function merged() {
  const groups = alike().filter(({ key }) => project.merged.has(key));
  return Object.fromEntries(groups.flatMap(({ into, others }) => others.map((name) => [name, into])));
}

// ---- what is to be found

function choose(one) {
  project.chosen = one;
  byId("tasks").querySelector(`[value=${one.id}]`).checked = true;
}

/** Another task may read other columns. */
function changed() {
  if (current() && current().task !== project.chosen.task) setTemplate("");
  draw();
  check(project.chosen.task === "pairs" || Boolean(column("left")));
}

function setTemplate(name) {
  project.template = name;
  byId("template").value = name;
  byId("template-caption").textContent = current()?.caption ?? "";
}

function drawLabels() {
  const task = project.chosen.task, taken = column("label"), counted = merged();
  project.labels = [...new Set(project.labels.map((name) => counted[name] ?? name))];
  byId("labels-line").hidden = task === "pairs";
  byId("labels-title").textContent = task === "extract" ? "Fields" : "Labels";
  const chips = project.labels.map((name, index) => {
    return element("span", { class: "chip" }, swatch(index), name,
      element("button", { type: "button", "aria-label": `Remove ${name}`, onclick: () => { project.labels.splice(index, 1); drawLabels(); byId("label").focus(); } }, "×"));
  });
  const input = element("input", { id: "label", placeholder: "type one, Enter", autocomplete: "off",
    "aria-label": task === "extract" ? "Another field" : "Another label", onkeydown: typing, onpaste: pasting, onblur: entered });
  byId("labels").replaceChildren(...chips, input);
  const values = taken ? labelNames() : [];
  const more = values.filter((one) => !project.labels.includes(one) && !counted[one]);
  const place = byId("from-column");
  if (task === "labels" && more.length) {
    place.replaceChildren("or ", element("button", { type: "button", class: "quiet", onclick: () => { project.labels.push(...more); drawLabels(); } },
      `take the ${number(more.length)} from column ${taken.name}`));
  } else place.replaceChildren();
  const fields = task === "extract" && current() && !project.labels.length ? current().fields : [];
  byId("hint").hidden = !fields.length;
  byId("hint").textContent = fields.length ? `The template asks for: ${fields.join(", ")}. Fields that you type stand in their place.` : "";
}

function swatch(index) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  made.setAttribute("width", "10");
  made.setAttribute("height", "10");
  made.setAttribute("aria-hidden", "true");
  const square = document.createElementNS("http://www.w3.org/2000/svg", "rect");
  square.setAttribute("width", "10");
  square.setAttribute("height", "10");
  square.setAttribute("rx", "3");
  square.setAttribute("fill", offered.colours[index % offered.colours.length]);
  made.append(square);
  return made;
}

function labelNames() {
  const { preview } = project.draft;
  return (preview.labels.length ? preview.labels : column("label").values).map(([name]) => name).slice(0, 200);
}

function add(text) {
  for (const one of text.split(/[\n\t,;]+/).map((word) => word.trim()).filter(Boolean)) {
    if (!project.labels.includes(one)) project.labels.push(one);
  }
  drawLabels();
}

function entered(event) {
  if (event.target.value.trim() && event.target.isConnected) add(event.target.value);
}

function typing(event) {
  const { value } = event.target;
  if (event.key === "Enter" && value.trim()) {
    event.preventDefault();
    add(value);
    byId("label").focus();
  } else if (event.key === "Backspace" && !value && project.labels.length) {
    project.labels.pop();
    drawLabels();
    byId("label").focus();
  }
}

function pasting(event) {
  const text = event.clipboardData.getData("text");
  if (!/[\n\t,;]/.test(text)) return;
  event.preventDefault();
  add(text);
  byId("label").focus();
}

// ---- the start

async function start(sample = null) {
  show("error", "");
  byId("start").disabled = true;
  byId("form").inert = true;
  try {
    if (byId("label")?.value.trim()) add(byId("label").value);
    const draft = sample ? await ask("api/home/drafts", {}) : project.draft;
    const { task, several } = project.chosen;
    const named = task === "extract" ? { fields: project.labels } : { labels: task === "labels" ? project.labels : [] };
    const request = sample ? { name: sample.title, sample: sample.name }
      : { name: byId("name").value, task, several, template: project.template, roles: project.roles, merged: merged(), ...named };
    let state = await ask(`api/home/drafts/${draft.id}/start`, request);
    project.pending = sample ? draft.id : null;
    state = await follow(state, ["making"], (what, done, total) => total > 3 ? `${what}: ${number(done)} of ${number(total)}` : `${what} …`);
    if (state.phase !== "made") throw new Error(state.error || "Stopped. Nothing was saved.");
    working("Opening the project …");
    location.href = (await ask(`api/home/drafts/${draft.id}/enter`, {})).address;
  } catch (error) {
    failed(error);
    byId("start").disabled = false;
    byId("form").inert = false;
  }
}

async function stop() {
  if (project.sending) project.sending.stop();
  const id = project.pending ?? project.draft?.id;
  if (id) await ask(`api/home/drafts/${id}`, undefined, "DELETE").catch(() => {});
  location.reload();
}

// A file that is dropped beside the field is meant for it: the browser would leave the page and show the file.
for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
}
document.addEventListener("drop", (event) => {
  if (event.dataTransfer.files.length && !byId("source").hidden) upload(event.dataTransfer.files[0]);
});
const drop = byId("drop");
for (const kind of ["dragenter", "dragover"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.add("over"); });
for (const kind of ["dragleave", "drop"]) drop.addEventListener(kind, (event) => { event.preventDefault(); drop.classList.remove("over"); });
const chosen = () => { if (byId("file").files.length) upload(byId("file").files[0]); };
byId("file").addEventListener("change", chosen);
byId("paste-go").addEventListener("click", () => name({ text: byId("paste").value }));
byId("path-go").addEventListener("click", () => name({ path: byId("path").value }));
byId("hub-go").addEventListener("click", () => name({ path: `hf:${byId("hub").value.trim().replace(/^hf:/, "")}` }));
byId("argilla").querySelector("form").addEventListener("submit", (event) => {
  event.preventDefault();
  name({ argilla: Object.fromEntries(new FormData(event.target)) });
});
byId("start").addEventListener("click", () => start());
byId("stop").addEventListener("click", stop);
byId("other").addEventListener("click", stop);
byId("form").addEventListener("submit", (event) => event.preventDefault());
byId("template").addEventListener("change", (event) => {
  setTemplate(event.target.value);
  const template = current();
  if (!template) return drawLabels();
  choose(TASKS.find((one) => one.task === template.task && one.several === template.several) ?? TASKS[0]);
  project.labels = template.task === "labels" ? [...template.labels] : [];
  changed();
});

drawTasks(byId("tasks"), project.chosen, (one) => { choose(one); changed(); });
chosen(); // before this script ran
try {
  Object.assign(offered, await ask("api/home/start"));
  byId("limit").textContent = `Up to ${size(offered.limit)}. It stays on the machine that runs Rondo.`;
  byId("elsewhere").hidden = !offered.operator;
  for (const one of offered.templates) byId("template").append(element("option", { value: one.name }, one.name));
  for (const one of offered.samples) {
    byId("samples").append(element("button", { type: "button", onclick: () => start(one) }, element("b", {}, one.title), element("small", {}, one.caption)));
  }
} catch (error) {
  failed(error);
}
