"""A challenger comes in only where it is better on records that neither has learnt from, or a person says why."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Damaged, Refused
from core.ids import ModelId
from core.labelling.changes import change_settings
from core.models.in_use import active_model
from core.models.out_of_fold import write_held_out
from core.project import Project
from core.registry.activation import promote
from core.registry.champions import find_model
from core.registry.gate import gate
from core.registry.unseen_predictions import read_predictions, read_truth
from core.tasks.labels import labels_space
from tests.conftest import quiet
from tests.registry_world import LABELS, answers, bad_head, enter, good_head, played


@pytest.fixture
def two(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """Two rounds with 16 audit records, 12 gold ones, and the head of the second as champion."""
    with played(encoded, tmp_path / "played") as project:
        yield project


@pytest.fixture
def guessing(two: Project) -> Project:
    """The same with a champion that guesses."""
    promote(two, quiet, model=enter(two, bad_head()), force=True, reason="for this test")
    return two


@pytest.fixture
def one(encoded: Path, tmp_path: Path) -> Iterator[Project]:
    """One round, 8 audit records."""
    with played(encoded, tmp_path / "played", rounds=1) as project:
        yield project


def test_a_better_challenger_passes_on_the_audit_with_evidence(guessing: Project) -> None:
    verdict = gate(guessing, model=enter(guessing, good_head(guessing)))
    assert verdict.passes
    assert (verdict.stratum, verdict.n, verdict.missing) == ("audit", 16, 0)
    assert verdict.difference is not None
    assert verdict.difference.low > 0
    assert verdict.difference.value == verdict.strata[0].decisive.value
    assert verdict.strata[0].macro_f1 == verdict.strata[0].decisive != verdict.strata[0].accuracy
    assert "On 16 audit records" in verdict.sentence


def test_asked_again_it_says_the_same_and_a_new_answer_changes_it(guessing: Project) -> None:
    challenger = enter(guessing, good_head(guessing))
    first = gate(guessing, model=challenger)
    assert gate(guessing, model=challenger) == first
    with guessing.store.transaction() as cursor:  # all gold and audit records have another label now
        cursor.execute(
            "update settled set labels = ['food'], answer = answer_of(['food']) where stratum in ('audit', 'gold')"
        )
    assert gate(guessing, model=challenger).difference != first.difference


def test_an_equal_challenger_does_not_pass(guessing: Project) -> None:
    verdict = gate(guessing, model=enter(guessing, bad_head()))
    assert not verdict.passes
    assert verdict.difference is not None
    assert verdict.difference.value == 0
    assert verdict.sentence.endswith("It is not better.")
    assert verdict.missing is None


def test_one_more_right_answer_may_be_chance_and_the_records_that_would_decide_are_counted(guessing: Project) -> None:
    challenger = enter(guessing, bad_head())
    with guessing.store.reading() as cursor:
        truth = read_truth(cursor, labels_space(LABELS, several=False))
    message = read_predictions(guessing, challenger, truth).answers.astype(np.float32)
    wrong = np.flatnonzero(truth.audit & (message != truth.answers).any(axis=1))[0]
    message[wrong] = truth.answers[wrong]
    write_held_out(guessing.models / challenger, truth.rows, message)
    verdict = gate(guessing, model=challenger)
    assert verdict.difference is not None
    assert verdict.difference.value > 0 > verdict.difference.low
    assert not verdict.passes
    assert verdict.missing is not None
    assert verdict.missing > 0
    assert f"About {verdict.missing:,} more audit records would tell." in verdict.sentence


def test_a_worse_challenger_is_refused_with_the_figures_and_the_refusal_is_kept(two: Project) -> None:
    before, model = active_model(two), enter(two, bad_head())
    with pytest.raises(Refused, match=r"On 16 audit records.*--force --reason"):
        promote(two, quiet, model=model, user="ana")
    assert active_model(two) == before
    assert two.store.one("select user from audit_log where what = 'gate' and detail->>'model' = ?", [model]) == "ana"


def test_who_overrules_the_gate_says_why_and_it_is_logged(two: Project) -> None:
    model = enter(two, bad_head())
    with pytest.raises(BadInput, match="say why"):
        promote(two, quiet, model=model, force=True, reason="  ")
    result = promote(two, quiet, model=model, force=True, reason="The customer wants it.", user="ana")
    assert "The gate was overruled: The customer wants it." in result.sentence
    assert active_model(two) == model
    row = two.store.query("select user, how, reason, evidence->>'passes' from champions where model = ?", [model])
    assert row == [("ana", "promoted", "The customer wants it.", "false")]
    assert two.store.one("select detail->>'reason' from audit_log where what = 'promote'") == row[0][2]


def test_a_champion_whose_files_are_gone_can_be_replaced_by_force_alone(two: Project) -> None:
    model = enter(two, bad_head())
    shutil.rmtree(two.models / (active_model(two) or ModelId("")))
    with pytest.raises(Refused, match=r"The champion cannot be compared: The files of .* are gone.*--force --reason"):
        promote(two, quiet, model=model)
    with pytest.raises(BadInput, match="say why"):
        promote(two, quiet, model=model, force=True, reason="\u200b")  # a space of no width is no reason
    result = promote(two, quiet, model=model, force=True, reason="Its files are gone.")
    assert active_model(two) == model
    assert result.gate is not None
    assert "cannot be compared" in result.gate.sentence


def test_without_a_champion_there_is_nothing_to_beat(project: Project) -> None:
    model = enter(project, bad_head())
    assert active_model(project) is None
    assert gate(project, model=model).passes
    promote(project, quiet, model=model)
    assert active_model(project) == model


def test_with_too_few_audit_records_gold_decides_and_with_too_few_of_both_nothing_does(one: Project) -> None:
    verdict = gate(one, model=enter(one, bad_head()))
    assert (verdict.passes, verdict.stratum, verdict.missing) == (False, None, 3)
    assert "3 more are needed" in verdict.sentence
    with one.store.transaction() as cursor:  # four more known answers
        cursor.execute("update settled set stratum = 'gold' where n in (select n from settled where stratum = 'chosen'"
                       " order by n limit 4)")  # fmt: skip
    verdict = gate(one, model=enter(one, bad_head()))
    assert (verdict.stratum, verdict.n) == ("gold", 16)


def test_a_round_s_head_is_scored_by_out_of_fold_predictions_of_audit_records(two: Project) -> None:
    champion = active_model(two) or ModelId("")
    with two.store.reading() as cursor:
        truth = read_truth(cursor, labels_space(LABELS, several=False))
    before = read_predictions(two, champion, truth)
    assert before.rows.tolist() == truth.rows.tolist()
    (two.models / champion / "verdicts.safetensors").unlink()
    assert read_predictions(two, champion, truth).rows.tolist() == truth.rows[~truth.audit].tolist()


def test_audit_records_answered_after_both_were_made_are_predicted_by_both(two: Project) -> None:
    model = enter(two, good_head(two))
    queued = loop.next_batch(two, quiet, size=8, spare=0).queued
    simulate.answer_queued(two, answers(), queued)
    verdict = gate(two, model=model)
    assert verdict.n > 16
    assert verdict.unjudged == 0


def test_later_gold_with_texts_of_the_training_set_is_not_scored(two: Project, tmp_path: Path) -> None:
    model = enter(two, bad_head())
    [(n, text)] = two.store.query(
        "select n, text from records join settled using (n) where stratum = 'chosen' order by n limit 1"
    )
    lines = [f'"{text.upper()}",food,test', '"A soup that nobody has cooked before.",food,test']
    (tmp_path / "gold.csv").write_text("text,topic,split\n" + "\n".join(lines) + "\n", encoding="utf-8")
    import_file(two, quiet, file=str(tmp_path / "gold.csv"), text=["text"], label="topic", split="split")
    encode(two, quiet)
    with two.store.reading() as cursor:
        truth = read_truth(cursor, labels_space(LABELS, several=False))
    twin, fresh = sorted(set(truth.rows[~truth.audit].tolist()))[-2:]
    assert twin > n
    rows = read_predictions(two, model, truth).rows
    assert (twin in rows, fresh in rows) == (False, True)


def test_what_cannot_be_put_to_use_is_refused_in_a_sentence(one: Project) -> None:
    champion = active_model(one) or ""
    with pytest.raises(Refused, match="champion already"):
        promote(one, quiet, model="champion")
    with pytest.raises(BadInput, match="no model 'nobody'"):
        promote(one, quiet, model="nobody")
    headless, broken, other = (enter(one, bad_head(seed=seed)) for seed in range(3))
    with one.store.transaction() as cursor:
        cursor.execute("update models set encoder = '' where id = ?", [headless])
    with pytest.raises(Refused, match="has no head"):
        promote(one, quiet, model=headless, force=True, reason="try")
    weights = one.models / broken / "head.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="changed after it was saved"):
        promote(one, quiet, model=broken, force=True, reason="try")
    change_settings(one, add_label="traffic")
    with pytest.raises(Refused, match="does not know traffic"):
        promote(one, quiet, model=other, force=True, reason="try")
    assert one.store.one("select max(model) from champions") == champion


def test_a_model_is_named_by_an_end_that_no_other_has(project: Project) -> None:
    model = enter(project, bad_head())
    assert find_model(project, model[-6:]) == model
    enter(project, bad_head())
    with pytest.raises(BadInput, match="no model ''"):
        find_model(project, "")
    assert find_model(project, model) == model


def test_a_model_that_does_not_fit_the_labels_is_refused_with_the_reason(two: Project) -> None:
    champion = active_model(two) or ModelId("")
    change_settings(two, add_label="sport")
    with two.store.reading() as cursor:
        truth = read_truth(cursor, labels_space((*LABELS, "sport"), several=False))
    with pytest.raises(Refused, match=f"{champion} has other labels than the project has now: it does not know sport"):
        read_predictions(two, champion, truth)
