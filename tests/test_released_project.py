"""A project of the released version, kept as SQL and its models' files: it opens, says the same, and goes on."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from core import loop, simulate
from core.auto_label.guarantees import guarantee_in_force
from core.backup.repair import repair
from core.data.encoding import encode
from core.data.file_import import import_file
from core.labelling.settling import answer_parameters, verdicts
from core.models.in_use import active_model
from core.project import Project, open_project
from core.reports.overview import show_status
from core.store.migrations import MIGRATIONS
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import COLUMNS, quiet, write_csv

RELEASED = Path(__file__).with_name("released_project")
SCHEMA = 9
OPENS_AND_DIES = "import os, sys; from pathlib import Path; from core.store.database import Store; " + (
    "store = Store(Path(sys.argv[1])); os._exit(0)"
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the released version left it: three models, of which a trained one is champion, and a guarantee on it."""
    folder = tmp_path / "project"
    shutil.copytree(RELEASED, folder)
    sql = folder / "project.sql"
    with duckdb.connect(str(folder / "rondo.duckdb")) as database:
        database.execute(sql.read_text(encoding="utf-8"))
    sql.unlink()
    return folder


@pytest.fixture
def released(folder: Path) -> Iterator[Project]:
    project = open_project(folder, InProcessRunner())
    yield project
    project.close()


def test_it_opens_and_shows_the_same_figures(released: Project) -> None:
    count = released.store.one
    assert count("select max(version) from schema_version") == len(MIGRATIONS) > SCHEMA
    assert (count("select count(*) from records"), count("select count(*) from responses")) == (65, 60)
    assert active_model(released) == "20261129-114407-train-36b9b2"
    guarantee = guarantee_in_force(released)
    assert guarantee is not None
    assert (guarantee.guarantee.user, guarantee.covered, guarantee.waiting) == ("ada", 12, 12)
    assert show_status(released, quiet).labelled == 34


def test_its_labels_settle_as_they_were_settled(released: Project) -> None:
    before = released.store.query("select n, labels, how, stratum from settled order by n")
    with released.store.reading() as cursor:
        anew = verdicts("select n from records", released.settings())
        rows = cursor.execute(
            f"select n, labels, how, stratum from ({anew}) order by n", answer_parameters(released.settings())
        ).fetchall()
    assert rows == before


def test_it_goes_on(released: Project, truth: dict[str, tuple[str, ...]], tmp_path: Path) -> None:
    file = write_csv(tmp_path / "more.csv", 80, labelled=False)
    import_file(released, quiet, file=str(file), **COLUMNS)
    encode(released, quiet)
    assert simulate.answer_queued(released, truth, 12) == 12
    result = loop.play_round(released, quiet, size=6)
    assert result.queued == 6
    assert result.metrics
    assert result.metrics.gold
    assert result.metrics.gold.n == 16


def test_one_that_was_killed_while_it_was_migrated_opens(folder: Path) -> None:
    subprocess.run([sys.executable, "-c", OPENS_AND_DIES, str(folder)], check=True)
    project = open_project(folder, InProcessRunner())
    assert project.store.one("select count(*) from guarantees where state = 'in_force'") == 1
    project.close()


def test_one_that_was_damaged_before_it_was_opened_is_repaired(folder: Path) -> None:
    """Rows that can be read go through the same migrations."""
    database = folder / "rondo.duckdb"
    size = os.path.getsize(database)
    with database.open("r+b") as file:  # the pages of some table or other
        file.seek(size // 2)
        file.write(os.urandom(300_000))
    result = repair(folder, quiet)
    assert result.damage
    project = open_project(folder, InProcessRunner())
    assert project.store.one("select max(version) from schema_version") == len(MIGRATIONS)
    assert project.store.one("select count(*) from responses") > 0
    project.close()
