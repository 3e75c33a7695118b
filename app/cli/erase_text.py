"""How an erasure looks on a terminal, before and after. Knows only what the verb returned."""

from collections.abc import Mapping, Sequence
from typing import Any

Told = Mapping[str, Any]

_HANGS = {
    "answers": "answers to them",
    "labels": "labels",
    "suggestions": "suggestions",
    "machine": "machine labels",
    "queued": "places in the queue",
    "vectors": "vectors",
    "argilla": "records in Argilla",
}


def _erase(told: Told) -> list[str]:
    lines = _person(told) if told["annotator"] else _records(told)
    went = "Deleted" if told["done"] else "These go, too"
    lines += _list(f"{went}: exports that held it (export again)", told["exports"])
    lines += _list(f"{went}: inputs of jobs, which can then not be tried again", told["jobs"])
    lines += _list("Under way, and holding it; wait or cancel first", told["busy"])
    lines += _list("BACKUPS THAT STILL HOLD IT; delete them, or keep them knowing that", told["backups"])
    lines += _list("Files that hold it and are yours to delete", told["elsewhere"])
    return [*lines, *_stays(told)]


def _records(told: Told) -> list[str]:
    lines = [f"{'Erased' if told['done'] else 'To be erased'}: {told['records']:,} records."]
    if told["same_text"]:
        lines.append(f"  {told['same_text']:,} of them were not named, but have the text of one that was.")
    if not told["done"]:
        lines += [f"  {one['id']}: {one['text']}" for one in told["shown"]]
    hangs = [f"{told[name]:,} {word}" for name, word in _HANGS.items() if told[name]]
    return [*lines, f"  With them: {', '.join(hangs)}."] if hangs else lines


def _person(told: Told) -> list[str]:
    name = "a person" if told["done"] else told["annotator"]
    return [
        f"{'Erased' if told['done'] else 'To be erased'}: {name} and {told['answers']:,} answers, notes with them.",
        f"  {told['labels_lost']:,} labels rest on nobody else and go; {told['labels_changed']:,} become another.",
    ]


def _list(what: str, names: Sequence[str]) -> list[str]:
    shown = [f"  {name}" for name in names[:20]]
    more = [f"  and {len(names) - 20:,} more"] if len(names) > 20 else []
    return [f"{what}:", *shown, *more] if names else []


def _stays(told: Told) -> list[str]:
    lines = ["What stays: a line in the history that says when, by whom, and these counts; no text, no id, no name."]
    if told["models"]:
        lines.append(
            f"  {told['models']:,} models may have learnt from them and are not changed: `rondo fit` makes one that "
            "has not; remove trained ones that should forget."
        )
    if told["sources"]:
        lines.append(f"They came from {', '.join(told['sources'][:5])}: importing that again would bring them back.")
    if told["annotator"]:
        lines.append("An Argilla server or a file that still holds these answers would bring them back.")
    return lines


LINES = {"erase": _erase}
