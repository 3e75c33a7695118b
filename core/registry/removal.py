"""Removing models that are not in use: deletes their files, not their rows. Touches no label and no answer."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import BadInput, Refused
from core.ids import ModelId
from core.jobs.bundle import Report
from core.models.encoders.encoder import OWN
from core.models.hosted_models import hosted_in_use
from core.models.in_use import active_model
from core.models.vectors import encoder_folder
from core.project import Project
from core.registry.champions import find_model, has_files
from core.store.database import note, utc_now


@dataclass(frozen=True)
class RemovedModels:
    """removed: ids. bytes: that were freed."""

    removed: tuple[ModelId, ...]
    bytes: int


def model_remove(project: Project, report: Report, *, models: Sequence[str], user: str = "local") -> RemovedModels:
    """Deletes the artifacts of models, and the vectors that an encoder inside one of them made.

    models: each as `find_model` takes it. Raises BadInput without any, Refused for the champion, for the model whose
    encoder is in use, and for one whose encoder another model needs. One that was removed before, or whose
    files somebody deleted by hand, is no error.
    """
    ids = list(dict.fromkeys(find_model(project, word) for word in models))
    if not ids:
        raise BadInput("Name the models to remove; `rondo models` lists them.")
    with project.round_lock:  # neither a round nor a promotion is under way that reads them
        _refuse(project, ids)
        # the folder of each, and the vectors of the encoder inside it
        folders = [(project.models / model, encoder_folder(project.vectors, OWN + model)) for model in ids]
        existing = [folder for both in folders for folder in both if folder.is_dir()]
        size = sum(path.stat().st_size for folder in existing for path in folder.rglob("*") if path.is_file())
        with project.store.transaction() as cursor:  # first, so that files left after a kill are removed the next time
            for model in ids:
                cursor.execute(
                    "update models set removed_at = coalesce(removed_at, ?) where id = ?", [utc_now(), model]
                )
                note(cursor, user, "model remove", {"model": model})
        for done, folder in enumerate(existing):
            report("Removing models", done, len(existing))
            try:
                shutil.rmtree(folder)
            except OSError as error:
                raise Refused(
                    f"{folder} could not be deleted ({error}). What is left of it goes with the same command."
                ) from None
    return RemovedModels(tuple(ids), size)


def _refuse(project: Project, ids: Sequence[ModelId]) -> None:
    champion, encoder = active_model(project), project.settings().encoder
    decider = hosted_in_use(project)
    rows = project.store.query("select id, encoder from models where removed_at is null")
    for model in ids:
        if model == decider:
            raise Refused(f"{model} decides for programs. Take it out first: `rondo models deactivate`.")
        if model == champion:
            raise Refused(f"{model} is the champion. Put another one to use first: `rondo models promote MODEL`.")
        if encoder == OWN + model:
            raise Refused(f"The encoder in use is that of {model}. Put another model to use first.")
        built_on = [other for other, needed in rows if needed == OWN + model and other not in ids]
        built_on = [other for other in built_on if has_files(project, other)]
        if built_on:
            raise Refused(
                f"{len(built_on):,} other models work on the encoder of {model}. Remove them with it: "
                f"`rondo models remove {' '.join([model, *built_on])}`."
            )
