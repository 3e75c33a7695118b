"""What keeping a project prints: backups, archives, checks and repairs."""

from collections.abc import Callable, Mapping
from typing import Any

Told = Mapping[str, Any]


def _archive_lines(told: Told) -> list[str]:
    return [
        f"Wrote {told['file']} ({told['bytes']:,} bytes): {told['rows']:,} rows in {told['tables']} tables.",
        "Vectors are not in it; they are made again.",
    ]


def _restore_lines(told: Told) -> list[str]:
    return [
        f"Restored {told['records']:,} records, {told['rows']:,} rows in all, to {told['folder']}.",
        f"Next: rondo --project {told['folder']} encode (makes the vectors again).",
    ]


def _check_lines(told: Told) -> list[str]:
    damaged = [each for each in told["findings"] if each["damage"]]
    lines = [f"Damaged: {each['damage']}" for each in damaged]
    sound = [each["part"] for each in told["findings"] if not each["damage"]]
    if sound:
        lines.append(f"Sound: {', '.join(sound)}.")
    return lines + ([told["advice"]] if told["advice"] else [])


def _repair_lines(told: Told) -> list[str]:
    if not told["damage"]:
        return ["The database is sound: nothing was changed."]
    lines = [f"Damage: {each.rstrip('.')}." for each in told["damage"]]
    if told["backup"]:
        lines.append(f"What could not be read was taken from the backup {told['backup']}.")
    lines.append(f"{told['saved_answers']:,} answers are saved.")
    if told["from_write_ahead"]:
        lines.append(f"{told['from_write_ahead']:,} of them stood in the write-ahead file alone.")
    lines += [f"Lost: {rows:,} rows of {table}, which no backup has." for table, rows in told["lost"].items()]
    return [*lines, f"The damaged files are kept in {told['kept']}."]


LINES: dict[str, Callable[[Told], list[str]]] = {
    "backup": lambda told: [f"Copied to {told['folder']} ({told['bytes']:,} bytes)."],
    "archive": _archive_lines,
    "restore": _restore_lines,
    "integrity": _check_lines,
    "repair": _repair_lines,
}
