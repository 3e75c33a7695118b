"""A box on a page into which a file is dropped; the browser streams it to the server, past Streamlit's own memory and
its limit. Knows not what the file is for.
"""

from dataclasses import dataclass
from functools import cache
from pathlib import Path

import streamlit as st

from app.card import bundle
from app.uploads import MOST_BYTES

_FOLDER = Path(__file__).parent
_HTML = """
<div class="box"><label class="drop"><b></b><small></small><input type="file"></label>
<div class="going" hidden><p class="doing" role="status"></p><progress max="1" aria-label="How much is sent"></progress>
<button type="button" class="stop">Cancel</button></div>
<div class="present" hidden><p class="name" dir="auto"></p><button type="button" class="remove">Remove</button></div>
<p class="error" role="alert"></p></div>
"""


@dataclass(frozen=True)
class BoxEvent:
    """uploaded: id of a file that has just come, as `app.uploads` knows it, or empty. removed: whether the one that the
    box shows is not wanted any more."""

    uploaded: str = ""
    removed: bool = False


@cache
def _sources() -> tuple[str, str]:
    """CSS and one JavaScript module."""
    return (_FOLDER / "upload_box.css").read_text(encoding="utf-8"), bundle(_FOLDER / "upload_box.js")


def draw_upload_box(label: str, key: str, name: str = "") -> BoxEvent:
    """What has happened in it since the page was drawn. name: of the file that is here already."""
    css, js = _sources()
    component = st.components.v2.component("rondo_upload", html=_HTML, css=css, js=js)
    result = component(
        key=key,
        data={"label": label, "most": MOST_BYTES, "name": name},
        on_uploaded_change=lambda: None,
        on_removed_change=lambda: None,
    )
    return BoxEvent(str(result.get("uploaded") or ""), bool(result.get("removed")))
