"""The verbs `predict` and `predict_texts`: a model on a file of any size, or on some texts. Predicts nothing itself."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import NotRequired, TypedDict, Unpack

from core.config.settings import Settings
from core.errors import BadInput, Refused
from core.jobs.bundle import Jobs, Report
from core.project import Project
from core.registry.champions import CHAMPION
from core.registry.evaluate import MOST_K, setting_of
from core.registry.evaluation_jobs import EvaluatedFolder, Setting
from core.registry.exported_model import is_export, name_of_export
from core.registry.lookup import BASELINE, find_model_to_score
from core.registry.text_prediction_job import (
    PREDICT_FILE,
    PREDICT_TEXTS,
    TEXTS_IN,
    FilePredictions,
    PredictFileParams,
    PredictTextsParams,
    TextPredictions,
    TextSource,
)
from core.store.targets import refuse_target
from core.tasks.tasks import lacks_labels, task_of

ENDINGS = (".csv", ".jsonl", ".parquet")
MOST_TEXTS, MOST_CHARACTERS = 1_000, 100_000
"""of one request: texts, and characters in each"""


class TextColumns(TypedDict):
    """The options of `predict` that say what is read. text: columns; without them `text`. label: of true labels, for
    figures. keep: columns that are carried over. split: only rows of it, by split_column."""

    file: str
    text: NotRequired[Sequence[str] | None]
    id: NotRequired[str | None]
    label: NotRequired[str | None]
    keep: NotRequired[Sequence[str] | None]
    split: NotRequired[str | None]
    split_column: NotRequired[str]
    encoding: NotRequired[str]


def predict(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    out: str,
    model: str = CHAMPION,
    top_k: int = 3,
    with_text: bool = True,
    **columns: Unpack[TextColumns],
) -> FilePredictions:
    """One line for each row of the file, in its order; a run that was stopped goes on where it was.

    model: as `evaluate` takes it. out: CSV, JSON lines or Parquet by its ending, written whole or not at all.
    """
    params = file_prediction(project, columns, out=out, model=model, top_k=top_k, with_text=with_text)
    return run_prediction(project.jobs, params, report)


def file_prediction(  # noqa: PLR0913 - an option is an argument
    project: Project, columns: TextColumns, *, out: str, model: str, top_k: int, with_text: bool
) -> PredictFileParams:
    """What `predict` is asked for. Raises BadInput for options that do not fit each other, before anything is read."""
    _require_texts(project)
    refuse_target(project, out)
    setting, evaluated, target = setting_of(project, "", None), _find(project, model), str(Path(out).resolve())
    params = PredictFileParams(setting, evaluated, text_source(columns), target, top_k, with_text)
    check_prediction(params)
    return params


def text_source(columns: TextColumns) -> TextSource:
    """With what holds where an option is not there."""
    return TextSource(
        file=str(Path(columns["file"]).resolve()),
        text=tuple(columns.get("text") or ("text",)),
        id=columns.get("id"),
        label=columns.get("label"),
        keep=tuple(columns.get("keep") or ()),
        split=columns.get("split"),
        split_column=columns.get("split_column", "split"),
        encoding=columns.get("encoding", "utf-8"),
    )


def predict_texts(
    project: Project, report: Report, *, texts: Sequence[str], model: str = CHAMPION, top_k: int = 3
) -> TextPredictions:
    """What a model says of some texts. Raises BadInput for too many, too long ones, and a model that is not there."""
    if not texts:
        raise BadInput("There is no text to predict: send a list with at least one.")
    if len(texts) > MOST_TEXTS:
        raise BadInput(
            f"These are {len(texts):,} texts; up to {MOST_TEXTS:,} are taken at once. Send them in parts, or use "
            "`rondo predict` for a file."
        )
    for number, one in enumerate(texts, 1):
        if len(one) > MOST_CHARACTERS:
            raise BadInput(f"Text {number} has {len(one):,} characters; up to {MOST_CHARACTERS:,} are read.")
    _check_top(top_k)
    _require_texts(project)
    params = PredictTextsParams(setting_of(project, "", None), _find(project, model), top_k)
    if project.loaded_models:
        loaded = project.loaded_models.predict(model, params, texts, lambda: report("Predicting", 0, len(texts)))
        if loaded is not None:
            return loaded
    bundle = project.jobs.prepare(PREDICT_TEXTS, params)
    try:
        (bundle.path / TEXTS_IN).write_text(json.dumps(list(texts)), encoding="utf-8")
        result = project.jobs.finish(bundle, PREDICT_TEXTS, report, "Predicting")
    finally:
        bundle.empty()
    return result


def run_prediction(jobs: Jobs, params: PredictFileParams, report: Report) -> FilePredictions:
    """With or without a project. Raises BadInput for options that do not fit each other, before anything is read."""
    check_prediction(params)
    bundle = jobs.prepare(PREDICT_FILE, params)
    try:
        result = jobs.finish(bundle, PREDICT_FILE, report, "Predicting")
    finally:
        bundle.empty()
    return result


def check_prediction(params: PredictFileParams) -> None:
    """Raises BadInput for a target that cannot be written, and for options that do not fit each other."""
    out, source = Path(params.out), params.source
    _check_top(params.top_k)
    if out.suffix.lower() not in ENDINGS:
        raise BadInput(f"--out is {out.name}; its name must end in {', '.join(ENDINGS)}.")
    if out.is_dir() or not out.parent.is_dir():
        raise BadInput(f"{out} cannot be written: name a file in a folder that is there.")
    if out.exists() and not out.is_file():
        raise BadInput(f"{out} is no plain file (a device or a pipe). Name a file to write to.")
    if not Path(source.file).exists():
        raise BadInput(f"There is no file {source.file}; check its path.")
    if out == Path(source.file):
        raise BadInput(f"--out is {out.name}, the file to be predicted itself. Name another.")
    if twice := {name for name in source.keep if source.keep.count(name) > 1}:
        raise BadInput(f"The column '{min(twice)}' shall be carried over twice; name it once.")


def model_in_folder(word: str) -> EvaluatedFolder | None:
    """An exported model, which needs no project; None for what is no folder of one. Raises Damaged."""
    folder = Path(word)
    return EvaluatedFolder(name_of_export(folder), str(folder.resolve())) if is_export(folder) else None


def setting_outside(cache: Path, threads: int, labels: Sequence[str], encoder: str) -> Setting:
    """Where there is no project. labels, encoder: of the baseline."""
    return Setting(
        on="",
        file=None,
        names={label: label for label in labels},
        descriptions={},
        multi=False,
        encoder=encoder,
        vectors=str(cache),
        threads=threads,
        seed=0,
    )


def _find(project: Project, word: str) -> EvaluatedFolder:
    model = find_model_to_score(project, word)
    if model.folder is None and len(project.settings().taxonomy.active) < 2:
        raise Refused(f"{BASELINE} chooses among labels by their names, and the project has none. Add some first.")
    return model.as_input


def _check_top(top_k: int) -> None:
    if not 1 <= top_k <= MOST_K:
        raise BadInput(f"--top-k is {top_k}; it must lie between 1 and {MOST_K}.")


def unpredictable(settings: Settings) -> str | None:
    """Why no texts can be predicted, with the command that there is for it: the task's answers are no labels;
    None where they are."""
    if task_of(settings).two_sides:
        return "Records of this project are pairs: `rondo predict-pairs` says which are the same."
    if task_of(settings).steps:
        return "Answers of this project have steps: `rondo extract suggest` makes them."
    return lacks_labels(settings, "Predicting")


def _require_texts(project: Project) -> None:
    """Raises Refused for a task whose answers are no labels."""
    if reason := unpredictable(project.settings()):
        raise Refused(reason)
