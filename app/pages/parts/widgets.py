"""Pieces that several pages draw. They read from core and act on a click; they compute nothing."""

import streamlit as st

from app.auth.identity import has_right, require_right
from app.background import ProjectServer
from app.words import progress_line
from core.evaluation.metrics import Metrics
from core.evaluation.reporting import FEWEST, TOO_FEW, figures, too_few
from core.reports.card_text import escaped


@st.fragment(run_every=2)
def activity(server: ProjectServer) -> None:
    """What goes on in the background, with rate, time to go and a button to stop it; nothing where nothing does."""
    for verb, one in list(server.activities.items()):
        left, right = st.columns([5, 1], vertical_alignment="center")
        line = progress_line(one.what, one.done, one.total, one.seconds)
        left.progress(one.share, text=escaped(line))
        if has_right("manage") and right.button("Stop", key=f"stop-{verb}"):
            server.cancel(verb, user=require_right("manage"))
    if server.error_message:
        st.warning(escaped(server.error_message), icon=":material/error:")


def score_metrics(metrics: Metrics) -> None:
    """Accuracy and, where there is one, macro F1 with their intervals, on audit and gold, or what is missing."""
    scores = [(stratum, score) for stratum in ("gold", "audit") if (score := metrics.on(stratum))]
    if not scores:
        st.info("Nothing can be said about accuracy yet: no audit or gold record has a label and a model to judge.")
        return
    for stratum, score in scores:
        if score.n < FEWEST:
            st.text(f"How good it is: {too_few(score.n, stratum)}.")
            continue
        measured = {name: one for name, one in figures(score).items() if name != "micro F1"}
        for column, (name, estimate) in zip(st.columns(2), measured.items(), strict=False):
            column.metric(
                f"{name[0].upper()}{name[1:]} on {score.n:,} {stratum} records",
                f"{estimate.value:.1%}" if estimate else TOO_FEW,
                f"95 %: {estimate.low:.1%} to {estimate.high:.1%}" if estimate else None,
                delta_color="off",
                delta_arrow="off",
            )
