"""Sections of the Team page: work, agreement, quality, conflicts. They read from core and act on a click."""

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import ProjectServer
from app.card import draw_adjudication
from app.charts.people import alpha_chart, kappa_chart, pace_chart, two_people_chart
from app.pages.parts.chart_view import draw_chart
from app.pages.parts.records.record_list import name_box
from app.pages.parts.widgets import measured_link
from core.agreement import agreement, pace
from core.agreement.annotator_quality import measured, measured_at, warnings
from core.agreement.conflicts import read_conflicts
from core.agreement.quality_job import AnnotatorQuality
from core.errors import RondoError
from core.labelling.calibrating import calibrate
from core.reports.card_text import escaped

MOST_COLOURS = 9
"""people with a colour of their own"""


def draw_work(server: ProjectServer) -> None:
    """Who labelled what, how fast and when."""
    st.header("Work")
    people = pace.work(server.project)
    if not people:
        st.info("Nobody has answered yet.")
        st.page_link("pages/label.py", label="Label", icon=":material/label:")
        return
    widths = {"annotator": st.column_config.TextColumn("annotator", width=160)}
    rows = [{name.replace("_", " "): value for name, value in vars(one).items()} for one in people]
    st.dataframe(_filled(rows), key="work", hide_index=True, column_config=widths, alt="Answers and pace per person")
    st.caption("Seconds: the median between two answers of a person, pauses of more than five minutes aside.")
    if over_time := pace.over_time(server.project, MOST_COLOURS):
        draw_chart(pace_chart(over_time), key="pace", alt="Answers over time")
        with st.expander("The numbers"):
            st.dataframe([vars(one) for one in over_time], key="pace-table", hide_index=True)
    if calibrated := pace.calibration(server.project):
        st.text("Calibration records answered")
        st.dataframe([vars(one) for one in calibrated], key="calibration", hide_index=True)


@st.cache_data(max_entries=4, show_spinner="Comparing answers …")
def _agreement(_server: ProjectServer, stamp: tuple[object, ...]) -> agreement.AgreementReport:
    return agreement.agreement(_server.project)


def draw_agreement(server: ProjectServer) -> None:
    """Alpha over all and per label, kappa of each two people, and two people side by side."""
    st.header("Agreement")
    result = _agreement(server, agreement.stamp(server.project))
    st.text(result.sentence)
    if not result.overall.records:
        st.caption("Let people label the same records: overlap, on the Settings page.")
        return
    if chart := alpha_chart(result.labels):
        draw_chart(chart, key="alpha", alt="Krippendorff's alpha of each label with its interval")
    if rows := [{"label": one.label, **vars(one.agreement)} for one in result.labels]:
        with st.expander("The numbers"):
            st.dataframe(rows, key="alpha-table", hide_index=True)
    measured_link("Several people")
    _draw_pairs(result)
    _draw_two(server, result.people)


def _draw_pairs(result: agreement.AgreementReport) -> None:
    known = [pair for pair in result.pairs if pair.kappa.value is not None]
    if not known:
        st.text("No two people share enough records to be compared.")
        return
    st.text("Cohen's kappa of each two people")
    if result.left_out:
        st.caption(f"The {len(result.people)} busiest; {result.left_out:,} others are not shown.")
    draw_chart(kappa_chart(known, result.people), key="kappa", alt="Cohen's kappa of each two people")
    with st.expander("The numbers"):
        rows = [{"first": pair.first, "second": pair.second, **vars(pair.kappa)} for pair in result.pairs]
        st.dataframe(rows, key="kappa-table", hide_index=True)


def _draw_two(server: ProjectServer, people: list[str]) -> None:
    left, right = st.columns(2)
    first = left.selectbox("One person (down)", people, 0, key="first")
    second = right.selectbox("Another (across)", people, min(1, len(people) - 1), key="second")
    rows = agreement.confused(server.project, first, second) if first and second and first != second else []
    if not rows:
        st.text("They share no record." if first != second else "Choose two people to compare.")
        return
    draw_chart(two_people_chart(rows, first, second), key="two", alt="What one said where the other said what")
    with st.expander("The numbers"):
        st.dataframe([vars(row) for row in rows], key="two-table", hide_index=True)


def draw_quality(server: ProjectServer) -> None:
    """As measured last, and a button that measures anew."""
    st.header("Quality")
    people, at = measured(server.project), measured_at(server.project)
    words = f"Measured {at:%Y-%m-%d %H:%M} UTC." if at else "Nobody was measured yet. Press Measure."
    left, right = st.columns([3, 1], vertical_alignment="center")
    left.text(words)
    if "quality" in server.activities:
        right.text("Measuring …")
    elif right.button("Measure", key="quality", icon=":material/speed:"):
        server.start("quality", user=require_right("adjudicate"))
        st.rerun()
    _draw_calibrating(server)
    for sentence in warnings(people):
        st.warning(escaped(sentence), icon=":material/person_alert:")
    if not people:
        return
    st.dataframe(_filled([_row(one) for one in people]), key="quality-table", hide_index=True, alt="Quality per person")
    st.caption(
        "Right: share of answers that the others' and the known answers make right. Informed: 1 is always right, 0 is "
        "guessing. Weight: of an answer where the rule is weighted."
    )
    measured_link("Several people")


def _draw_calibrating(server: ProjectServer) -> None:
    """Known answers among what waits, by hand; Settings has the share of each batch."""
    if not has_right("manage"):
        return
    with st.popover("Slip in known answers", icon=":material/rule:", key="calibrate-box"):
        st.text("Gold records among what waits, blind, for everybody once: by them people are measured.")
        size = st.number_input("Records", 1, 10_000, 10, key="calibrate-size")
        if st.button("Queue them", key="calibrate", type="primary"):
            try:
                result = server.do(require_right("manage"), calibrate, size=int(size))
            except RondoError as error:
                st.error(escaped(error))
                return
            st.success(f"{result.queued:,} are queued; {result.left:,} more could be.")


def _row(one: AnnotatorQuality) -> dict[str, object]:
    gold = one.gold
    return {
        "annotator": one.annotator,
        "answers": one.answers,
        "shared": one.shared,
        "of gold right": f"{gold.value:.0%} of {gold.n}" if gold else None,
        "95 %": f"{gold.low:.0%} to {gold.high:.0%}" if gold else None,
        "right": _two(one.right),
        "informed": _two(one.informed),
        "knows (MACE)": _two(one.mace),
        "weight": _two(one.weight),
    }


def _filled(rows: list[dict[str, object]]) -> list[dict[str, object]]:
    """Without the columns that are empty for everybody."""
    names = [name for name in rows[0] if any(row[name] is not None for row in rows)]
    return [{name: row[name] for name in names} for row in rows]


def _two(value: float | None) -> float | None:
    return None if value is None else round(value, 2)


def draw_conflicts(server: ProjectServer) -> None:
    """How many records wait for a decision, and the card that takes it."""
    st.header("Conflicts", anchor="conflicts")
    _, total = read_conflicts(server.project, 0)
    if not total:
        st.text("There is no conflict: nobody has answered a record in another way than others.")
        return
    st.text(f"{total:,} records wait for a decision.")
    user = name_box()
    if user:
        draw_adjudication(server, user)
    else:
        st.caption("Write your name: decisions are kept under it.")
