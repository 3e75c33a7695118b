"""Any two texts are judged beside a project's pool: the same both ways, cached, with the reason if by no model."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import loop, simulate
from core.errors import BadInput, Refused
from core.pairs.blocking.find_candidates import candidates
from core.pairs.predict import SIMILARITY, predict_pairs
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet
from tests.pair_world import products
from tests.test_pair_project import bring_shops, new_project, truth_of

COUNT = 40


@pytest.fixture(scope="module")
def shops(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Two sources, paired; no decision yet."""
    folder = tmp_path_factory.mktemp("predict")
    project = new_project(folder / "pairs")
    bring_shops(project, folder)
    candidates(project, quiet)
    yield project
    project.close()


def test_pairs_are_rated_without_and_with_a_model(shops: Project) -> None:
    left, right = products(COUNT)
    pairs = [(left[0], right[0]), (left[0], right[7]), (right[0], left[0])]
    before = predict_pairs(shops, quiet, pairs=pairs)
    assert (before.model, before.guarantee) == (None, None)
    assert "No model is in use" in before.reason
    assert {one.by for one in before.predictions} == {SIMILARITY}
    simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(3, 40, "default"), quiet)
    after = predict_pairs(shops, quiet, pairs=pairs)
    assert (after.reason, after.known) == ("", 0)
    same, other, turned = after.predictions
    assert (same.by, turned) == (after.model, same)
    assert same.probability > 0.5 > other.probability
    assert other.decision == "apart"
    again = predict_pairs(shops, quiet, pairs=[pairs[2]], auto_above=1.0, drop_below=0.0)
    assert (again.known, again.predictions[0].probability) == (1, same.probability)
    assert again.predictions[0].decision == "unsure"
    new = predict_pairs(shops, quiet, pairs=[("name: a thing nobody sells\nprice: 1", left[3])])
    assert new.predictions[0].decision == "apart"


def test_under_a_guarantee_nothing_is_merged_below_what_it_rests_on(shops: Project) -> None:
    left, right = products(COUNT)
    if not shops.store.one("select count(*) from models"):
        simulate.simulate_rounds(shops, truth_of(shops), simulate.Budget(1, 80, "default"), quiet)
    with shops.store.transaction() as cursor:
        cursor.execute(
            """insert into guarantees (id, made_at, user, model, encoder, taxonomy, precision, per_label, confidence,
                                       thresholds, certificate, covered, pool, state)
               select 'g', now(), 'ann', 'm', 'e', 1, .95, null, .9, '{"same": 0.999}', '{}', 1, 1, 'in_force'"""
        )
    result = predict_pairs(shops, quiet, pairs=[(left[0], right[0])], auto_above=0.5, drop_below=0.4)
    assert (result.merge_from, result.guarantee) == (0.999, 0.95)
    with shops.store.transaction() as cursor:
        cursor.execute("delete from guarantees")


def test_the_two_questions_of_the_recipe_are_answered_by_the_database(shops: Project) -> None:
    for _ in range(2):
        loop.play_round(shops, quiet, size=20, spare=0)
        simulate.answer_queued(shops, truth_of(shops), 20)
    recipe = (Path(__file__).parent.parent / "docs/recipes/merge_decisions.md").read_text(encoding="utf-8")
    accuracy, mistakes = re.findall(r"```sql\n(.*?)```", recipe, re.DOTALL)
    [(reviewed, right, share)] = shops.store.query(accuracy)
    wrong = shops.store.query(mistakes)
    assert reviewed > 0
    assert right + len(wrong) == reviewed
    assert share == pytest.approx(100 * right / reviewed, abs=0.01)


@pytest.mark.parametrize(
    ("pairs", "options", "says"),
    [
        ([["one"]], {}, "Pair 1 is not two texts"),
        (["ab"], {}, "Pair 1 is not two texts"),
        ([["a", "b"], ["a", " "]], {}, "Pair 2 has an empty text"),
        ([["a", "b" * 100_001]], {}, "100,001 characters"),
        ([["a", "b"]], {"auto_above": 0.5}, "does not fit"),
    ],
)
def test_what_is_no_pair_is_named(shops: Project, pairs: list[list[str]], options: dict[str, Any], says: str) -> None:
    with pytest.raises(BadInput, match=says):
        predict_pairs(shops, quiet, pairs=pairs, **options)


def test_labels_are_no_pairs(tmp_path: Path) -> None:
    loop.create_project(tmp_path / "labels", ["a", "b"])
    labels = open_project(tmp_path / "labels", InProcessRunner())
    with pytest.raises(Refused, match="no pairs"):
        predict_pairs(labels, quiet, pairs=[["a", "b"]])
    labels.close()


def test_unsure_pairs_come_into_the_project_once(shops: Project) -> None:
    pairs = [("name: a lamp of glass\nprice: 7", "name: glass lamp\nprice: 8")]
    before = shops.store.one("select count(*) from records")
    added = [
        predict_pairs(shops, quiet, pairs=pairs, auto_above=1.0, drop_below=0.0, keep_unsure=True).new_records
        for _ in "ab"
    ]
    assert added == [1, 0]
    assert shops.store.one("select count(*) from records") == before + 1
    assert shops.store.one("select count(*) from pairs") == before + 1
