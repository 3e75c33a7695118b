"""The records that models are scored on, as chunks, and predictions in common columns. Knows files, no store."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from core.arrays import Bools, Floats, Ints
from core.config.taxonomy import SEPARATOR
from core.data.clean_rules import clean_text
from core.data.ingest import ingest
from core.data.ingest_job import IngestParams, Layout
from core.errors import BadInput, Refused
from core.evaluation.audit import Weights
from core.evaluation.held_out import HeldOutPredictions
from core.models.out_of_fold import OutOfSamplePredictions
from core.registry.evaluation_jobs import LabelledFile
from core.tasks.labels import labels_space
from core.tasks.task import AnswerSpace
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.evaluated_model import Chunk, EvaluatedModel

CHUNK = 2_048
MOST_HELD_OUT, MOST_CELLS = 200_000, 20_000_000
"""records that figures rest on, at most, and their number times that of the labels; of more some are drawn at random"""
MOST_OF_SEVERAL = 20_000
"""the same where several labels may hold: hardly two records are alike there, so each is resampled by itself"""
MOST_UNKNOWN = 200
"""labels of a file that a model does not know, beyond which it is the wrong column or the wrong model"""
SHOWN = 400
"""characters of a text that are shown of a miss"""


@dataclass(frozen=True)
class Records:
    """Records to score models on: a Parquet table with id, text, label (a file's) or n, id, text, labels, stated (the
    project's).

    counts: records of each label, by name for a file (by_name), by id for the project. name: for messages. rules: that
    clean a file's texts.
    """

    path: Path
    name: str
    total: int
    labelled: int
    counts: Mapping[str, int]
    multi: bool
    by_name: bool
    rules: tuple[str, ...] = ()

    def chunks(self) -> Iterator[Chunk]:
        """In order, CHUNK at a time, so that a million never are in memory at once."""
        from pyarrow import parquet  # type: ignore[import-untyped]

        with parquet.ParquetFile(self.path) as file:
            own = "labels" in file.schema_arrow.names
            names = ["n", "id", "text", "labels", "stated"] if own else ["id", "text", "label"]
            for part in file.iter_batches(CHUNK, columns=names):
                table = part.to_pydict()
                labels = table["labels"] if own else [self._split(cell) for cell in table["label"]]
                rows = np.asarray(table["n"], np.int64) if own else None
                stated = np.asarray(table["stated"], np.float64) if own else None
                texts = (
                    [clean_text(text, self.rules) or text for text in table["text"]] if self.rules else table["text"]
                )
                yield Chunk(table["id"], texts, labels, rows, stated)

    def rows(self) -> Ints:
        """(records,) numbers of the project's records, ascending."""
        from pyarrow import parquet

        return np.asarray(parquet.read_table(self.path, columns=["n"])["n"].to_pylist(), np.int64)

    def _split(self, cell: str | None) -> list[str] | None:
        if cell is None:
            return None
        return cell.split(SEPARATOR) if self.multi and cell else [cell] if cell else []


def count_training_texts(bundle: Path, records: Records) -> int:
    """How many of a file's labelled records have the text of a possible training record of the project."""
    from pyarrow import parquet

    known, result = bundle / "in" / "taught.npy", 0
    if not known.exists():
        return 0
    hashes = np.load(known, allow_pickle=False)
    with parquet.ParquetFile(records.path) as file:
        for part in file.iter_batches(columns=["hash", "label"]):
            has = part.column("label").is_valid().to_numpy(zero_copy_only=False)
            result += int(np.isin(part.column("hash").to_numpy()[has], hashes).sum())
    return result


def records_of_project(bundle: Path, name: str, *, multi: bool) -> Records:
    """`in/records.parquet`, as the owner wrote it; all of them have a label."""
    from pyarrow import parquet

    path = bundle / "in" / "records.parquet"
    counts = Counter(
        label for supplied in parquet.read_table(path, columns=["labels"])["labels"].to_pylist() for label in supplied
    )
    total = parquet.read_metadata(path).num_rows
    return Records(path, name, total, total, counts, multi, by_name=False)


def records_of_file(
    bundle: Path, file: LabelledFile, report: Progress, *, multi: bool, rules: tuple[str, ...] = ()
) -> Records:
    """A person's file, read as for an import. rules: that clean its texts. Raises BadInput."""
    layout = Layout(
        text=file.text,
        label=file.label,
        id=file.id,
        encoding=file.encoding or "utf-8",
        about={"multi": multi, "known": file.known},
    )
    ingested = ingest(IngestParams(file.file, layout), bundle / "ckpt" / "file", report)
    path = bundle / "ckpt" / "file" / "records.parquet"
    labelled = _labelled(path) if file.label else 0
    name, labels = Path(file.file).name, ingested.labels
    return Records(path, name, ingested.records, labelled, labels, multi, by_name=True, rules=rules)


def _labelled(path: Path) -> int:
    from pyarrow import parquet

    with parquet.ParquetFile(path) as file:
        return sum(len(part) - part.column("label").null_count for part in file.iter_batches(columns=["label"]))


@dataclass(frozen=True)
class Columns:
    """The labels that any of the models or of the records has. names: by id. column_of: by the label as the
    records give it.

    by_name: a file's records have names, the project's have ids. unknown: labels of the records that no model has, by
    name, and how many records have each.
    """

    labels: tuple[str, ...]
    names: Mapping[str, str]
    column_of: Mapping[str, int]
    by_name: bool
    unknown: Mapping[str, int]

    def of(self, evaluated: EvaluatedModel) -> list[int]:
        """The column of each of its labels."""
        return [self.column_of[evaluated.names[label] if self.by_name else label] for label in evaluated.labels]


def columns_of(evaluated_models: Sequence[EvaluatedModel], records: Records, names: Mapping[str, str]) -> Columns:
    """names: what the project calls its labels, in their order. Raises BadInput where no model has any of the labels of
    the records.
    """
    entries: dict[str, str] = {}
    for evaluated in evaluated_models:
        entries = {label: evaluated.names[label] for label in evaluated.labels} | entries
    entries = {label: entries[label] for label in names if label in entries} | entries
    key_of = entries if records.by_name else {label: label for label in entries}
    ids: dict[str, str] = {}
    for label in entries:
        ids.setdefault(key_of[label], label)
    column_of = {key: column for column, key in enumerate(ids)}
    if records.by_name:
        column_of = {label: column_of[key] for key, label in ids.items()} | column_of
    unknown = {label: count for label, count in records.counts.items() if label not in column_of}
    _refuse_unknown_labels(unknown, records, [evaluated.name for evaluated in evaluated_models], list(entries.values()))
    column_of |= {label: len(ids) + number for number, label in enumerate(unknown)}
    every = {label: entries[label] for label in ids.values()} | {label: names.get(label, label) for label in unknown}
    counts = {every[label]: count for label, count in unknown.items()}
    return Columns((*ids.values(), *unknown), every, column_of, records.by_name, counts)


def _refuse_unknown_labels(
    unknown: Mapping[str, int], records: Records, models: Sequence[str], known: Sequence[str]
) -> None:
    if records.counts and len(unknown) == len(records.counts):
        raise BadInput(
            f"None of the {len(unknown)} labels of {records.name} ({_some(list(unknown))}) is one that "
            f"{' or '.join(models)} can give ({_some(known)}). Name another label column or another model."
        )
    if len(unknown) > MOST_UNKNOWN:
        raise BadInput(
            f"{records.name} has {len(unknown):,} labels that "
            f"{' or '.join(models)} cannot give ({_some(list(unknown))}); "
            f"at most {MOST_UNKNOWN} are taken for mistakes of the model. Name another label column."
        )


def _some(names: Sequence[str]) -> str:
    return ", ".join(repr(name[:40]) for name in names[:5]) + (", …" if len(names) > 5 else "")


@dataclass(frozen=True)
class Collected:
    """The scored records, or a sample of them. rows: (k,) numbers, or rows of a file. truth: (k, labels). ids, texts:
    to show. stated: (k,) stored confidence of the model, NaN where there is none. predicted: of each model, in the
    common columns.
    """

    rows: Ints
    truth: Bools
    ids: list[str]
    texts: list[str]
    stated: Floats
    predicted: list[OutOfSamplePredictions]
    space: AnswerSpace

    def held_out(self, which: int, weights: Weights) -> HeldOutPredictions:
        """Those of one model, to be scored."""
        return HeldOutPredictions(self.space, self.rows, self.truth, self.predicted[which].predicted, weights)


@dataclass
class Collector:
    """Collects records and predictions to score, chunk by chunk. kept: numbers of the labelled records drawn."""

    columns: Columns
    evaluated_models: Sequence[EvaluatedModel]
    retained: Bools
    passed: int = 0
    parts: list[Chunk] = field(default_factory=list)
    predicted: list[list[OutOfSamplePredictions]] = field(default_factory=list)

    def pick(self, chunk: Chunk) -> Bools:
        """(n,) which of the chunk's records are scored; call it once per chunk, in order."""
        has = np.array([labels is not None for labels in chunk.labels], np.bool_)
        selected = np.zeros(len(has), np.bool_)
        selected[has] = self.retained[self.passed : self.passed + int(has.sum())]
        self.passed += int(has.sum())
        return selected

    def keep(self, part: Chunk, predictions: Sequence[OutOfSamplePredictions]) -> None:
        """Adds the picked records, and each model's predictions of them in its own columns."""
        self.parts.append(replace(part, texts=[text[:SHOWN] for text in part.texts]))
        self.predicted.append(
            [
                align(one, evaluated, self.columns)
                for one, evaluated in zip(predictions, self.evaluated_models, strict=True)
            ]
        )

    def newest_rights(self) -> Bools:
        """(n,) of the records added last: does the first model get all of their labels right?"""
        truth = truth_of(self.parts[-1], self.columns)
        return np.asarray((self.predicted[-1][0].predicted == truth).all(axis=1))

    def collected(self) -> Collected:
        """All together. Raises Refused where no record has a label."""
        ids = [one for part in self.parts for one in part.ids]
        if not ids:
            raise Refused("No record has a label, so there is nothing to judge by. Name the column with --label.")
        rows = [part.rows for part in self.parts if part.rows is not None]
        stated = [np.full(len(part.ids), np.nan) if part.stated is None else part.stated for part in self.parts]
        return Collected(
            rows=np.concatenate(rows) if rows else np.arange(len(ids)),
            truth=np.concatenate([truth_of(part, self.columns) for part in self.parts]),
            ids=ids,
            texts=[text for part in self.parts for text in part.texts],
            stated=np.concatenate(stated),
            predicted=[
                OutOfSamplePredictions(
                    outputs=np.concatenate([one.outputs for one in of_one]),
                    predicted=np.concatenate([one.predicted for one in of_one]),
                    known=np.concatenate([one.known for one in of_one]),
                )
                for of_one in zip(*self.predicted, strict=True)
            ],
            space=labels_space(self.columns.labels, several=self.evaluated_models[0].multi),
        )


def draw(records: Records, columns: Columns, evaluated_models: int, seed: int) -> Bools:
    """(labelled records,) mask of those scored: of too many a random part, the same for every model."""
    most = MOST_OF_SEVERAL if records.multi else MOST_HELD_OUT
    most = max(min(most, MOST_CELLS // (len(columns.labels) * evaluated_models)), 1)
    result = np.ones(records.labelled, np.bool_)
    if records.labelled > most:
        result[:] = False
        result[np.random.default_rng(seed).choice(records.labelled, most, replace=False)] = True
    return result


def truth_of(chunk: Chunk, columns: Columns) -> Bools:
    """(n, labels); a record without a label has none."""
    truth = np.zeros((len(chunk.texts), len(columns.labels)), np.bool_)
    for row, labels in enumerate(chunk.labels):
        for label in labels or ():
            truth[row, columns.column_of[label]] = True
    return truth


def align(predictions: OutOfSamplePredictions, evaluated: EvaluatedModel, columns: Columns) -> OutOfSamplePredictions:
    """In the common columns; labels that the model does not have get -1."""
    indices = columns.of(evaluated)
    probs = np.full((len(predictions.outputs), len(columns.labels)), -1, np.float32)
    predicted = np.zeros(probs.shape, np.bool_)
    probs[:, indices], predicted[:, indices] = predictions.outputs, predictions.predicted
    return OutOfSamplePredictions(probs, predicted, predictions.known)
