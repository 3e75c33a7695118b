"""Predicts a file of any size, part by part: a run that was stopped goes on at its last part. Knows files, no store."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from core.data.answer_cells import read_splits
from core.data.cells import Column
from core.data.formats.reading import BATCH_CHARACTERS, Source
from core.data.formats.sources import open_source
from core.data.ingest import require_columns
from core.data.ingest_job import Layout
from core.errors import BadInput, Refused
from core.models.encoders.encoder import without_surrogates
from core.registry.evaluation_jobs import EvaluatedFolder, Setting
from core.registry.exported_model import is_export
from core.registry.text_prediction_job import FilePredictions, PredictFileParams, TextPrediction, TextSource
from core.store.whole_files import disk_errors, sha256_of
from core.tasks.columns import CellRules
from core.tasks.tasks import reader_of
from gpu_jobs.trainers.trainer_types import Progress
from gpu_jobs.work.registry.evaluated_model import EvaluatedModel
from gpu_jobs.work.registry.prediction_figures import PartCounts, accuracy_of, add_figures, count_part
from gpu_jobs.work.registry.prediction_parts import FORMATS, Fields, Line, Parts
from gpu_jobs.work.registry.stored_predictions import read_from
from gpu_jobs.work.registry.text_predictor import TextPredictor, open_predictor

PART = 8_192
"""rows; some seconds to some minutes of work"""
SCHEMA = 1
"""of what lines depend on; another number does away with parts of earlier versions"""


@dataclass(frozen=True)
class Row:
    """Of a file. truth: names of labels, None where it has none. carried: values of the columns to carry over."""

    id: object
    text: str
    truth: tuple[str, ...] | None
    carried: tuple[object, ...]


def predict_file(bundle: Path, params: PredictFileParams, report: Progress) -> FilePredictions:
    """Writes `params.out`, whole or not at all; the parts of it lie beside it until then.

    Raises BadInput for a file that cannot be read, Damaged for a model that was tampered with, Refused for a full disk,
    and where the file is not the one any more that other jobs have predicted.
    """
    started, out = time.monotonic(), Path(params.out)
    source = open_source(Path(params.source.file), params.source.encoding)
    layout = layout_of(source, params.source)
    require_columns(source, layout)
    if params.content and content_of(source) != params.content:
        raise Refused(f"{source.path.name} was changed while it was predicted. Run it again.")
    predictor = open_predictor(params.model, params.setting, bundle / "ckpt")
    predict = read_from(Path(params.predictions), predictor.model) if params.predictions else _here(predictor, params)
    fields = _fields(params, predictor)
    parts = Parts(out.with_name(f".{out.name[:200]}.parts"), fields, FORMATS[out.suffix.lower()])
    counted: list[PartCounts] = []
    resumed = number = 0
    with disk_errors(f"The file {out}"), parts.alone(out):
        parts.open(_key(params, source))
        try:
            for number, (rows, share) in enumerate(_parts_of(source, layout, params.source, predictor.model)):
                stored = parts.counts(number)
                if stored is not None:
                    counted.append(PartCounts(**stored))
                    resumed += len(rows)
                    continue
                before = sum(one.rows for one in counted)
                total = round((before + len(rows)) / share) if share else before + len(rows)
                step = _stepper(report, before - resumed, total - resumed, accuracy_of(counted))
                predictions = predict(before, [row.text for row in rows], step)
                lines = [_line(row, one, params, fields) for row, one in zip(rows, predictions, strict=True)]
                counted.append(count_part(lines, fields.most, labelled=params.source.label is not None))
                parts.add(number, lines, vars(counted[-1]))
        except BadInput:
            parts.remove()
            raise
        parts.join(number + 1, out)
    written = sum(one.rows for one in counted)
    report(written - resumed, written - resumed)
    result = FilePredictions(
        model=predictor.model.name,
        out=params.out,
        rows=written,
        blank=sum(one.blank for one in counted),
        resumed=resumed,
        predicted=dict(sum((Counter(one.predicted) for one in counted), Counter[str]()).most_common()),
        seconds=0.0,
    )
    if params.source.label:
        result = add_figures(result, counted, predictor.model, params.setting.seed)
    return replace(result, seconds=round(time.monotonic() - started, 3))


Predict = Callable[[int, Sequence[str], Callable[[int], None]], Sequence[TextPrediction]]
"""(row of the first, texts, report): one for each text"""


def _here(predictor: TextPredictor, params: PredictFileParams) -> Predict:
    most = min(params.top_k, len(predictor.model.labels))
    return lambda first, texts, report: predictor.predict(texts, most, report)


def _stepper(report: Progress, before: int, total: int, figures: Mapping[str, float]) -> Callable[[int], None]:
    return lambda done: report(before + done, max(total, before + done), **figures)


def layout_of(source: Source, requested: TextSource) -> Layout:
    """The columns that are read."""
    return Layout(
        text=requested.text,
        label=requested.label,
        id=requested.id or ("id" if source.path.is_dir() else None),
        split=requested.split_column if requested.split else None,
        meta=requested.keep,
        encoding=requested.encoding,
    )


def _parts_of(
    source: Source, layout: Layout, requested: TextSource, model: EvaluatedModel
) -> Iterator[tuple[list[Row], float]]:
    """(rows, share of the file read so far) of each part; at least one, which may be empty."""
    rows: list[Row] = []
    share, size, full = 1.0, 0, False
    for row, so_far in rows_of(source, layout, requested, model):
        if full:
            yield rows, share
            rows, size = [], 0
        rows.append(row)
        share = so_far
        size += len(row.text)
        full = len(rows) >= PART or size >= BATCH_CHARACTERS
    if not rows:
        raise no_rows(source, requested)
    yield rows, 1.0


def no_rows(source: Source, requested: TextSource) -> BadInput:
    """The error of a file in which there is nothing to predict."""
    where = f" whose '{requested.split_column}' is {requested.split!r}" if requested.split else ""
    return BadInput(f"{source.path.name} has no row{where}: there is nothing to predict.")


def rows_of(
    source: Source, layout: Layout, requested: TextSource, model: EvaluatedModel
) -> Iterator[tuple[Row, float]]:
    """(row, share of the file read so far) of each row that is to be predicted."""
    several, total = model.multi, max(source.total, 1)
    about = {"multi": several, "known": tuple(model.names.values())}
    reader = reader_of(layout.task, about, CellRules()) if layout.label else None
    before = 0
    for batch in source.batches(layout.columns):
        texts = _texts([Column(source, batch, name).strings() for name in layout.text])
        ids: Sequence[object] = range(batch.first, batch.first + len(texts))
        if layout.id:
            ids = Column(source, batch, layout.id).strings()
        truths: Sequence[tuple[str, ...] | None] = [None] * len(texts)
        if reader and layout.label:
            truths = [_names(cell, several=several) for cell in reader.read(Column(source, batch, layout.label))]
        chosen: Sequence[bool] = [True] * len(texts)
        if layout.split:
            splits = read_splits(Column(source, batch, layout.split), Counter())
            chosen = [split == requested.split for split in splits]
        carried = list(zip(*(_clean(batch.columns[name]) for name in layout.meta), strict=True)) or [()] * len(texts)
        for index, take in enumerate(chosen):
            if take:
                so_far = before + (batch.done - before) * (index + 1) / len(texts)
                yield Row(ids[index], texts[index], truths[index], carried[index]), min(so_far / total, 1.0)
        before = batch.done


def _clean(cells: list[object]) -> list[object]:
    """Without half surrogate pairs, which JSON may hold and no file of ours."""
    return [without_surrogates(cell) if isinstance(cell, str) and not cell.isascii() else cell for cell in cells]


def _texts(columns: Sequence[list[str | None]]) -> list[str]:
    """Several columns are one text together, as an import joins them."""
    if len(columns) == 1:
        return [text or "" for text in columns[0]]
    rows = zip(*columns, strict=True)
    return ["\n\n".join(part for part in row if part and not part.isspace()) for row in rows]


def _names(cell: str | None, *, several: bool) -> tuple[str, ...] | None:
    if cell is None:
        return None
    from core.config.taxonomy import SEPARATOR

    return tuple(cell.split(SEPARATOR)) if several and cell else (cell,) if cell else ()


def _fields(params: PredictFileParams, predictor: TextPredictor) -> Fields:
    """Raises BadInput for a carried column that is called as a field of a line is."""
    source, model = params.source, predictor.model
    most = min(params.top_k, len(model.labels))
    scored = source.label is not None
    own = ["id", *(["text"] if params.with_text else [])]
    rest = [*(["truth"] if scored else []), "predicted", *(["correct", *_tops(most)] if scored else [])]
    names = (*own, *source.keep, *rest, "labels", "scores")
    fields = Fields(names, ("text", *source.keep, "truth", "predicted"), most, model.multi)
    for name in source.keep:
        if names.count(name) > 1 or fields.header.count(name) > 1:
            raise BadInput(
                f"The column '{name}' cannot be carried over: a field of the output is called so. Rename the column, "
                "or leave out --keep."
            )
    return fields


def _tops(most: int) -> list[str]:
    return [f"top_{k}" for k in range(1, most + 1)]


def _line(row: Row, prediction: TextPrediction, params: PredictFileParams, fields: Fields) -> Line:
    """correct: is what is predicted all of the truth? top_1, top_2 ...: is a true label among the k likeliest? None
    without a truth, or without a text."""
    line: dict[str, object] = {"id": row.id}
    if params.with_text:
        line["text"] = row.text
    line |= dict(zip(params.source.keep, row.carried, strict=True))
    if params.source.label is None:
        return line | {"predicted": prediction.predicted, "labels": prediction.labels, "scores": prediction.scores}
    truth, predicted = row.truth, prediction.predicted
    proposed = (predicted,) if isinstance(predicted, str) else predicted
    known = truth is not None and proposed is not None
    line["truth"] = truth if fields.several else truth[0] if truth else None
    line["predicted"] = predicted
    line["correct"] = set(truth or ()) == set(proposed or ()) if known else None
    for k, name in enumerate(_tops(fields.most), 1):
        line[name] = bool(set(truth) & set(prediction.labels[:k])) if truth and known else None
    return line | {"labels": prediction.labels, "scores": prediction.scores}


def _key(params: PredictFileParams, source: Source) -> str:
    """What the lines depend on: options, model and input. Written as it is, so that a person can see why a run began
    anew."""
    options = {
        "part": PART,
        "input": content_of(source),
        **facts_of(params.model, params.setting, params.top_k),
        "source": {name: value for name, value in vars(params.source).items() if name != "file"},
        "with_text": params.with_text,
    }
    return json.dumps(options, ensure_ascii=False, indent=1)


def content_of(source: Source) -> str:
    """A hash of the file; of a folder, of what is in it and when each was changed."""
    file = source.path
    return sha256_of(file) if file.is_file() else _hash_of_folder(file)


def facts_of(model: EvaluatedFolder, setting: Setting, top_k: int) -> dict[str, object]:
    """What predictions depend on besides the texts."""
    return {
        "schema": SCHEMA,
        "model": model.name,
        "weights": _hash_of_model(model),
        "encoder": "" if model.folder else setting.encoder,
        "rules": list(setting.rules),
        "names": dict(setting.names),
        "top_k": top_k,
    }


def _hash_of_folder(folder: Path) -> str:
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*.txt")):
        stat = path.stat()
        digest.update(f"{path.relative_to(folder).as_posix()}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()


def _hash_of_model(model: EvaluatedFolder) -> str:
    """By the manifest, which has the hash of every file, or where there is none by the weights."""
    if model.folder is None:
        return ""
    folder = Path(model.folder)
    names = ("rondo.json", "head.safetensors", "model.safetensors") if is_export(folder) else ("manifest.json",)
    return " ".join(sha256_of(folder / name) for name in names if (folder / name).is_file())
