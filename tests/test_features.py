"""Rounds compare encoders on the labels so far, and change to one that clearly wins twice, once it has encoded all."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from core import loop
from core.arrays import Bools, Floats
from core.config.settings import read_settings, write_settings
from core.data.encoding import encode
from core.data.file_import import import_file
from core.evaluation.metrics import read_metrics
from core.models.encoder_comparison import compare_features
from core.models.encoders.encoder import EMBEDDED, JOINED, MULTILINGUAL
from core.models.encoders.loading import load_encoder
from core.models.feature_check import FeatureCheck, feature_sentence, is_due
from core.models.in_use import active_model
from core.models.vectors import open_vectors
from core.project import Project, open_project
from core.registry.tuning import first_encoder, untunable
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

WORDS = {
    "animal": "고양이 강아지 호랑이 토끼 코끼리 원숭이 여우 사슴 늑대 기린 돼지 염소 참새 독수리",
    "vehicle": "자동차 버스 기차 비행기 자전거 트럭 오토바이 지하철 택시 여객선 요트 헬리콥터 마차 승용차",
    "food": "김치 라면 비빔밥 불고기 떡볶이 만두 국수 삼겹살 된장찌개 김밥 냉면 잡채 빵 케이크",
}
RECORDS = [
    (word, topic)
    for words in zip(*(line.split() for line in WORDS.values()), strict=True)
    for word, topic in zip(words, WORDS, strict=True)
]


def made(records: int = 60, seed: int = 0) -> tuple[dict[str, Floats], Bools]:
    """Vectors that say nothing and vectors that say all, of records of three labels."""
    rng = np.random.default_rng(seed)
    truth = rng.permutation(np.arange(records) % 3)
    noise, signal = rng.normal(size=(2, records, 16))
    signal[np.arange(records), truth] += 6
    unit = {name: rows / np.linalg.norm(rows, axis=1, keepdims=True) for name, rows in (("a", noise), ("b", signal))}
    return unit, np.eye(3, dtype=bool)[truth]


def test_what_wins_twice_is_decided_on_and_what_wins_once_is_not() -> None:
    vectors, targets = made()
    everybody = np.ones(60, bool)
    first = compare_features(vectors, targets, everybody, "a", None)
    assert first
    assert (first.better, first.wins, first.decided) == ("b", 1, "")
    second = compare_features(vectors, targets, everybody, "a", first)
    assert second
    assert (second.wins, second.decided) == (2, "b")
    assert "b is clearly better than the one in use (2 of 2" in feature_sentence(second)
    other = compare_features(vectors, targets, everybody, "b", second)
    assert other
    assert (other.better, other.wins, other.in_use) == ("", 0, "b")


def test_records_that_doubt_has_chosen_do_not_judge() -> None:
    """They are those that the encoder in use cannot tell: any other would win on them."""
    vectors, targets = made(90)
    hard = np.arange(90) >= 40
    good = vectors["b"].copy()
    good[hard] = vectors["a"][hard]
    vectors = {"a": good, "b": vectors["b"]}
    fair = compare_features(vectors, targets, ~hard, "a", None)
    unfair = compare_features(vectors, targets, np.ones(90, bool), "a", None)
    assert fair
    assert unfair
    assert (fair.better, unfair.better) == ("", "b")


def test_too_few_records_say_nothing_and_the_next_comparison_waits_for_half_as_many_again() -> None:
    vectors, targets = made(30)
    assert compare_features(vectors, targets, np.arange(30) < 19, "a", None) is None
    assert [is_due(labels, None) for labels in (19, 20)] == [False, True]
    last = FeatureCheck(40, 30, "a", {})
    assert [is_due(labels, last) for labels in (59, 60)] == [False, True]


def test_both_encoders_as_one_give_unit_rows_with_the_first_one_in_front(tmp_path: Path) -> None:
    joined, first = (load_encoder(name, tmp_path, 1) for name in (JOINED, EMBEDDED))
    rows = joined.encode_each(["one text", "", "안녕하세요"])
    assert rows.shape == (3, joined.dims) == (3, 576)
    assert np.allclose(np.linalg.norm(rows, axis=1), 1, atol=1e-4)
    assert np.allclose(rows[:, :384] * np.sqrt(2), first.encode_each(["one text", "", "안녕하세요"]), atol=1e-6)
    assert np.array_equal(rows[1:2], joined.encode_each([""]))


@pytest.fixture
def korean(tmp_path: Path) -> Iterator[Project]:
    """Words of three topics, whose encoder a person has fixed while they came in."""
    folder = tmp_path / "korean"
    loop.create_project(folder, list(WORDS))
    write_settings(folder, replace(read_settings(folder), choose_encoder=False))
    project = open_project(folder, InProcessRunner())
    yield project
    project.close()


def bring(project: Project, records: list[tuple[str, str]]) -> None:
    file = project.folder.parent / f"{len(records)}.csv"
    file.write_text("text,label\n" + "".join(f"{text},{label}\n" for text, label in records))
    import_file(project, quiet, file=str(file), text=["text"], label="label")


def test_a_round_finds_the_better_encoder_and_the_next_ones_use_it(korean: Project) -> None:
    bring(korean, RECORDS[:24])
    loop.fit(korean, quiet)
    assert read_features(korean) is None  # a person has fixed it
    korean.save_settings(replace(korean.settings(), choose_encoder=True))
    first = loop.fit(korean, quiet).metrics
    assert first
    assert first.features
    assert first.features.unbiased == 24
    assert first.features.better in (MULTILINGUAL, JOINED)
    bring(korean, RECORDS[24:])
    loop.fit(korean, quiet)
    check = read_features(korean)
    assert check
    assert check.decided
    assert korean.settings().encoder == EMBEDDED  # until all records have the other vectors
    encode(korean, quiet)
    loop.fit(korean, quiet)
    assert korean.settings().encoder == check.decided
    model = active_model(korean)
    assert korean.store.one("select encoder from models where id = ?", [model]) == check.decided
    assert len(open_vectors(korean.vectors, check.decided)) == len(RECORDS)
    assert korean.store.one("select count(*) from audit_log where what = 'encoder'") == 1
    assert untunable(korean) is None
    assert first_encoder(korean, MULTILINGUAL) == EMBEDDED  # which rounds had changed from


def test_texts_that_asked_for_the_multilingual_encoder_are_not_tuned(korean: Project) -> None:
    korean.save_settings(replace(korean.settings(), encoder=MULTILINGUAL))
    assert str(untunable(korean)).startswith(f"{MULTILINGUAL} cannot be tuned")


def read_features(project: Project) -> FeatureCheck | None:
    model = active_model(project)
    stored = project.store.one("select metrics from models where id = ?", [model])
    return read_metrics(stored, str(model)).features
