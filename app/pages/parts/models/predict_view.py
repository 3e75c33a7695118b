"""Pieces of the page that predicts a file: the model, the columns, the way there, and what was written. They compute
nothing."""

import re
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from app.background import ProjectServer
from app.charts.counts import MOST_BARS, count_bars
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.data.files import exports, free_name, offer, offer_for_excel
from app.pages.parts.data.import_view import SIDES, columns_by_role
from app.pages.parts.models.many_jobs_view import ManyJobs, draw_many_jobs
from app.pages.parts.models.model_rows import option_of
from app.pages.parts.widgets import begin, latest_of
from app.words import pair_file_sentences, prediction_sentences, score_sentences
from core.data.preview_job import Preview
from core.pairs.predict import AUTO_ABOVE, DROP_BELOW
from core.pairs.predict_file import PredictedPairFile
from core.pairs.recorded_answers import BUDGET
from core.registry.champions import CHAMPION
from core.registry.evaluate import MOST_K
from core.registry.lookup import BASELINE
from core.registry.models import models
from core.registry.predict import ENDINGS
from core.registry.predict_elsewhere import predict_elsewhere_estimate
from core.registry.text_prediction_job import FilePredictions
from core.reports.card_text import escaped
from core.store.tables import head_rows

if TYPE_CHECKING:
    from app.home.drafts import Draft

VERBS = ("predict", "predict_elsewhere", "predict_pair_file")
PAGE = "predict"
"""by which its source is kept apart from that of an import"""
UNFIT = ("adapter", "ended", "removed", "missing")
"""states of models that predict no text here"""
SPLITS = ("train", "validation", "test")
SHOWN = 10
LONGEST_SHOWN = 2_000
"""characters of a cell"""
LONGEST_STEM = 100
"""bytes of a file's name that stand in the name of its predictions; a disk takes 255 in all"""
DECISIONS = {"merge": "to merge", "unsure": "for a person", "apart": "to keep apart"}


def running(server: ProjectServer) -> bool:
    """Is a file being predicted now?"""
    return any(verb in server.activities for verb in VERBS)


def ask_model(server: ProjectServer) -> str:
    """The model in use, the baseline, or any other, as `predict` takes it."""
    listed = models(server.project, lambda *_: None)
    names = {CHAMPION: "The model in use"} if listed.champion else {}
    names |= {
        one.id: option_of(one)
        for one in listed.models
        if one.id != listed.champion and not one.hosting and one.state not in UNFIT
    }
    names[BASELINE] = "Baseline: by the labels' names, without training"
    return str(st.selectbox("Model", list(names), format_func=names.__getitem__, key="predict-model"))


def draw_first_rows(draft: "Draft", preview: Preview) -> list[str]:
    """What the file looks like; returns its columns."""
    columns = [one.name for one in preview.columns]
    rows = [dict(zip(columns, row, strict=True)) for row in preview.rows[:SHOWN]]
    with st.expander(f"First rows of {escaped(draft.title)}"):
        st.dataframe(rows, key=f"predict-rows-{draft.id}", hide_index=True, alt=f"The first rows of {draft.title}")
    return columns


def ask_columns(draft: "Draft", preview: Preview) -> dict[str, Any]:
    """Which columns are read, guessed and changed by a click, as `predict` takes them."""
    columns, roles = draw_first_rows(draft, preview), columns_by_role(preview)
    key = draft.id

    def pick(box: DeltaGenerator, title: str, guessed: list[str] | None, help_: str) -> str | None:
        index = columns.index(guessed[0]) if guessed else None
        return box.selectbox(title, columns, index, key=f"predict-{title}-{key}", placeholder="none", help=help_)

    left, right = st.columns([3, 1])
    text = left.multiselect("Text", columns, roles.get("text"), key=f"predict-text-{key}", help="Several are one text")
    top_k = right.number_input("Ranked labels per row", 1, MOST_K, 3, key="predict-top")
    with st.expander("Further options"):
        first, second, third, fourth = st.columns(4)
        id_ = pick(first, "Id", roles.get("id"), "Else rows are numbered")
        label = pick(second, "True label", None, "Says how many are right")
        column = pick(third, "Split column", roles.get("split"), "Says a row's split")
        split = fourth.selectbox("Only rows of", SPLITS, None, key="predict-split", placeholder="all splits")
        rest = [name for name in columns if name not in (*text, id_, label)]
        keep = st.multiselect("Columns to carry over", rest, key=f"predict-keep-{key}")
        with_text = st.toggle("Write the texts, too", value=True, key="predict-with-text")
    chosen: dict[str, Any] = {"text": text, "id": id_, "label": label, "keep": keep}
    if split and column:
        chosen |= {"split": split, "split_column": column}
    return {**chosen, "top_k": int(top_k), "with_text": with_text}


