"""Labels by spreadsheet: a sample as diverse as wanted goes out, and comes back in any form, row by row."""

import csv
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core import loop
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.unsure import review
from core.project import Project
from core.sampling.diversity import spread_sample
from core.sheets.apply import AppliedSheet, apply
from core.sheets.samples import samples
from core.trees.features import features
from core.trees.gather import gather
from tests.command_line import rondo, rondo_json
from tests.conftest import quiet
from tests.folder_project import label_of


def sheet(file: Path) -> list[dict[str, str]]:
    with file.open(encoding="utf-8-sig", newline="") as rows:
        return list(csv.DictReader(rows))


def settled(project: Project) -> dict[str, tuple[str, str]]:
    rows = project.store.query("select id, labels[1], stratum from settled join records using (n)")
    return {id_: (label, stratum) for id_, label, stratum in rows}


def take(project: Project, tmp_path: Path, content: str | bytes, **options: str) -> AppliedSheet:
    file = tmp_path / "labels.csv"
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return apply(project, quiet, file=str(file), **options)  # type: ignore[arg-type]


def clustered(rng: np.random.Generator) -> np.ndarray:
    """500 unit vectors: 460 in one heap, 40 all over the sphere."""
    heap = np.array([1, 0, 0]) + rng.normal(0, 0.02, (460, 3))
    points = np.concatenate([heap, rng.normal(0, 1, (40, 3))])
    return np.asarray(points / np.linalg.norm(points, axis=1, keepdims=True), np.float32)


@given(st.integers(1, 60), st.floats(0, 1), st.integers(0, 1000))
def test_a_sample_has_distinct_rows_of_the_pool_and_is_repeatable(size: int, diversity: float, seed: int) -> None:
    vectors, rows = clustered(np.random.default_rng(0)), np.arange(3, 50, dtype=np.int64)
    one, other = (spread_sample(vectors, rows, size, diversity, np.random.default_rng(seed)) for _ in range(2))
    assert one.tolist() == other.tolist()
    assert len(set(one.tolist())) == len(one) == min(size, len(rows))
    assert set(one.tolist()) <= set(rows.tolist())


def test_diversity_goes_from_random_to_farthest_first() -> None:
    vectors, rows = clustered(np.random.default_rng(0)), np.arange(500, dtype=np.int64)
    outside = [
        np.mean([np.sum(spread_sample(vectors, rows, 30, share, np.random.default_rng(s)) >= 460) for s in range(10)])
        for share in (0.0, 0.5, 1.0)
    ]
    assert abs(outside[0] - 30 * 40 / 500) < 2, "at random as many as there are"
    assert outside[0] + 5 < outside[1] < outside[2]
    assert outside[2] > 25
    with pytest.raises(BadInput, match="between 0"):
        spread_sample(vectors, rows, 5, 1.1, np.random.default_rng(0))


def test_a_sample_of_folders_goes_out_and_its_labels_come_back(folders: Project, tmp_path: Path) -> None:
    out = tmp_path / "sample.csv"
    written = samples(folders, quiet, out=str(out), snapshot=1, size=10, min_depth=2, max_depth=3)
    rows = sheet(out)
    assert (written.rows, written.pool, len(rows)) == (10, 32, 10)
    assert list(rows[0]) == [
        *("id", "label", "path", "name", "parents", "siblings", "children", "files", "extensions", "depth"),
    ]
    assert {row["depth"] for row in rows} <= {"2", "3"}
    assert {row["label"] for row in rows} == {""}
    lines = ["note;label;id", *(f'"a; b";{label_of(row["id"])};{row["id"]}' for row in reversed(rows[:8]))]
    lines += [f";;{row['id']}" for row in rows[8:]]
    result = take(folders, tmp_path, "\ufeff".encode() + "\r\n".join(lines).encode())
    assert (result.rows, result.taken, result.blank, result.refusals) == (10, 8, 2, 0)
    assert settled(folders) == {row["id"]: (label_of(row["id"]), "file") for row in rows[:8]}
    again = samples(folders, quiet, out=str(out), snapshot=1, size=100)
    assert again.rows == 28, "what is answered is not sampled again"


