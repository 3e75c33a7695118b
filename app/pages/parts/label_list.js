const make = (tag, name, entries = {}) => Object.assign(document.createElement(tag), { className: name, ...entries })
const lines = (text) => text.split("\n").map((line) => line.trim()).filter(Boolean)

function makeRow(label, data, changed) {
  const row = make("li", "row")
  row.dataset.id = label.id
  const about = (words) => `${words} ${label.name}`
  const handle = make("button", "handle", { type: "button", textContent: "⠿", title: "Drag, or press the arrow keys" })
  handle.setAttribute("aria-label", `${about("Move")}: drag, or press the arrow keys`)
  const up = make("button", "up", { type: "button", textContent: "↑", ariaLabel: about("Move up") })
  const down = make("button", "down", { type: "button", textContent: "↓", ariaLabel: about("Move down") })
  const moves = make("span", "moves")
  moves.append(handle, up, down)
  const hue = make("span", label.colour ? "hue" : "hue none")
  const colour = make("input", "colour", { type: "color", value: label.colour || "#808080", ariaLabel: about("Colour of") })
  const clear = make("button", "clear", { type: "button", textContent: "×", title: "No colour", ariaLabel: about("No colour for") })
  hue.append(colour, clear)
  const means = make("input", "means", { type: "text", value: label.description, placeholder: "Means", ariaLabel: about("Meaning of") })
  const under = make("select", "under", { ariaLabel: about("Label above") })
  under.append(make("option", "", { value: "", textContent: "At the top" }))
  for (const one of data.parents)
    if (one.id !== label.id) under.append(make("option", "", { value: one.id, textContent: `under ${one.path}` }))
  under.value = label.parent
  const more = make("details", "more")
  const texts = make("div", "texts")
  const boxes = [["examples", "Such as, one a line"], ["counter_examples", "But not, one a line"]].map(([field, words]) => {
    const box = make("label", "")
    const area = make("textarea", field, { value: label[field].join("\n") })
    box.append(make("span", "", { textContent: words }), area)
    texts.append(box)
    return area
  })
  const count = label.examples.length + label.counter_examples.length
  more.append(make("summary", "", { textContent: count ? `Examples (${count})` : "Examples" }), texts)
  row.append(moves, hue, make("span", "name", { textContent: label.name }), means, under, more)
  colour.addEventListener("input", () => hue.classList.remove("none"))
  clear.addEventListener("click", () => { hue.classList.add("none"); changed() })
  for (const one of [colour, means, under, ...boxes]) one.addEventListener("change", changed)
  row.draft = () => ({
    id: label.id, description: means.value.trim(), colour: hue.classList.contains("none") ? "" : colour.value,
    parent: under.value, examples: lines(boxes[0].value), counter_examples: lines(boxes[1].value),
  })
  return row
}

export default function ({ data, parentElement, setStateValue }) {
  const list = parentElement.querySelector(".labels")
  const status = parentElement.querySelector(".status")
  if (list.dataset.version === data.version) return  // what is being edited stays
  list.dataset.version = data.version
  const rows = () => [...list.children]
  const changed = () => setStateValue("drafts", { version: data.version, labels: rows().map((row) => row.draft()) })
  const ends = () => rows().forEach((row, place, all) => {
    row.querySelector(".up").disabled = place === 0
    row.querySelector(".down").disabled = place === all.length - 1
  })
  const announce = (row) => {
    ends()
    status.textContent = `${row.querySelector(".name").textContent} is ${rows().indexOf(row) + 1} of ${rows().length}`
  }
  const step = (row, by, focus) => {
    const target = rows()[rows().indexOf(row) + by]
    if (!target) return
    if (by < 0) target.before(row)
    else target.after(row)
    announce(row)
    const at = row.querySelector(focus)
    ;(at.disabled ? row.querySelector(".handle") : at).focus()
    changed()
  }
  const drag = (row, handle) => {
    let moved = false
    handle.addEventListener("pointerdown", (event) => {
      if (event.button) return
      handle.setPointerCapture(event.pointerId)
      row.classList.add("dragged")
      moved = false
    })
    handle.addEventListener("pointermove", (event) => {
      if (!row.classList.contains("dragged")) return
      const middle = (one) => one.getBoundingClientRect().top + one.getBoundingClientRect().height / 2
      const [before, after] = [row.previousElementSibling, row.nextElementSibling]
      if (before && event.clientY < middle(before)) before.before(row)
      else if (after && event.clientY > middle(after)) after.after(row)
      else return
      moved = true
      handle.setPointerCapture(event.pointerId)
    })
    const drop = () => {
      if (!row.classList.contains("dragged")) return
      row.classList.remove("dragged")
      if (moved) { announce(row); changed() }
    }
    for (const name of ["pointerup", "pointercancel"]) handle.addEventListener(name, drop)
    handle.addEventListener("keydown", (event) => {
      const by = { ArrowUp: -1, ArrowDown: 1 }[event.key]
      if (!by) return
      event.preventDefault()
      step(row, by, ".handle")
    })
  }
  list.replaceChildren(...data.labels.map((label) => {
    const row = makeRow(label, data, changed)
    drag(row, row.querySelector(".handle"))
    row.querySelector(".up").addEventListener("click", () => step(row, -1, ".up"))
    row.querySelector(".down").addEventListener("click", () => step(row, 1, ".down"))
    return row
  }))
  ends()
}
