// What choosing would have saved on a file whose answers are known: the file, what to play, how far it is, what came of it.
import { ask, byId, element, number, send, show, size } from "./parts.js";

const ROLES = { text: "text", label: "label", split: "split", none: "not used" };
const FILES = { "curves.svg": "Chart (SVG)", "curves.csv": "Curves (CSV)", "replay.md": "Table (Markdown)", "replay.json": "All (JSON)" };
const SHOWN_ROWS = 6;
const page = { draft: null, roles: {}, turn: 0, look: null, opened: "" };

const pause = (milliseconds) => new Promise((resolve) => setTimeout(resolve, milliseconds));

function failed(error) {
  byId("sending").textContent = "";
  if (error.message) show("error", error.message);
}

// ---- the file

async function take(begun) {
  show("error", "");
  try {
    let state = await begun();
    while (state.phase === "reading") {
      byId("sending").textContent = `Reading ${state.title} …`;
      await pause(150);
      state = await ask(`api/home/drafts/${state.id}`);
    }
    if (state.phase === "failed") throw new Error(state.error);
    byId("sending").textContent = "";
    page.draft = state;
    page.roles = guessed(state.preview.columns);
    hideResult();
    byId("source").hidden = true;
    byId("form").hidden = byId("start").hidden = false;
    draw();
    await check();
  } catch (error) {
    failed(error);
  }
  byId("file").value = "";
}

/** One column of labels; what a replay does not use is not used. */
function guessed(columns) {
  return Object.fromEntries(columns.map((one) => [one.name, one.role in ROLES ? one.role : "none"]));
}

function upload(file) {
  const told = (done, total) => { byId("sending").textContent = `Sending ${file.name}: ${size(done)} of ${size(total)}`; };
  return take(() => send(`api/home/drafts/file?name=${encodeURIComponent(file.name)}`, file, told).done);
}

/** All rows are read with the columns as they are chosen; a newer choice ends an older check. */
async function check() {
  const turn = ++page.turn, { id } = page.draft;
  byId("notes").textContent = "Reading all rows …";
  byId("start").disabled = true;
  try {
    let state = await ask(`api/home/drafts/${id}/check`, { task: "labels", roles: page.roles });
    while (state.phase === "checking" && turn === page.turn) {
      await pause(150);
      state = await ask(`api/home/drafts/${id}`);
    }
    if (turn !== page.turn) return;
    if (state.phase === "failed") throw new Error(state.error);
    page.draft = state;
    draw();
    byId("start").disabled = page.look.busy;
  } catch (error) {
    if (turn === page.turn) failed(error);
  }
}

function draw() {
  const { preview, title } = page.draft;
  show("state", `${title} · ${preview.whole ? `${number(preview.read)} rows` : "reading all rows …"}`);
  const heads = preview.columns.map((one, index) => {
    const choice = element("select", { id: `role-${index}`, onchange: (event) => role(one.name, event.target.value) },
      ...Object.entries(ROLES).map(([value, words]) => element("option", { value, selected: value === page.roles[one.name] }, words)));
    return element("th", { scope: "col" }, element("label", { for: `role-${index}` }, one.name), choice);
  });
  const rows = preview.rows.slice(0, SHOWN_ROWS).map((cells) => element("tr", {},
    ...cells.map((cell) => element("td", { dir: "auto", title: cell ?? null }, cell ?? ""))));
  byId("table").replaceChildren(element("table", {}, element("thead", {}, element("tr", {}, ...heads)), element("tbody", {}, ...rows)));
  const notes = [];
  if (preview.whole && preview.labels.length) {
    const most = preview.labels.slice(0, 12).map(([name, count]) => `${name} (${number(count)})`).join(", ");
    const more = preview.labels.length > 12 ? ` and ${number(preview.labels.length - 12)} more` : "";
    notes.push(`${number(preview.labelled)} rows have a label: ${most}${more}.`);
  } else if (preview.whole) notes.push("Choose the column that holds the known answers, as label.");
  if (preview.whole) {
    notes.push(preview.gold ? `${number(preview.gold)} test rows judge.` : "A fifth of the records, drawn at random, judges: there is no split with test rows.");
  }
  if (preview.unusable) notes.push(`${number(preview.unusable)} ${preview.unusable === 1 ? "row is" : "rows are"} left out: they cannot be records.`);
  byId("notes").replaceChildren(...notes.map((words) => element("p", {}, words)));
  estimate();
}

