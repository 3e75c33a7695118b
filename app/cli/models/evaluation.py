"""Commands that judge models: evaluate one, compare two. Imports nothing heavy until one runs."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import present
from app.words import interval
from core.evaluation.metrics import Estimate
from core.evaluation.reporting import TOO_FEW, shown_label

if TYPE_CHECKING:
    from rich.console import RenderableType

    from core.evaluation.paired import Difference
    from core.registry.evaluation_jobs import (
        CompareEncodersResult,
        CompareResult,
        EvaluateResult,
        FewLabelAccuracy,
        LabelDifference,
    )

OURS = ("", "gold", "audit", "split")
WORDS = (*OURS, "champion", "baseline")
MOST = 12
"""labels, confused pairs or misses in a terminal; --json has all"""
TextOption = Annotated[
    list[str] | None, typer.Option("--text", help="A file's column with the text; repeat it. Default: text.")
]
LabelOption = Annotated[str | None, typer.Option("--label", help="A file's column with the true labels.")]
IdOption = Annotated[str | None, typer.Option("--id", help="A file's column with ids. Default: made from the text.")]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Character encoding of a CSV or JSONL file.")]
MultiOption = Annotated[
    bool, typer.Option("--multi", help="Outside of a project: a record may have several labels, joined by |.")
]
ComparedOnOption = Annotated[
    str, typer.Option("--on", help="gold, audit or a file. Default: gold, else audit; for encoders see --encoders.")
]
EncodersOption = Annotated[
    bool,
    typer.Option(
        "--encoders",
        help="Compare encoders, each with the first: on all labelled records, or where a model's own is among them on "
        "gold and audit, which it has not learnt from.",
    ),
]
ClustersOption = Annotated[
    int,
    typer.Option(
        "--clusters", "--n-clusters", help="For the purity. Default: twice the labels, at least 12.", show_default=False
    ),
]
SampleOption = Annotated[
    int, typer.Option("--sample", "--sample-size", help="Records to compare encoders on, at most.")
]


def evaluate(
    context: typer.Context,
    model: Annotated[
        str, typer.Argument(help="A model's id, champion, baseline (no training at all), or an artifact's folder.")
    ] = "champion",
    on: Annotated[
        str, typer.Option("--on", help="gold, audit, split (what training held out), or a file. Default: the first.")
    ] = "",
    text: TextOption = None,
    label: LabelOption = None,
    id_: IdOption = None,
    encoding: EncodingOption = "utf-8",
    labeled_only: Annotated[bool, typer.Option("--labeled-only", help="Leave out records without a label.")] = False,
    top_k: Annotated[int, typer.Option("--top-k", help="Ranked predictions to keep and to score.")] = 3,
    save: Annotated[bool, typer.Option("--save", help="Keep the figures with the model, for the Models page.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for one line per record: .jsonl or .csv.")] = None,
    multi: MultiOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a model: F1, labels, confusion, top k, calibration, with intervals; also on a file of your own."""
    from core.registry.evaluate import evaluate as verb

    with _project(folder_of(context, project), _absolute(on), multi=multi, save=save) as folder:
        result = run_verb(
            folder,
            verb,
            model=_absolute(model),
            on=_absolute(on),
            text=text,
            label=label,
            id=id_,
            encoding=encoding,
            labeled_only=labeled_only,
            top_k=top_k,
            save=save,
            out=str(out.resolve()) if out else None,
        )
    present(result, evaluation_lines, as_json=as_json)


def compare(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="Two models, as of `rondo evaluate`; with --encoders two or more encoders: names, folders, or models.",
        ),
    ],
    on: ComparedOnOption = "",
    encoders: EncodersOption = False,
    clusters: ClustersOption = 0,
    sample: SampleOption = 5_000,
    text: TextOption = None,
    label: LabelOption = None,
    id_: IdOption = None,
    encoding: EncodingOption = "utf-8",
    multi: MultiOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge models, or encoders, on the same records: the difference with its interval, and where it comes from."""
    if len(models) < 2:
        raise typer.BadParameter("Name two of them.", param_hint="A B...")
    from core.registry.evaluate import compare as compare_models
    from core.registry.evaluate import compare_encoders

    names, on = [_absolute(model) for model in models], _absolute(on)
    with _project(folder_of(context, project), on, multi=multi) as folder:
        if encoders:
            comparison = run_verb(
                folder,
                compare_encoders,
                names=names,
                on=on,
                text=text,
                label=label,
                id=id_,
                encoding=encoding,
                clusters=clusters,
                sample=sample,
            )
            present(comparison, encoder_lines, as_json=as_json)
            return
        if len(models) > 2 or clusters:
            raise typer.BadParameter("Two models are compared. With --encoders it can be more, by --clusters.")
        result = run_verb(
            folder,
            compare_models,
            first=names[0],
            second=names[1],
            on=on,
            text=text,
            label=label,
            id=id_,
            encoding=encoding,
        )
        present(result, comparison_lines, as_json=as_json)


def _absolute(word: str) -> str:
    """A file or folder by its absolute path: the server that may do the work runs elsewhere."""
    return str(Path(word).resolve()) if word not in WORDS and Path(word).exists() else word


@contextmanager
def _project(folder: Path, on: str, *, multi: bool, save: bool = False) -> Iterator[Path]:
    """The project's folder; where there is none, that of an empty one that is thrown away."""
    from core.config.settings import FILE
    from core.errors import Refused
    from core.loop import create_project

    if (folder / FILE).exists() or on in OURS:
        yield folder
        return
    with tempfile.TemporaryDirectory(prefix="rondo-evaluate-") as temporary:
        with errors():
            if save:
                raise Refused(
                    "There is no project here to keep figures in. Leave out --save, or name one with --project."
                )
            create_project(Path(temporary) / "project", [], multi=multi)
        yield Path(temporary) / "project"


