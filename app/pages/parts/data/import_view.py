"""Pieces of the Import page: first rows, what each column means, and taking it in. Reads no row itself."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.data.import_source import drop_draft
from app.pages.parts.widgets import begin, outcome_of
from core.data.file_import import ImportSummary
from core.data.preview_job import Preview
from core.extract.import_annotations import AnnotationImport
from core.pairs.sides import SourceImport
from core.reports.card_text import escaped

if TYPE_CHECKING:
    from app.home.drafts import Draft

MEANINGS = {
    "label": ("Label", "A column with labels or answers"),
    "id": ("Id", "Makes a second import of the same file safe; else it is made from the text"),
    "split": ("Split", "Rows of the split 'test' become gold: known answers, to measure with"),
    "annotator": ("Annotator", "Every row is the answer of the person that it names, and an id may repeat"),
}
SIDES = {
    "left": ("Left side", "Columns of the one side; several make up one record"),
    "right": ("Right side", "Columns of the other side, as many, in the same order"),
}
READING = {
    "near_duplicates": "import-near",
    "add_labels": "add",
    "many_labels": "import-many",
    "keep_missing_words": "import-missing",
}
"""keys of toggles"""
SHOWN = 5
"""of the first rows"""
TITLE = "import-title"


def draw_rows(draft: "Draft", preview: Preview) -> None:
    """The beginning of the file."""
    columns = [one.name for one in preview.columns]
    st.dataframe(
        [dict(zip(columns, row, strict=True)) for row in preview.rows[:SHOWN]],
        key=f"import-rows-{draft.id}",
        hide_index=True,
        alt=f"The first rows of {draft.title}",
    )
    if preview.form:
        st.caption(f"Read as {escaped(preview.form)}, which says itself what its columns are.")


def ask_columns(draft: "Draft", preview: Preview, *, two_sides: bool) -> dict[str, Any]:
    """What each column means, guessed from its name and values and changed by a click; as `import_file` takes it."""
    columns = [one.name for one in preview.columns]
    roles = columns_by_role(preview)
    meaning: dict[str, Any] = {"form": preview.form, "encoding": draft.encoding}
    for box, (name, (title, what)) in zip(st.columns(2), SIDES.items(), strict=True) if two_sides else ():
        meaning[name] = box.multiselect(title, columns, roles.get(name), key=f"import-{name}-{draft.id}", help=what)
    if not two_sides:
        meaning["text"] = st.multiselect(
            "Text", columns, roles.get("text"), key=f"import-text-{draft.id}", help="Several make up one record"
        )
    for box, (name, (title, what)) in zip(st.columns(len(MEANINGS)), MEANINGS.items(), strict=True):
        index = next((columns.index(column) for column in roles.get(name, ())), None)
        key = f"import-{name}-{draft.id}"
        meaning[name] = box.selectbox(title, columns, index, key=key, placeholder="none", help=what)
    if not (meaning["label"] and meaning["id"]):  # answers of people have both
        meaning["annotator"] = None
    texts = [column for name in ("text", *SIDES) for column in meaning.get(name, ())]
    rest = [column for column in columns if column not in (*texts, *(meaning[name] for name in MEANINGS))]
    meaning["meta"] = st.multiselect("Shown beside the text", rest, key=f"import-meta-{draft.id}")
    if meaning["annotator"]:
        meaning["gold"] = st.selectbox(
            "Known answer",
            columns,
            None,
            key=f"import-gold-{draft.id}",
            placeholder="none",
            help="A column with known answers; such records become gold",
        )
    return meaning | _ask_reading(labelled=bool(meaning["label"]), two_sides=two_sides)


def columns_by_role(preview: Preview) -> dict[str, list[str]]:
    """As they were guessed."""
    roles: dict[str, list[str]] = {}
    for one in preview.columns:
        roles.setdefault(one.role, []).append(one.name)
    return roles


def _ask_reading(*, labelled: bool, two_sides: bool) -> dict[str, bool]:
    """What holds of the file as a whole."""
    reading = {"near_duplicates": ("Report near-duplicates, too", "Which takes longer")}
    if labelled and not two_sides:
        reading["add_labels"] = ("Add labels that are not in the project yet", "Else such a file is refused")
        reading["many_labels"] = ("More than 1,000 different labels are no mistake", "Else they are taken for one")
    if labelled:
        reading["keep_missing_words"] = ("NA, null and None are answers", "Else a cell with such a word is empty")
    with st.container(horizontal=True):
        return {name: st.toggle(title, key=READING[name], help=what) for name, (title, what) in reading.items()}


def take(server: ProjectServer, draft: "Draft", verb: str, options: dict[str, Any]) -> None:
    """Imports it in the background, under the name of who is here; `draw_outcome` says what came of it."""
    st.session_state[TITLE] = draft.title
    query = {"sql": draft.sql} if draft.sql else {}
    begin(server, verb, file=draft.source, **query, **options)
    st.rerun()


def draw_outcome(server: ProjectServer) -> None:
    """What came of the last import of this visit, once. While it runs the page ends here: the line above has its
    progress, and stops it."""
    for verb, in_words in OUTCOMES.items():
        result = outcome_of(server, verb)
        if f"{verb}-task" in st.session_state and verb in server.activities:
            st.info(f"Importing {escaped(st.session_state[TITLE])}. You may go elsewhere meanwhile.")
            st.stop()
        if result is not None:
            del st.session_state[f"{verb}-task"]
            drop_draft(server)
            st.success(escaped(f"{st.session_state[TITLE]}: {in_words(result)}."))
            st.page_link("pages/records.py", label="See the records", icon=":material/table_rows:")


def _imported(result: ImportSummary) -> str:
    return f"{result.report.rows:,} rows read, {result.added:,} new records"


def _imported_source(result: SourceImport) -> str:
    return f"{result.rows:,} rows of {result.source}, {result.added:,} new records, {result.known:,} known already"


def _imported_annotations(result: AnnotationImport) -> str:
    """What did not come in stands in it with its place."""
    answers = ", ".join(f"{step} {count:,}" for step, count in result.answered.items())
    words = [f"{result.documents:,} documents, {result.records.added:,} new records; answers: {answers}"]
    if result.all_faults:
        words.append(f"{result.all_faults:,} parts did not come in: {'; '.join(result.faults[:SHOWN])}")
    if result.all_absent:
        words.append(f"{result.all_absent:,} values are not in their text: {'; '.join(result.absent[:SHOWN])}")
    return ". ".join(words)


OUTCOMES: dict[str, Callable[[Any], str]] = {
    "import": _imported,
    "import_source": _imported_source,
    "import_annotations": _imported_annotations,
}
"""verb -> what it brought, in words"""
