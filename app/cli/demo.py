"""The demo's records: the docstrings of Python's standard library, to be sorted into the chapters of its reference."""

import ast
import inspect
import json
import os
import sys
import sysconfig
import threading
import time
import webbrowser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import RenderableType
from rich.table import Column, Table

from app.words import interval
from core.errors import Refused
from core.jobs.bundle import Report
from core.simulate import Point
from core.store.whole_files import whole_file

if TYPE_CHECKING:
    from core.project import Project
    from core.simulate import Truth

SHORTEST, LONGEST = 60, 4000
"""characters of a docstring that can be judged by reading it"""
GOLD_EVERY = 5
"""one record in five has a known answer, so that the demo can say how good the model is"""

CHAPTERS: dict[str, str] = {
    "Text processing": "string re difflib textwrap unicodedata stringprep rlcompleter readline",
    "Binary data": "struct codecs",
    "Data types": "datetime zoneinfo calendar collections heapq bisect array weakref types copy pprint reprlib "
    "enum graphlib",
    "Numbers and mathematics": "numbers math cmath decimal _pydecimal fractions random statistics",
    "Functional programming": "itertools functools operator",
    "Files and directories": "pathlib fileinput stat filecmp tempfile glob fnmatch linecache shutil posixpath ntpath "
    "genericpath",
    "Persistence and databases": "pickle copyreg shelve marshal dbm sqlite3",
    "Compression and archives": "zlib gzip bz2 lzma zipfile tarfile _compression",
    "File formats": "csv configparser tomllib netrc plistlib",
    "Operating system": "os io time argparse optparse getopt logging getpass curses platform errno ctypes _pyio",
    "Concurrency": "threading multiprocessing concurrent subprocess sched queue contextvars _thread",
    "Networking": "asyncio socket ssl select selectors signal mmap",
    "Internet data": "email json mailbox mimetypes base64 binascii quopri",
    "HTML and XML": "html xml",
    "Internet protocols": "webbrowser wsgiref urllib http ftplib poplib imaplib smtplib uuid socketserver "
    "xmlrpc ipaddress",
    "Graphics and Tk": "turtle tkinter colorsys wave idlelib",
    "Testing and documentation": "typing pydoc doctest unittest",
    "Debugging and profiling": "bdb faulthandler pdb profile cProfile pstats timeit trace tracemalloc",
    "Runtime and language": "sys sysconfig warnings dataclasses contextlib abc atexit traceback gc inspect site "
    "code codeop importlib pkgutil modulefinder runpy ast symtable token keyword tokenize tabnanny pyclbr "
    "py_compile compileall dis pickletools",
}


def prepare(folder: Path, report: Report, *, queue: bool) -> None:
    """Makes the demo project, or continues the existing one; `queue` chooses a first batch."""
    fill(folder, report)
    make_ready(folder, report, queue=queue)


def make_ready(folder: Path, report: Report, *, queue: bool) -> None:
    """Encodes what was imported; `queue` chooses a first batch."""
    from app.client import call
    from core.data.encoding import encode
    from core.loop import next_batch
    from core.reports.overview import show_status

    call(folder, encode, report)
    if queue and not call(folder, show_status, report).round:
        call(folder, next_batch, report)


def fill(folder: Path, report: Report) -> None:
    """The project with its records, nothing encoded."""
    from app.client import call
    from core.data.file_import import ImportOptions, import_file
    from core.loop import create_project

    file = folder / "docstrings.jsonl"
    if not (folder / "rondo.toml").exists():
        create_project(folder, list(CHAPTERS))
    if not file.exists():
        write_docstrings(file)
    columns = ImportOptions(text=["text"], label="chapter", id="id", split="split", meta=["name"])
    call(folder, import_file, report, file=str(file.resolve()), **columns)


def open_page(url: str) -> None:
    """Shows the page in the person's browser as soon as the app answers; nothing where there is no screen."""
    if sys.platform == "linux" and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return  # else a text browser would take the terminal
    from app.client import answers

    def wait_and_open() -> None:
        base = url.partition("?")[0].removesuffix("/label").rstrip("/")
        for _ in range(300):
            if answers(base):
                webbrowser.open(url)
                return
            time.sleep(0.2)

    threading.Thread(target=wait_and_open, daemon=True).start()