def test_each_row_that_is_refused_says_why_and_the_others_are_taken(folders: Project, tmp_path: Path) -> None:
    content = (
        "id,label\n"
        "Castle,theme\n"
        "Nowhere,theme\n"
        "Forest,Theme\n"
        ",theme\n"
        "Castle,pack\n"
        'Desert,"a\tb"\n'
        "Castle,theme\n"
        "Space,\n"
        "'Space/,theme\n"
    )
    result = take(folders, tmp_path, content)
    assert [(one.row, one.location) for one in result.refused[:2]] == [(2, "row 2 (line 3)"), (3, "row 3 (line 4)")]
    reasons = {one.row: one.reason for one in result.refused}
    assert reasons[2] == "no record has this id or path"
    assert reasons[3] == "there is no label 'Theme'; did you mean 'theme'?"
    assert reasons[4] == "names no record: its id is empty"
    assert reasons[5] == "says 'pack', but row 1 said 'theme' of the same record"
    assert "no label" in reasons[6]
    assert (result.taken, result.blank, result.repeated, result.refusals) == (1, 1, 1, 6)
    assert settled(folders) == {"Castle": ("theme", "file")}


def test_a_sheet_of_which_nothing_can_be_taken_changes_nothing(folders: Project, tmp_path: Path) -> None:
    for content, message in (
        ("id,label\nNowhere,theme\n", "no row could be taken. row 1"),
        ("id,answer\nCastle,theme\n", "has no column 'label'"),
        ("name,label\nCastle,theme\n", "neither a column 'id' nor 'path'"),
        ('id,label\nCastle,"theme\n', "opens a quote that is never closed"),
        ("", "is empty"),
    ):
        with pytest.raises(BadInput, match=message):
            take(folders, tmp_path, content)
    with pytest.raises(BadInput, match="no split 'exam'"):
        take(folders, tmp_path, "id,label\nCastle,theme\n", split="exam")
    assert settled(folders) == {}
    assert take(folders, tmp_path, "id,label\nCastle,\n").taken == 0


def test_labels_of_a_test_split_are_gold_and_a_persons_are_that_persons(folders: Project, tmp_path: Path) -> None:
    result = take(folders, tmp_path, "path,label\nCastle,theme\nForest,theme\n", split="test")
    assert result.declared_gold == 2
    assert settled(folders) == {"Castle": ("theme", "gold"), "Forest": ("theme", "gold")}
    take(folders, tmp_path, "path,label\nDesert,pack\n", annotator="ana")
    assert folders.store.query("select annotator, source from responses where source <> 'file'") == [("ana", "crowd")]
    take(folders, tmp_path, "path,label\nDesert,theme\n")
    assert settled(folders)["Desert"][0] == "pack", "a person outweighs a file"


def test_a_moved_folder_answers_to_its_new_path(folders: Project, tmp_path: Path) -> None:
    (tmp_path / "assets" / "Castle").rename(tmp_path / "assets" / "Fortress")
    gather(folders, quiet, source=str(tmp_path / "assets"))
    features(folders, quiet)
    take(folders, tmp_path, "path,label\nFortress,theme\nFortress/Castle pack 1,pack\n")
    assert set(settled(folders)) == {"Castle", "Castle/Castle pack 1"}


def test_an_empty_taxonomy_learns_from_a_sheet_and_a_full_one_on_request(project: Project, tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="there is no label 'sport'"):
        take(project, tmp_path, "id,label\nr0,sport\n")
    assert apply(project, quiet, file=str(tmp_path / "labels.csv"), add_labels=True).taken == 1
    assert "sport" in {label.name for label in project.settings().taxonomy.labels}


def test_records_of_any_pool_are_sampled_with_their_text(project: Project, tmp_path: Path) -> None:
    out = tmp_path / "sample.csv"
    assert samples(project, quiet, out=str(out), size=12, diversity=1).pool == 48
    assert list(sheet(out)[0]) == ["id", "label", "text"]
    first = out.read_bytes()
    samples(project, quiet, out=str(out), size=12, diversity=1)
    assert out.read_bytes() == first
    for options, error, message in (
        ({"snapshot": 1}, BadInput, "no snapshot yet"),
        ({"min_depth": 2}, Refused, "such a depth"),
        ({"diversity": 2.0}, BadInput, "between 0 and 1"),
        ({"size": 0}, BadInput, "at least 1"),
        ({"seed": -1}, BadInput, "0 or more"),
    ):
        with pytest.raises(error, match=message):
            samples(project, quiet, out=str(out), **options)
    with pytest.raises(BadInput, match=r"\.csv, \.xlsx, \.jsonl or \.parquet"):
        samples(project, quiet, out=str(tmp_path / "sample.ods"))
    assert out.read_bytes() == first


