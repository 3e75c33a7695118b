"""The demo's pairs: what Python's modules in C say of their functions, and what their twins in Python say."""

import importlib
import inspect
import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType

from app.cli.demo import LONGEST, Demo, OracleRun, curve_lines, documented, make_ready, play_rounds
from core.jobs.bundle import Report
from core.store.whole_files import whole_file

if TYPE_CHECKING:
    from core.project import Project
    from core.simulate import Truth

TWINS: dict[str, str] = {
    "datetime": "_datetime",
    "_pydecimal": "_decimal",
    "_pyio": "_io",
    "operator": "_operator",
    "heapq": "_heapq",
    "bisect": "_bisect",
    "ntpath": "posixpath",
    "collections/__init__": "_collections",
    "asyncio/futures": "_asyncio",
    "stat": "_stat",
}
"""file of the one in Python -> module of the other"""
SHORTEST = 20
"""characters of a docstring that says something"""
SOURCES = ("Python", "C")


def prepare_pairs(folder: Path, report: Report, *, queue: bool) -> None:
    """Makes the demo project, or continues the existing one; `queue` chooses a first batch."""
    fill_pairs(folder, report)
    make_ready(folder, report, queue=queue)


def fill_pairs(folder: Path, report: Report) -> None:
    """The project with its records and the pairs of them, no features."""
    from app.client import call
    from core.loop import create_project
    from core.pairs.blocking.find_candidates import candidates
    from core.pairs.sides import import_source

    if not (folder / "rondo.toml").exists():
        create_project(folder, [], task="pairs")
    for source, entries in _records().items():
        file = folder / f"{source}.jsonl"
        if not file.exists():
            with whole_file(file) as partial, partial.open("w", encoding="utf-8") as lines:
                for number, entry in enumerate(entries):
                    row = {
                        "id": f"{source[0]}{number}",
                        "name": entry["name"].rpartition(".")[2],
                        "text": entry["text"],
                    }
                    lines.write(json.dumps(row, ensure_ascii=False) + "\n")
        columns: dict[str, Any] = {"text": ["name", "text"], "id": "id", "source": source}
        call(folder, import_source, report, file=str(file.resolve()), **columns)
    call(folder, candidates, report)


def _records() -> dict[str, list[dict[str, str]]]:
    """Source -> name with its module, and text, in a fixed order; without special methods, which say the same in every
    class."""
    return {
        source: [entry for entry in entries() if "__" not in entry["name"].removeprefix("collections/__init__")]
        for source, entries in zip(SOURCES, (_in_python, _in_c), strict=True)
    }


def _in_python() -> Iterator[dict[str, str]]:
    library = Path(sysconfig.get_paths()["stdlib"])
    for module in TWINS:
        path = library / f"{module}.py"
        for name, text in documented(path) if path.exists() else ():
            if SHORTEST <= len(text) <= LONGEST:
                yield {"name": f"{module}.{name}", "text": text}


def _in_c() -> Iterator[dict[str, str]]:
    for module, twin in TWINS.items():
        try:
            top = importlib.import_module(twin)
        except ImportError:  # another Python than CPython
            continue
        for name, text in _docstrings("", top):
            if SHORTEST <= len(text) <= LONGEST:
                yield {"name": f"{module}.{name}", "text": text}


def _docstrings(prefix: str, owner: object) -> Iterator[tuple[str, str]]:
    """Of what is defined in a module or class, and in the classes in it."""
    for name, value in sorted(vars(owner).items()):
        text = getattr(value, "__doc__", None)
        if isinstance(text, str) and (callable(value) or inspect.isdatadescriptor(value)):
            yield f"{prefix}{name}", inspect.cleandoc(text)
        if inspect.isclass(value) and not prefix:
            yield from _docstrings(f"{name}.", value)


def play_pair_oracle(folder: Path, rounds: int, report: Report) -> OracleRun:
    """Answers from the functions' names, and returns the curve."""
    names = {
        f"{source}:{source[0]}{number}": entry["name"]
        for source, entries in _records().items()
        for number, entry in enumerate(entries)
    }

    def truth_of(project: "Project") -> "Truth":
        pairs = [pair for (pair,) in project.store.query("select id from records")]
        return {pair: {"same": len({names[side] for side in pair.split("|")}) == 1} for pair in pairs}

    return play_rounds(folder, rounds, truth_of, report)


def pair_oracle_lines(result: OracleRun) -> list[RenderableType]:
    """The curve on the audit, and where to look at the project."""
    return curve_lines(result, "audit", "decisions")


PAIR_DEMO = Demo("demo-pairs", prepare_pairs, play_pair_oracle, pair_oracle_lines)
