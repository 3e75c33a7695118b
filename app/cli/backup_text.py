"""What keeping a project prints: backups, archives, checks and repairs."""

from collections.abc import Callable, Mapping
from typing import Any

Result = Mapping[str, Any]


def _archive_lines(result: Result) -> list[str]:
    return [
        f"Wrote {result['file']} ({result['bytes']:,} bytes): {result['rows']:,} rows in {result['tables']} tables.",
        "Vectors are not in it; they are made again.",
    ]


def _restore_lines(result: Result) -> list[str]:
    return [
        f"Restored {result['records']:,} records, {result['rows']:,} rows in all, to {result['folder']}.",
        f"Next: rondo --project {result['folder']} encode (makes the vectors again).",
    ]


def _check_lines(result: Result) -> list[str]:
    damaged = [each for each in result["findings"] if each["damage"]]
    lines = [f"Damaged: {each['damage']}" for each in damaged]
    sound = [each["part"] for each in result["findings"] if not each["damage"]]
    if sound:
        lines.append(f"Sound: {', '.join(sound)}.")
    return lines + ([result["advice"]] if result["advice"] else [])


def _repair_lines(result: Result) -> list[str]:
    if not result["damage"]:
        return ["The database is sound: nothing was changed."]
    lines = [f"Damage: {each.rstrip('.')}." for each in result["damage"]]
    if result["backup"]:
        lines.append(f"What could not be read was taken from the backup {result['backup']}.")
    lines.append(f"{result['saved_answers']:,} answers are saved.")
    if result["from_write_ahead"]:
        lines.append(f"{result['from_write_ahead']:,} of them stood in the write-ahead file alone.")
    lines += [f"Lost: {rows:,} rows of {table}, which no backup has." for table, rows in result["lost"].items()]
    return [*lines, f"The damaged files are kept in {result['damaged_files']}."]


LINES: dict[str, Callable[[Result], list[str]]] = {
    "backup": lambda result: [f"Copied to {result['folder']} ({result['bytes']:,} bytes)."],
    "archive": _archive_lines,
    "restore": _restore_lines,
    "integrity": _check_lines,
    "repair": _repair_lines,
}
