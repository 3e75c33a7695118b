"""A data card as Markdown. Knows the card's fields, not how they were computed."""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from core.evaluation.reporting import score_cells
from core.reports.datacard import ModelFacts
from core.reports.error_analysis import label_table

Card = Mapping[str, Any]
MEANING = {
    "audit": "drawn at random before each batch was chosen, answered without seeing a suggestion, judged by a model "
    "that had not learnt from them; with 95 % intervals they estimate all records, or, of a model or encoder that "
    "training made, those that were not asked",
    "gold": "records that were set apart (split = test), answered in the file or by people who saw no suggestion, and "
    "that no model learns from; they estimate records like those of that file",
}
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")
ACCURACY = "Accuracy is the share of records whose labels are all right; macro F1 gives every label the same weight."
ACCURACY_ALONE = "Accuracy is the share of records whose answers are right."


def as_markdown(card: Card) -> str:
    """For people. Texts from the project are escaped, so that they are shown and nothing in them is followed."""
    parts = [
        [f"# Data card: {escaped(card['project'])}", "", f"Made {card['made_at']} by Rondo {card['rondo']}."],
        _export(card.get("export")),
        _data(card["data"]),
        _taxonomy(card["taxonomy"]) if "taxonomy" in card else _task(card["task"]),
        _choosing(card["choosing"]),
        _people(card["people"], card["agreement"]),
        _quality(card["model"], f1="taxonomy" in card or bool(card["task"]["categories"])),
        _machine(card["machine"]),
        ["## Known limits", *as_list(escaped(limit) for limit in card["limits"])],
    ]
    return "\n".join(line for part in parts if part for line in [*part, ""]).rstrip() + "\n"


def escaped(text: object) -> str:
    """Markdown that shows this text on one line and nothing else: what pages say with names in it, too.

    Marks that turn the direction of writing, and could make it read as another text, are spelt out.
    """
    spelt = _TURNS.sub(lambda mark: f"(U+{ord(mark[0]):X})", " ".join(str(text).split()))
    return re.sub(r"([\\`*_\[\]<>|~$&#])", r"\\\1", spelt)


def as_list(texts: Iterable[str]) -> list[str]:
    """Lines of a list after an empty one; the texts are escaped already."""
    return ["", *(f"- {text}" for text in texts)]


