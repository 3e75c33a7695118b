"""Settings: taxonomy, guidelines, and how the next batch is chosen."""

from typing import Any

import streamlit as st

from app.auth.identity import require_right
from app.background import opened
from app.pages.parts.field_settings import draw_fields
from app.pages.parts.models.steps_view import draw_steps
from app.pages.parts.taxonomy_settings import draw_labels
from app.pages.parts.template_settings import draw_template
from app.pages.parts.widgets import page_header
from core.errors import RondoError
from core.labelling.changes import change_settings
from core.reports.card_text import escaped
from core.reports.overview import preview_resettling, settle_rules, strategies
from core.tasks.tasks import task_of

server = opened()
settings = server.settings()
page_header("Settings")
st.caption("Everything here stands in rondo.toml, which you can also edit by hand.")


def change(**changes: Any) -> None:
    """Saves and says what was wrong, if anything was."""
    try:
        change_settings(server.project, require_right("manage"), **changes)
        st.toast("Saved")
    except RondoError as error:
        st.session_state["settings-trouble"] = str(error)


if error_message := st.session_state.pop("settings-trouble", None):
    st.error(escaped(error_message))

if task_of(settings).taxonomy:
    draw_labels(server, change)
else:
    st.header("Task")
    st.text(f"The task of this project is {settings.task}.")
    if task_of(settings).two_sides:
        draw_fields(settings, change)
    if task_of(settings).steps:
        draw_steps(settings)

st.header("Settling")
rules = settle_rules()
rule = st.selectbox(
    f"How a record's {task_of(settings).noun} is settled from what people gave",
    rules,
    list(rules).index(settings.settle),
    format_func=rules.__getitem__,
    key="settle",
)
if rule != settings.settle:
    st.text(preview_resettling(server.project, rule).sentence)
    st.button("Settle by this rule", key="settle-anew", on_click=change, kwargs={"settle": rule})

st.header("Labelling and choosing")
with st.form("rest"):
    guidelines = st.text_area("Guidelines, shown beside the record", settings.guidelines, key="guidelines", height=160)
    size = st.number_input("Records per batch", 1, 10_000, settings.batch_size, key="batch-size")
    captions = strategies()
    names = list(captions)
    position = names.index(settings.strategy) if settings.strategy in captions else 0
    strategy = st.selectbox("Strategy", names, position, format_func=captions.__getitem__, key="strategy")
    share = st.slider(
        "Audit share", 0.0, 0.5, settings.audit_share, 0.01, key="audit", help="Drawn at random, to measure with"
    )
    overlap = st.number_input("People per record", 1, 100, settings.overlap, key="overlap")
    known = st.slider(
        "Calibration records per record of a batch",
        0.0,
        0.5,
        settings.calibration_share,
        0.01,
        key="calibration",
        help="Gold records among the others, answered by everybody once: by them people are measured",
    )
    hints = st.toggle("Show the model's suggestion", settings.show_suggestions, key="hints")
    likeliest = settings.likeliest_keys
    if task_of(settings).taxonomy:
        likeliest = st.toggle(
            "With more than nine labels, keys 1 to 9 give the likeliest",
            settings.likeliest_keys,
            key="likeliest-keys",
            help="Only where the suggestion is shown, and as the buttons say. Off: the first nine labels, always",
        )
    cleaned = st.toggle(
        "Show cleaned texts",
        settings.show_cleaned,
        key="show-cleaned",
        help="As models read them after `rondo clean --apply`. Off: people see every text as it came",
    )
    auto = st.toggle("Start a round by itself when a batch is finished", settings.automatic, key="auto")
    tune, minutes = settings.tune, settings.tune_minutes
    if task_of(settings).taxonomy:
        tune = st.toggle(
            "Tune the encoder by itself when there are enough labels",
            settings.tune,
            key="tune",
            help="In the background; it comes into use only where it is better on labels that it has not learnt from",
        )
        minutes = st.number_input("Processor minutes for it", 0.1, 10_000.0, settings.tune_minutes, key="tune-minutes")
    if st.form_submit_button("Save", key="save", type="primary"):
        change(guidelines=guidelines, batch_size=int(size), strategy=strategy, audit_share=share)
        change(overlap=int(overlap), show_suggestions=hints, likeliest_keys=likeliest, show_cleaned=cleaned)
        change(automatic=auto, calibration_share=known, tune=tune, tune_minutes=float(minutes))
        st.rerun()

draw_template(server)