function role(name, value) {
  for (const other of Object.keys(page.roles)) if (value !== "text" && value !== "none" && page.roles[other] === value) page.roles[other] = "none";
  page.roles[name] = value;
  draw();
  check();
}

// ---- what to play

const count = (id) => Math.max(1, Math.floor(byId(id).valueAsNumber || 1));
const ticked = () => [...byId("strategies").querySelectorAll(":checked")].map((one) => one.value);

function duration(seconds) {
  if (seconds < 90) return `${Math.max(1, Math.round(seconds))} seconds`;
  return seconds < 5400 ? `${Math.round(seconds / 60)} minutes` : `${(seconds / 3600).toFixed(1)} hours`;
}

function estimate() {
  const rounds = ticked().length * count("seeds") * Math.max(1, Math.floor(count("budget") / count("batch")));
  const basis = page.look.measured ? "as fast as the last replay here" : "roughly: none was played here yet";
  const tuning = byId("tuning").checked ? " Tuning, where it comes to it, takes minutes each time." : "";
  byId("estimate").textContent = `${number(rounds)} rounds, about ${duration(rounds * page.look.round_seconds)} (${basis}).${tuning} It runs behind whatever else goes on here.`;
}

function drawStrategies() {
  for (const one of page.look.strategies) {
    byId("strategies").append(element("label", { class: "tick" },
      element("input", { type: "checkbox", value: one.name, checked: one.ticked, onchange: estimate }), element("b", {}, one.name),
      element("small", {}, one.caption)));
  }
}

async function start() {
  show("error", "");
  byId("start").disabled = true;
  const request = { draft: page.draft.id, roles: page.roles, strategies: ticked(), budget: count("budget"), batch: count("batch"),
    seeds: count("seeds"), several: byId("several").checked, tuning: byId("tuning").checked };
  try {
    await ask("api/home/replays", request);
    byId("form").hidden = byId("start").hidden = true;
    hideResult();
    page.draft = null;
    await follow();
  } catch (error) {
    failed(error);
    byId("start").disabled = false;
  }
}

/** The replay that is played, until it ends; whoever comes back sees it, too. */
async function follow() {
  await look();
  const { id } = page.look.current;
  while (page.look.current?.phase === "running") {
    const { line, share, title } = page.look.current;
    show("state", "");
    byId("current").hidden = false;
    byId("doing").textContent = `${title}: ${line}`;
    if (share === null) byId("bar").removeAttribute("value");
    else byId("bar").value = share;
    await pause(700);
    await look();
  }
  byId("current").hidden = true;
  const { phase, error } = page.look.current;
  byId("source").hidden = Boolean(page.draft);
  if (phase === "done") open(page.look.stored.find((one) => one.id === id));
  else show("error", error);
}

// ---- what came of it

async function look() {
  page.look = await ask("api/home/replays");
  const { stored } = page.look;
  byId("earlier").hidden = !stored.length;
  byId("stored").replaceChildren(...stored.map((one) => element("li", {},
    element("span", {}, element("b", {}, one.title), element("small", {}, ` ${one.at} UTC${one.by ? ` · ${one.by}` : ""} · ${one.strategies.join(", ")}`)),
    element("span", { class: "files" }, element("button", { type: "button", "aria-label": `Show ${one.title} of ${one.at}`, onclick: () => open(one) }, "Show"),
      element("button", { type: "button", onclick: (event) => confirmed(event.target) && forget(one) }, "Delete")))));
}

