"""The growing file of vectors: appending is all or nothing, also across kill -9, and damage is told, not read."""

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import Damaged
from core.models.vectors import (
    FACTS,
    FILE,
    MANIFEST,
    EncodedFacts,
    append_shards,
    check_vectors,
    encoded_rows,
    encoder_folder,
    open_vectors,
    shard_path,
    write_facts,
)

ROOT = Path(__file__).parents[1]
DIMS = 6
Halves = npt.NDArray[np.float16]


def rows_from(start: int, count: int) -> Halves:
    """Row i holds its own number, so that a shifted row is seen."""
    return np.arange(start, start + count, dtype=np.float16)[:, None].repeat(DIMS, axis=1)


def finished_job(out: Path, start: int, counts: list[int], fingerprint: str = "weights") -> Path:
    """The `out` folder of an encode job with shards of these sizes."""
    out.mkdir(parents=True)
    records = start
    for number, count in enumerate(counts):
        np.save(shard_path(out, number), rows_from(records, count))
        records += count
    write_facts(out, EncodedFacts(records - start, DIMS, max(counts), fingerprint))
    return out


def test_rows_lie_in_the_order_of_their_records(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [3, 3, 2]), 0)
    before = open_vectors(tmp_path, "enc")
    append_shards(tmp_path, "enc", finished_job(tmp_path / "b", 8, [5]), 8)
    assert encoded_rows(tmp_path, "enc") == 13
    assert np.array_equal(open_vectors(tmp_path, "enc"), rows_from(0, 13))
    assert np.array_equal(before, rows_from(0, 8))
    assert np.array_equal(open_vectors(tmp_path, "enc")[np.array([12, 0, 7])], rows_from(0, 13)[[12, 0, 7]])


def test_the_file_is_a_plain_npy_file(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [3]), 0)
    append_shards(tmp_path, "enc", finished_job(tmp_path / "b", 3, [1000]), 3)
    assert np.array_equal(np.load(encoder_folder(tmp_path, "enc") / FILE), rows_from(0, 1003))


def test_taking_the_same_job_in_twice_changes_nothing(tmp_path: Path) -> None:
    out = finished_job(tmp_path / "a", 0, [3, 3])
    append_shards(tmp_path, "enc", out, 0)
    append_shards(tmp_path, "enc", out, 0)
    assert encoded_rows(tmp_path, "enc") == check_vectors(tmp_path, "enc") == 6


def test_before_the_first_job_there_is_nothing(tmp_path: Path) -> None:
    assert encoded_rows(tmp_path, "enc") == 0
    with pytest.raises(Damaged, match="Run `rondo encode`"):
        open_vectors(tmp_path, "enc")


@pytest.mark.parametrize("torn", [b"", b"x" * 5, b"x" * 1000])
def test_a_torn_append_is_written_over(tmp_path: Path, torn: bytes) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [3]), 0)
    with (encoder_folder(tmp_path, "enc") / FILE).open("ab") as file:
        file.write(torn)
    assert np.array_equal(open_vectors(tmp_path, "enc"), rows_from(0, 3))
    append_shards(tmp_path, "enc", finished_job(tmp_path / "b", 3, [4]), 3)
    assert np.array_equal(open_vectors(tmp_path, "enc"), rows_from(0, 7))
    assert check_vectors(tmp_path, "enc") == 7


def test_rows_without_a_manifest_do_not_count(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [3]), 0)
    (encoder_folder(tmp_path, "enc") / MANIFEST).unlink()
    assert encoded_rows(tmp_path, "enc") == 0
    append_shards(tmp_path, "enc", finished_job(tmp_path / "b", 0, [2]), 0)
    assert np.array_equal(np.load(encoder_folder(tmp_path, "enc") / FILE), rows_from(0, 2))


def test_a_killed_append_leaves_all_of_a_job_or_nothing_of_it(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [100]), 0)
    finished_job(tmp_path / "b", 100, [400] * 3)
    program = f"""
from pathlib import Path
from core.models.vectors import append_shards
print("go", flush=True)
append_shards(Path({str(tmp_path)!r}), "enc", Path({str(tmp_path / "b")!r}), 100)
"""
    for wait in (0.0, 0.001, 0.003, 0.01):
        command = [sys.executable, "-c", program]
        with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            process.stdout.readline()
            time.sleep(wait)
            process.kill()
        assert encoded_rows(tmp_path, "enc") in (100, 1300)
        assert check_vectors(tmp_path, "enc") == encoded_rows(tmp_path, "enc")
    append_shards(tmp_path, "enc", tmp_path / "b", 100)
    assert np.array_equal(open_vectors(tmp_path, "enc"), rows_from(0, 1300))


@pytest.mark.parametrize("name", [FILE, MANIFEST])
@pytest.mark.parametrize("share", [0.0, 0.5, 0.95])
def test_a_file_cut_short_is_reported_with_its_remedy(tmp_path: Path, name: str, share: float) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [30]), 0)
    path = encoder_folder(tmp_path, "enc") / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(Damaged, match=rf"{name}.*Delete that folder and run `rondo encode`"):
        open_vectors(tmp_path, "enc")


def test_a_flipped_byte_is_found_by_its_checksum(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [10, 10]), 0)
    path = encoder_folder(tmp_path, "enc") / FILE
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(data)
    with pytest.raises(Damaged, match="rows 10 to 19"):
        check_vectors(tmp_path, "enc")


@pytest.mark.parametrize("lost", ["shard-00000.npy", "shard-00001.npy", "shard-00002.npy", FACTS])
def test_a_job_without_one_of_its_files_is_not_taken_in(tmp_path: Path, lost: str) -> None:
    out = finished_job(tmp_path / "a", 0, [3, 3, 2])
    (out / lost).unlink()
    with pytest.raises(Damaged, match=lost):
        append_shards(tmp_path, "enc", out, 0)
    assert encoded_rows(tmp_path, "enc") == 0


def test_vectors_of_other_weights_are_never_mixed(tmp_path: Path) -> None:
    append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 0, [3]), 0)
    with pytest.raises(Damaged, match="other weights"):
        append_shards(tmp_path, "enc", finished_job(tmp_path / "b", 3, [3], "other"), 3)
    assert encoded_rows(tmp_path, "enc") == 3


def test_a_job_that_begins_behind_the_last_row_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Damaged, match="holds 0 rows, not 5"):
        append_shards(tmp_path, "enc", finished_job(tmp_path / "a", 5, [3]), 5)


@given(st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=8))
def test_no_two_encoders_share_a_folder_and_none_leaves_its_own(names: list[str]) -> None:
    folders = [encoder_folder(Path("vectors"), name) for name in names]
    assert len(set(folders)) == len(names)
    assert all(folder.parent == Path("vectors") and folder.name not in ("", ".", "..") for folder in folders)