def as_table(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Lines of a table after an empty one, cells escaped, the first row's keys as its head; none without rows."""
    if not rows:
        return []
    lines = [[str(name).replace("_", " ") for name in rows[0]], ["---"] * len(rows[0])]
    lines += [[_cell(value) for value in row.values()] for row in rows]
    return ["", *("| " + " | ".join(line) + " |" for line in lines)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else escaped(value)


def _export(card: Card | None) -> list[str]:
    if not card:
        return []
    return [f"{escaped(card['file'])} holds {card['rows']:,} rows: {escaped(card['is'])}."]


def _data(card: Card) -> list[str]:
    return [
        "## The data",
        "",
        f"{card['records']:,} records, {card['duplicates']:,} of them with the text of an earlier one; "
        f"{card['declared_gold']:,} declared gold. "
        f"Fields: {', '.join(map(escaped, card['fields']))}. "
        f"Metadata: {', '.join(map(escaped, card['metadata'])) or 'none'}.",
        *as_table(card["sources"]),
    ]


def _taxonomy(card: Card) -> list[str]:
    rows = [
        {"label": row["name"] + (" (retired)" if row["retired"] else ""), **row}
        for row in card["labels"]
        if row["records"] or row["gold"] or not row["retired"]
    ]
    columns = ("label", "id", "description", "records", "gold")
    how_many = "several may hold for one record" if card["several_labels_per_record"] else "one per record"
    return [
        "## Labels",
        "",
        f"Version {card['version']} of the taxonomy; {how_many}. `records` counts the labels that "
        "people gave, `gold` the known answers.",
        *as_table([{column: row[column] for column in columns} for row in rows]),
        *_guidelines(card["guidelines"]),
    ]


def _task(card: Card) -> list[str]:
    setup = [{"what": name, "is": str(value)} for name, value in card["setup"].items()]
    return [
        "## Answers",
        "",
        f"What is asked is the task '{escaped(card['name'])}'.",
        *as_table(setup),
        *_guidelines(card["guidelines"]),
    ]


def _guidelines(guidelines: str) -> list[str]:
    if not guidelines.strip():
        return ["", "No guidelines were written."]
    return ["", "### Guidelines", "", *(f"> {escaped(line)}" for line in guidelines.splitlines())]


def _choosing(card: Card) -> list[str]:
    strata = ", ".join(f"{count:,} {escaped(stratum)}" for stratum, count in card["labels_by_stratum"].items())
    batches = len(card["batches"])
    sentence = f"{card['chosen']:,} records were chosen in {batches:,} batches" if batches else "No batch was chosen"
    share = f", {card['audit']:,} of them at random for the audit ({card['audit_share']:.1%})" if card["chosen"] else ""
    columns = ("round", "made_at", "strategy", "size", "audit", "seed", "pool", "model")
    return [
        "## How records were chosen",
        "",
        f"{sentence}{share}. Labels by stratum: {strata or 'none'}.",
        *as_table([{column: row[column] for column in columns} for row in card["batches"]]),
    ]


def _people(card: Card, agreement: Card | None) -> list[str]:
    how = ", ".join(f"{count:,} {escaped(kind)}" for kind, count in card["settled_how"].items())
    agreed = (
        f"On {agreement['records']:,} records that several people answered, {agreement['share']:.1%} of "
        f"{agreement['pairs']:,} pairs of answers agree."
        if agreement
        else "No record was answered by two people, so nothing can be said about agreement."
    )
    return [
        "## Who labelled",
        "",
        f"{card['annotators']:,} annotators; {card['settled']:,} settled labels, by the rule "
        f"'{escaped(card['settled_by'])}' ({how or 'none'}); "
        f"{card['answers_from_files']:,} answers came with imported files. "
        f"{card['asked_per_record']:,} asked per record. {agreed}",
        *as_table(card["answers"]),
    ]


def _quality(model: ModelFacts | None, *, f1: bool) -> list[str]:
    if not model:
        return ["## How good the model is", "", "No model was made yet."]
    lines = [
        "## How good the model is",
        "",
        f"Model {escaped(model.id)} of round {model.round}, learnt from {model.labels_learnt_from:,} labels, "
        f"seed {model.seed}; encoder {escaped(model.encoder)}, "
        f"fingerprint {escaped(model.encoder_fingerprint or 'unknown')}. These scores are the model's, not those "
        f"of people's labels. {ACCURACY if f1 else ACCURACY_ALONE}",
    ]
    for stratum, score in model.scores.items():
        lines += ["", f"### On {score.n:,} {stratum} records", "", f"These are {MEANING[stratum]}."]
        lines += [*as_table([score_cells(score, f1=f1)]), *as_table(model.levels[stratum])]
        lines += as_table(label_table(model.per_label[stratum]))
    return lines


def _machine(card: Card) -> list[str]:
    if not card["guarantees"]:
        return ["## Machine labels", "", "None were accepted."]
    columns = ("id", "made_at", "state", "precision", "per_label", "confidence", "model", "covered", "pool", "why")
    right, wrong = card["checked"]["right"], card["checked"]["wrong"]
    checked = (
        f"Checked blindly: {right + wrong:,}, of which {right:,} were right." if right + wrong else "None is checked."
    )
    return [
        "## Machine labels",
        "",
        f"{card['labels']:,} machine labels stand for records that no person has answered. {checked} A guarantee says: "
        "with this confidence, at least this share (precision) of the labels it covered is right.",
        *as_table([{column: row[column] for column in columns} for row in card["guarantees"]]),
        *as_table(card["per_label"]),
    ]