def test_cells_that_would_be_formulas_come_back_as_the_records_that_they_are(project: Project, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("id,text\n=1+1,An odd one.\n")
    import_file(project, quiet, file=str(tmp_path / "odd.csv"), text=["text"], id="id")
    out = tmp_path / "sample.csv"
    samples(project, quiet, out=str(out), size=100, excel=True)
    [odd] = [row for row in sheet(out) if "An odd one" in row["text"]]
    assert odd["id"] == "'=1+1"
    assert take(project, tmp_path, f"id,label\n{odd['id']},food\n").taken == 1
    assert settled(project)["=1+1"][0] == "food"


def test_a_workbook_goes_out_and_comes_back(project: Project, tmp_path: Path) -> None:
    (tmp_path / "odd.csv").write_text("id,text\n=1+1,An odd one.\n")
    import_file(project, quiet, file=str(tmp_path / "odd.csv"), text=["text"], id="id")
    out = tmp_path / "sample.xlsx"
    assert samples(project, quiet, out=str(out), size=100).rows == 49
    import openpyxl

    book: Any = openpyxl.load_workbook(out)
    header, *rows = book.active.iter_rows()
    assert [cell.value for cell in header] == ["id", "label", "text"]
    for row in rows:
        row[1].value = "food" if row[0].value == "=1+1" else None
        row[0].data_type = "s"
    book.save(out)
    result = apply(project, quiet, file=str(out))
    assert (result.taken, result.blank, result.refusals) == (1, 48, 0)
    assert settled(project)["=1+1"][0] == "food"


def test_the_queue_is_exported_in_its_order_and_taken_back(project: Project, tmp_path: Path) -> None:
    loop.next_batch(project, quiet, size=6, seed=3)
    queue = project.label_queue.exchange(Holder("ada", "tab"), QueueRequest(want=6))
    out = tmp_path / "queue.csv"
    assert loop.export(project, quiet, out=str(out), file_format="csv", what="queue").rows == 6
    rows = sheet(out)
    assert [row["id"] for row in rows] == [card.id for card in queue.cards]
    labels = "".join(f"{row['id']},food\n" for row in rows[:4])
    assert take(project, tmp_path, f"id,label\n{labels}").taken == 4
    assert loop.export(project, quiet, out=str(out), file_format="csv", what="queue").rows == 2


def test_what_the_model_is_least_sure_of_is_queued_first(project: Project, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="No model has suggested anything yet"):
        review(project, quiet)
    labels = "".join(f"r{number},{('weather', 'food', 'music')[number % 3]}\n" for number in range(0, 12))
    take(project, tmp_path, f"id,label\n{labels}")
    encode(project, quiet)
    loop.fit(project, quiet)
    chances = dict(
        project.store.query("select id, probability from suggestions join records using (n) join pool using (n)")
    )
    limit = sorted(chances.values())[10]
    result = review(project, quiet, below=limit, size=4)
    assert (result.unsure, result.queued) == (sum(chance < limit for chance in chances.values()), 4)
    queued = [id_ for (id_,) in project.store.query("select id from queue join records using (n) order by position")]
    assert queued == sorted(chances, key=chances.__getitem__)[:4]
    assert Counter(project.store.query("select purpose from queue")) == {("wanted",): 4}
    assert review(project, quiet, below=limit, size=100).unsure == result.unsure - 4, "once is enough"
    with pytest.raises(BadInput, match="between 0 and 1"):
        review(project, quiet, below=0)


@pytest.mark.usefixtures("jobs_here")
def test_the_commands_say_what_was_refused(tmp_path: Path) -> None:
    rondo("init", tmp_path / "p", "--labels", "a,b")
    (tmp_path / "texts.csv").write_text("id,text\n1,one\n2,two\n")
    rondo("--project", tmp_path / "p", "import", tmp_path / "texts.csv", "--text", "text", "--id", "id")
    (tmp_path / "labels.csv").write_text("id,label\n1,a\n3,b\n")
    words = rondo("--project", tmp_path / "p", "apply", tmp_path / "labels.csv")
    assert "2 rows of labels.csv: 1 labels taken, 0 without a label, 1 refused." in words
    assert "row 2 (line 3) (3): no record has this id or path" in words
    again = rondo_json(tmp_path / "p", "apply", tmp_path / "labels.csv")
    assert (again["same"], again["refused"][0]["record"]) == (1, "3")
