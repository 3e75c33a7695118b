"""Trees of folders: walked or read from a list, whatever names and links they have, and stored once and for all."""

import os
from pathlib import Path

import polars
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import BadInput, Damaged
from core.project import Project
from core.trees.gather import gather
from core.trees.listing import OUTSIDE, REPEATED, UPWARDS, ListingLayout, read_listing
from core.trees.moves import Contents, moved_folders
from core.trees.snapshots import snapshot, snapshot_diff, snapshot_folder, snapshots
from core.trees.tree import FILES, FOLDERS, Tree, extension_of, shown, write_tree
from core.trees.walk import ALREADY, LOOP, NO_FILE, NOT_FOLLOWED, NOWHERE, OWN, UNREADABLE, walk
from tests.command_line import rondo, rondo_json
from tests.conftest import quiet


def silent(done: int, total: int) -> None:
    """A report that nobody reads."""


def paths_of(tree: Tree) -> set[str]:
    return set(tree.numbers) - {""}


def files_of(tree: Tree) -> set[str]:
    paths = list(tree.numbers)
    return {f"{paths[folder]}/{name}" for folder, name in zip(tree.file_folders, tree.file_names, strict=True)}


def walked(root: Path, *, follow: bool = False, own: str = "") -> Tree:
    return walk(root, Path(own or root / "nothing"), silent, follow_links=follow)


@given(st.lists(st.binary(min_size=1).filter(lambda name: b"/" not in name and b"\0" not in name), unique=True))
def test_two_names_never_become_one_and_all_of_them_are_text(names: list[bytes]) -> None:
    forms = [shown(os.fsdecode(name)) for name in names]
    assert len(set(forms)) == len(names)
    for form in forms:
        form.encode("utf-8")
        assert not {"\n", "\r", "\t", "/"} & set(form)


def test_a_plain_name_stays_as_it_is() -> None:
    names = ["Karten (größer)", "地図", "C:\\old", "a\u00a0b", "👩‍👧"]
    assert [shown(name) for name in names] == names
    assert shown(os.fsdecode(b"caf\xe9\\1")) == "caf\\xe9\\\\1"


@pytest.mark.parametrize(
    ("name", "extension"),
    [("a.PNG", "png"), (".hidden", ""), ("a.tar.gz", "gz"), ("noext", ""), ("Mr. Smith goes", ""), ("x.", "")],
)
def test_an_extension_is_what_stands_behind_the_last_dot(name: str, extension: str) -> None:
    assert extension_of(name) == extension


def test_what_cannot_be_read_is_reported_and_the_rest_gathered(tmp_path: Path) -> None:
    (tmp_path / "Art" / "PNG").mkdir(parents=True)
    (tmp_path / "Art" / "PNG" / "a.png").write_text("12345")
    os.mkdir(os.fsencode(tmp_path) + b"/caf\xe9")
    (tmp_path / "Art" / "around").symlink_to(tmp_path / "Art")
    (tmp_path / "Art" / "dead").symlink_to(tmp_path / "gone")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    (tmp_path / "Art" / "also.png").symlink_to(tmp_path / "Art" / "PNG" / "a.png")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "own").mkdir()
    tree = walked(tmp_path, own=str(tmp_path / "own"))
    assert paths_of(tree) == {"Art", "Art/PNG", "caf\\xe9"}
    assert files_of(tree) == {"Art/PNG/a.png", "Art/also.png"}
    reasons = dict(tree.skipped)
    assert reasons["Art/around"] == NOT_FOLLOWED
    assert reasons["Art/dead"] == NOWHERE
    assert reasons["pipe"] == NO_FILE
    assert reasons["own"] == OWN
    assert "self" in reasons


def test_followed_links_lead_to_each_folder_once_and_never_in_a_circle(tmp_path: Path) -> None:
    root, outside = tmp_path / "root", tmp_path / "outside"
    (root / "a" / "b").mkdir(parents=True)
    (outside / "deep").mkdir(parents=True)
    (outside / "deep" / "x.txt").write_text("x")
    (root / "a" / "b" / "up").symlink_to(root / "a")
    (root / "a" / "other").symlink_to(root / "a" / "b")
    (root / "out").symlink_to(outside)
    (outside / "back").symlink_to(outside)
    tree = walked(root, follow=True)
    assert paths_of(tree) == {"a", "a/b", "out", "out/deep"}
    assert files_of(tree) == {"out/deep/x.txt"}
    assert dict(tree.skipped) == {"a/b/up": LOOP, "a/other": ALREADY, "out/back": LOOP}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_reported(tmp_path: Path) -> None:
    (tmp_path / "shut").mkdir(mode=0)
    assert dict(walked(tmp_path).skipped) == {"shut": UNREADABLE}


