"""Looking into a file before it is imported: what its columns are, and which rows could not be records."""

from pathlib import Path

import pytest

from core.data.file_import import import_file
from core.data.preview import LEFT_OUT, preview
from core.data.preview_job import Preview, PreviewParams
from core.project import Project
from tests.conftest import quiet


def looked(file: Path, roles: dict[str, str] | None = None, *, two_sides: bool = False) -> Preview:
    out = file.parent / "out"
    out.mkdir(exist_ok=True)
    params = PreviewParams(str(file), roles=roles, two_sides=two_sides)
    return preview(params, out, lambda done, total: None)


@pytest.mark.parametrize(
    ("head", "row", "roles"),
    [
        ("body,sender", "Hello number {n} of all,a@b", "text context"),
        ("id,title,review,stars", "{n},Title {n},A much longer text about {n},{m}", "id context text context"),
        ("tweet,sentiment,fold", "Some words {n},{m},dev", "text label split"),
        ("name_a,name_b,match", "Shop {n},Shop {n},{m}", "left right label"),
        ("uid,empty,text", "{n},,Some text {n}", "context none text"),
    ],
)
def test_columns_are_guessed_by_name_and_values(tmp_path: Path, head: str, row: str, roles: str) -> None:
    file = tmp_path / "some.csv"
    file.write_text("\n".join([head, *(row.format(n=n, m=n % 2) for n in range(20))]), encoding="utf-8")
    result = looked(file, two_sides="match" in head)
    assert " ".join(one.role for one in result.columns) == roles
    assert not result.whole
    assert len(result.rows) == 12


@pytest.mark.parametrize(
    ("topics", "role"),
    [("food food bank bank rail rail post", "label"), ("a a b c d e f", "label"), ("a b c d e f g", "context")],
)
def test_a_label_column_of_a_small_file_is_guessed_where_a_value_repeats(
    tmp_path: Path, topics: str, role: str
) -> None:
    file = tmp_path / "small.csv"
    rows = [f"A text about the thing {number},{topic}" for number, topic in enumerate(topics.split())]
    file.write_text("\n".join(["text,topic", *rows]), encoding="utf-8")
    assert looked(file).columns[1].role == role


def test_what_a_check_leaves_out_is_what_an_import_would_refuse(tmp_path: Path, project: Project) -> None:
    file = tmp_path / "bad.jsonl"
    rows = [
        *('{"id": "n1", "text": "One"}', '{"id": "n2", "text": " "}', '{"id": "", "text": "Three"}'),
        *('{"id": "n1", "text": "Other"}', '{"id": "n5", "text": ["nested"]}', '{"id": "n6", "text": "Six\\u0000"}'),
        *('{"id": "n7", "text": "One"}', '{"id": "n1", "text": "One"}'),
    ]
    file.write_text("\n".join(rows), encoding="utf-8")
    result = looked(file, {"id": "id", "text": "text"})
    assert [(one.row, one.reason.split(" of ")[0]) for one in result.left_out] == [
        (2, "has no text"),
        (3, "has no id"),
        (4, "repeats the id 'n1'"),
        (5, "column 'text' holds a list, not text"),
        (6, "column 'text' holds a NUL character or half a surrogate pair, which is not text"),
    ]
    assert (tmp_path / "out" / LEFT_OUT).read_text() == "[2, 3, 4, 5, 6]"
    before = project.store.one("select count(*) from records")
    summary = import_file(project, quiet, file=str(file), text=["text"], id="id", leave_out=[2, 3, 4, 5, 6])
    assert summary.added == 2
    assert project.store.one("select count(*) from records") == before + 2
