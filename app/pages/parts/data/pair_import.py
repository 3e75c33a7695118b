"""Pieces of the Import page where a record is two sides: sources that are paired here, files of pairs."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.data.import_view import columns_by_role
from app.pages.parts.models.many_jobs_view import ManyJobs, draw_many_jobs
from app.pages.parts.widgets import begin, outcome_of
from core.data.preview_job import Preview
from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere_estimate
from core.pairs.blocking.find_candidates import FAR, MOST, NEAR, PER_RECORD, Candidates
from core.pairs.sides import count_sources
from core.reports.card_text import escaped

if TYPE_CHECKING:
    from app.home.drafts import Draft

VERB, ELSEWHERE = "candidates", "candidates_elsewhere"
PAIRS, SOURCE = "Pairs: both sides in a row", "Records of one source, to be paired here"
WITHIN = {"as usual": None, "of one source, too": True, "of different sources alone": False}


def draw_pairing(server: ProjectServer) -> None:
    """The sources that are here, and the button that pairs their records."""
    with server.project.store.reading() as cursor:
        sources = count_sources(cursor)
    if not sources:
        return
    st.text("Here already: " + ", ".join(f"{name} {records:,}" for name, records in sources.items()) + ".")
    for verb in (VERB, ELSEWHERE):
        _draw_candidates(outcome_of(server, verb))
    with st.expander("Pair the records with those nearest to them", key="pairing"):
        options = _ask_pairing()
        if st.toggle("By many jobs at once", key="pair-many"):
            work = ManyJobs(
                "pair-jobs",
                "Pair the records",
                "Measuring how quick the search is",
                candidates_elsewhere_estimate,
                lambda chosen: begin(server, ELSEWHERE, yes=True, **chosen),
            )
            draw_many_jobs(server, work, options)
            return
        st.button(
            "Pair the records",
            key="pair",
            type="primary",
            disabled=VERB in server.activities,
            on_click=begin,
            args=(server, VERB),
            kwargs=options,
        )


def _draw_candidates(result: Candidates | None) -> None:
    if result:
        st.success(
            escaped(f"{result.candidates:,} candidate pairs, {result.added:,} of them new. {result.recall.sentence}")
        )
        st.page_link("pages/overview.py", label="Choose a batch", icon=":material/home:")


def _ask_pairing() -> dict[str, Any]:
    columns = st.columns(4)
    numbers = {
        "per_record": ("Nearest per record", 1, PER_RECORD, "By characters and by encoder each"),
        "most": ("Pairs at most", 1, MOST, "The most alike are kept"),
        "near": ("Near misses to ask", 0, NEAR, "Asked blind, to estimate what the search misses; 0: none"),
        "far": ("Other pairs to ask", 0, FAR, "The same, of all other pairs"),
    }
    options: dict[str, Any] = {
        name: int(column.number_input(title, least, None, usual, key=f"pair-{name}", help=what))
        for column, (name, (title, least, usual, what)) in zip(columns, numbers.items(), strict=True)
    }
    within = st.selectbox(
        "Pairs", list(WITHIN), key="pair-within", help="As usual: of different sources where there are two"
    )
    return {**options, "within": WITHIN[within]}


def holds_pairs(draft: "Draft", preview: Preview) -> bool:
    """What a row of the file is, guessed by its columns. A query brings pairs alone."""
    if draft.sql:
        return True
    guessed = PAIRS if "left" in columns_by_role(preview) else SOURCE
    chosen = st.segmented_control(
        "What a row is", [SOURCE, PAIRS], default=guessed, required=True, key=f"import-rows-are-{draft.id}"
    )
    return (chosen or guessed) == PAIRS


def ask_source(server: ProjectServer, draft: "Draft", preview: Preview) -> dict[str, Any]:
    """Columns and name of a source, as `import_source` takes them."""
    columns, roles = [one.name for one in preview.columns], columns_by_role(preview)
    known = [field.name for field in server.settings().fields]
    usual = [column for column in columns if column in known] or roles.get("text")
    text = st.multiselect("Fields that are compared", columns, usual, key=f"source-text-{draft.id}")
    left, right = st.columns(2)
    index = next((columns.index(column) for column in roles.get("id", ())), None)
    chosen_id = left.selectbox(
        "Id", columns, index, key=f"source-id-{draft.id}", placeholder="none", help="Else it is made from the content"
    )
    name = right.text_input("Name of the source", Path(draft.title).stem, key=f"source-name-{draft.id}", max_chars=80)
    fields = []
    for column in text:
        field = column
        if known and column not in known:
            field = st.selectbox(
                f"Field that {escaped(column)} is",
                [column, *(one for one in known if one not in text)],
                key=f"source-field-{column}-{draft.id}",
                help="One that is called otherwise in another source",
            )
        fields.append(column if field == column else f"{column}={field}")
    return {"text": fields, "id": chosen_id, "source": name.strip() or None, "encoding": draft.encoding}
