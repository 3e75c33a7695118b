"""Prodigy's JSONL: tasks of choice with options, and tasks of one label that is accepted or rejected.

Knows its form, no record.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from core.data.formats.file_format import STANDARD, Cells, ExportTable, FileFormat, own_columns, provenance
from core.data.formats.row_source import json_rows, names_at, objects_at
from core.errors import BadInput

ANSWERS = ("accept", "reject", "ignore")
OWN = "rondo"
_KNOWN = (
    *("text", "id", "label", "answer", "accept", "options", "meta", "split", "note", "tokens", "spans", "config", OWN),
    *("known", "score", "suggestion"),
)


def _entries(task: Mapping[str, object], location: str, requested: Sequence[str]) -> Iterator[Cells]:
    """One row for each line."""
    answer = task.get("answer", "accept" if "accept" in task else None)
    if answer is not None and answer not in ANSWERS:
        raise BadInput(f"{location}: `answer` is {str(answer)[:40]!r}, and must be one of {', '.join(ANSWERS)}.")
    if not isinstance(task.get("text"), str):
        raise BadInput(f"{location} has no `text`; Rondo reads tasks on texts.")
    extra = {name: value for name, value in task.items() if name not in _KNOWN and not name.startswith("_")}
    meta = task.get("meta")
    columns = own_columns({**(meta if isinstance(meta, Mapping) else {}), **extra}, task.get(OWN))
    identity = task.get("id", task.get("_input_hash"))
    by = task.get("_annotator_id") or task.get("_session_id")
    columns |= {"text": task["text"], "id": identity, "label": _label(task, str(answer), location)}
    values = {
        "annotator": by,
        "note": task.get("note"),
        "split": task.get("split"),
        "answered_at": task.get("_timestamp"),
    }
    values |= {"suggestion": task.get("suggestion"), "probability": task.get("score")}
    if answer == "ignore":
        values["action"] = "skip"
    if "known" in task:
        columns |= {"gold": names_at(task["known"], location, "known"), "annotator": by}
    yield columns | {name: value for name, value in values.items() if value is not None}


def _label(task: Mapping[str, object], answer: str, location: str) -> list[str] | None:
    """What was accepted. A rejected task says what does not hold, from which no label follows."""
    if "options" in task or "accept" in task:
        names = {}
        for option in objects_at(task.get("options"), location, "options"):
            names[str(option.get("id"))] = str(option.get("text") or option.get("id"))
        accepted = task.get("accept") or []
        if not isinstance(accepted, list):
            raise BadInput(f"{location}: `accept` must be a list; correct it.")
        several = isinstance(config := task.get("config"), Mapping) and config.get("choice_style") == "multiple"
        chosen = [str(one) for one in accepted]
        return chosen if answer == "accept" and (chosen or several) else None
    if task.get("spans"):
        raise BadInput(f"{location} holds spans, which are no labels of a whole text.")
    label = task.get("label")
    if label is None:
        return None
    if not isinstance(label, str):
        raise BadInput(f"{location}: `label` must be a name; correct it.")
    return [label] if answer == "accept" else None


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """A task of choice for each row; one without an answer is a task to be done."""
    options = [{"id": name, "text": name} for name in table.meaning.labels]
    style = "multiple" if table.meaning.several else "single"
    with target.open("w", encoding="utf-8") as file:
        for row in table.rows():
            task = _task(table, row)
            task |= {"options": options, "config": {"choice_style": style}}
            file.write(json.dumps(task, ensure_ascii=False, default=str) + "\n")
    return ()


def _task(table: ExportTable, row: Cells) -> dict[str, object]:
    task: dict[str, object] = {name: row[name] for name in ("text", "id", "split", "note") if row.get(name) is not None}
    task |= {"meta": row["meta"], OWN: provenance(row)}
    if row.get("annotator") is not None:
        task |= {"_annotator_id": row["annotator"], "_session_id": row["annotator"]}
    if when := row.get("answered_at"):
        task["_timestamp"] = when
    if row.get("action") in ("skip", "flag"):
        task |= {"accept": [], "answer": "ignore"}
    elif (names := table.meaning.names(row.get("label"))) is not None:
        task |= {"accept": names, "answer": "accept"}
    if (known := table.meaning.names(row.get("gold"))) is not None:
        task["known"] = known
    if (suggested := table.meaning.names(row.get("suggestion"))) is not None:
        task |= {"suggestion": suggested, "score": row.get("probability")}
    return task


def _is_task(first: Mapping[str, object]) -> bool:
    if not isinstance(first.get("text"), str):
        return False
    return "_input_hash" in first or first.get("answer") in ANSWERS or {"options", "accept"} <= first.keys()


PRODIGY = FileFormat(
    caption="Prodigy's tasks: JSONL of choices, or of one label accepted or rejected",
    ending=".jsonl",
    recognise=_is_task,
    read=json_rows(_entries),
    write=write,
    holds=frozenset((*STANDARD, "meta")),
    names_itself=True,
    meta=True,
    needs_labels=True,
    changes=("a flagged record becomes an ignored one", "a rejected task brings its text without a label"),
)