def listed(tmp_path: Path, content: bytes, name: str = "paths.txt", layout: ListingLayout | None = None) -> Tree:
    (tmp_path / name).write_bytes(content)
    return read_listing(tmp_path / name, layout or ListingLayout(), silent)


TREE = {"Art", "Art/PNG", "Empty"}
FILES_BELOW = {"Art/PNG/a.png", "Art/b.txt"}


@pytest.mark.parametrize(
    "content",
    [
        b"./Art/PNG/a.png\n./Art/b.txt\n./Empty/\n",
        b"Art\\PNG\\a.png\r\nArt\\b.txt\r\nEmpty\\\r\n",
        b"Art/PNG/a.png\0Art/b.txt\0Empty/\0",
        b"/Art//PNG/a.png\n\n/Art/b.txt\n/Empty/",
        "Art/PNG/a.png\nArt/b.txt\nEmpty/\n".encode("utf-16"),
    ],
    ids=["find", "Windows", "print0", "absolute", "PowerShell"],
)
def test_a_list_of_paths_is_a_tree_however_it_is_written(tmp_path: Path, content: bytes) -> None:
    tree = listed(tmp_path, content)
    assert (paths_of(tree), files_of(tree), tree.skipped) == (TREE, FILES_BELOW, [])


def test_a_table_of_paths_brings_sizes_and_times(tmp_path: Path) -> None:
    text = b'size,Path,mtime\n12,"Art/a, b.png",2024-01-01T00:00:00Z\nmany,Art/c.png,1704067200\n'
    tree = listed(tmp_path, text, "paths.csv")
    assert (tree.file_names, tree.sizes) == (["a, b.png", "c.png"], [12, None])
    assert tree.times == [1704067200.0, 1704067200.0]
    polars.DataFrame({"where": ["Art/x.png"]}).write_parquet(tmp_path / "p.parquet")
    assert files_of(read_listing(tmp_path / "p.parquet", ListingLayout(), silent)) == {"Art/x.png"}
    polars.DataFrame({"where": ["x"], "what": ["y"]}).write_parquet(tmp_path / "q.parquet")
    with pytest.raises(BadInput, match="'where', 'what'; say which has the paths: --column NAME"):
        read_listing(tmp_path / "q.parquet", ListingLayout(), silent)
    with pytest.raises(BadInput, match="has no column 'wher'"):
        read_listing(tmp_path / "q.parquet", ListingLayout(column="wher"), silent)


@pytest.mark.parametrize("name", ["names.txt", "names.csv"])
def test_names_that_are_not_utf_8_are_no_reason_to_stop(tmp_path: Path, name: str) -> None:
    tree = listed(tmp_path, b"path\ncaf\xe9/a.png\ncaf\xc3\xa9/a.png\n", name)
    assert {"caf\\xe9/a.png", "café/a.png"} <= files_of(tree)


def test_paths_that_are_none_are_reported(tmp_path: Path) -> None:
    tree = listed(tmp_path, b"r/a.txt\nr/a.txt\nr/../b.txt\nelse/c.txt\nr/\n", layout=ListingLayout(root="r"))
    assert files_of(tree) == {"/a.txt"}
    assert tree.skipped == [("a.txt", REPEATED), ("r/../b.txt", UPWARDS), ("else/c.txt", OUTSIDE)]


def test_a_path_may_be_very_deep(tmp_path: Path) -> None:
    tree = listed(tmp_path, b"/".join([b"d"] * 3_000) + b"/x.txt\n")
    assert (len(paths_of(tree)), max(tree.depths)) == (3_000, 3_000)
    write_tree(tree, tmp_path)


def test_the_tables_say_what_is_below_each_folder(tmp_path: Path) -> None:
    tree = Tree()
    for path, size in (("A/x.png", 3), ("A/B/y.png", 4), ("C/B/y.png", 4)):
        above, _, name = path.rpartition("/")
        tree.add_file(tree.folder(above), name, size)
    counts = write_tree(tree, tmp_path)
    assert (counts.folders, counts.files, counts.bytes) == (4, 3, 11)
    rows = {row["path"]: row for row in polars.read_parquet(tmp_path / FOLDERS).to_dicts()}
    assert [rows[path]["all_files"] for path in ("", "A", "A/B", "C")] == [3, 2, 1, 1]
    assert [rows[path]["all_size"] for path in ("", "A", "A/B", "C")] == [11, 7, 4, 4]
    assert rows["A/B"]["fingerprint"] == rows["C/B"]["fingerprint"] != rows["A"]["fingerprint"]
    assert polars.read_parquet(tmp_path / FILES)["name"].to_list() == ["x.png", "y.png", "y.png"]