def ask_sides(draft: "Draft", preview: Preview) -> dict[str, Any]:
    """Which columns are a pair's sides, and from where on it is merged or kept apart, as `predict_pair_file` takes
    them."""
    columns, roles = draw_first_rows(draft, preview), columns_by_role(preview)
    first, second = st.columns(2)
    left, right = (
        box.multiselect(title, columns, roles.get(side), key=f"predict-{side}-{draft.id}", help=what)
        for box, (side, (title, what)) in zip((first, second), SIDES.items(), strict=True)
    )
    with st.expander("Further options"):
        first, second, third = st.columns(3)
        above = first.number_input(
            "Merge from", 0.0, 1.0, AUTO_ABOVE, 0.01, key="predict-above", help="Probability; a guarantee may ask more"
        )
        below = second.number_input("Keep apart below", 0.0, 1.0, DROP_BELOW, 0.01, key="predict-below")
        budget = third.number_input(
            "Requests at most", 0, None, BUDGET, key="predict-budget", help="That a hosted model in use may be sent"
        )
        keep = st.toggle("Bring the pairs between both into the project, to be decided", key="predict-keep-unsure")
    limits = {"auto_above": above, "drop_below": below}
    return {"left": left, "right": right, **limits, "keep_unsure": keep, "budget": int(budget)}


def draw_start(server: ProjectServer, verb: str, draft: "Draft", options: dict[str, Any]) -> None:
    """Format and button; a run of the same file, model and options goes on where one was stopped."""
    with st.container(horizontal=True, vertical_alignment="bottom"):
        ending = st.segmented_control(
            "Format",
            ENDINGS,
            default=ENDINGS[0],
            required=True,
            format_func=lambda one: one[1:],
            key="predict-format",
        )
        name = _file_name(draft.title, options.get("model"), options.get("split"), ending or ENDINGS[0])
        out = str(free_name(exports(server.project), name))
        request = {**options, "file": draft.source, "encoding": draft.encoding, "out": out}
        st.button(
            "Predict",
            key="predict",
            type="primary",
            icon=":material/play_arrow:",
            disabled=running(server) or not (options.get("text") or options.get("left")),
            on_click=_begin,
            args=(server, verb, draft, request),
        )
    draft.held = running(server)
    if verb == "predict" and not running(server):
        with st.expander("By many jobs at once"):
            start = partial(_begin_elsewhere, server, draft)
            measuring = "Predicting some texts of the file"
            work = ManyJobs("predict-many", "Predict", measuring, predict_elsewhere_estimate, start)
            draw_many_jobs(server, work, request)


def _begin(server: ProjectServer, verb: str, draft: "Draft", request: dict[str, Any]) -> None:
    """What was uploaded stays for it, also where another file is chosen meanwhile."""
    draft.held = True
    begin(server, verb, **request)


def _begin_elsewhere(server: ProjectServer, draft: "Draft", request: dict[str, Any]) -> None:
    _begin(server, "predict_elsewhere", draft, {**request, "yes": True})


def _file_name(title: str, model: str | None, split: str | None, ending: str) -> str:
    """The same for the same question: by it a run that was stopped is found again, until its file is there. model: None
    for decisions."""
    stem = Path(title).stem.encode()[:LONGEST_STEM].decode(errors="ignore")
    words = "-".join([stem, *([split] if split else []), f"by-{model}" if model else "decided"])
    return re.sub(r"[^\w.-]+", "-", words).lstrip(".-") + ending


def draw_result(server: ProjectServer) -> None:
    """The newest file that was predicted: what is in it, its first rows, and the way to have it."""
    ended = [verb for verb in VERBS if latest_of(server, verb)]
    if not ended:
        return
    newest = max((server.latest[verb] for verb in ended), key=lambda one: one.activity.since)
    file = Path(newest.result.out)
    st.header(escaped(file.name))
    with st.container(horizontal=True):
        offer(file, "predict-fetch")
        offer_for_excel(file, "predict-fetch-excel")
    if isinstance(newest.result, PredictedPairFile):
        _draw_pairs(newest.result)
    else:
        _draw_predictions(newest.result)
    if file.is_file():
        rows = [{name: _shortened(cell) for name, cell in row.items()} for row in head_rows(file, SHOWN)]
        st.dataframe(rows, key="predicted-rows", hide_index=True, alt="The first rows of the file")
        st.caption(f"The first {SHOWN} rows.")


def _shortened(cell: object) -> object:
    """A browser is sent no text of megabytes to look at its beginning."""
    return cell[:LONGEST_SHOWN] if isinstance(cell, str) else cell


def _draw_predictions(result: FilePredictions) -> None:
    for sentence in [*prediction_sentences(result), *score_sentences(result)]:
        st.text(sentence)
    if result.predicted:
        bars = count_bars(result.predicted, "rows", "label")
        draw_chart(bars, key="predicted", alt="How many rows got each label")
        if len(result.predicted) > MOST_BARS:
            st.caption(f"The {MOST_BARS} most frequent of {len(result.predicted):,} labels.")


def _draw_pairs(result: PredictedPairFile) -> None:
    for sentence in pair_file_sentences(result):
        st.text(sentence)
    counts = {words: result.decisions[name] for name, words in DECISIONS.items() if name in result.decisions}
    draw_chart(count_bars(counts, "pairs", "decision"), key="predicted", alt="How many pairs got each decision")
