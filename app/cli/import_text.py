"""What an import understood, in lines. Knows what the verb returned; not the file, not the project."""

from collections.abc import Iterator, Mapping
from typing import Any

_SHOWN = 10
"""names in one line"""


def import_lines(result: Mapping[str, Any]) -> list[str]:
    """Records first, then labels and splits with counts, then every doubt."""
    lines = [f"{result['rows']:,} rows: {result['added']:,} new records, {result['known']:,} known already."]
    lines += [*_record_lines(result), *_label_lines(result), *_people_lines(result), *_split_lines(result)]
    lines += [f"Warning: {doubt}" for doubt in _doubts(result)]
    return [*lines, "Next: rondo next (choose the first batch), rondo up (label it)."]


def _record_lines(result: Mapping[str, Any]) -> Iterator[str]:
    report = result["report"]
    if report["blank_rows"]:
        yield f"{report['blank_rows']:,} rows of empty fields were passed over."
    if result["duplicates"]:
        yield (
            f"{result['duplicates']:,} are exact duplicates: nobody is asked for them, and where they have no label of "
            "their own they take that of the first of their kind."
        )
    if near := report.get("near_duplicates"):
        yield f"{near['records']:,} records in {near['groups']:,} groups are near-duplicates of each other."


def _label_lines(result: Mapping[str, Any]) -> Iterator[str]:
    report = result["report"]
    if result["labelled"]:
        parts = f": {result['new']:,} new, {result['changed']:,} changed, {result['same']:,} as files said before"
        yield f"{result['labelled']:,} came with a label{parts if result['changed'] or result['same'] else ''}."
    if counts := report["labels"]:
        yield f"Labels: {_listed(counts)}."
    if report["none_of_them"]:
        yield f"{report['none_of_them']:,} say that none of the labels holds."
    if words := report["missing_words"]:
        yield f"No label where the file says {_listed(words)} (as labels: --keep-missing-words)."
    for number, written in report["spellings"].items():
        if len(written) > 1:
            yield f"{' and '.join(written)} are one label, {number}."


def _people_lines(result: Mapping[str, Any]) -> Iterator[str]:
    if result["answers"]:
        yield f"{result['answers']:,} answers of {result['annotators']:,} people."
    if result["made_gold"]:
        yield f"{result['made_gold']:,} records are gold by their known answers: they judge, and are not asked."
    if result["not_gold"]:
        yield f"{result['not_gold']:,} known answers make no gold: their records were asked, or taught a model."


def _split_lines(result: Mapping[str, Any]) -> Iterator[str]:
    if splits := result["report"]["splits"]:
        gold = "; test is gold, which judges and never teaches" if "test" in splits else ""
        yield f"Splits: {_listed(splits)}{gold}."
    if result["declared_gold"]:
        taught = f"; {result['stopped_teaching']:,} of them taught until now" if result["stopped_teaching"] else ""
        yield f"{result['declared_gold']:,} records that were here before are gold now{taught}."


def _doubts(result: Mapping[str, Any]) -> Iterator[str]:
    report = result["report"]
    if report["doubt"]:
        yield report["doubt"]
    if unknown := report["unknown_splits"]:
        yield f"no split is called {_listed(unknown)}: these records teach. Only 'test' makes gold."
    if result["contradicted"]:
        yield f"{result['contradicted']:,} labels contradict what people answered, which holds."
    if repeated := report["repeated_ids"]["other_label"]:
        rows = _rows(report["relabelled_rows"])
        yield f"{repeated:,} rows repeat an id with another label; only the first row of each counts ({rows})."
    clashes = report["contradictions"] or {"texts": 0, "rows": 0, "examples": []}
    if clashes["texts"]:
        rows = _rows([example["rows"] for example in clashes["examples"]])
        yield f"{clashes['texts']:,} texts stand there with different labels, which contradict each other ({rows})."
    if result["clashing"] > clashes["rows"]:
        yield (
            f"{result['clashing']:,} labels contradict the label that a file gave another record with the same text; "
            "look at the duplicates on the Records page."
        )
    for names in result["look_alikes"]:
        yield f"these labels look alike: {', '.join(map(ascii, names))}. If they are one, correct the file."


def _rows(groups: list[list[int]]) -> str:
    return "; ".join(f"rows {' and '.join(map(str, rows))}" for rows in groups)


def _listed(counts: Mapping[str, int]) -> str:
    shown = ", ".join(f"{name} {count:,}" for name, count in list(counts.items())[:_SHOWN])
    return shown + (f" and {len(counts) - _SHOWN:,} more" if len(counts) > _SHOWN else "")
