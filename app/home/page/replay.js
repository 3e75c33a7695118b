// What choosing would have saved on a file whose answers are known: how far it is, and what came of it.
import { ask, byId, element, pause, show } from "./parts.js";
import { close, failed, forget as forgetFile, opened, prepare, request, take, upload } from "./replay_form.js";

const FILES = { "curves.svg": "Chart (SVG)", "curves.csv": "Curves (CSV)", "replay.md": "Table (Markdown)", "replay.json": "All (JSON)" };
const TASKS = { labels: "labels", pairs: "pairs", extract: "structured answers" };
const page = { look: null, opened: "" };

function taken() {
  hideResult();
  byId("source").hidden = true;
  byId("start").hidden = false;
}

async function start() {
  show("error", "");
  byId("start").disabled = true;
  try {
    await ask("api/home/replays", request());
    close();
    byId("start").hidden = true;
    hideResult();
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
  byId("source").hidden = Boolean(opened());
  if (phase === "done") open(page.look.stored.find((one) => one.id === id));
  else show("error", error);
}

// ---- what came of it

async function look() {
  page.look = await ask("api/home/replays");
  const { stored } = page.look;
  byId("earlier").hidden = !stored.length;
  byId("stored").replaceChildren(...stored.map((one) => element("li", {},
    element("span", {}, element("b", {}, one.title), element("small", {}, ` ${[`${one.at} UTC`, one.by, TASKS[one.task], one.strategies.join(", ")].filter(Boolean).join(" · ")}`)),
    element("span", { class: "files" }, element("button", { type: "button", "aria-label": `Show ${one.title} of ${one.at}`, onclick: () => open(one) }, "Show"),
      element("button", { type: "button", onclick: (event) => confirmed(event.target) && forget(one) }, "Delete")))));
}

const address = (one, name) => `api/home/replays/${one.id}/${name}`;

function open(one) {
  const { summary } = one;
  show("error", "");
  page.opened = one.id;
  byId("result-title").textContent = one.title;
  byId("result-facts").textContent = `${summary.setting}; it took ${one.took}.`;
  byId("result-sentence").textContent = summary.sentence;
  byId("result-chart").src = address(one, "curves.svg");
  byId("result-chart").alt = `Learning curves on ${one.title}: the numbers stand below`;
  byId("result-files").replaceChildren(...one.files.map((name) => element("a", { class: "button", href: address(one, name), download: name }, FILES[name])));
  byId("result-table").replaceChildren(element("table", {},
    element("thead", {}, element("tr", {}, ...summary.columns.map((words) => element("th", { scope: "col" }, words)))),
    element("tbody", {}, ...summary.rows.map((cells) => element("tr", {}, ...cells.map((cell) => element("td", {}, cell)))))));
  byId("result-details").replaceChildren(...summary.details.map((words) => element("li", {}, words)));
  byId("result").hidden = false;
  if (!opened() && !page.look.busy) {
    byId("source").hidden = true;
    byId("another").hidden = false;
  }
  byId("result-title").focus();
}

function hideResult() {
  page.opened = "";
  byId("result").hidden = byId("another").hidden = true;
}

function takeAnother() {
  hideResult();
  byId("source").hidden = Boolean(opened()) || page.look.current?.phase === "running";
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

/** What can be played, which the form needs before it takes a file. */
const offered = ask("api/home/replays/choices").then((choices) => {
  prepare(choices, (isReady) => { byId("start").disabled = !isReady || page.look?.busy; });
  return choices;
});

function chosen(file) {
  if (file) offered.then(() => upload(file, taken), failed);
}

for (const kind of ["dragover", "drop"]) {
  document.addEventListener(kind, (event) => event.dataTransfer.types.includes("Files") && event.preventDefault());
}
document.addEventListener("drop", (event) => {
  if (event.dataTransfer.files.length && !byId("source").hidden) chosen(event.dataTransfer.files[0]);
});
byId("file").addEventListener("change", () => chosen(byId("file").files[0]));
byId("path-go").addEventListener("click", () => offered.then(() => take(() => ask("api/home/drafts", { path: byId("path").value }), taken), failed));
byId("start").addEventListener("click", start);
byId("another").addEventListener("click", takeAnother);
byId("form").addEventListener("submit", (event) => event.preventDefault());
byId("stop").addEventListener("click", () => ask("api/home/replays/current", undefined, "DELETE").catch(failed));
byId("other").addEventListener("click", async () => {
  await forgetFile();
  location.reload();
});

chosen(byId("file").files[0]); // before this script ran
try {
  const choices = await offered;
  byId("elsewhere").hidden = !choices.operator;
  await look();
  if (page.look.busy && !page.look.current) show("state", "Somebody else's replay is being played; yours can begin when it has ended.");
  if (page.look.current?.phase === "running") {
    byId("source").hidden = true;
    await follow();
  } else if (page.look.current?.phase === "failed") show("error", `${page.look.current.title}: ${page.look.current.error}`);
} catch (error) {
  failed(error);
}
