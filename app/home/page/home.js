// The list of projects, and what is done to one as a whole.
import { care } from "./care.js";
import { ask, byId, element, number, send, show } from "./parts.js";

const TASKS = { labels: "Labels", pairs: "Pairs", extract: "Values from text" };
let shown = [];

function ago(stamp) {
  if (!stamp) return "no answer yet";
  const minutes = Math.max(0, (Date.now() - Date.parse(stamp)) / 60000);
  if (minutes < 2) return "just now";
  if (minutes < 90) return `${Math.round(minutes)} minutes ago`;
  if (minutes < 36 * 60) return `${Math.round(minutes / 60)} hours ago`;
  return `${Math.round(minutes / 1440)} days ago`;
}

function quality(one) {
  if (!one) return "quality not known yet";
  const percent = (value) => Math.round(value * 100);
  return `${percent(one.value)} % right (${percent(one.low)} to ${percent(one.high)}, ${one.stratum})`;
}

function people(names) {
  if (!names.length) return "nobody yet";
  return names.length > 3 ? `${names.slice(0, 3).join(", ")} and ${names.length - 3} more` : names.join(", ");
}

function project(one) {
  const share = one.records ? one.settled / one.records : 0;
  const records = `${number(one.settled)} of ${number(one.records)} settled`;
  const bar = element("meter", { min: 0, max: 1, value: share, "aria-label": `${one.name}: ${records}` });
  const link = element("a", { href: `p/${one.key}/`, class: "name" }, one.name);
  const facts = one.note
    ? [one.damaged ? element("strong", { class: "bad" }, "Damaged") : null, element("span", { class: "note" }, one.note)]
    : [element("span", {}, records), element("span", {}, quality(one.quality)), element("span", {}, people(one.people)),
       element("span", {}, ago(one.last))];
  const task = element("span", { class: "task" }, TASKS[one.task] ?? one.task);
  const awake = one.awake ? element("span", { class: "awake", title: "Its server is running" }, "open") : null;
  const line = element("p", { class: "facts" }, ...facts);
  return element("li", { class: "project" }, element("h2", {}, link), task, awake, bar, line, one.manages ? acts(one) : null);
}

function acts(one) {
  const button = (words, act) => element("button", { type: "button", role: "menuitem", onclick: act }, words);
  const menu = element("details", { class: "menu" },
    element("summary", { "aria-label": `More for ${one.name}` }, "⋯"),
    element("div", { role: "menu" },
      button("Rename", () => rename(one)),
      button("Back up", () => backUp(one)),
      button(one.damaged ? "Check and repair …" : "Check", () => care(one, () => draw().catch(() => {}))),
      button("Archive", () => act(one, "archive")),
      button("Delete …", () => remove(one))));
  menu.addEventListener("click", (event) => { if (event.target.closest("button")) menu.open = false; });
  menu.addEventListener("keydown", (event) => {
    if (event.key === "Escape") { menu.open = false; menu.firstChild.focus(); }
  });
  return menu;
}

async function act(one, name, body = {}) {
  show("error", "");
  try {
    const result = await ask(`api/home/projects/${one.key}/${name}`, body);
    await draw();
    return result;
  } catch (error) {
    show("error", error.message);
    return null;
  }
}

/** What was typed, or null. */
function typed({ title, text, label, value = "", ok, wanted = "" }) {
  byId("dialog-title").textContent = title;
  byId("dialog-text").textContent = text;
  byId("dialog-label").firstElementChild.textContent = label;
  const input = byId("dialog-input"), button = byId("dialog-ok"), dialog = byId("dialog");
  input.value = value;
  button.textContent = ok;
  button.classList.toggle("danger", Boolean(wanted));
  const check = () => { button.disabled = wanted ? input.value !== wanted : !input.value.trim(); };
  input.oninput = check;
  check();
  byId("dialog-cancel").onclick = () => dialog.close("");
  dialog.returnValue = "";
  dialog.showModal();
  input.focus();
  return new Promise((resolve) => {
    dialog.onclose = () => resolve(dialog.returnValue === "ok" ? input.value : null);
  });
}

async function rename(one) {
  const text = "Its address stays as it is, so that links hold.";
  const name = await typed({ title: "Rename", text, label: "Name", value: one.name, ok: "Rename" });
  if (name) await act(one, "rename", { name });
}

async function remove(one) {
  const text = `${one.name} and all of its answers go to the trash, from which they can be taken back.`;
  const label = `Type ${one.name} to delete it`;
  const answer = await typed({ title: "Delete this project?", text, label, ok: "Delete", wanted: one.name });
  if (answer) await act(one, "trash", { typed: answer });
}

async function backUp(one) {
  show("state", `Backing up ${one.name} …`);
  const result = await act(one, "backup");
  if (!result) return;
  location.href = `api/home/backups/${result.file}`;
  show("state", `${one.name} is backed up: ${result.file}`);
}

async function putBack(kind, one) {
  show("error", "");
  try {
    await ask(`api/home/put-away/${kind}/${one.id}/restore`, {});
    await draw();
  } catch (error) {
    show("error", error.message);
  }
}

function putAway(kind, entries, words) {
  const place = byId(kind);
  place.hidden = !entries.length;
  place.querySelector("summary").textContent = `${words} (${entries.length})`;
  place.querySelector("ul").replaceChildren(...entries.map((one) => element("li", {},
    element("span", {}, one.name, one.at ? element("small", {}, ` deleted ${one.at} UTC`) : ""),
    element("button", { type: "button", onclick: () => putBack(kind, one) }, "Put back"))));
}

function filtered() {
  const words = byId("filter").value.toLowerCase();
  byId("projects").replaceChildren(...shown.filter((one) => one.name.toLowerCase().includes(words)).map(project));
}

async function draw() {
  const home = await ask("api/home");
  shown = home.projects.sort((one, other) => (other.last || "").localeCompare(one.last || ""));
  const count = shown.length;
  show("state", `${count} ${count === 1 ? "project" : "projects"}${home.user ? ` · ${home.user}` : ""}`);
  byId("filter-label").hidden = count < 8;
  byId("new").hidden = byId("replay").hidden = byId("restore").hidden = !home.may_create;
  byId("empty").hidden = count > 0 || !home.may_create;
  byId("where").textContent = home.home;
  byId("sign-out").hidden = !home.user;
  filtered();
  putAway("archived", home.archived, "Archived");
  putAway("trash", home.trash, "Trash");
}

byId("filter").addEventListener("input", filtered);
byId("empty-trash").addEventListener("click", async () => {
  const text = "What is in the trash is deleted for good: nobody can bring it back.";
  const answer = await typed({ title: "Empty the trash?", text, label: "Type empty", ok: "Delete for good", wanted: "empty" });
  if (!answer) return;
  try {
    await ask("api/home/trash/empty", { typed: answer });
    await draw();
  } catch (error) {
    show("error", error.message);
  }
});
byId("restore").addEventListener("click", () => byId("archive").click());
byId("archive").addEventListener("change", async () => {
  const [file] = byId("archive").files;
  if (!file) return;
  show("error", "");
  const told = (done, total) => show("state", `Restoring ${file.name}: ${Math.round((100 * done) / total)} % sent`);
  try {
    await send(`api/home/restore?name=${encodeURIComponent(file.name)}`, file, told).done;
    await draw();
  } catch (error) {
    show("error", error.message);
    show("state", "");
  }
  byId("archive").value = "";
});
draw().catch((error) => show("error", error.message));
setInterval(() => { if (!document.hidden && !document.querySelector("details[open].menu, dialog[open]")) draw().catch(() => {}); }, 15000);
