"""What the terminal says of a team's Argilla server. Knows what was told, starts nothing."""

from collections.abc import Mapping
from typing import Any


def _start_lines(told: Mapping[str, Any]) -> list[str]:
    if told["already"]:
        return [f"Argilla runs already at {told['url']} (since {told['since']})."]
    lines = [f"Argilla runs at {told['url']}. It goes on until `rondo team stop`."]
    if owner := told["owner"]:
        lines += [
            f"  user      {owner['username']}",
            f"  password  {owner['password']}",
            f"  API key   {owner['api_key']}",
            "The password is shown this once and stored nowhere: write it down. "
            "The key is kept in .rondo/team/, which only you can read.",
        ]
    return [*lines, "Next: rondo team users add NAME"]


def _status_lines(told: Mapping[str, Any]) -> list[str]:
    if not told["running"]:
        return ["No Argilla server runs for this project. Next: rondo team start"]
    line = f"Argilla {told['version']} runs at {told['url']} since {told['since']} (pid {told['pid']}, "
    line += f"{told['memory_mb']:,} MB)"
    if not told["answers"]:
        return [f"{line}, but does not answer. Look into .rondo/team/log.txt, or start it again."]
    return [f"{line}. People: {told['users']:,}, datasets: {told['datasets']:,}."]


def _added_lines(told: Mapping[str, Any]) -> list[str]:
    return [
        f"Added {told['name']} ({told['role']}), who signs in at {told['url']}.",
        f"  password  {told['password']}",
        "It is shown this once.",
    ]


def _users_lines(told: Mapping[str, Any]) -> list[str]:
    outside = f", not in the workspace {told['workspace']}"
    return [f"{one['name']}  {one['role']}{'' if one['member'] else outside}" for one in told["users"]]


def _push_lines(told: Mapping[str, Any]) -> list[str]:
    lines = [f"Sent {told['sent']:,} records ({told['unchanged']:,} were there); {told['waiting']:,} wait for answers."]
    if told["replaced"]:
        lines.append(f"Labels or fields have changed: {told['name']!r} replaces {told['replaced']!r}.")
    if told["bad"]:
        lines.append(f"Argilla refused {len(told['bad']):,} records; the others are there.")
        lines += [f"  {record}: {why}" for record, why in list(told["bad"].items())[:10]]
    return [*lines, f"People answer at {told['url']}"]


def _sync_lines(told: Mapping[str, Any]) -> list[str]:
    line = f"Read {told['records']:,} records: {told['stored']:,} answers are new or changed."
    return [line, f"{told['refused']:,} cannot be taken in; the Team page says why."] if told["refused"] else [line]


LINES = {
    "team_push": _push_lines,
    "team_sync": _sync_lines,
    "team_start": _start_lines,
    "team_stop": lambda told: ["Argilla is stopped." if told["stopped"] else "No Argilla server ran."],
    "team_status": _status_lines,
    "team_backup": lambda told: [f"Copied to {told['folder']} ({told['bytes']:,} bytes)."],
    "team_user_added": _added_lines,
    "team_users": _users_lines,
}
