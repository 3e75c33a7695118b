"""`rondo dedup`, and how a job on files runs without a project. Imports nothing heavy until it runs."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from app.cli.interrupts import stoppable
from app.cli.many_jobs import HERE, ManyJobs, with_many_jobs
from app.cli.options import JsonOption, ProjectOption, errors, folder_of, run_verb
from app.cli.terminal import Ticker, present
from app.words import pair_file_sentences

if TYPE_CHECKING:
    from core.jobs.bundle import Jobs
    from core.merges.guaranteed_merges import GuaranteedMerges
    from core.pairs.blocking.find_candidates import Candidates
    from core.pairs.pair_jobs import DedupResult
    from core.pairs.predict_file import PredictedPairFile

ONE_FILE, TWO_FILES = 0.9, 0.5
"""similarity to join at, unless told: within one file most records have no partner, and each still has a nearest"""
UNSURE = 0.7
"""similarity from which a pair that is not joined is worth a look, unless told"""

TextOption = Annotated[
    list[str] | None, typer.Option(help="Column to compare; repeat it for several fields. A project has its own.")
]
AtLeastOption = Annotated[
    float | None,
    typer.Option(
        help=f"Similarity, 0 to 1, to join pairs at that are each other's best. Default: --auto-above; else "
        f"{ONE_FILE}, between two files {TWO_FILES}."
    ),
]
AutoAboveOption = Annotated[
    float | None, typer.Option(help="Similarity to join every pair at, each other's best or not. Default: none.")
]
DropBelowOption = Annotated[
    float | None,
    typer.Option(help=f"Similarity below which pairs are dropped; those between are unsure. Default: {UNSURE}."),
]
UnsureOption = Annotated[
    Path | None, typer.Option(help="File for the unsure pairs with both texts: .csv, .jsonl or .parquet.")
]
EncoderOption = Annotated[
    bool | None,
    typer.Option(
        "--encoder/--no-encoder",
        help="Compare by meaning too. Default: up to 100,000 different texts in a file; more take hours.",
    ),
]


PrecisionOption = Annotated[
    float | None,
    typer.Option(help="Of a project: share of the model's merges that must be right, proven by the audit. E.g. .95."),
]


def dedup(
    file: Annotated[
        Path, typer.Argument(help="Records, in any format that import takes; or a project's folder, with --precision.")
    ],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
    text: TextOption = None,
    id_column: Annotated[str | None, typer.Option("--id", help="Column with ids. Default: the row's number.")] = None,
    other: Annotated[
        Path | None, typer.Option("--with", help="A second file with the same columns: finds partners across the two.")
    ] = None,
    at_least: AtLeastOption = None,
    auto_above: AutoAboveOption = None,
    drop_below: DropBelowOption = None,
    unsure: UnsureOption = None,
    one_partner: Annotated[
        bool, typer.Option("--one-partner", help="With two files: at most one record of each in a cluster.")
    ] = False,
    encode: EncoderOption = None,
    precision: PrecisionOption = None,
    confidence: Annotated[float, typer.Option(help="How sure --precision must be.")] = 0.95,
    as_json: JsonOption = False,
) -> None:
    """Find records that are the same: join those that are each other's best, and write which cluster each is in.

    Of a file no model and no decision is in it yet: look through what was joined. Of a project people's decisions are,
    and the merges of its model that are guaranteed to be right.
    """
    for_files = (at_least, auto_above, drop_below, unsure, other, id_column, encode, text, one_partner or None)
    if _is_project(file, precision, for_files=any(one is not None for one in for_files)):
        _dedup_project(file, out, precision or 0.0, confidence, as_json=as_json)
        return
    with errors():
        from core.errors import BadInput
        from core.pairs.pair_jobs import DEDUP, DedupParams

        if not text:
            raise BadInput(f"Name the column of {file.name} that is to be compared: --text COLUMN.")
        targets = {"--out": out, **({"--unsure": unsure} if unsure else {})}
        _check_targets(targets, [path for path in (file, other) if path])
        if one_partner and not other:
            raise BadInput("--one-partner is for two files; name the second: --with FILE.")
        limits = limits_of(at_least, auto_above, drop_below, two_files=other is not None)
        with file_jobs() as jobs:
            params = DedupParams(
                file=str(file.resolve()),
                other=str(other.resolve()) if other else None,
                text=tuple(text),
                id=id_column,
                **vars(limits),
                one_partner=one_partner,
                encode=encode,
                threads=job_threads(),
                cache=str(jobs.folder),
            )
            bundle = jobs.prepare(DEDUP, params)
            result = jobs.run(bundle, DEDUP, stoppable(Ticker()), "Finding duplicates")
            for name, target in zip(("clusters", "unsure"), targets.values(), strict=False):
                _write(bundle.path / "out" / f"{name}.parquet", target)
        present(result, lambda result: dedup_lines(result, out, unsure), as_json=as_json)


def _is_project(path: Path, precision: float | None, *, for_files: bool) -> bool:
    """Whether it is a project's folder, whose merges are guaranteed. for_files: whether there are options for files."""
    with errors():
        from core.config.settings import FILE
        from core.errors import BadInput

        project = (path / FILE).is_file()
        if precision is not None and not project:
            raise BadInput(
                f"--precision rests on people's decisions, and {path.name} alone has none. Make a project of it: "
                f"`rondo init FOLDER --task pairs`, `rondo import {path.name} --text COLUMN`, `rondo candidates`, "
                "`rondo up` to decide; then `rondo dedup FOLDER --precision .95 --out FILE`."
            )
        if project and (precision is None or for_files):
            raise BadInput(
                f"{path} is a project: `rondo dedup {path} --precision .95 --out FILE` joins what is guaranteed to be "
                "right, without other options; `rondo export --what clusters` writes what has been decided."
            )
    return project


