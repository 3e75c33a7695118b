"""The app's frame: which pages there are, and what a page says when the project cannot be read."""

from pathlib import Path

import streamlit as st

from core.errors import RondoError
from core.reports.card_text import escaped

st.set_page_config(page_title="Rondo", page_icon=str(Path(__file__).parent / "icon.png"), layout="wide")
page = st.navigation(
    [
        st.Page("pages/overview.py", title="Overview", icon=":material/home:", default=True),
        st.Page("pages/label.py", title="Label", icon=":material/label:", url_path="label"),
        st.Page("pages/rounds.py", title="Rounds", icon=":material/cycle:", url_path="rounds"),
        st.Page("pages/records.py", title="Records", icon=":material/table_rows:", url_path="records"),
        st.Page("pages/map.py", title="Map", icon=":material/scatter_plot:", url_path="map"),
        st.Page("pages/machine.py", title="Machine labels", icon=":material/smart_toy:", url_path="machine"),
        st.Page("pages/jobs.py", title="Jobs", icon=":material/rocket_launch:", url_path="jobs"),
        st.Page("pages/models.py", title="Models", icon=":material/model_training:", url_path="models"),
        st.Page("pages/export.py", title="Export", icon=":material/download:", url_path="export"),
        st.Page("pages/settings.py", title="Settings", icon=":material/settings:", url_path="settings"),
    ]
)
try:
    page.run()
except RondoError as error:
    st.error(escaped(error))
