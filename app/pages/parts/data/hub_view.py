"""What pages send to the Hugging Face Hub, a data set or a model, once they have said what is sent."""

from typing import Any

import streamlit as st

from app.auth.identity import has_right
from app.background import ProjectServer
from app.pages.parts.data.export_view import rows_of
from app.pages.parts.widgets import begin, outcome_of
from core.errors import RondoError
from core.registry.data_push import FORMS, DataPushResult
from core.registry.push_job import PushResult, check_repo, check_token
from core.reports.card_text import escaped
from core.reports.export import captions
from core.reports.format_export import WITH_SPLITS

DATA, MODEL = "push_data", "push"
"""verbs"""


def draw_data_push(server: ProjectServer) -> None:
    """Where to, what and how; the button once all of it can be done; what came of the last push of this visit."""
    st.header("Hugging Face Hub")
    st.caption("Texts and labels as a data set: a file for each split, and the data card, as one commit.")
    if not has_right("manage") or not _token_is_set():
        return
    known = captions(server.settings())
    with st.container(horizontal=True, vertical_alignment="bottom"):
        repo = st.text_input("Data set", key=f"{DATA}-repo", placeholder="OWNER/NAME").strip()
        what = st.selectbox("What is sent", [name for name in WITH_SPLITS if name in known], key=f"{DATA}-what")
        form = st.selectbox("As", FORMS, key=f"{DATA}-format", width=120)
    message = st.text_input("Message of the commit", key=f"{DATA}-message", max_chars=200, placeholder="by Rondo")
    with st.container(horizontal=True):
        private = st.toggle("Private", value=True, key=f"{DATA}-private", help="Else everybody can read it")
        names = st.toggle("With the annotators' names", key=f"{DATA}-names", help="And their notes")
    if _is_repo(repo):
        rows = rows_of(server.project, what)
        people = "with the annotators' names" if names else "without the annotators' names"
        st.text(
            f"{rows:,} rows of {what}, with their texts and {people}, go to huggingface.co/datasets/{repo}, "
            f"{_readers(private)}. What Rondo pushed there before is replaced."
        )
        options = {"repo": repo, "private": private, "message": message.strip()}
        _draw_button(server, DATA, {**options, "what": what, "file_format": form, "names": names}, ready=rows > 0)
    pushed: DataPushResult | None = outcome_of(server, DATA)
    if pushed:
        parts = ", ".join(f"{name} {size:,}" for name, size in pushed.parts.items())
        words = f"{'Private' if pushed.private else 'Public'}: {parts} rows, commit {pushed.commit[:12]}."
        _draw_pushed(pushed.repo, pushed.url, words)


def draw_model_push(server: ProjectServer, model: str) -> None:
    """The same of a model with its card, and if asked of the labels that it learnt from."""
    if not _token_is_set():
        return
    left, right = st.columns(2)
    repo = left.text_input("Model on the Hugging Face Hub", key=f"{MODEL}-repo", placeholder="OWNER/NAME").strip()
    message = right.text_input("Message of the commit", key=f"{MODEL}-message", max_chars=200, placeholder="by Rondo")
    with st.container(horizontal=True):
        private = st.toggle("Private", value=True, key=f"{MODEL}-private", help="Else everybody can read it")
        labels = st.toggle("With texts and labels", key=f"{MODEL}-labels", help="As a data set, OWNER/NAME-labels")
    if _is_repo(repo):
        beside = f"; all labelled texts and the data card go to datasets/{repo}-labels" if labels else ""
        st.text(f"{model} and its card go to huggingface.co/{repo}, {_readers(private)}{beside}.")
        options = {"repo": repo, "private": private, "message": message.strip(), "model": model, "labels": labels}
        _draw_button(server, MODEL, options, ready=True)
    pushed: PushResult | None = outcome_of(server, MODEL)
    for one in (pushed, pushed.dataset) if pushed else ():
        if one:
            words = f"{'Private' if one.private else 'Public'}: {one.files:,} files, commit {one.commit[:12]}."
            _draw_pushed(one.repo, one.url, words)


def _token_is_set() -> bool:
    try:
        check_token()
    except RondoError as error:
        st.info(escaped(f"{error} The app reads it when it starts."))
        return False
    return True


def _is_repo(repo: str) -> bool:
    """Says what is wrong with one that is none."""
    try:
        if repo:
            check_repo(repo)
    except RondoError as error:
        st.error(escaped(error))
        return False
    return bool(repo)


def _readers(private: bool) -> str:
    return "private" if private else "public: everybody can read it"


def _draw_button(server: ProjectServer, verb: str, options: dict[str, Any], *, ready: bool) -> None:
    st.button(
        "Push" if options["private"] else "Push for everybody to read",
        key=verb,
        type="primary",
        icon=":material/cloud_upload:",
        disabled=not ready or verb in server.activities,
        on_click=begin,
        args=(server, verb),
        kwargs=options,
    )


def _draw_pushed(repo: str, url: str, words: str) -> None:
    st.success(escaped(words))
    st.link_button(escaped(repo), url, key=f"open-{repo}", icon=":material/open_in_new:")
