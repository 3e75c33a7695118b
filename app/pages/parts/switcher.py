"""The project above the menu, and the way from it to the other projects of its home. Knows none of those: the browser
asks the home, which lists what its visitor may open.
"""

from functools import cache
from html import escape
from pathlib import Path

import streamlit as st

from app.background import ProjectServer
from app.card import bundle
from core.reports.project_figures import ProjectFigures

_FOLDER = Path(__file__).parent
_HTML = """
<button type="button" class="open" popovertarget="projects" aria-haspopup="true">Switch project
<span aria-hidden="true">&#9662;</span></button>
<nav id="projects" popover aria-label="Projects"><input type="search" aria-label="Find a project" autocomplete="off"
placeholder="Find a project" hidden><p role="status"></p><ul></ul><a class="all" target="_self">All projects</a></nav>
"""


@cache
def switcher_sources() -> tuple[str, str]:
    """CSS and one JavaScript module."""
    return (_FOLDER / "switcher.css").read_text(encoding="utf-8"), bundle(_FOLDER / "switcher.js")


def draw_project(now: ProjectFigures, *, quality: bool) -> None:
    """The project above the menu: its name, a ring of the newest batch, how good its model is.

    quality: may whoever looks see that?
    """
    share = round(100 * now.share)
    below = f"{now.task} · {now.quality}" if quality else now.task
    batch = f"{now.answered:,} of {now.size:,} records of the newest batch have an answer"
    with st.sidebar:
        st.html(
            f'<div class="rondo-project" title="{batch}"><div class="ring" style="--share: {share}" role="img" '
            f'aria-label="{batch}"><b aria-hidden="true">{share}</b></div><div><span class="name">{escape(now.name)}'
            f"</span><small>{escape(below)}</small></div></div>"
        )


def draw_switcher(server: ProjectServer) -> None:
    """Nothing where the project is served alone."""
    if not server.home:
        return
    with st.sidebar.container(key="switcher"):
        css, js = switcher_sources()
        component = st.components.v2.component("rondo_switcher", html=_HTML, css=css, js=js)
        component(key="project-switcher", data={"home": server.home})
