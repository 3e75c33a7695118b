"""Pieces of the Overview: sentence, next step, curve, weak labels, what is unfinished. They compute nothing."""

from dataclasses import asdict

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.charts.headline import label_intervals, quality_curve
from app.charts.quality import balance_chart, queue_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.widgets import measured_link
from core.config.colours import label_colours
from core.evaluation.metrics import Forecast
from core.evaluation.reporting import best_score
from core.registry.champions import champion_state
from core.reports import error_analysis, model_quality, overview
from core.reports.card_text import escaped
from core.reports.headline import AHEAD, outlook, quality_sentence, unfinished
from core.reports.overview import Status
from core.reports.quality_news import QualityNews
from core.tasks.tasks import task_of, unready

WEAKEST = 8
"""labels in the picture; the Rounds page has all of them"""


def draw_headline(server: ProjectServer, now: Status, news: QualityNews | None) -> None:
    """How good the model is, and what more labels would bring."""
    with st.container(key="headline"):
        st.header(escaped(quality_sentence(now, news)), anchor=False)
        if now.model:
            st.markdown(escaped(outlook(now, model_quality.prospects(server.project))))
        if news:
            st.caption(f"Judged on {escaped(news.basis)}, which the model did not learn from.")


def draw_step(server: ProjectServer, now: Status) -> None:
    """The one next thing to do, with its button."""
    st.text(now.next)
    with st.container(horizontal=True):
        if now.queued:
            if st.button(f"Label {now.queued:,} more", key="label-now", type="primary", icon=":material/label:"):
                st.switch_page("pages/label.py")
        elif not now.records:
            st.page_link("pages/import.py", label="Import records", icon=":material/upload:")
        elif unready(server.settings()):
            st.page_link("pages/settings.py", label="Add labels", icon=":material/settings:")
        elif now.unqueued and st.button("Next round", key="round", type="primary"):
            server.start("round", user=require_right("manage"))
            st.rerun()
        if now.model and st.button("Let the model label the easy ones", key="auto", icon=":material/smart_toy:"):
            st.switch_page("pages/auto_label.py")


def draw_curve(server: ProjectServer, now: Status, news: QualityNews | None) -> None:
    """Accuracy over labels; nothing before there are two points."""
    if not news or len(news.curve) < 2:
        return
    prospects = model_quality.prospects(server.project)
    forecast = prospects.forecast if isinstance(prospects.forecast, Forecast) else None
    with st.container(border=True, key="panel-curve"):
        st.caption(f"Accuracy by labels · {escaped(news.basis)}, 95 %")
        # a forecast is one of the audit, so it is drawn where the curve is
        chart = quality_curve(news.curve, forecast if "audit" in news.basis else None, ahead=AHEAD)
        draw_chart(chart, key="curve", alt=quality_sentence(now, news))
        with st.expander("The numbers"):
            st.dataframe([asdict(one) for one in news.curve], key="curve-points", hide_index=True)
        measured_link("What would the next hundred labels bring?")


def draw_weakest(server: ProjectServer, now: Status) -> None:
    """The labels that the model gets wrong most, with their intervals."""
    best = best_score(now.model.metrics) if now.model else None
    if not best or not now.model or not task_of(server.settings()).taxonomy:
        return
    taxonomy = server.settings().taxonomy
    rows = error_analysis.label_scores(now.model.metrics, best[0], taxonomy)
    if not (chart := label_intervals(rows, label_colours(taxonomy), WEAKEST)):
        return
    with st.container(border=True, key="panel-labels"):
        st.caption(f"The weakest labels · {best[1].n:,} {best[0]} records")
        draw_chart(chart, key="weakest", alt="F1 of the weakest labels with their intervals")
        measured_link("The population")
        st.page_link("pages/rounds.py", label="All labels, and what is taken for what", icon=":material/cycle:")


def draw_unfinished(server: ProjectServer, now: Status) -> None:
    """What waits for a person; nothing where nothing does."""
    waiting = unfinished(server.project, now)
    if not waiting:
        return
    with st.container(border=True, key="panel-unfinished"):
        st.markdown("**Unfinished**")
        for one in waiting:
            if one.page:
                st.page_link(f"pages/{one.page}.py", label=one.sentence, query_params=one.query)
            else:
                st.text(one.sentence)


def draw_challenger(server: ProjectServer) -> None:
    """A model that wants the place of the one in use; nothing where none does."""
    state = champion_state(server.project)
    if not state.waiting:
        return
    with st.container(border=True, key="panel-challenger"):
        st.markdown("**A model waits**")
        st.text(state.waiting_sentence)
        st.page_link(
            "pages/models.py", label="Compare", query_params={"model": state.waiting}, icon=":material/swords:"
        )


def draw_counts(server: ProjectServer, now: Status) -> None:
    """Where every record is, and how many each label has."""
    counts_now = {"Labelled": now.labelled, "Gold": now.gold, "Machine labels": now.machine, "In the queue": now.queued}
    shown = {title: count for title, count in counts_now.items() if count or title == "Labelled"}
    for column, (title, count) in zip(st.columns(len(shown)), shown.items(), strict=True):
        column.metric(title, f"{count:,}")
    if now.records:
        draw_chart(queue_chart(now), key="queue", alt="Records labelled, in the queue, and not asked")
    if task_of(server.settings()).taxonomy and (counts := overview.label_counts(server.project)):
        draw_chart(balance_chart(counts), key="balance", alt="Records per label: labelled, gold and suggested")
        st.dataframe([asdict(row) for row in counts], key="balance-table", hide_index=True)
