"""Pieces of the Import page where answers are values in steps: other people's files by a mapping, long texts in chunks.
Reads no file itself.
"""

from typing import TYPE_CHECKING

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.data.files import ask_upload
from app.pages.parts.data.import_view import take
from core.extract.import_annotations import LONGEST_CHUNK, mapping_templates

if TYPE_CHECKING:
    from app.home.drafts import Draft

COLUMNS, MAPPED = "By its columns", "By a mapping, or in chunks"
OWN, FILE = "The project's, else columns by the fields' names", "A mapping file"


def draw_mapped(server: ProjectServer, draft: "Draft") -> bool:
    """Whether the file is read by a mapping; then what it needs, and the button. Of a query it is not, and a file that
    has no rows can only be read so."""
    if draft.sql:
        return False
    usual = COLUMNS if draft.preview else MAPPED
    ways = [COLUMNS, MAPPED] if draft.preview else [MAPPED]
    key = f"import-way-{draft.id}"
    if st.segmented_control("How it is read", ways, default=usual, required=True, key=key) != MAPPED:
        return False
    chosen = st.selectbox("Where the values stand in it", [OWN, *mapping_templates(), FILE], key="import-mapping")
    mapping: str | None = None if chosen in (OWN, FILE) else chosen
    if chosen == FILE and (file := ask_upload(server, "A mapping: a TOML file with a section [map]", "import-map")):
        mapping = str(file)
    left, right = st.columns(2)
    size = left.number_input(
        "Characters of a chunk", 0, LONGEST_CHUNK, 0, key="import-chunk", help="Longer texts are cut; 0: none is"
    )
    overlap = right.number_input(
        "Characters that chunks share", 0, LONGEST_CHUNK // 2, 0, key="import-overlap", help="At most half of a chunk"
    )
    if st.button(
        "Import",
        key="import-mapped",
        type="primary",
        icon=":material/upload:",
        disabled=chosen == FILE and mapping is None,
    ):
        options = {"map": mapping, "chunk": int(size), "overlap": int(overlap)}
        take(server, draft, "import_annotations", options)
    return True
