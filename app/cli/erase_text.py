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


def _erase(result: Told) -> list[str]:
    lines = _person(result) if result["annotator"] else _records(result)
    went = "Deleted" if result["done"] else "These go, too"
    lines += _list(f"{went}: exports that held it (export again)", result["exports"])
    lines += _list(f"{went}: inputs of jobs, which can then not be tried again", result["jobs"])
    lines += _list("Under way, and holding it; wait or cancel first", result["busy"])
    lines += _list("BACKUPS THAT STILL HOLD IT; delete them, or keep them knowing that", result["backups"])
    lines += _list("Files that hold it and are yours to delete", result["elsewhere"])
    return [*lines, *_stays(result)]


def _records(result: Told) -> list[str]:
    lines = [f"{'Erased' if result['done'] else 'To be erased'}: {result['records']:,} records."]
    if result["same_text"]:
        lines.append(f"  {result['same_text']:,} of them were not named, but have the text of one that was.")
    if not result["done"]:
        lines += [f"  {one['id']}: {one['text']}" for one in result["shown"]]
    hangs = [f"{result[name]:,} {word}" for name, word in _HANGS.items() if result[name]]
    return [*lines, f"  With them: {', '.join(hangs)}."] if hangs else lines


def _person(result: Told) -> list[str]:
    name = "a person" if result["done"] else result["annotator"]
    return [
        f"{'Erased' if result['done'] else 'To be erased'}: {name} and {result['answers']:,} answers, notes with them.",
        f"  {result['labels_lost']:,} labels rest on nobody else and go; {result['labels_changed']:,} become another.",
    ]


def _list(what: str, names: Sequence[str]) -> list[str]:
    shown = [f"  {name}" for name in names[:20]]
    more = [f"  and {len(names) - 20:,} more"] if len(names) > 20 else []
    return [f"{what}:", *shown, *more] if names else []


def _stays(result: Told) -> list[str]:
    lines = ["What stays: a line in the history that says when, by whom, and these counts; no text, no id, no name."]
    if result["models"]:
        lines.append(
            f"  {result['models']:,} models may have learnt from them and are not changed: `rondo fit` makes one that "
            "has not; remove trained ones that should forget."
        )
    if result["sources"]:
        lines.append(f"They came from {', '.join(result['sources'][:5])}: importing that again would bring them back.")
    if result["annotator"]:
        lines.append("An Argilla server or a file that still holds these answers would bring them back.")
    return lines


LINES = {"erase": _erase}
