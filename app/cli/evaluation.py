"""Commands that judge models: evaluate one, compare two. Imports nothing heavy until one runs."""

import tempfile
from pathlib import Path
from typing import Annotated, Any

import typer

from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, show

OURS = ("", "gold", "audit", "split")
WORDS = (*OURS, "champion", "baseline")
TextOption = Annotated[
    list[str] | None, typer.Option("--text", help="A file's column with the text; repeat it. Default: text.")
]
LabelOption = Annotated[str | None, typer.Option("--label", help="A file's column with the true labels.")]
IdOption = Annotated[str | None, typer.Option("--id", help="A file's column with ids. Default: made from the text.")]
EncodingOption = Annotated[str, typer.Option("--encoding", help="Character encoding of a CSV or JSONL file.")]
MultiOption = Annotated[
    bool, typer.Option("--multi", help="Outside of a project: a record may have several labels, joined by |.")
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
    top_k: Annotated[int, typer.Option("--top-k", help="Ranked guesses to keep and to judge.")] = 3,
    save: Annotated[bool, typer.Option("--save", help="Keep the figures with the model, for the Models page.")] = False,
    out: Annotated[Path | None, typer.Option("--out", help="File for one line per record: .jsonl or .csv.")] = None,
    multi: MultiOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge a model: F1, labels, confusion, top k, calibration, with intervals; also on a file of your own."""
    options: dict[str, Any] = {"text": text, "label": label, "id": id_, "encoding": encoding}
    options |= {
        "labeled_only": labeled_only,
        "top_k": top_k,
        "save": save,
        "out": str(out.resolve()) if out else None,
        "on": _place(on),
    }
    folder = folder_of(context, project)
    result = _run(folder, "evaluate", {"model": _place(model), **options}, multi=multi)
    show("evaluate", result, as_json=as_json)


def compare(
    context: typer.Context,
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="A B...",
            help="Two models, as of `rondo evaluate`; with --encoders two or more encoders: names, folders, or models.",
        ),
    ],
    on: Annotated[
        str,
        typer.Option("--on", help="gold, audit or a file. Default: gold, else audit; for encoders see --encoders."),
    ] = "",
    encoders: Annotated[
        bool,
        typer.Option(
            "--encoders",
            help="Compare encoders, each with the first: on all labelled records, or where a model's own is among them "
            "on gold and audit, which it has not learnt from.",
        ),
    ] = False,
    clusters: Annotated[
        int | None,
        typer.Option("--clusters", "--n-clusters", help="For the purity. Default: twice the labels, at least 12."),
    ] = None,
    sample: Annotated[
        int | None,
        typer.Option("--sample", "--sample-size", help="Records to compare encoders on, at most. Default: 5000."),
    ] = None,
    text: TextOption = None,
    label: LabelOption = None,
    id_: IdOption = None,
    encoding: EncodingOption = "utf-8",
    multi: MultiOption = False,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge models, or encoders, on the same records: the difference with its interval, and where it comes from."""
    options: dict[str, Any] = {"text": text, "label": label, "id": id_, "encoding": encoding}
    options |= {"on": _place(on), "encoders": encoders}
    options |= {name: value for name, value in (("clusters", clusters), ("sample", sample)) if value is not None}
    if len(models) < 2:
        raise typer.BadParameter("Name two of them.", param_hint="A B...")
    first, second, *others = map(_place, models)
    folder = folder_of(context, project)
    result = _run(folder, "compare", {"first": first, "second": second, "others": others, **options}, multi=multi)
    show("compare", result, as_json=as_json)


def _place(word: str) -> str:
    """A file or folder by its whole path: the server that may do the work stands elsewhere."""
    return str(Path(word).resolve()) if word not in WORDS and Path(word).exists() else word


def _run(folder: Path, verb: str, options: dict[str, Any], *, multi: bool) -> dict[str, Any]:
    """In the project; where there is none, in an empty one that is thrown away."""
    from core.config.settings import FILE

    if (folder / FILE).exists() or options["on"] in OURS:
        return run_verb(folder, verb, **options)
    with errors(), tempfile.TemporaryDirectory(prefix="rondo-evaluate-") as temporary:
        from app.client import call
        from core.errors import Refused
        from core.loop import create_project

        if options.get("save"):
            raise Refused("There is no project here to keep figures in. Leave out --save, or name one with --project.")
        create_project(Path(temporary) / "project", [], multi=multi)
        return call(Path(temporary) / "project", verb, Ticker(), **options)
