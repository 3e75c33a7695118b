"""docs/database.md names every table and view, and its questions are answered by a project's database."""

import re
import shutil
from pathlib import Path

import duckdb
import pytest

from core import loop, simulate
from core.data.balance import balance
from core.data.clean import clean
from core.project import open_project
from core.store.database import FILE
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet, sentences

DOCUMENT = (Path(__file__).parent.parent / "docs" / "database.md").read_text(encoding="utf-8")
QUESTIONS = re.findall(r"```sql\n(.*?)```", DOCUMENT, re.DOTALL)


@pytest.fixture(scope="module")
def answered(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two batches answered, the second under a model in use; some texts cleaned, some records left out."""
    folder = tmp_path_factory.mktemp("answered") / "project"
    shutil.copytree(played, folder)
    project = open_project(folder, InProcessRunner())
    truth = {f"r{number}": (topic,) for number, (_, topic) in enumerate(sentences(60))}
    loop.play_round(project, quiet, size=10, spare=0)
    simulate.answer_queued(project, truth, 10)
    with project.store.transaction() as cursor:
        cursor.execute("update records set text = text || ' @ann' where n < 5")
    clean(project, quiet, rules=["names"], apply=True)
    balance(project, quiet, reduce_majority_to=1, apply=True)
    project.close()
    return folder / FILE


def test_every_table_and_view_is_named(answered: Path) -> None:
    with duckdb.connect(str(answered), read_only=True) as connection:
        names = connection.execute(
            """select table_name from duckdb_tables() union all
               select view_name from duckdb_views() where not internal union all
               select function_name from duckdb_functions() where function_type = 'macro' and not internal"""
        ).fetchall()
    documented = set(re.findall(r"`(\w+)(?:\([^)]*\))?`", DOCUMENT))
    assert sorted(name for (name,) in names if name not in documented) == []


@pytest.mark.parametrize("question", QUESTIONS, ids=[one.splitlines()[0][3:] for one in QUESTIONS])
def test_a_question_is_answered(answered: Path, question: str) -> None:
    with duckdb.connect(str(answered), read_only=True) as connection:
        rows = connection.execute(question).fetchall()
    if "not p.is_correct" not in question:
        assert rows


def test_the_figures_of_the_questions_agree(answered: Path) -> None:
    with duckdb.connect(str(answered), read_only=True) as connection:
        [(reviewed, correct, percent)] = connection.execute(QUESTIONS[0]).fetchall()
        mistakes = connection.execute(QUESTIONS[1]).fetchall()
        by_confidence = connection.execute(QUESTIONS[2]).fetchall()
    assert reviewed > 0
    assert correct + len(mistakes) == reviewed == sum(row[1] for row in by_confidence)
    assert percent == pytest.approx(100 * correct / reviewed, abs=0.01)
