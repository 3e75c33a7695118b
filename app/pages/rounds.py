"""Rounds: what each batch was chosen for and what its self-test says. Curves and matrices come to stand here."""

import streamlit as st

from app.state import opened
from app.widgets import activity
from core import overview

office = opened()
st.title("Rounds")
activity(office)
rounds = overview.batches(office.project)
if not rounds:
    st.info("No batch was chosen yet. The Overview page says what to do first.")
    st.stop()
st.dataframe(overview.round_table(rounds), key="rounds", hide_index=True)
for entry in rounds[:20]:
    warnings = entry["self_test"]["warnings"]
    with st.expander(f"Round {entry['round']}: {entry['strategy']}, {entry['size']} records", expanded=bool(warnings)):
        st.text(overview.self_test_sentence(entry))
        for warning in warnings:
            st.warning(warning.replace("$", r"\$"), icon=":material/warning:")
