// Painting: each part compares what it would show with what it shows, so that a key press touches little of the page.

function paintAll(view) {
  const visit = view.visit;
  paintSetup(view);
  paintRecord(view, visit.card);
  paintEmpty(view);
  paintSuggestion(view);
  paintKeys(view);
  paintState(view);
  paintProgress(view);
}

/** Labels and guidelines, when they are new or a person changed them on another page. */
function paintSetup(view) {
  const { setup } = view.visit;
  const box = view.find(".labels");
  if (box.dataset.setup === setup.key) return;
  box.dataset.setup = setup.key;
  box.classList.toggle("many", view.visit.typing);
  view.find(".search").hidden = !view.visit.typing;
  view.search.placeholder = `Type to find one of ${setup.labels.length} labels`;
  view.buttons = new Map(setup.labels.map((label) => [label.id, labelButton(view, label)]));
  box.replaceChildren(...view.buttons.values());
  box.classList.toggle("plain", !setup.suggestions);
  view.find(".likeliest").replaceChildren(...[..."123456789"].map((digit) => likelyButton(view, digit)));
  view.buildActions();
  view.find(".rules").textContent = setup.guidelines;
  const described = setup.labels.filter((label) => label.description);
  const names = described.flatMap((label) => [element("dt", { dir: "auto" }, label.name), element("dd", { dir: "auto" }, label.description)]);
  view.find(".names").replaceChildren(...names);
  const plain = !setup.guidelines && !described.length;
  view.find(".guide").hidden = plain;
  view.find(".desk").classList.toggle("plain", plain);
  view.painted = {};
  view.crowded = isCrowded(view);
  paintMatches(view);
}

function labelButton(view, label) {
  const button = keyButton({ name: "label", text: label.name, shown: " " }, () => view.give(label));
  button.dataset.label = label.name;
  button.dataset.labelId = label.id;
  button.querySelector(".name").dir = "auto";
  button.append(element("span", { class: "chance" }));
  if (view.visit.setup.multi) button.setAttribute("aria-pressed", "false");
  button.title = label.description ? `${label.name}: ${label.description}` : label.name;
  return button;
}

/** One of nine places beside the text for the labels that the number keys give here. */
function likelyButton(view, digit) {
  const button = keyButton({ name: "likely", text: "", shown: digit, key: digit }, () => view.pick(digit));
  button.querySelector(".name").dir = "auto";
  button.append(element("span", { class: "chance" }));
  return button;
}

/** The number beside each label that its key gives now; its place is there also when it has none. */
function paintKeys(view) {
  const keys = new Map([...view.keys()].map(([key, id]) => [id, key]));
  const painted = (view.painted.keys ??= new Map());
  for (const [id, button] of view.buttons) {
    const key = keys.get(id) ?? "";
    if (painted.get(id) === key) continue;
    painted.set(id, key);
    setText(button.querySelector("kbd"), key);
    if (key) button.setAttribute("aria-keyshortcuts", key);
    else button.removeAttribute("aria-keyshortcuts");
  }
}

function paintMatches(view) {
  const typed = Boolean(view.typed.trim());
  const box = view.find(".labels");
  // what is left of the labels stands where they all stood: nothing else on the page moves
  if (typed && !box.style.height) box.style.height = `${box.offsetHeight}px`;
  if (!typed) box.style.height = "";
  const found = typed ? view.matches() : view.visit.setup.labels;
  const places = new Map(found.map((label, place) => [label.id, place]));
  for (const [id, button] of view.buttons) {
    button.hidden = !places.has(id);
    button.style.order = places.get(id) ?? "";
    button.classList.toggle("best", typed && places.get(id) === 0);
  }
  box.classList.toggle("nothing", !found.length);
  view.find(".likeliest").classList.toggle("away", typed);
  if (typed) box.scrollTop = 0;
  paintKeys(view);
}

/** The text goes in as text: whatever a record holds, it has no elements. */
function paintRecord(view, card) {
  if (view.painted.card !== (card?.id ?? null)) {
    view.painted.card = card?.id ?? null;
    paintCard(view.root, card);
    if (!view.find(".flagging").hidden && view.find(".flagging").dataset.record !== card?.id) view.closeFlag();
    for (const button of view.root.querySelectorAll(".labels button, [data-action=skip], [data-action=flag], [data-action=submit]")) {
      button.disabled = !card;
    }
  }
  view.find(".sheet").hidden = !card;
  for (const [id, button] of view.buttons) {
    if (view.visit.setup.multi) button.setAttribute("aria-pressed", String(view.visit.chosen.has(id)));
  }
}

/** What to say when there is no record to show. */
function paintEmpty(view) {
  const { visit, line } = view;
  const box = view.find(".empty");
  box.hidden = Boolean(visit.card);
  if (visit.card) return;
  const [title, detail] = emptyWords(visit, line);
  setText(box.querySelector(".title"), title);
  setText(box.querySelector(".detail"), detail);
}

function emptyWords(visit, line) {
  if (line.trouble && line.trouble !== "offline") return ["This visit has ended", line.trouble];
  if (line.trouble) return ["The server cannot be reached", "It is tried again every few seconds. What you answered is kept in this browser."];
  if (!visit.setup.labels.length) return ["There are no labels yet", "Add some on the Settings page, then come back."];
  if (!visit.progress) return ["Fetching records…", ""];
  if (!visit.progress.records) return ["There are no records yet", "Bring some with: rondo import FILE --text COLUMN"];
  if (visit.learning) return ["The model is learning from your labels", "The next records come by themselves."];
  const { waiting } = visit.progress;
  if (waiting) {
    const records = waiting === 1 ? "One record waits, but it is" : `${waiting} records wait, but they are`;
    return ["Nothing is free for you right now", `${records} with other people, or skipped by you. The next free one comes by itself.`];
  }
  return ["All done", "Every record that you could answer is answered. Backspace takes your last answer back."];
}