const address = (one, name) => `api/home/replays/${one.id}/${name}`;

async function open(one) {
  show("error", "");
  page.opened = one.id;
  byId("result-title").textContent = one.title;
  byId("result-facts").textContent = `${number(one.records)} records, ${number(one.budget)} labels in batches of ${number(one.batch)}, ${number(one.seeds)} `
    + `${one.seeds === 1 ? "seed" : "seeds"}, ${one.tuning ? "with" : "without"} tuning; it took ${duration(one.seconds)}.`;
  byId("result-sentence").textContent = one.sentence;
  byId("result-chart").src = address(one, "curves.svg");
  byId("result-chart").alt = `Learning curves of ${one.strategies.join(", ")} on ${one.title}: the numbers stand below`;
  byId("result-files").replaceChildren(...one.files.map((name) => element("a", { class: "button", href: address(one, name), download: name }, FILES[name])));
  byId("result").hidden = false;
  if (!page.draft && !page.look.busy) {
    byId("source").hidden = true;
    byId("another").hidden = false;
  }
  byId("result-title").focus();
  try {
    const result = await ask(address(one, "replay.json"));
    if (page.opened === one.id) drawNumbers(result);
  } catch (error) {
    failed(error);
  }
}

function hideResult() {
  page.opened = "";
  byId("result").hidden = byId("another").hidden = true;
}

function takeAnother() {
  hideResult();
  byId("source").hidden = Boolean(page.draft) || page.look.current?.phase === "running";
}

function drawNumbers({ strategies, measure }) {
  const heads = ["strategy", `mean ${measure} (AULC)`, "±", "labels to 90 %", "to 95 %", "against random"];
  const rows = Object.entries(strategies).map(([name, one]) => [name, one.aulc.toFixed(3), one.aulc_sd.toFixed(3), one.to90 ?? "never",
    one.to95 ?? "never", one.against_random ? `${one.against_random.mean >= 0 ? "+" : ""}${one.against_random.mean.toFixed(3)}` : ""]);
  byId("result-table").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...heads.map((words) => element("th", { scope: "col" }, words)))),
    element("tbody", {}, ...rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, String(cell))))))));
}

/** At the second click: it may have taken hours. */
function confirmed(button) {
  const again = button.textContent !== "Delete";
  button.textContent = "Delete for good";
  return again;
}

async function forget(one) {
  show("error", "");
  try {
    await ask(`api/home/replays/${one.id}`, undefined, "DELETE");
    if (page.opened === one.id) takeAnother();
    await look();
  } catch (error) {
    failed(error);
  }
}

for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
}
document.addEventListener("drop", (event) => {
  if (event.dataTransfer.files.length && !byId("source").hidden) upload(event.dataTransfer.files[0]);
});
byId("file").addEventListener("change", () => { if (byId("file").files.length) upload(byId("file").files[0]); });
byId("path-go").addEventListener("click", () => take(() => ask("api/home/drafts", { path: byId("path").value })));
for (const id of ["budget", "batch", "seeds", "tuning"]) byId(id).addEventListener("input", estimate);
byId("start").addEventListener("click", start);
byId("another").addEventListener("click", takeAnother);
byId("form").addEventListener("submit", (event) => event.preventDefault());
byId("stop").addEventListener("click", () => ask("api/home/replays/current", undefined, "DELETE").catch(failed));
byId("other").addEventListener("click", async () => {
  await ask(`api/home/drafts/${page.draft.id}`, undefined, "DELETE").catch(() => {});
  location.reload();
});

try {
  await look();
  byId("elsewhere").hidden = !page.look.operator;
  drawStrategies();
  if (page.look.busy && !page.look.current) show("state", "Somebody else's replay is being played; yours can begin when it has ended.");
  if (page.look.current?.phase === "running") {
    byId("source").hidden = true;
    await follow();
  } else if (page.look.current?.phase === "failed") show("error", `${page.look.current.title}: ${page.look.current.error}`);
} catch (error) {
  failed(error);
}