def evaluation_lines(result: "EvaluateResult") -> "Iterator[RenderableType]":
    """Scores, labels, confusion, calibration, and which figures are missing."""
    yield f"{result.model} on {result.on}: {result.records:,} records, {result.labelled:,} of them with a label."
    if result.n:
        for name, score in (
            ("accuracy", result.accuracy),
            ("macro F1", result.macro_f1),
            ("micro F1", result.micro_f1),
        ):
            yield f"  {name:<10} {interval(score, result.n)}"
        for top in result.top if result.multi else result.top[1:]:  # else top 1 is accuracy
            yield f"  top {top.k:<6} {interval(top.accuracy, result.n)}"
        yield from _levels(result)
        yield from _labels(result)
    confused = [cell for cell in result.confusion if cell.truth_id != cell.predicted_id and cell.records]
    if confused:
        yield "  Most often confused:"
    for cell in confused[:MOST]:
        yield f"  {cell.records:>9,}  {cell.truth} taken for {cell.predicted}"
    if measured := result.calibration:
        yield (
            f"  Calibration: stated certainty is off by {measured.error:.1%} (chance alone: {measured.by_chance:.1%}, "
            f"seldom over {measured.at_most:.1%})."
        )
    for note in [*result.notes, *result.unsaid]:
        yield f"  {note}"
    if result.out:
        yield f"One line per record in {result.out}."
    if result.saved:
        yield "Kept: the Models page shows it with pictures."


def _levels(result: "EvaluateResult") -> Iterator[str]:
    for one in result.levels:
        accuracy, macro_f1 = (interval(estimate, result.n) for estimate in (one.score.accuracy, one.score.macro_f1))
        yield f"  level {one.level} ({one.labels:,} labels): accuracy {accuracy}, macro F1 {macro_f1}"


def _labels(result: "EvaluateResult") -> "Iterator[RenderableType]":
    from rich.table import Table

    scores = {label: shown_label(score, result.n) for label, score in result.per_label.items()}
    worst = sorted(scores.items(), key=lambda row: row[1].f1.value if row[1].f1 else 2)
    table = Table("label", "records", "precision", "recall", "F1 (95 %)", box=None, pad_edge=False)
    for label, score in worst[:MOST]:
        figures = (_span(figure) for figure in (score.precision, score.recall, score.f1))
        table.add_row(result.labels[label], f"{score.records:,}", *figures)
    yield table
    if len(worst) > MOST:
        yield f"  … and {len(worst) - MOST} labels more, all better; --json has them."


def _span(estimate: Estimate | None) -> str:
    """'91 % (85 to 95)', or that the records are too few."""
    if estimate is None:
        return TOO_FEW
    value, low, high = (round(100 * part) for part in (estimate.value, estimate.low, estimate.high))
    return f"{value} % ({low} to {high})"


def comparison_lines(result: "CompareResult") -> Iterator[str]:
    """Which is better and by how much, where, and which figures are missing."""
    yield f"A: {result.first}"
    yield f"B: {result.second}"
    yield f"On {result.n:,} {result.on} records, B minus A:"
    yield f"  accuracy  {_difference(result.accuracy)}"
    yield f"  macro F1  {_difference(result.macro_f1)}"
    yield f"  Only A is right on {result.only_first:,}, only B on {result.only_second:,}."
    for row in [row for row in result.per_label if row.low > 0 or row.high < 0][:MOST]:
        yield f"  {row.label[:30]:<30}  F1 {_difference(row)}"
    yield result.verdict
    for note in [*result.notes, *result.unsaid]:
        yield f"  {note}"


def _difference(row: "Difference | LabelDifference") -> str:
    if row.high - row.low >= 2:
        return TOO_FEW
    points = f"{100 * row.value:+.1f} points (95 %: {100 * row.low:+.1f} to {100 * row.high:+.1f})"
    return f"{row.first:.1%} to {row.second:.1%}: {points}"


def encoder_lines(result: "CompareEncodersResult") -> Iterator[str]:
    def ahead(gap: "Estimate | FewLabelAccuracy | None") -> str:
        """', +2.1 points on the first (+0.4 to +3.8)'; nothing for the first itself."""
        if gap is None:
            return ""
        return f", {100 * gap.value:+.1f} points on the first ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"

    yield f"On {result.records:,} records of {result.labels} labels ({result.on}):"
    for row in result.rows:
        first = row.difference
        yield f"  {row.encoder} ({row.dims} numbers)"
        yield f"    nearest neighbours    {interval(row.knn_accuracy)}{ahead(first.knn_accuracy if first else None)}"
        yield f"    cluster purity        {interval(row.purity)}{ahead(first.purity if first else None)}"
        yield (
            f"    silhouette            {row.silhouette.value:.3f} (95 %: {row.silhouette.low:.3f} to "
            f"{row.silhouette.high:.3f})"
        )
        for index, few in enumerate(row.few_label_accuracy):
            accuracy = interval(Estimate(few.value, few.low, few.high))
            gap = ahead(first.few_label_accuracy[index] if first else None)
            yield f"    from {few.per_label:>2} of each label {accuracy}{gap}"
    yield result.verdict
    yield f"  Purity of {result.clusters:,} clusters; chance alone gives {result.chance.purity:.1%} or a little more."
    for note in result.notes:
        yield f"  {note}"
