"""How people and the history look on a terminal. Knows only what the verbs returned."""

from collections.abc import Mapping
from typing import Any

Told = Mapping[str, Any]


def _people(result: Told) -> list[str]:
    if not result["people"]:
        return [
            "Nobody yet: whoever reaches the app is a manager, under any name. `rondo people add NAME` changes that."
        ]
    width = max(len(one["name"]) for one in result["people"])
    return [f"{one['name']:<{width}}  {one['role']:<11}  {one['email']}".rstrip() for one in result["people"]]


def _added(result: Told) -> list[str]:
    lines = [f"{result['name']} is {_a(result['role'])}. The access code, shown this once: {result['code']}"]
    if result["first"]:
        lines.append("From now on the app asks everybody to sign in, you too.")
    return lines


def _removed(result: Told) -> list[str]:
    lines = [f"{result['name']} is out; every answer is kept."]
    if not result["left"]:
        lines.append("Nobody is left: the app on this machine asks nobody to sign in any more.")
    return lines


def _history(result: Told) -> list[str]:
    if "file" in result:
        return [f"Wrote {result['rows']:,} lines to {result['file']}."]
    if not result["lines"]:
        return ["Nothing like this has happened yet."]
    return [f"{one['at']}  {_plain(one['who'])}  {one['what']}  {one['detail']}" for one in result["lines"]]


def _a(role: str) -> str:
    return f"an {role}" if role[0] in "aeiou" else f"a {role}"


def _plain(text: str) -> str:
    """Without what would move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "?" for letter in text)


LINES = {
    "people": _people,
    "people_add": _added,
    "people_remove": _removed,
    "people_role": lambda summary: [
        f"{summary['name']} is {_a(summary['role'])} now, and was {_a(summary['before'])}."
    ],
    "people_code": lambda summary: [
        f"{summary['name']} has a new access code, shown this once: {summary['code']}",
        "The old one is worth nothing any more; who signed in with it has to sign in again.",
    ],
    "history": _history,
}