def _dedup_project(folder: Path, out: Path, precision: float, confidence: float, *, as_json: bool) -> None:
    from core.merges.guaranteed_merges import dedup_project

    result = run_verb(folder, dedup_project, precision=precision, confidence=confidence, out=str(out.resolve()))
    present(result, guaranteed_lines, as_json=as_json)


def guaranteed_lines(result: "GuaranteedMerges") -> list[str]:
    """What was joined and what it rests on."""
    lines = [
        f"People's decisions join {result.by_people:,} pairs. The model joins {result.by_model - result.unsupported:,} "
        f"from a probability of {result.threshold:.3f}: at least {result.precision:.1%} of such merges are right, "
        f"{result.confidence:.0%} sure, by {result.audits:,} audit pairs, {result.wrong:,} of them wrong.",
        f"Clusters: {result.clusters:,}, of {result.clustered:,} records, the largest of {result.largest:,}.",
    ]
    if result.unsupported:
        lines.append(
            f"{result.unsupported:,} merges by the model were not made: two records of a cluster would have been "
            "the same with less than that."
        )
    if result.held:
        lines.append(f"{result.held:,} merges were held, because they contradict what was said apart.")
    return [*lines, f"Wrote {result.rows:,} rows to {result.out}. Nothing was changed in the project."]


@dataclass(frozen=True)
class Limits:
    """Similarities, as core.pairs.pair_jobs.DedupParams has them."""

    at_least: float
    auto_above: float | None
    drop_below: float


def limits_of(at_least: float | None, auto_above: float | None, drop_below: float | None, *, two_files: bool) -> Limits:
    """Raises BadInput for one that is not 0 to 1, or where pairs would be both joined and dropped."""
    from core.errors import BadInput

    options = {"--at-least": at_least, "--auto-above": auto_above, "--drop-below": drop_below}
    for option, value in options.items():
        if value is not None and not 0 <= value <= 1:
            raise BadInput(f"{option} is {value}; it must be between 0 and 1.")
    if drop_below is not None and auto_above is not None and drop_below > auto_above:
        raise BadInput(
            f"--drop-below {drop_below:g} is above --auto-above {auto_above:g}: pairs between would be joined and "
            "dropped at once. Lower the first or raise the second."
        )
    if at_least is None:
        at_least = auto_above if auto_above is not None else TWO_FILES if two_files else ONE_FILE
    if drop_below is None:
        drop_below = UNSURE if auto_above is None else min(UNSURE, auto_above)
    return Limits(at_least, auto_above, drop_below)


