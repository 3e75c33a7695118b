"""Two texts side by side with their differences marked; drawn in the browser as text, never as markup."""

from dataclasses import asdict

import streamlit as st

from core.explore.label_errors import Side

_HTML = '<div class="sides"></div>'
_CSS = """
.sides { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(20rem, 100%), 1fr)); gap: 1rem; }
.side { border: 1px solid var(--st-border-color); border-radius: var(--st-base-radius); padding: 0.75rem 1rem; }
.head { color: var(--st-text-color); opacity: 0.75; margin: 0 0 0.5rem; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; max-height: 26rem; overflow: auto; }
mark { color: inherit; background: color-mix(in srgb, var(--st-primary-color) 22%, transparent); }
mark { border-bottom: 2px solid var(--st-primary-color); }
"""
_JS = """
const make = (tag, name, text) => {
  const made = document.createElement(tag)
  if (name) made.className = name
  made.textContent = text
  return made
}
export default function ({ data, parentElement }) {
  const sides = data.sides.map((side) => {
    const box = make("section", "side", "")
    const text = make("p", "text", "")
    text.dir = "auto"
    text.tabIndex = 0
    text.append(...side.segments.map((part) => make(part.same ? "span" : "mark", "", part.text)))
    box.append(make("p", "head", `${side.id}: ${side.labels.join(" | ") || "no label"}`), text)
    return box
  })
  parentElement.querySelector(".sides").replaceChildren(...sides)
}
"""


def draw_twins(sides: tuple[Side, Side]) -> None:
    """Beside each other where there is room, else below."""
    draw = st.components.v2.component("rondo_twins", html=_HTML, css=_CSS, js=_JS)
    draw(key=f"twins-{sides[0].record_no}-{sides[1].record_no}", data={"sides": [asdict(side) for side in sides]})
