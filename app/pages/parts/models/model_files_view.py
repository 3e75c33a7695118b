"""The Models page's part that takes a model elsewhere: as files, merged into its base, to the Hugging Face Hub."""

from pathlib import Path

import streamlit as st

from app.background import ProjectServer
from app.pages.parts.data.files import exports, offer
from app.pages.parts.data.hub_view import draw_model_push
from app.pages.parts.widgets import begin, outcome_of
from core.registry.adapter_export import GGUF, SAFETENSORS, AdapterExport
from core.registry.model_export import ModelExport
from core.registry.models import ModelEntry
from core.registry.usage import PICKLE

EXPORT, MERGE = "model_export", "model_merge"
FILES, SETFIT = "safetensors and JSON", "setfit"


def draw_files(server: ProjectServer, model: ModelEntry) -> None:
    """Nothing is written before somebody presses a button; what this visit wrote last stands below."""
    with st.expander("Take it elsewhere", icon=":material/ios_share:", key=f"files-{model.id}"):
        folder = exports(server.project)
        with st.container(horizontal=True, vertical_alignment="bottom"):
            if model.adapter:
                form = st.selectbox("Merged into its base as", (SAFETENSORS, GGUF), key="merge-form")
                target = folder / f"{model.id}-{form}"
                _draw_start(server, "Write merged", MERGE, {"model": model.id, "out": str(target), "form": form})
                _draw_start(server, "Write the adapter", EXPORT, {"model": model.id})
            else:
                library = st.selectbox("As files for", (FILES, SETFIT), key="export-library")
                options = {"model": model.id, "library": "" if library == FILES else library}
                _draw_start(server, "Write the files", EXPORT, {**options, "out": str(folder / f"{model.id}.zip")})
        for verb in (EXPORT, MERGE):
            if written := outcome_of(server, verb):
                _draw_written(written)
        if not model.adapter:
            draw_model_push(server, model.id)


def _draw_start(server: ProjectServer, words: str, verb: str, options: dict[str, object]) -> None:
    st.button(
        words,
        key=verb,
        icon=":material/folder_zip:",
        disabled=verb in server.activities,
        on_click=begin,
        args=(server, verb),
        kwargs=options,
    )


def _draw_written(written: ModelExport | AdapterExport) -> None:
    if not Path(written.path).exists():
        return
    file = Path(written.path)
    st.text(f"Wrote {written.model} to {file}: {written.bytes / 1e6:,.1f} MB. Its README says how far to trust it.")
    if isinstance(written, ModelExport) and written.library == SETFIT:
        st.text(PICKLE.replace("`", ""))
    offer(file, "fetch-model")
