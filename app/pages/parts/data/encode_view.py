"""The piece of the Jobs page that has records encoded by many jobs at once; nothing where every record has a vector."""

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.models.many_jobs_view import ManyJobs, draw_many_jobs
from core.data.encode_elsewhere import encode_elsewhere_estimate, records_without_vector

VERB = "encode_elsewhere"


def draw_encoding(server: ProjectServer) -> None:
    """Where, how many at once, what it will take; and the button that starts it once that was said."""
    left = records_without_vector(server.project)
    if not left or VERB in server.activities:
        return

    def start(options: dict[str, object]) -> None:
        """In the background; the line at the top of the page shows progress, and stops it."""
        server.start(VERB, user=require_right("manage"), yes=True, **options)

    with st.expander(f"{left:,} records have no vector yet: encode them by many jobs at once", key="encode-box"):
        work = ManyJobs("encode", "Encode", "Measuring how quick the encoder is", encode_elsewhere_estimate, start)
        draw_many_jobs(server, work, {})
