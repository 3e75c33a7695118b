"""Who may import whom, what may not load where, and how large a thing may grow."""

import ast
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

from core.loop import create_project
from core.verbs import VERBS

ROOT = Path(__file__).parent.parent
MAY_IMPORT = {
    "core": {"core"},
    "annotation": {"annotation", "core"},
    "gpu_jobs": {"gpu_jobs", "core"},
    "app": {"app", "annotation", "gpu_jobs", "core"},
}
HEAVY = (
    "torch",
    "transformers",
    "sentence_transformers",
    "setfit",
    "faiss",
    "sklearn",
    "scipy",
    "polars",
    "openvino",
    "onnxruntime",
    "cleanlab",
    "openTSNE",
    "pandas",
    "modal",
    "openai",
    "ray",
    "datasets",
    "huggingface_hub",
    "argilla",
    "crowdkit",
    "llguidance",
    "peft",
    "krippendorff",
    "trl",
    "peft",
    "llguidance",
    "gguf",
    "ftfy",
    "pycld2",
    "iterstrat",
)


@dataclass
class Outline:
    """What the laws ask of a file, read in one walk through it.

    imports: (module, is it at the top of the file). modules: imported modules, and what is imported from them.
    signatures: (function, does a parameter or the result say Any). lengths: (function, lines). members: attributes,
    parameters and keywords.
    """

    imports: list[tuple[str, bool]] = field(default_factory=list)
    modules: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    signatures: list[tuple[str, bool]] = field(default_factory=list)
    lengths: list[tuple[str, int]] = field(default_factory=list)
    members: set[str] = field(default_factory=set)


Function = ast.FunctionDef | ast.AsyncFunctionDef


