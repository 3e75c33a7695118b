"""What the terminal says of a team's Argilla server. Knows what was told, starts nothing."""

from collections.abc import Mapping
from typing import Any


def _start_lines(result: Mapping[str, Any]) -> list[str]:
    if result["already"]:
        return [f"Argilla runs already at {result['url']} (since {result['since']})."]
    lines = [f"Argilla runs at {result['url']}. It goes on until `rondo team stop`."]
    if owner := result["owner"]:
        lines += [
            f"  user      {owner['username']}",
            f"  password  {owner['password']}",
            f"  API key   {owner['api_key']}",
            "The password is shown this once and stored nowhere: write it down. "
            "The key is kept in .rondo/team/, which only you can read.",
        ]
    return [*lines, "Next: rondo team users add NAME"]


def _status_lines(result: Mapping[str, Any]) -> list[str]:
    if not result["running"]:
        return ["No Argilla server runs for this project. Next: rondo team start"]
    line = f"Argilla {result['version']} runs at {result['url']} since {result['since']} (pid {result['pid']}, "
    line += f"{result['memory_mb']:,} MB)"
    if not result["answers"]:
        return [f"{line}, but does not answer. Look into .rondo/team/log.txt, or start it again."]
    return [f"{line}. People: {result['users']:,}, datasets: {result['datasets']:,}."]


def _added_lines(result: Mapping[str, Any]) -> list[str]:
    return [
        f"Added {result['name']} ({result['role']}), who signs in at {result['url']}.",
        f"  password  {result['password']}",
        "It is shown this once.",
    ]


def _users_lines(result: Mapping[str, Any]) -> list[str]:
    outside = f", not in the workspace {result['workspace']}"
    return [f"{one['name']}  {one['role']}{'' if one['member'] else outside}" for one in result["users"]]


def _push_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"Sent {result['sent']:,} records ({result['unchanged']:,} were there); {result['waiting']:,} wait for answers."
    ]
    if result["replaced"]:
        lines.append(f"Labels or fields have changed: {result['name']!r} replaces {result['replaced']!r}.")
    if result["bad"]:
        lines.append(f"Argilla refused {len(result['bad']):,} records; the others are there.")
        lines += [f"  {record}: {why}" for record, why in list(result["bad"].items())[:10]]
    return [*lines, f"People answer at {result['url']}"]


def _sync_lines(result: Mapping[str, Any]) -> list[str]:
    line = f"Read {result['records']:,} records: {result['stored']:,} answers are new or changed."
    return [line, f"{result['refused']:,} cannot be taken in; the Team page says why."] if result["refused"] else [line]


LINES = {
    "team_push": _push_lines,
    "team_sync": _sync_lines,
    "team_start": _start_lines,
    "team_stop": lambda summary: ["Argilla is stopped." if summary["stopped"] else "No Argilla server ran."],
    "team_status": _status_lines,
    "team_backup": lambda summary: [f"Copied to {summary['folder']} ({summary['bytes']:,} bytes)."],
    "team_user_added": _added_lines,
    "team_users": _users_lines,
}