/** The suggestion's place stays when there is none, so that nothing moves from one record to the next. */
function paintSuggestion(view) {
  const { visit } = view;
  const suggested = visit.suggestion?.labels ?? [];
  const key = JSON.stringify([visit.card?.id, visit.hidden, visit.keysFollowModel, suggested]);
  if (view.painted.suggestion === key) return;
  view.painted.suggestion = key;
  const chances = new Map(suggested.map((one) => [one.id, one.probability]));
  const best = suggested[0]?.id;
  for (const [id, button] of view.buttons) {
    const chance = chances.get(id) ?? 0;
    setText(button.querySelector(".chance"), id === best || chance >= LEAST_SHOWN ? percent(chance) : "");
    button.classList.toggle("suggested", id === best);
  }
  const inRow = visit.likeliest && visit.suggested && view.crowded;
  view.find(".likeliest").hidden = !inRow;
  view.find(".hint").hidden = inRow || !visit.setup.suggestions;
  if (inRow) paintLikeliest(view, suggested);
  else paintHint(view, suggested[0]);
  view.find("[data-action=hints]").setAttribute("aria-pressed", String(!visit.hidden));
}

/** Whether the labels do not all fit in their place: then those that have keys stand in a row of their own. */
function isCrowded(view) {
  if (!view.visit.likeliest) return false;
  view.find(".likeliest").hidden = true;
  view.find(".hint").hidden = false;
  const box = view.find(".labels");
  view.painted.suggestion = null;
  return box.scrollHeight > box.clientHeight + 1;
}

function paintHint(view, best) {
  const { setup } = view.visit;
  const label = setup.labels.find((one) => one.id === best?.id);
  view.find(".hint").classList.toggle("away", !label);
  setText(view.find(".hint span"), label ? `The model suggests ${label.name}, ${percent(best.probability)}` : "");
  view.find(".hint").title = label?.name ?? "";
  view.find(".accept").hidden = setup.multi;
}

function paintLikeliest(view, suggested) {
  const { setup, hidden } = view.visit;
  const names = new Map(setup.labels.map((label) => [label.id, label.name]));
  const box = view.find(".likeliest");
  box.dataset.nothing = hidden ? "Suggestions are hidden." : "No suggestion here: find the label by its name.";
  box.classList.toggle("nothing", !suggested.length);
  [...box.children].forEach((button, place) => {
    const one = suggested[place];
    button.classList.toggle("away", !one);
    button.disabled = !one;
    setText(button.querySelector(".name"), one ? names.get(one.id) : "");
    setText(button.querySelector(".chance"), one && (!place || one.probability >= LEAST_SHOWN) ? percent(one.probability) : "");
    button.title = one ? names.get(one.id) : "";
  });
}

/** "saved" is only said when every event is durable on the server. */
function paintState(view) {
  const { visit, line } = view;
  const pending = visit.outbox.size;
  if (!pending) view.flashing?.classList.remove("flash");
  const saved = view.find(".saved");
  const kept = visit.outbox.kept ? `${pending} kept in this browser` : `${pending} not kept: this browser's storage is full`;
  const words = line.trouble ? (pending ? `offline: ${kept}` : "offline") : pending ? `saving ${pending}…` : "saved";
  setText(saved, words);
  saved.dataset.pending = String(pending);
  saved.dataset.state = line.trouble ? "offline" : pending ? "saving" : "saved";
  const notice = view.find(".notice");
  const refused = visit.refused.length;
  notice.hidden = !refused;
  if (refused) setText(notice, `${refused === 1 ? "An answer was" : `${refused} answers were`} not accepted: ${visit.refused.at(-1)}`);
}

function paintProgress(view) {
  const { visit } = view;
  const { batch = 0, size = 0, answered = 0 } = visit.progress ?? {};
  setText(view.find(".batch"), size ? `Batch ${batch} · ${Math.min(answered, size)} of ${size}` : "");
  const bar = view.find(".bar");
  bar.setAttribute("aria-valuemax", String(size || 1));
  bar.setAttribute("aria-valuenow", String(Math.min(answered, size)));
  bar.firstElementChild.style.width = `${size ? (100 * Math.min(answered, size)) / size : 0}%`;
  const counts = tally(visit);
  const total = counts.reduce((sum, [, count]) => sum + count, 0);
  const pace = Math.round(visit.pace());
  setText(view.find(".pace"), total ? `${total} in this visit${pace ? ` · ${pace}/min` : ""}` : "");
  const key = JSON.stringify(counts);
  if (view.painted.counts === key) return;
  view.painted.counts = key;
  view.find(".tally").replaceChildren(
    ...counts.map(([name, count]) => element("li", {}, element("bdi", {}, name), " ", element("b", {}, String(count)))),
  );
}

/** [name, count] of what was given in this visit, most first. */
function tally(visit) {
  const names = new Map(visit.setup.labels.map((label) => [`label:${label.id}`, label.name]));
  const other = { "label:none": "none of them", skip: "skipped", flag: "flagged" };
  return Object.entries(visit.past.counts)
    .filter(([, count]) => count > 0)
    .map(([key, count]) => [names.get(key) ?? other[key] ?? key.replace("label:", ""), count])
    .sort(([, a], [, b]) => b - a);
}
