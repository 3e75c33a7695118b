"""`rondo predict`: a model on a file of any size, in a project or with an exported folder. Imports nothing heavy."""

import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from app.cli.data.addresses import incoming, outgoing, sent_name
from app.cli.many_jobs import HERE, ManyJobs, with_many_jobs
from app.cli.models.evaluation import EncodingOption, IdOption, TextOption
from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.pairs.pairs import file_jobs, job_threads
from app.cli.terminal import Ticker, present
from app.words import prediction_sentences, score_sentences

if TYPE_CHECKING:
    from core.registry.evaluation_jobs import EvaluatedFolder, Setting
    from core.registry.predict import TextColumns
    from core.registry.text_prediction_job import FilePredictions

SHOWN = 12
"""labels in a terminal; --json has all"""
STDIN = "-"


ModelOption = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="champion (the model in use), a model's id, baseline (the labels' names, no training), or the folder "
        "that `rondo models export` wrote, which needs no project.",
    ),
]
FileOption = Annotated[
    str,
    typer.Argument(
        metavar="FILE", help="Texts in any format that import takes, a folder of .txt, an address (s3://...), or -."
    ),
]
LabelsOption = Annotated[
    list[str] | None,
    typer.Option("--labels", help="A label of the baseline outside of a project; repeat it."),
]


@with_many_jobs
def predict_(
    context: typer.Context,
    model: ModelOption,
    file: FileOption,
    out: Annotated[str, typer.Option("--out", help="File or address to write: .csv, .jsonl or .parquet.")],
    text: TextOption = None,
    id_: IdOption = None,
    keep: Annotated[list[str] | None, typer.Option("--keep", help="A column to carry over; repeat it.")] = None,
    top_k: Annotated[int, typer.Option("--top-k", help="Ranked labels per row, with their scores.")] = 3,
    label: Annotated[
        str | None, typer.Option("--label", help="A column with the true labels: says how many are right.")
    ] = None,
    split: Annotated[str | None, typer.Option("--split", help="Only rows of this split: test, say.")] = None,
    split_column: Annotated[str, typer.Option("--split-column", help="The column that says a row's split.")] = "split",
    with_text: Annotated[bool, typer.Option("--with-text/--no-text", help="Write the texts, too.")] = True,
    encoding: EncodingOption = "utf-8",
    labels: LabelsOption = None,
    many: ManyJobs = HERE,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Predict the labels of new texts: one line per row, with scores. A run that was stopped goes on where it was.

    With --on the texts are cut into jobs of 131,072 rows, price and time are said first, and the file written is the
    same; a run that was stopped or killed goes on with the jobs that are not there yet.
    """
    folder = folder_of(context, project)
    outside = None if many.on else _without_project(model, labels, folder)
    with outgoing(out) as target, _input(file) as path:
        columns: TextColumns = {
            "file": str(path),
            "text": text,
            "id": id_,
            "label": label,
            "keep": keep,
            "split": split,
            "split_column": split_column,
            "encoding": encoding,
        }
        request = _Request(model, str(target), top_k, with_text)
        result = _outside(outside, request, columns) if outside else _in_project(folder, many, request, columns)
    present(replace(result, out=sent_name(result.out, target, out)), _lines, as_json=as_json)


@dataclass(frozen=True)
class _Request:
    model: str
    out: str
    top_k: int
    with_text: bool


def _in_project(folder: Path, many: ManyJobs, request: _Request, columns: "TextColumns") -> "FilePredictions":
    from core.registry.predict import predict
    from core.registry.predict_elsewhere import predict_elsewhere, predict_elsewhere_estimate

    word = str(Path(request.model).resolve()) if Path(request.model).is_dir() else request.model
    options: dict[str, Any] = {**vars(request), "model": word, **columns}
    if many.on:
        return many.run(folder, predict_elsewhere, predict_elsewhere_estimate, options)
    return run_verb(folder, predict, **options)


def _without_project(model: str, labels: list[str] | None, folder: Path) -> "tuple[Setting, EvaluatedFolder] | None":
    """A model that lies in a folder, or the baseline of named labels; None for a model of a project."""
    with errors():
        from core.config.settings import FILE
        from core.errors import BadInput
        from core.models.encoders.encoder import EMBEDDED
        from core.registry.evaluation_jobs import EvaluatedFolder
        from core.registry.lookup import BASELINE
        from core.registry.predict import model_in_folder, setting_outside

        cache = Path.home() / ".cache" / "rondo"
        if (folder / FILE).exists():
            if labels:
                raise BadInput("A project has its own labels. Leave --labels out.")
            if model == BASELINE:
                return None
        if evaluated := model_in_folder(model):
            return setting_outside(cache, job_threads(), (), EMBEDDED), evaluated
        if model != BASELINE or (folder / FILE).exists():
            return None
        if len(labels or ()) < 2:
            raise BadInput(
                "There is no project here, whose labels the baseline could choose from. Name them: --labels ONE "
                "--labels OTHER; or name a project with --project."
            )
        return setting_outside(cache, job_threads(), labels or (), EMBEDDED), EvaluatedFolder(BASELINE, None)


def _outside(model: "tuple[Setting, EvaluatedFolder]", request: _Request, columns: "TextColumns") -> "FilePredictions":
    from app.cli.interrupts import stoppable
    from core.registry.predict import run_prediction, text_source
    from core.registry.text_prediction_job import PredictFileParams

    params = PredictFileParams(*model, text_source(columns), request.out, request.top_k, request.with_text)
    with errors(), file_jobs() as jobs:
        return run_prediction(jobs, params, stoppable(Ticker()))


@contextmanager
def _input(file: str) -> Iterator[Path]:
    """Its absolute path; what comes by standard input lies in a file meanwhile: JSON lines, else CSV."""
    if file != STDIN:
        with incoming(file) as path:
            yield path
        return
    with tempfile.TemporaryDirectory(prefix="rondo-input-") as folder:
        path = Path(folder) / "input"
        with path.open("wb") as spool:
            shutil.copyfileobj(sys.stdin.buffer, spool, 1 << 20)
        with path.open("rb") as spool:
            start = spool.read(64).lstrip(b"\xef\xbb\xbf \t\r\n")
        yield path.rename(path.with_name("input.jsonl" if start.startswith(b"{") else "input.csv"))


def _lines(result: "FilePredictions") -> Iterator[str]:
    """What was written, which labels it has, and how many are right where that is known."""
    yield from prediction_sentences(result)
    for name, count in list(result.predicted.items())[:SHOWN]:
        yield f"  {count:>9,}  {name}"
    if len(result.predicted) > SHOWN:
        yield f"  … and {len(result.predicted) - SHOWN} labels more; --json has them."
    yield from score_sentences(result)