def test_a_tree_of_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="no folder and no file"):
        write_tree(walked(tmp_path), tmp_path)


def test_a_folder_moved_where_its_contents_are_and_what_is_in_it_went_along() -> None:
    gone = [
        Contents("Old/Pack", "p"),
        Contents("Old/Pack/PNG", "a"),
        Contents("Old/Pack/Empty", ""),
        Contents("T", "t"),
    ]
    new = [Contents("New/Pack", "p"), Contents("New/Pack/PNG", "a"), Contents("New/Pack/Empty", ""), Contents("U", "t")]
    moves = moved_folders(gone, new)
    pack = {f"Old/Pack{below}": f"New/Pack{below}" for below in ("", "/PNG", "/Empty")}
    assert moves == {**pack, "T": "U"}


def test_a_move_that_could_be_another_is_none() -> None:
    twins = [Contents("New/x", "a"), Contents("New/y", "a")]
    assert moved_folders([Contents("Old/z", "a")], twins) == {}
    assert moved_folders([Contents("Old/x", "a"), Contents("Old/z", "a")], [Contents("New/x", "a")]) == {
        "Old/x": "New/x"
    }
    assert moved_folders([Contents("Old/e", "")], [Contents("New/e", "")]) == {}


def test_a_snapshot_is_numbered_whole_and_checked(project: Project, tmp_path: Path) -> None:
    (tmp_path / "paths.txt").write_text("A/x.png\nB/y.png\n")
    first = gather(project, quiet, source=str(tmp_path / "paths.txt"))
    (tmp_path / "paths.txt").write_text("A/x.png\nC/B/y.png\nA/z.png\n")
    second = gather(project, quiet, source=str(tmp_path / "paths.txt"), name="paths")
    assert (first.snapshot, second.snapshot, second.folders, second.files) == (1, 2, 3, 3)
    assert [one.number for one in snapshots(project, quiet).snapshots] == [1, 2]
    difference = snapshot_diff(project, quiet, older=1, newer=2)
    assert (difference.moved_paths, difference.added_paths, difference.changed_paths) == ({"B": "C/B"}, ("C",), ("A",))
    assert snapshot(project, quiet).depths == {1: 2, 2: 1}
    with (snapshot_folder(project, 1) / FOLDERS).open("ab") as file:
        file.write(b"x")
    with pytest.raises(Damaged, match="not as it was written"):
        snapshot(project, quiet, number=1)
    with pytest.raises(BadInput, match="no snapshot 7; there are 1, 2"):
        snapshot(project, quiet, number=7)


def test_a_list_that_cannot_be_read_leaves_no_snapshot(project: Project, tmp_path: Path) -> None:
    for name, content, message in (
        ("empty.txt", b"", "is empty"),
        ("picture.txt", bytes(range(256)) * 20, "no text at all"),
        ("no.csv", b"a,b\n1,2\n", "which has the paths"),
        ("blank.txt", b"\n\n", "nothing to gather"),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(BadInput, match=message):
            gather(project, quiet, source=str(tmp_path / name))
    with pytest.raises(BadInput, match="no folder and no file"):
        gather(project, quiet, source=str(tmp_path / "nowhere"))
    with pytest.raises(BadInput, match="for listings of paths"):
        gather(project, quiet, source=str(tmp_path), root="x")
    assert snapshots(project, quiet).snapshots == ()
    assert not list((project.folder / "snapshots").glob("*"))


@pytest.mark.usefixtures("jobs_here")
def test_the_commands_say_what_was_gathered(tmp_path: Path) -> None:
    rondo("init", tmp_path / "p", "--labels", "a,b")
    (tmp_path / "paths.txt").write_text("A/x.png\nA/x.png\n")
    result = rondo_json(tmp_path / "p", "gather", tmp_path / "paths.txt", "--name", "assets")
    assert {name: result[name] for name in ("snapshot", "name", "folders", "files", "skipped")} == {
        "snapshot": 1,
        "name": "assets",
        "folders": 1,
        "files": 1,
        "skipped": 1,
    }
    assert "assets: 1 folders, 1 files, 1 left out" in rondo("--project", tmp_path / "p", "snapshots")
    assert "A/x.png: stands in the list before" in rondo("--project", tmp_path / "p", "snapshots", "show", "1")
    assert "the same snapshot" in rondo("--project", tmp_path / "p", "snapshots", "diff", "1", "1", code=2)
