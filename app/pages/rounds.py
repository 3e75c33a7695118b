"""Rounds: the learning curve, where the model errs, and what each batch was chosen for. `/rounds?round=3` opens one."""

import streamlit as st

from app.background import opened
from app.pages.parts.round_view import draw_calibration, draw_confusion, draw_curve, draw_labels, draw_round
from app.pages.parts.widgets import activity
from core.reports import model_quality
from core.reports.batches import batches, round_table
from core.reports.error_analysis import predicted_strata, scored_strata
from core.tasks.tasks import task_of

MOST = 20

server = opened()
st.title("Rounds")
activity(server)
rounds = batches(server.project)
model = model_quality.newest_model(server.project)
if not rounds and not model:
    st.info("No batch was chosen yet. The Overview page says what to do first.")
    st.page_link("pages/overview.py", label="Overview", icon=":material/home:")
    st.stop()

if not model:
    st.info("There is no model yet. Label the first batch: the model that learns from it is judged here.")
else:
    draw_curve(server.project)
    scored, predicted = scored_strata(model.metrics), predicted_strata(server.project)
    if not scored:
        st.info("No audit or gold record has a label yet, so nothing can be said of the model.")
    stratum = scored[0] if scored else None
    if len(scored) > 1:
        stratum = st.segmented_control("Judged on", scored, default=scored[0], required=True, key="stratum")
    of_labels = task_of(server.settings()).taxonomy
    if of_labels:
        draw_labels(server, model.metrics, stratum)
    if stratum in predicted:
        with st.spinner("Counting verdicts"):
            if of_labels:
                draw_confusion(server, stratum)
            draw_calibration(server, stratum)
    elif stratum:
        st.info("This model's verdicts per record were not kept. After the next round, or `rondo fit`, they are here.")

st.header("Batches")
requested = st.query_params.get("round") or (rounds and str(rounds[0].round))
for index, batch in enumerate(rounds):
    if index < MOST or str(batch.round) == requested:
        draw_round(server, batch, opened=str(batch.round) == requested)
with st.expander("The numbers"):
    st.dataframe(round_table(rounds), key="rounds", hide_index=True)
