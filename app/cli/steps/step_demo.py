"""The demo of structured answers: a dozen tales of our own, most of them answered, the rest to be answered."""

import json
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import RenderableType

from app.cli.demo import Demo, OracleRun, curve_lines, make_ready, play_rounds
from core.extract import examples
from core.jobs.bundle import Report
from core.store.whole_files import whole_file

if TYPE_CHECKING:
    from core.project import Project
    from core.simulate import Truth

TALES = Path(examples.__path__[0]) / "tales.jsonl"
OPEN = ("bell", "shoe", "bridge", "seed")
"""tales that nobody has answered yet"""


def prepare_tales(folder: Path, report: Report, *, queue: bool) -> None:
    """Makes the demo project, or continues the existing one; `queue` chooses a first batch."""
    fill_tales(folder, report)
    make_ready(folder, report, queue=queue)


def fill_tales(folder: Path, report: Report) -> None:
    """The project with its tales, nothing encoded."""
    from app.client import call
    from core.extract.import_annotations import import_annotations
    from core.extract.step_files import load_steps
    from core.loop import create_project

    if not (folder / "rondo.toml").exists():
        create_project(folder, [], task="extract", steps=load_steps("folktales"))
    file = folder / "tales.jsonl"
    if not file.exists():
        with whole_file(file) as partial, partial.open("w", encoding="utf-8") as lines:
            for tale in _tales():
                open_tale = tale["story"] in OPEN
                lines.write(json.dumps(tale | ({"answer": None} if open_tale else {}), ensure_ascii=False) + "\n")
    call(folder, import_annotations, report, file=str(file.resolve()), map=str(TALES.with_name("tales.toml")))


def _tales() -> list[dict[str, object]]:
    return [json.loads(line) for line in TALES.read_text(encoding="utf-8").splitlines()]


def play_tales(folder: Path, rounds: int, report: Report) -> OracleRun:
    """Answers as the tales have them, and returns the curve."""
    from core.tasks.extract_answers import canonical

    answers = {str(tale["id"]): canonical({"values": tale["answer"], "spans": {}}) for tale in _tales()}

    def truth_of(project: "Project") -> "Truth":
        return {id: answers[id] for (id,) in project.store.query("select id from records")}

    return play_rounds(folder, rounds, truth_of, report)


def tale_lines(result: OracleRun) -> list[RenderableType]:
    """The curve on the audit, and where to look at the project."""
    return curve_lines(result, "audit", "answers")


STEP_DEMO = Demo("demo-tales", prepare_tales, play_tales, tale_lines)
