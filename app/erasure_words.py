"""What an erasure takes and what it leaves, in words, for terminal and page. Knows no verb."""

from collections.abc import Sequence

from core.erasure.erase import Erasure


def erasure_lines(result: Erasure) -> list[str]:
    """What goes or went, what hangs on it, and what is left for a person to delete."""
    lines = _person(result) if result.annotator else _records(result)
    went = "Deleted" if result.done else "These go, too"
    lines += _list(f"{went}: exports that held it (export again)", result.exports)
    lines += _list(f"{went}: inputs of jobs, which can then not be tried again", result.jobs)
    lines += _list("Under way, and holding it; wait or cancel first", result.busy)
    lines += _list("BACKUPS THAT STILL HOLD IT; delete them, or keep them knowing that", result.backups)
    lines += _list("Files that hold it and are yours to delete", result.elsewhere)
    lines.append(
        "What stays: a line in the history that says when, by whom, and these counts; no text, no id, no name."
    )
    if result.models:
        lines.append(
            f"  {result.models:,} models may have learnt from them and are not changed: `rondo fit` makes one that "
            "has not; remove trained ones that should forget."
        )
    if result.sources:
        lines.append(f"They came from {', '.join(result.sources[:5])}: importing that again would bring them back.")
    if result.annotator:
        lines.append("An Argilla server or a file that still holds these answers would bring them back.")
    return lines


def _records(result: Erasure) -> list[str]:
    lines = [f"{'Erased' if result.done else 'To be erased'}: {_what(result)}."]
    if result.same_text:
        lines.append(f"  {result.same_text:,} of them were not named, but have the text of one that was.")
    if not result.done:
        lines += [f"  {one.id}: {one.text}" for one in result.shown]
    hanging = {
        "answers to them": result.answers,
        "labels": result.labels,
        "suggestions": result.suggestions,
        "machine labels": result.machine,
        "places in the queue": result.queued,
        "vectors": result.vectors,
        "records in Argilla": result.argilla,
    }
    counts = [f"{count:,} {what}" for what, count in hanging.items() if count]
    return [*lines, f"  With them: {', '.join(counts)}."] if counts else lines


def _what(result: Erasure) -> str:
    if not result.sides:
        return f"{result.records:,} records"
    return f"{result.sides:,} records of sources, and the {result.records:,} pairs that they are in"


def _person(result: Erasure) -> list[str]:
    name = "a person" if result.done else result.annotator
    return [
        f"{'Erased' if result.done else 'To be erased'}: {name} and {result.answers:,} answers, notes with them.",
        f"  {result.labels_lost:,} labels rest on nobody else and go; {result.labels_changed:,} become another.",
    ]


def _list(what: str, names: Sequence[str]) -> list[str]:
    shown = [f"  {name}" for name in names[:20]]
    more = [f"  and {len(names) - 20:,} more"] if len(names) > 20 else []
    return [f"{what}:", *shown, *more] if names else []
