"""What an answer says stands twice, as JSON and as a list of labels: whoever writes it writes both, and they agree."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import loop, simulate
from core.auto_label.accepting import auto
from core.data.encoding import encode
from core.data.file_import import import_file
from core.labelling.bulk import label_many
from core.labelling.changes import change_settings
from core.labelling.corrections import correct
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.resettling import settle_all
from core.labelling.responses import Event
from core.project import Project
from core.registry.activation import promote
from core.store.answers import APP, ARGILLA, BULK, CORRECTION, CROWD, FILE, answer_text
from core.store.database import Store
from tests.conftest import quiet
from tests.registry_world import enter, good_head

WRONG = {
    "responses": "answer is distinct from if(action = 'submit', answer_of(labels), null)",
    "settled": "answer is distinct from answer_of(labels)",
    "suggestions": "answer is distinct from answer_of(labels)",
    "machine_labels": "answer is distinct from answer_of(labels)",
    "held_out_predictions": "truth_answer is distinct from answer_of(truth) or "
    "predicted_answer is distinct from answer_of(predicted)",
}


def check(project: Project) -> None:
    counts = {table: project.store.one(f"select count(*) from {table} where {sql}") for table, sql in WRONG.items()}
    assert counts == dict.fromkeys(WRONG, 0)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("answers"))
    yield store
    store.close()


# Of control characters, of which no label's id holds any, DuckDB writes \u000F and Python \u000f.
IDS = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=5)


@given(labels=st.lists(IDS, max_size=4))
def test_the_database_and_python_write_the_same_text(store: Store, labels: list[str]) -> None:
    assert store.one("select answer_of($1::varchar[])::varchar", [labels]) == answer_text(sorted(labels))


def test_answer_and_labels_agree_whoever_writes_them(
    project: Project, truth: dict[str, tuple[str, ...]], tmp_path: Path
) -> None:
    change_settings(project, audit_share=0.5, automatic=False)
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 12, "default"), quiet)
    free = [n for (n,) in project.store.query("select n from records where n not in (select n from queue) order by n")]
    label_many(project, free[:4], ["food"], "ada")
    [(labelled,)] = project.store.query("select id from records join settled using (n) where stratum = 'audit' limit 1")
    correct(project, labelled, list(truth[labelled]), "cleo")
    named = tmp_path / "named.csv"
    named.write_text("id,text,who,topic\nc0,A text about cake.,dan,food\nc0,A text about cake.,eve,music\n")
    import_file(project, quiet, file=str(named), text=["text"], id="id", label="topic", annotator="who")
    unnamed = tmp_path / "unnamed.csv"
    unnamed.write_text("id,text,topic\nm0,Some soup for the witness.,food\nm1,A piano in the fog.,\n")
    import_file(project, quiet, file=str(unnamed), text=["text"], id="id", label="topic")
    heard = Event("argilla:1", "m1", "submit", ("music",), source=ARGILLA, origin="d")
    assert project.label_queue.receive([("fay", heard)]) == {"argilla:1": "stored"}
    loop.next_batch(project, quiet, size=3)
    skipped = Event("s", "m1", "skip")
    project.label_queue.exchange(
        Holder("gil", "tab"), QueueRequest(events=(skipped, Event("u", "m1", "undo", undoes="s")))
    )
    check(project)
    sources = {source for (source,) in project.store.query("select distinct source from responses")}
    assert sources == {APP, FILE, BULK, ARGILLA, CROWD, CORRECTION}

    encode(project, quiet)
    promote(project, quiet, model=enter(project, good_head(project)), force=True, reason="to try it")
    assert auto(project, quiet, accept=True, precision=0.6, confidence=0.6).accepted > 0
    with project.label_queue.changing() as cursor:
        settle_all(cursor, project.settings())
    check(project)
