"""What the terminal says of models that were given away. Knows what the verbs returned, nothing else."""

from collections.abc import Mapping
from typing import Any


def _export_lines(result: Mapping[str, Any]) -> list[str]:
    return [
        f"Wrote {result['model']} to {result['path']}: {result['files']:,} files, {result['bytes'] / 1e6:,.1f} MB.",
        "Its README says how far to trust it, and how to use it without Rondo. Choose a licence before you pass it on.",
    ]


def _push_lines(result: Mapping[str, Any]) -> list[str]:
    places = [result, *([result["dataset"]] if "dataset" in result else [])]
    return [
        f"Pushed {one['url']} ({'private' if one['private'] else 'PUBLIC'}): {one['files']:,} files, "
        f"{one['bytes'] / 1e6:,.1f} MB, commit {one['commit'][:12]}."
        for one in places
    ]


LINES = {"model_export": _export_lines, "push": _push_lines}
