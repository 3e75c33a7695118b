"""Label Studio's tasks in JSON: choices of one control, by whom, predictions with scores. Knows its form, no record."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.data.formats.file_format import NONE, STANDARD, Cells, ExportTable, FileFormat, own_columns, provenance
from core.data.formats.row_source import json_rows, names_at, object_at, objects_at
from core.errors import BadInput

CONTROL, TEXT = "label", "text"
"""how the control and the text are called in what is written"""
OWN = "rondo"
KNOWN = ("text", "id", "split")


def _entries(task: Mapping[str, object], location: str, requested: Sequence[str]) -> Iterator[Cells]:
    """A row for each annotation that is somebody's; one for a task without any. A ground truth that nobody is named for
    is the known answer in all of them."""
    data = object_at(task.get("data"), location, "data")
    base = _base(task, data) | _best_prediction(task, location, requested)
    rows: list[Cells] = []
    for annotation in objects_at(task.get("annotations", task.get("completions")), location, "annotations"):
        control, labels = _labels(annotation, location, requested)
        user = _annotator(annotation)
        if annotation.get("ground_truth") and user is None:
            base |= {"gold": labels, "annotator": None, "label": None}
            continue
        cells: Cells = {"annotator": user, control: labels, "note": _note(annotation)}
        cells["answered_at"] = annotation.get("created_at")
        if annotation.get("was_cancelled") or annotation.get("skipped"):
            cells |= {control: None, "action": "skip"}
        if annotation.get("ground_truth"):
            cells["gold"] = labels
        rows.append({name: value for name, value in cells.items() if value is not None})
    yield from [base | row for row in rows] or [base]


def _base(task: Mapping[str, object], data: Mapping[str, object]) -> Cells:
    """What all rows of a task have. The text is `text`, or the only entry that is one."""
    texts = [name for name, value in data.items() if isinstance(value, str) and name not in ("id", "split")]
    text = TEXT if TEXT in data else texts[0] if len(texts) == 1 else ""
    meta = task.get("meta")
    meta = dict(meta) if isinstance(meta, Mapping) else {}
    columns = own_columns({name: data[name] for name in data if name not in (*KNOWN, text)}, None)
    columns |= own_columns({name: value for name, value in meta.items() if name != OWN}, meta.get(OWN))
    if text:
        columns["text"] = data[text]
    columns["id"] = data.get("id", task.get("id"))
    if data.get("split") is not None:
        columns["split"] = data["split"]
    return columns


def _labels(annotation: Mapping[str, object], location: str, requested: Sequence[str]) -> tuple[str, list[str] | None]:
    """(column, choices) of the requested control, else of the only one, which is then `label`; [] where it was answered
    with none."""
    results = objects_at(annotation.get("result"), location, "result")
    choices = [one for one in results if one.get("type") == "choices"]
    controls = list(dict.fromkeys(str(one.get("from_name")) for one in choices))
    named = next((name for name in controls if name in requested and name != "label"), "")
    if len(controls) > 1 and not named:
        shown = ", ".join(repr(name[:40]) for name in controls[:5])
        raise BadInput(f"{location} has choices of several controls: {shown}; name the one to take: --label NAME.")
    if not choices and results:
        kind = str(results[0].get("type"))[:40]
        raise BadInput(f"{location} holds annotations of the type {kind!r}, which are no choices of labels.")
    names: list[str] = []
    for one in choices:
        if named in ("", str(one.get("from_name"))):
            value = object_at(one.get("value"), location, "value").get("choices")
            names += names_at(value, location, "choices")
    return named or "label", list(dict.fromkeys(names))


def _annotator(annotation: Mapping[str, object]) -> str | None:
    by = annotation.get("completed_by")
    if isinstance(by, Mapping):
        by = by.get("email") or by.get("username") or by.get("id")
    return str(by) if isinstance(by, str | int) and by != "" else None


def _note(annotation: Mapping[str, object]) -> str | None:
    """What stands as text beside the first region that has any."""
    results = annotation.get("result")
    for one in results if isinstance(results, list) else ():
        meta = one.get("meta") if isinstance(one, Mapping) else None
        texts = meta.get("text") if isinstance(meta, Mapping) else None
        if isinstance(texts, list) and texts:
            return "\n".join(map(str, texts))
    return None


def _best_prediction(task: Mapping[str, object], location: str, requested: Sequence[str]) -> Cells:
    """The one with the highest score."""
    predictions = objects_at(task.get("predictions"), location, "predictions")
    if not predictions:
        return {}
    best = max(predictions, key=_score)
    cells: Cells = {"suggestion": _labels(best, location, requested)[1], "probability": best.get("score")}
    cells["model"] = best.get("model_version")
    return {name: value for name, value in cells.items() if value is not None}


def _score(prediction: Mapping[str, object]) -> float:
    score = prediction.get("score")
    return float(score) if isinstance(score, int | float) else -1.0


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """An array of tasks. The known answer of a record is an annotation that is ground truth."""
    with target.open("w", encoding="utf-8") as file:
        file.write("[")
        for number, rows in enumerate(table.records()):
            task = _task(table, rows, number + 1)
            file.write((",\n" if number else "\n") + json.dumps(task, ensure_ascii=False, default=str))
        file.write("\n]\n")
    return ()


def _task(table: ExportTable, rows: Sequence[Cells], number: int) -> dict[str, object]:
    first = rows[0]
    data = {name: first.get(name) for name in ("text", "id", "split") if first.get(name) is not None}
    meta = dict(first["meta"])
    if own := provenance(first):
        meta[OWN] = own
    annotations = [annotation for row in rows if (annotation := _annotation(table, row))]
    known = first.get("gold")
    if known is not None:
        annotations.append({"result": _result(table, known, None), "ground_truth": True, "was_cancelled": False})
    task: dict[str, object] = {"id": number, "data": data, "annotations": annotations, "meta": meta}
    if first.get("suggestion") is not None:
        prediction = {"result": _result(table, first["suggestion"], None), "score": first.get("probability")}
        task["predictions"] = [{**prediction, "model_version": first.get("model") or OWN}]
    return task


def _annotation(table: ExportTable, row: Cells) -> dict[str, object] | None:
    if row.get("label") is None and row.get("action") in (None, "submit"):
        return None
    skipped = row.get("action") in ("skip", "flag")
    result = _result(table, NONE if skipped else row["label"], row.get("note"))
    annotation: dict[str, object] = {"result": result, "was_cancelled": skipped, "ground_truth": False}
    if row.get("annotator") is not None:
        annotation["completed_by"] = {"email": row["annotator"]}
    if when := row.get("answered_at") or row.get("settled_at"):
        annotation["created_at"] = when
    return annotation


def _result(table: ExportTable, label: object, note: object) -> list[dict[str, object]]:
    """None of them is an answer without a choice."""
    names = table.meaning.names(label)
    if not names and not note:
        return []
    result: dict[str, object] = {"from_name": CONTROL, "to_name": TEXT, "type": "choices", "value": {"choices": names}}
    return [{**result, "meta": {"text": [note]}} if note else result]


def _is_task(first: Mapping[str, object]) -> bool:
    return isinstance(first.get("data"), Mapping) and bool({"annotations", "completions", "predictions"} & first.keys())


LABEL_STUDIO = FileFormat(
    caption="Label Studio's tasks: JSON with choices, annotators, predictions and their scores",
    ending=".json",
    recognise=_is_task,
    read=json_rows(_entries),
    write=write,
    holds=frozenset((*STANDARD, "meta")),
    changes=("a flagged record becomes a skipped one, with its note",),
    names_itself=True,
    meta=True,
    needs_labels=True,
)