def _check_targets(targets: dict[str, Path], sources: Sequence[Path]) -> None:
    from core.errors import BadInput
    from core.store.tables import FORMATS

    taken = {path.resolve() for path in sources}
    for option, path in targets.items():
        if path.suffix.removeprefix(".").lower() not in FORMATS:
            raise BadInput(f"{option} is {path}; it must end in {', '.join('.' + name for name in FORMATS)}.")
        if not path.resolve().parent.is_dir():
            raise BadInput(f"There is no folder {path.resolve().parent}; make it first or choose another.")
        if path.resolve() in taken:
            raise BadInput(f"{option} is {path}, which would be written over; name another file.")
        taken.add(path.resolve())


@with_many_jobs
def candidates_(
    context: typer.Context,
    per_record: Annotated[int, typer.Option(help="Nearest records to look at, by characters and by encoder each.")] = 5,
    most: Annotated[int, typer.Option(help="Pairs to keep at most, the most alike.")] = 200_000,
    near: Annotated[
        int,
        typer.Option(help="Near misses to ask people about, blind, to estimate what the search misses; 0 for none."),
    ] = 30,
    far: Annotated[int, typer.Option(help="The same of all other pairs.")] = 20,
    within: Annotated[
        bool | None,
        typer.Option(
            "--within/--across",
            help="Pair records of one source too, or only those of every source with every other. Default: across "
            "where there are two.",
        ),
    ] = None,
    recall: Annotated[
        bool, typer.Option("--recall", help="Search nothing: say what share of all matches is among the candidates.")
    ] = False,
    many: ManyJobs = HERE,
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Pair the records of sources with those nearest to them: the pairs that people are asked about.

    With --on the texts are encoded and looked up by many jobs, price and time are said first, and the pairs are the
    same; a run that was stopped or killed goes on with the jobs that are not there yet.
    """
    from core.pairs.blocking.blocking_recall import blocking_recall
    from core.pairs.blocking.candidates_elsewhere import candidates_elsewhere, candidates_elsewhere_estimate
    from core.pairs.blocking.find_candidates import CandidateOptions, candidates

    folder = folder_of(context, project)
    if recall:
        present(run_verb(folder, blocking_recall), lambda one: [one.sentence, *one.notes], as_json=as_json)
        return
    options: CandidateOptions = {"per_record": per_record, "most": most, "within": within, "near": near, "far": far}
    if many.on:
        result = many.run(folder, candidates_elsewhere, candidates_elsewhere_estimate, {**options})
    else:
        result = run_verb(folder, candidates, **options)
    present(result, candidate_lines, as_json=as_json)


def candidate_lines(result: "Candidates") -> list[str]:
    """What was compared and what came of it."""
    sources = ", ".join(f"{name} {count:,}" for name, count in result.sources.items())
    other = "the other source" if len(result.sources) == 2 else "every other source"
    how = "with each other" if result.within else f"with those of {other}"
    lines = [
        f"Compared the records of {sources} {how}: {result.distinct:,} different texts.",
        f"{result.candidates:,} candidate pairs ({result.per_record:g} per record), {result.added:,} of them new.",
    ]
    if result.left_out:
        lines.append(f"{result.left_out:,} less alike ones were left out; --most keeps more.")
    if result.large:
        lines.append(
            "A source has more than 100,000 different texts, so they were looked up by words that they share and in "
            "alphabetical order (twice --per-record of each), not by meaning."
        )
    if result.drawn:
        lines.append(
            f"Drew {result.drawn:,} pairs that are no candidates. People are asked about them beside the batches; "
            "`rondo candidates --recall` then says what share of the matches is among the candidates."
        )
    lines.append(result.recall.sentence)
    return [*lines, "Next: rondo next (choose the first batch), rondo up (decide on it)."]


def predict_pairs_(
    context: typer.Context,
    file: Annotated[Path, typer.Argument(help="Pairs of texts, in any format that import takes.")],
    left: Annotated[list[str], typer.Option(help="Column of the one side; repeat it for several fields.")],
    right: Annotated[list[str], typer.Option(help="Column of the other side, in the same order as --left.")],
    out: Annotated[Path, typer.Option(help="File to write: .csv, .jsonl or .parquet.")],
    auto_above: Annotated[float, typer.Option(help="Probability to merge from; a guarantee may ask for more.")] = 0.9,
    drop_below: Annotated[float, typer.Option(help="Probability below which two are kept apart.")] = 0.7,
    keep_unsure: Annotated[
        bool, typer.Option("--keep-unsure", help="Bring the pairs between both into the project, to be decided.")
    ] = False,
    budget: Annotated[int, typer.Option(help="Requests that a hosted model in use may be sent.", min=0)] = 5_000,
    encoding: Annotated[str, typer.Option(help="Character encoding of CSV and JSONL.")] = "utf-8",
    project: ProjectOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say of each pair in a file whether the two are the same, by the model in use beside the project's pairs."""
    from core.pairs.predict_file import predict_pair_file

    result = run_verb(
        folder_of(context, project),
        predict_pair_file,
        file=str(file.resolve()),
        left=left,
        right=right,
        out=str(out.resolve()),
        auto_above=auto_above,
        drop_below=drop_below,
        keep_unsure=keep_unsure,
        budget=budget,
        encoding=encoding,
    )
    present(result, lambda result: [*pair_file_sentences(result), *_next_lines(result)], as_json=as_json)


def _next_lines(result: "PredictedPairFile") -> list[str]:
    lines = ["Next: rondo next, rondo up."] if result.new_records else []
    return [*lines, f"Wrote {result.rows:,} rows to {result.out}."]


@contextmanager
def file_jobs() -> Iterator["Jobs"]:
    """Jobs in a folder of their own, which goes when they have ended."""
    from core.config.settings import Settings
    from core.jobs.bundle import Jobs
    from core.store.database import Store
    from gpu_jobs.runners.choice import RUNNERS

    with tempfile.TemporaryDirectory(prefix="rondo-pairs-") as folder:
        store = Store(Path(folder))
        try:
            yield Jobs(store, RUNNERS["local"](Settings(name="")), Path(folder) / "jobs")
        finally:
            store.close()


def job_threads() -> int:
    """Half of the cores: spinning threads on a busy machine cost ten times as much."""
    return max(1, (os.cpu_count() or 2) // 2)


def _write(table: Path, target: Path) -> None:
    import duckdb

    from core.store.tables import quoted, write_table

    file_format = target.suffix.removeprefix(".").lower()
    with duckdb.connect() as connection:
        write_table(connection, f"select * from read_parquet('{quoted(table)}')", [], target, file_format)


def dedup_lines(result: "DedupResult", out: Path, unsure: Path | None) -> list[str]:
    """What was found, how, and what it is worth."""
    records = " and ".join(f"{count:,}" for count in result.records)
    lines = [
        f"{records} records, {result.distinct:,} different texts, {result.blank:,} without text. "
        f"Looked at {result.candidates:,} candidate pairs, found by {_method(result)}.",
        f"Joined {result.joined:,} pairs ({result.identical:,} of identical texts): each other's best at a similarity "
        f"of {result.at_least:g} or more"
        + (f", and every pair at {result.auto_above:g} or more" if result.auto_above is not None else "")
        + f". Clusters: {result.clusters:,}, of {result.clustered:,} records, the largest of {result.largest:,}.",
    ]
    if result.below:
        lines.append(
            f"Left {result.below:,} pairs apart that are each other's best but less similar; --at-least joins them."
        )
    lines.append(
        f"Unsure: {result.unsure:,} pairs not joined, {result.drop_below:g} or more similar"
        + (f", in {unsure}" if unsure else "; --unsure FILE writes them")
        + f". Dropped: {result.dropped:,} less similar."
    )
    if result.held:
        lines.append(f"Held {result.held:,} merges that would have put two records of one file into a cluster.")
    lines.append(f"Wrote {sum(result.records):,} rows to {out}: cluster, similarity, joined_by.")
    lines.append(
        "No model decided: joined are identical texts, and pairs of which each is the other's best. Records that have "
        "no partner can be joined with a look-alike; check the least similar first."
    )
    return lines


def _method(result: "DedupResult") -> str:
    if result.exact:
        return "characters and the encoder among all texts"
    words = "shared rare words and alphabetical order"
    if result.encoded:
        return f"{words}, and approximate neighbours by the encoder"
    return f"{words}; without the encoder, similarity is by characters alone"