@dataclass(frozen=True)
class Demo:
    """folder: where its project goes. prepare: makes it, or continues it. play: answers by itself, for so many rounds.
    lines: what is printed of that."""

    folder: str
    prepare: Callable[..., None]
    play: Callable[[Path, int, Report], "OracleRun"]
    lines: Callable[["OracleRun"], list[RenderableType]]


@dataclass(frozen=True)
class OracleRun:
    """project: its folder. curve: a point for each round."""

    project: str
    curve: list[Point]


def oracle_lines(result: OracleRun) -> list[RenderableType]:
    """The curve on gold, and where to look at the project."""
    return curve_lines(result, "gold", "labels")


def curve_lines(result: OracleRun, stratum: str, unit: str) -> list[RenderableType]:
    """The curve on a stratum over answers, which are called `unit`, and where to look at the project."""
    table = Table(*(Column(name, justify="right") for name in (unit, f"{stratum} accuracy", "macro F1")), box=None)
    for point in result.curve:
        if score := point.metrics.on(stratum):
            table.add_row(str(point.labels), interval(score.accuracy, score.n), interval(score.macro_f1, score.n))
    return [table, f"The project is in {result.project}. Look at it: rondo --project {result.project} up"]


def play_oracle(folder: Path, rounds: int, report: Report) -> OracleRun:
    """Answers from the known chapters, and returns the curve."""

    def truth_of(project: "Project") -> "Truth":
        ids = project.settings().taxonomy.ids
        return {entry["id"]: (ids[entry["truth"]],) for entry in docstrings()}

    return play_rounds(folder, rounds, truth_of, report)


def play_rounds(folder: Path, rounds: int, truth_of: Callable[["Project"], "Truth"], report: Report) -> OracleRun:
    """Answers as the truth has it. Raises Refused where nothing is left to answer."""
    from app.client import opened_project
    from core import simulate

    with opened_project(folder) as project:
        if not project.store.one("select count(*) from pool"):
            raise Refused("Nothing is left to answer in this demo. Delete its folder to start again.")
        settings = project.settings()
        budget = simulate.Budget(rounds, settings.batch_size, settings.strategy)
        points = simulate.simulate_rounds(project, truth_of(project), budget, report)
    return OracleRun(str(folder), points)


def write_docstrings(file: Path) -> None:
    """JSON lines with id, text, name and split; the chapter only where the record is gold."""
    with whole_file(file) as partial, partial.open("w", encoding="utf-8") as lines:
        for entry in docstrings():
            gold = entry["split"] == "test"
            chapter = entry["truth"] if gold else None
            entries = {key: entry[key] for key in ("id", "text", "name")}
            lines.write(json.dumps({**entries, "split": entry["split"], "chapter": chapter}, ensure_ascii=False) + "\n")


def docstrings() -> Iterator[dict[str, Any]]:
    """Every documented function and class of the modules in CHAPTERS, read from source; nothing is imported."""
    library = Path(sysconfig.get_paths()["stdlib"])
    seen: set[str] = set()
    for chapter, modules in CHAPTERS.items():
        for path in sorted(path for module in modules.split() for path in _sources(library, module)):
            for name, text in documented(path):
                key = f"{path.relative_to(library).with_suffix('').as_posix()}:{name}"
                if text in seen or not SHORTEST <= len(text) <= LONGEST:
                    continue
                seen.add(text)
                split = "test" if len(seen) % GOLD_EVERY == 0 else None
                yield {"id": key, "text": text, "name": name, "split": split, "truth": chapter}


def _sources(library: Path, module: str) -> list[Path]:
    package = library / module
    if package.is_dir():
        return [path for path in package.rglob("*.py") if not {"test", "tests", "idle_test"} & set(path.parts)]
    return [package.with_suffix(".py")] if package.with_suffix(".py").exists() else []


def documented(path: Path) -> Iterator[tuple[str, str]]:
    """(name, docstring) of every function and class in a file of Python; nothing is imported."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
    except (SyntaxError, UnicodeDecodeError):
        return
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    stack: list[tuple[str, ast.AST]] = [("", tree)]
    while stack:
        prefix, node = stack.pop()
        for child in ast.iter_child_nodes(node):
            if isinstance(child, kinds):
                name = f"{prefix}{child.name}"
                stack.append((f"{name}.", child))
                if text := ast.get_docstring(child):
                    yield name, inspect.cleandoc(text)


LABEL_DEMO = Demo("demo", prepare, play_oracle, oracle_lines)