@cache
def outline(path: Path) -> Outline:
    """Several laws ask each of 500 files: the tree itself is not held."""
    tree, result = ast.parse(path.read_text(encoding="utf-8")), Outline()
    at_top = {id(node) for node in tree.body}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            result.modules |= {alias.name for alias in node.names}
            result.imports += [(alias.name, id(node) in at_top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            result.modules |= {f"{node.module}.{alias.name}" for alias in node.names} | {node.module}
            result.imports.append((node.module, id(node) in at_top))
        elif isinstance(node, ast.Name):
            result.names.add(node.id)
        elif isinstance(node, ast.Attribute):
            result.members.add(node.attr)
            result.names.add(node.attr)
        elif isinstance(node, ast.arg):
            result.members.add(node.arg)
            result.names.add(node.arg)
        elif isinstance(node, ast.keyword) and node.arg:
            result.members.add(node.arg)
        elif isinstance(node, ast.ClassDef):
            result.names.add(node.name)
        elif isinstance(node, Function):
            result.names.add(node.name)
            result.signatures.append((node.name, _says_any(node)))
            result.lengths.append((node.name, (node.end_lineno or 0) - node.lineno + 1))
    return result


def _says_any(function: Function) -> bool:
    notes = [one.annotation for one in (*function.args.args, *function.args.kwonlyargs)] + [function.returns]
    parts = (part for note in notes if note is not None for part in ast.walk(note))
    return any(isinstance(part, ast.Name) and part.id == "Any" for part in parts)


def imports(path: Path) -> Iterator[tuple[str, bool]]:
    """(top-level module, is it at the top of the file) for each import."""
    return ((name.split(".")[0], at_top) for name, at_top in outline(path).imports)


SOURCES = [path for package in MAY_IMPORT for path in sorted((ROOT / package).rglob("*.py"))]
PROGRAMS = ROOT / "rondo.py"
"""what other people's programs import"""


def offenders(forbidden: Callable[[Path], set[str]]) -> dict[str, list[str]]:
    """The source files that break a law, each with what breaks it."""
    broken = {str(path.relative_to(ROOT)): sorted(forbidden(path)) for path in SOURCES}
    return {path: what for path, what in broken.items() if what}


def test_a_module_imports_only_what_its_package_may() -> None:
    def forbidden(path: Path) -> set[str]:
        package = path.relative_to(ROOT).parts[0]
        imported = {name for name, _ in imports(path)}
        outside = {"streamlit", "argilla", "modal", "starlette", "typer"} if package == "core" else set()
        return imported & ((set(MAY_IMPORT) - MAY_IMPORT[package]) | outside)

    assert offenders(forbidden) == {}


def test_importing_rondo_into_a_program_loads_nothing() -> None:
    assert {name for name, at_top in imports(PROGRAMS) if at_top} <= {"collections", "dataclasses", "pathlib", "typing"}
    assert not loaded_after("import rondo") & {"app", "core", "numpy", *HEAVY}


def imported_modules(path: Path, names: set[str]) -> set[str]:
    """Our modules among what a file imports, wherever the import stands."""
    return outline(path).modules & names


def module_of(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def circle(arrows: dict[str, set[str]]) -> list[str]:
    """One way round, first node last again; empty where there is none."""
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


def test_no_module_imports_itself_in_a_circle() -> None:
    names = {module_of(path) for path in SOURCES}
    arrows = {module_of(path): imported_modules(path, names) - {module_of(path)} for path in SOURCES}
    assert circle(arrows) == []


@pytest.mark.parametrize("top", MAY_IMPORT)
def test_no_room_imports_itself_in_a_circle(top: str) -> None:
    """A room is a folder. The files beside the rooms (core/project.py, core/loop.py ...) hold them together."""
    rooms = {path.name for path in (ROOT / top).iterdir() if (path / "__init__.py").exists()}
    names = {module_of(path) for path in SOURCES}
    arrows: dict[str, set[str]] = {room: set() for room in rooms}
    for path in SOURCES:
        parts = path.relative_to(ROOT).parts
        if parts[0] == top and parts[1] in rooms:
            targets = {name.split(".")[1] for name in imported_modules(path, names) if name.startswith(f"{top}.")}
            arrows[parts[1]] |= (targets & rooms) - {parts[1]}
    assert circle(arrows) == []


PRIVATE_WORDS = {
    *("told", "said", "wanted", "found", "asked", "kept", "given", "heard", "brought"),
    *("who", "ns", "judge", "judges", "judged", "judging", "taught", "teach", "standing", "crossed"),
    *("subject", "subjects", "guess", "guesses", "trouble", "sight", "Sight", "material", "look"),
    *("Each", "Near", "Place", "Told", "place", "places"),
}
"""The first name a moment, not a thing: a result, a prediction, a query, rows are called so. The others have a word of
the field: user, record_nos, scored, train_rows, predict, evaluated, out_of_fold, error_message, status, training_set. A
place is an index, row, position, rank, path, location or runner"""


def test_a_name_says_what_a_thing_is_and_not_when_it_happened() -> None:
    assert offenders(lambda path: outline(path).names & PRIVATE_WORDS) == {}


def test_fewer_than_eight_signatures_of_a_hundred_say_any() -> None:
    """It hides from mypy where the parts meet."""
    vague = {str(path.relative_to(ROOT)): [name for name, says in outline(path).signatures if says] for path in SOURCES}
    total = sum(len(outline(path).signatures) for path in SOURCES)
    assert sum(map(len, vague.values())) < 0.08 * total, {path: names for path, names in vague.items() if names}


def test_heavy_imports_stand_inside_functions() -> None:
    assert offenders(lambda path: {name for name, at_top in imports(path) if at_top} & set(HEAVY)) == {}


def test_files_have_at_most_450_lines_and_functions_60() -> None:
    def too_long(path: Path) -> set[str]:
        functions = {f"{name}: {lines} lines" for name, lines in outline(path).lengths if lines > 60}
        lines = path.read_text(encoding="utf-8").count("\n")
        return functions | ({f"{lines} lines"} if lines > 450 else set())

    assert offenders(too_long) == {}


def loaded_after(code: str) -> set[str]:
    """Modules that a fresh interpreter has loaded after running code."""
    script = f"import sys\n{code}\nprint(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT)
    return set(done.stdout.splitlines()[-1].split())


def test_help_loads_nothing_but_the_command_line() -> None:
    code = (
        "from typer.testing import CliRunner\nfrom app.cli.root import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0"
    )
    assert not loaded_after(code) & {"numpy", "duckdb", "streamlit", "uvicorn", "httpx", "rich", "pydantic", *HEAVY}


def test_a_verb_that_asks_nobody_loads_no_http_and_no_other_verb(tmp_path: Path) -> None:
    create_project(tmp_path / "project", ["a", "b"])
    code = (
        "from pathlib import Path\nfrom app.client import call\nfrom core.reports.overview import show_status\n"
        f"call(Path({str(tmp_path / 'project')!r}), show_status, lambda *_: None)"
    )
    loaded = loaded_after(code)
    assert not loaded & {"httpx", "streamlit", *HEAVY}
    verbs = {path.rpartition(".")[0] for path in VERBS.values()} & set(map(module_of, SOURCES))
    assert loaded & verbs <= {"core.reports.overview", "core.people.audit_log", "core.data.encoding"}


def test_a_job_loads_no_database_and_its_start_nothing_at_all() -> None:
    kinds = (
        "activate",
        "clean",
        "encode",
        "evaluate",
        "generate",
        "ingest",
        "inspect",
        "predict_file",
        "round",
        "train",
    )
    started = "import gpu_jobs.run"
    assert not loaded_after(started) & {"numpy", "duckdb", "pydantic", "core.project", "core.store.database"}
    assert not loaded_after(f"{started}\nfor kind in {kinds}: gpu_jobs.run.KINDS[kind].work") & {"duckdb", *HEAVY}


def test_the_server_stays_light() -> None:
    views = [module_of(path) for path in SOURCES if path.relative_to(ROOT).parts[:3] == ("app", "pages", "parts")]
    assert "app.pages.parts.people.team_view" in views
    assert not loaded_after("import app.server") & {"httpx", "rich", "streamlit", "core.paper.paper", *HEAVY}
    code = f"import streamlit, app.server, app.charts.quality, app.charts.people, {', '.join(views)}"
    assert not loaded_after(code) & set(HEAVY)


def test_streamlit_gets_our_settings_wherever_one_stands_and_a_persons_variable_wins(tmp_path: Path) -> None:
    code = (
        "from app.server import configure_streamlit\nconfigure_streamlit()\nfrom streamlit import config\n"
        "print([config.get_option(name) for name in ('client.toolbarMode', 'browser.gatherUsageStats', "
        "'runner.postScriptGC', 'theme.light.primaryColor')])"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "STREAMLIT_CLIENT_TOOLBAR_MODE": "minimal"}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env=environment
    )
    assert done.stdout.strip() == "['minimal', False, False, '#3158d4']"


ROOMS_OF_LABELS = (
    # what an answer is, the taxonomy, and the one setting that only labels have
    *("core/tasks/label*.py", "core/tasks/tasks.py", "core/config/*", "core/labelling/taxonomy_versions.py"),
    *("core/project.py", "core/loop.py", "app/cli/root.py", "app/cli/trials.py", "app/cli/replay.py"),
    # heads and trainers of labels, their artifacts, and what is measured of them
    *("core/models/heads/*", "core/models/artifacts.py", "core/training/*", "gpu_jobs/trainers/*", "core/registry/*"),
    *("core/explore/label_errors.py", "core/explore/explore_jobs.py", "core/agreement/*"),
    *("app/cli/models/evaluation.py", "gpu_jobs/work/registry/*"),
    *(f"gpu_jobs/work/{name}.py" for name in ("annotator_quality", "inspect", "setfit_head", "train", "trial")),
    # figures about several labels, told only where they may hold
    *("core/reports/datacard.py", "core/reports/overview.py"),
)


def test_no_task_is_named_outside_its_rooms() -> None:
    """Everything else asks `Task` and `AnswerSpace`: tests/number_task.py goes through all of it."""

    def labels(path: Path) -> set[str]:
        if any(path.relative_to(ROOT).match(room) for room in ROOMS_OF_LABELS):
            return set()
        return imported_modules(path, label_modules) | (outline(path).members & {"multi"})

    label_modules = {name for name in map(module_of, SOURCES) if ".tasks.label" in name}
    assert offenders(labels) == {}
