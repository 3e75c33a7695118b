"""Out-of-fold predictions of records come back as they were stored, and nothing else is taken for them."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save_file

from core.errors import Damaged
from core.models.out_of_fold import (
    JUDGED,
    VERDICTS,
    OutOfFold,
    read_held_out,
    read_out_of_fold,
    write_held_out,
    write_out_of_fold,
)

ROWS = st.lists(st.integers(0, 2**40), max_size=20, unique=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("model")


@given(rows=ROWS, labels=st.integers(1, 20))
def test_what_was_kept_comes_back_sorted_by_record(folder: Path, rows: list[int], labels: int) -> None:
    numbers = np.array(rows, np.int64)
    probs = np.random.default_rng(0).random((len(rows), labels), np.float32)
    write_held_out(folder, numbers, probs)
    judged = read_held_out(folder, labels)
    assert judged is not None
    order = np.argsort(numbers)
    assert judged.rows.tolist() == sorted(rows)
    assert np.array_equal(judged.probs, probs[order])
    retained = OutOfFold(
        numbers[order], probs > 0.5, probs.argmax(axis=1), probs.max(axis=1), np.ones(len(rows)), order
    )
    write_out_of_fold(folder, retained)
    out_of_fold = read_out_of_fold(folder, np.zeros((0, labels), np.bool_))
    assert out_of_fold is not None
    for before, after in zip(vars(retained).values(), vars(out_of_fold).values(), strict=True):
        assert np.array_equal(before, after)


def test_a_model_that_kept_nothing_says_so(tmp_path: Path) -> None:
    assert read_held_out(tmp_path, 3) is None
    assert read_out_of_fold(tmp_path, np.zeros((0, 3), np.bool_)) is None


N, PROBS, BITS = np.arange(3), np.zeros((3, 2), np.float32), np.zeros((3, 1), np.uint8)


@pytest.mark.parametrize(
    "arrays",
    [
        {"n": N},
        {"n": N[:2], "probs": PROBS},
        {"n": N, "probs": PROBS[:, :1]},
        {"n": N.astype(np.float32), "probs": PROBS},
        {"n": N[::-1].copy(), "probs": PROBS},
        {"n": np.zeros(3, np.int64), "probs": PROBS},
        {"n": N, "probs": PROBS.astype(np.int64)},
    ],
)
def test_judgements_of_another_shape_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    save_file(arrays, tmp_path / JUDGED)
    with pytest.raises(Damaged, match=r"judged\.safetensors cannot be read: it does not fit 2 labels.*rondo train"):
        read_held_out(tmp_path, 2)


@pytest.mark.parametrize(
    "arrays",
    [
        {"rows": N},
        {"rows": N, "said": np.zeros((3, 2), np.uint8)},
        {"rows": N, "said": np.zeros((3, 1), np.int64)},
        {"rows": N, "said": BITS, "label": N[:2]},
    ],
)
def test_verdicts_of_another_shape_are_refused(tmp_path: Path, arrays: dict[str, np.ndarray]) -> None:
    save_file(arrays, tmp_path / VERDICTS)
    with pytest.raises(Damaged, match=r"verdicts\.safetensors cannot be read"):
        read_out_of_fold(tmp_path, np.zeros((0, 2), np.bool_))


def test_verdicts_from_before_chances_were_kept_are_still_read(tmp_path: Path) -> None:
    save_file({"rows": N, "said": BITS}, tmp_path / VERDICTS)
    out_of_fold = read_out_of_fold(tmp_path, np.zeros((0, 2), np.bool_))
    assert out_of_fold is not None
    assert (len(out_of_fold.rows), len(out_of_fold.label), len(out_of_fold.labels)) == (3, 0, 0)


def test_a_file_cut_short_is_refused(tmp_path: Path) -> None:
    write_held_out(tmp_path, N, PROBS)
    whole = (tmp_path / JUDGED).read_bytes()
    (tmp_path / JUDGED).write_bytes(whole[:-1])
    with pytest.raises(Damaged, match="cannot be read"):
        read_held_out(tmp_path, 2)
