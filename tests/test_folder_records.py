"""Folders as records: one each with what is around it; a later snapshot adds and marks, and no answer is lost."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core import loop
from core.backup.archives import restore, write_archive
from core.backup.backups import back_up
from core.data.clean import clean, rules_in_force
from core.data.clean_rules import read_rules
from core.data.encoding import encode
from core.data.file_import import import_file
from core.erasure.erase import erase
from core.errors import BadInput
from core.explore.browse import find
from core.explore.filters import RecordSearch
from core.models.vectors import open_vectors
from core.project import Project
from core.sheets.apply import apply
from core.trees.features import features
from core.trees.gather import gather
from core.trees.snapshots import snapshot_folder
from tests.conftest import quiet
from tests.folder_project import label_of


def metadata(project: Project) -> dict[str, dict[str, Any]]:
    return {id_: json.loads(meta) for id_, meta in project.store.query("select id, meta::varchar from records")}


def answer_all(project: Project, file: Path) -> dict[str, str]:
    """Every folder gets its label from a sheet; returns them."""
    labels = {id_: label_of(id_) for id_ in metadata(project)}
    file.write_text("path,label\n" + "".join(f"{path},{label}\n" for path, label in labels.items()))
    apply(project, quiet, file=str(file))
    return labels


def settled(project: Project) -> dict[str, str]:
    return dict(project.store.query("select id, labels[1] from settled join records using (n)"))


def take(project: Project, tree: Path) -> Any:
    gather(project, quiet, source=str(tree))
    return features(project, quiet)


def test_a_record_names_what_is_around_its_folder(folders: Project) -> None:
    row = folders.store.query(
        "select text, fields::varchar, meta::varchar, source from records where id = 'Castle/Castle pack 2/Vector'"
    )[0]
    assert json.loads(row[1]) == {
        "name": "Vector",
        "parents": "Castle / Castle pack 2",
        "siblings": "PNG / Spritesheet",
        "children": "",
        "files": "castle2_0.vec / castle2_1.vec / castle2_2.vec",
        "extensions": "vec 3",
        "depth": "3",
    }
    assert row[0].splitlines()[:3] == ["name: Vector", "parents: Castle / Castle pack 2", "extensions: vec 3"]
    assert json.loads(row[2]) == {"tree": "assets", "path": "Castle/Castle pack 2/Vector", "depth": 3} | {
        "files": 3,
        "snapshot": 1,
    }
    assert row[3] == "snapshot 1 of assets"
    assert not folders.store.query("select id from records where id = '' or id = 'assets'"), "the root is no record"


def test_the_same_again_changes_nothing(folders: Project) -> None:
    before = folders.store.query("select * from records order by n")
    again = features(folders, quiet, batch_size=7)
    assert (again.folders, again.added, again.known, again.changed) == (36, 0, 36, 0)
    assert folders.store.query("select * from records order by n") == before


def test_a_later_snapshot_adds_and_marks_and_answers_stay(folders: Project, tmp_path: Path) -> None:
    tree = tmp_path / "assets"
    labels = answer_all(folders, tmp_path / "labels.csv")
    (tree / "Castle").rename(tree / "Fortress")
    shutil.rmtree(tree / "Desert" / "Desert pack 1")
    (tree / "Moon" / "PNG").mkdir(parents=True)
    (tree / "Space" / "Space pack 1" / "PNG" / "new.png").write_text("new")
    result = take(folders, tree)
    assert (result.snapshot, result.added, result.moved, result.vanished) == (2, 2, 9, 4)
    assert result.changed >= 1
    meta = metadata(folders)
    assert meta["Castle/Castle pack 1"]["path"] == "Fortress/Castle pack 1"
    assert meta["Castle/Castle pack 1"]["moved_from"] == "Castle/Castle pack 1"
    assert meta["Castle"]["state"] == "moved"
    assert meta["Desert/Desert pack 1/PNG"] == {
        **{"tree": "assets", "path": "Desert/Desert pack 1/PNG", "depth": 3, "files": 1},
        **{"snapshot": 1, "state": "vanished"},
    }
    assert "state" not in meta["Forest"]
    assert meta["Forest"]["snapshot"] == meta["Moon/PNG"]["snapshot"] == 2
    assert settled(folders) == labels
    for state, ids in (("moved", "Castle"), ("vanished", "Desert/Desert pack 1")):
        listed = find(folders, RecordSearch(state=state)).lines
        assert {line.id for line in listed} == {one for one in meta if one == ids or one.startswith(f"{ids}/")}
    again = features(folders, quiet)
    assert (again.moved, again.changed) == (0, 0), "the same again"
    assert metadata(folders) == meta


def test_records_follow_their_folders_and_only_those_are_encoded_again(folders: Project, tmp_path: Path) -> None:
    tree, vectors = tmp_path / "assets", open_vectors(folders.vectors, folders.settings().encoder)
    before, names = np.array(vectors), dict(folders.store.query("select n, id from records"))
    clean(folders, quiet, apply=True, rules=["web"])
    encode(folders, quiet)
    (tree / "Space" / "Space pack 1" / "PNG" / "new.png").write_text("new")
    (tree / "Space" / "Space pack 3").mkdir()
    assert take(folders, tree).renewed == 4
    [row] = folders.store.query("select text, fields->>'siblings' from records where id = 'Space/Space pack 2'")
    assert all("Space pack 3" in one for one in row)
    assert encode(folders, quiet).encoded == 4 + 1
    after = np.array(open_vectors(folders.vectors, folders.settings().encoder))[: len(before)]
    changed = {names[int(n)] for n in np.flatnonzero((before != after).any(axis=1))}
    assert changed == {"Space", "Space/Space pack 1", "Space/Space pack 1/PNG", "Space/Space pack 2"}
    assert rules_in_force(folders.store) == read_rules(["web"])


def test_what_vanished_is_not_asked_and_case_alone_makes_two_folders(folders: Project, tmp_path: Path) -> None:
    tree = tmp_path / "assets"
    loop.next_batch(folders, quiet, size=20)
    shutil.rmtree(tree / "Desert")
    (tree / "forest").mkdir()
    (tree / "FOREST").mkdir()
    take(folders, tree)
    assert not folders.store.one("select count(*) from records where duplicate_of is not null")
    gone = "select n from records where id = 'Desert' or id like 'Desert/%'"
    for table in ("queue", "pool", "audit_pool"):
        assert not folders.store.one(f"select count(*) from {table} where n in ({gone})")
    (tree / "Desert").mkdir()
    take(folders, tree)
    assert folders.store.query(f"select id from records where n in ({gone}) and n in (from pool)") == [("Desert",)]


def test_what_vanished_comes_back_and_an_old_path_may_be_used_again(folders: Project, tmp_path: Path) -> None:
    tree, aside = tmp_path / "assets", tmp_path / "aside"
    labels = answer_all(folders, tmp_path / "labels.csv")
    shutil.move(tree / "Space", aside)
    (tree / "Castle").rename(tree / "Fortress")
    assert take(folders, tree).vanished == 9
    shutil.move(aside, tree / "Space")
    (tree / "Castle").mkdir()
    result = take(folders, tree)
    assert (result.returned, result.added, result.moved) == (9, 1, 0)
    meta = metadata(folders)
    assert meta["Castle [3]"]["path"] == "Castle"
    assert meta["Castle"]["path"] == "Fortress"
    assert "state" not in meta["Space"]
    assert settled(folders) == labels


def test_moves_are_not_seen_without_the_snapshot_before(folders: Project, tmp_path: Path) -> None:
    shutil.rmtree(snapshot_folder(folders, 1))
    (tmp_path / "assets" / "Castle").rename(tmp_path / "assets" / "Fortress")
    gather(folders, quiet, source=str(tmp_path / "assets"))
    gather(folders, quiet, source=str(tmp_path / "assets"))
    result = features(folders, quiet, snapshot=1)
    assert (result.moved, result.vanished, result.added) == (0, 9, 9)


def test_features_go_forward_and_paths_of_another_tree_are_refused(folders: Project, tmp_path: Path) -> None:
    take(folders, tmp_path / "assets")
    with pytest.raises(BadInput, match="Snapshot 1 of assets is older than 2"):
        features(folders, quiet, snapshot=1)
    gather(folders, quiet, source=str(tmp_path / "assets"), name="other")
    before = folders.store.query("select * from records order by n")
    with pytest.raises(BadInput, match=r"'Castle' of snapshot 3 \(other\) has the id of a record from snapshot 1"):
        features(folders, quiet)
    assert folders.store.query("select * from records order by n") == before


def test_features_want_a_snapshot(project: Project) -> None:
    with pytest.raises(BadInput, match="no snapshot yet"):
        features(project, quiet)


def test_folders_and_texts_live_in_one_project(folders: Project, tmp_path: Path) -> None:
    (tmp_path / "texts.csv").write_text("id,text,tree,path\nx1,A plain text.,assets,Castle\n")
    import_file(folders, quiet, file=str(tmp_path / "texts.csv"), text=["text"], id="id", meta=["tree", "path"])
    assert take(folders, tmp_path / "assets").known == 36


def test_a_backup_holds_the_snapshots(folders: Project, tmp_path: Path) -> None:
    back_up(folders, quiet, out=str(tmp_path / "copy"))
    assert (tmp_path / "copy" / "snapshots" / "00001" / "folders.parquet").exists()
    write_archive(folders, quiet, archive=str(tmp_path / "all.zip"))
    restore(tmp_path / "all.zip", tmp_path / "restored", quiet)
    assert (tmp_path / "restored" / "snapshots" / "00001" / "manifest.json").exists()


def test_erasing_a_folder_names_the_snapshots_that_have_its_path(folders: Project) -> None:
    result = erase(folders, quiet, record=["Castle"])
    assert str(snapshot_folder(folders, 1)) in result.elsewhere
