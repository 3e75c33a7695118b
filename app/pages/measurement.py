"""docs/measurement.md on a page, the paragraph that a figure links to first. `/measurement?part=HEADING`."""

import streamlit as st

from app.pages.parts.widgets import page_header
from core.reports.measurement_text import measurement_parts

page_header("How this is measured")
parts = measurement_parts()
titles = list(parts)
part = st.query_params.get("part")
chosen = st.selectbox("Paragraph", titles, titles.index(part) if part in parts else 0, key="part")
st.header(chosen, anchor=False)
st.markdown(parts[chosen], width=820)
