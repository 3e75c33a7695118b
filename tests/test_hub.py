"""Pushing with the real Hugging Face client to a Hub on this machine: what arrives, what is refused, and the token."""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from core import loop
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.project import Project, open_project
from core.registry.hub_push import push
from core.registry.model_export import export_model
from core.registry.push_job import PushResult, check_repo
from gpu_jobs.runners.local import LocalRunner
from tests.conftest import quiet, write_csv
from tests.hub_stub import READER, WRITER, Hub
from tests.hub_stub import hub as hub  # a fixture
from tests.model_world import MODEL, fake_encoder, put_to_use

REPO = "me/topics"


@pytest.fixture
def ready(tmp_path: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Project]:
    """A project with a model in use, on a machine whose Hub is ours, and which knows no token."""
    for name in [name for name in os.environ if name.startswith(("HF_", "HUGGING"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HF_ENDPOINT", hub.url)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")  # its storage speaks another protocol
    loop.create_project(tmp_path / "project", ["weather", "food", "music"])
    project = open_project(tmp_path / "project", LocalRunner())
    put_to_use(project, fake_encoder(tmp_path / "encoder"))
    yield project
    project.close()


def send(project: Project, token: str = WRITER, **options: Any) -> PushResult:
    """Pushes the champion."""
    return push(project, quiet, **{"repo": REPO, "token": token, **options})


def test_a_pushed_model_is_what_an_export_is_and_private(ready: Project, hub: Hub, tmp_path: Path) -> None:
    result = send(ready)
    there = hub.repositories["models", REPO]
    assert there.private
    assert result.private
    assert (result.model, result.repo, result.commit) == (MODEL, REPO, there.sha)
    assert result.url == f"{hub.url}/{REPO}"
    export_model(ready, quiet, out=str(tmp_path / "out"))
    exported = {p.relative_to(tmp_path / "out").as_posix(): p for p in (tmp_path / "out").rglob("*") if p.is_file()}
    assert there.files.keys() == exported.keys()
    for name, path in exported.items():
        assert there.files[name] == path.read_bytes() or name == "README.md"
    assert f'snapshot_download("{REPO}")' in there.files["README.md"].decode()
    [row] = ready.store.query("select what, detail from audit_log where what = 'push'")
    assert json.loads(row[1])["commit"] == there.sha


def test_a_second_push_is_a_new_version_without_the_files_of_the_first(ready: Project, hub: Hub) -> None:
    there = hub.add(REPO, rondo__json=b"{}", old__bin=b"1", README__md=b"mine", LICENSE=b"mine", _gitattributes=b"lfs")
    there.files[".gitattributes"] = there.files.pop("_gitattributes")
    send(ready, message="Better")
    assert [commit["summary"] for commit in there.commits] == ["initial commit", "Better"]
    assert "old.bin" not in there.files
    assert there.files["LICENSE"] == b"mine"
    assert ".gitattributes" in there.files


def test_a_repository_that_is_public_or_holds_something_else_is_left_alone(ready: Project, hub: Hub) -> None:
    public = hub.add(REPO, private=False, rondo__json=b"{}")
    foreign = hub.add("me/other", model__bin=b"1")
    with pytest.raises(Refused, match="public"):
        send(ready)
    with pytest.raises(Refused, match="something else"):
        send(ready, repo="me/other")
    assert len(public.commits) == len(foreign.commits) == 1
    assert not send(ready, private=False).private


def test_labels_become_a_dataset_with_the_data_card_and_without_names(ready: Project, hub: Hub, tmp_path: Path) -> None:
    import_file(ready, quiet, file=str(write_csv(tmp_path / "t.csv", 10)), text=["text"], label="topic")
    result = send(ready, labels=True)
    there = hub.repositories["datasets", f"{REPO}-labels"]
    assert there.private
    assert result.dataset is not None
    assert result.dataset.commit == there.sha
    assert there.files.keys() == {"README.md", "card.json", "labels.parquet"}
    card = there.files["README.md"].decode()
    assert "# Data card" in card
    assert "labels.parquet holds 10 rows" in card
    (tmp_path / "back.parquet").write_bytes(there.files["labels.parquet"])
    with ready.store.reading() as cursor:
        matches = cursor.execute(f"select * from '{tmp_path / 'back.parquet'}'")
        columns = [column[0] for column in matches.description]
    assert {"text", "label"} <= set(columns)
    assert "annotators" not in columns


def everything_written(folder: Path) -> bytes:
    """Every file under a folder, names too."""
    return b"".join(str(path).encode() + path.read_bytes() for path in folder.rglob("*") if path.is_file())


def test_the_token_is_in_no_file_no_row_no_log_and_no_address(ready: Project, hub: Hub, tmp_path: Path) -> None:
    send(ready)
    hub.failures = {"/commit/": 500}
    with pytest.raises(Refused, match="trouble") as refused:
        send(ready)
    assert WRITER not in str(refused.value)
    ready.store.query("checkpoint")
    assert WRITER.encode() not in everything_written(tmp_path)
    assert not [line for line in hub.received if WRITER in line]
    assert {path.name for job in (tmp_path / "project" / "jobs").iterdir() for path in job.iterdir()} == {
        *("events.jsonl", "job.json", "lock", "log.txt", "result.json")
    }


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"token": "hf_of_nobody"}, "does not know this token"),
        ({"token": READER, "repo": "others/topics"}, "does not let this token write"),
    ],
)
def test_what_the_hub_refuses_is_a_sentence_on_what_to_do(
    ready: Project, hub: Hub, options: dict[str, str], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        send(ready, **options)
    assert hub.repositories == {}
    assert ready.store.one("select state from jobs") == "failed"


@pytest.mark.parametrize(
    ("part", "status", "says"),
    [("/commit/", 412, "somebody else pushed"), ("objects/batch", 402, "paid plan")],
)
def test_an_error_half_way_leaves_no_half_of_a_model(
    ready: Project, hub: Hub, part: str, status: int, says: str
) -> None:
    hub.failures = {part: status}
    with pytest.raises(Refused, match=f"(?i){says}"):
        send(ready)
    assert len(hub.repositories["models", REPO].commits) == 1


def test_without_a_network_it_says_so(ready: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(Refused, match="cannot be reached"):
        send(ready)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(Refused, match="HF_HUB_OFFLINE"):
        send(ready)


def test_without_a_token_or_with_a_mangled_one_nothing_begins(
    ready: Project, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(Refused, match="is not set"):
        send(ready, token="")
    with pytest.raises(BadInput, match="blanks") as refused:
        send(ready, token="hf_secret\nhf_more")
    assert "secret" not in str(refused.value)
    monkeypatch.setenv("HF_TOKEN", f" {WRITER}\n")
    assert send(ready, token="").repo == REPO


@pytest.mark.parametrize(
    "repo", ["topics", "me/", "/x", "me/a/b", "me/a..b", "me/a--b", "me/ü", "me/a.git", "", "a b/c"]
)
def test_a_name_that_no_repository_can_have_is_refused_before_anything_is_read(repo: str) -> None:
    with pytest.raises(BadInput, match="OWNER/NAME"):
        check_repo(repo)


def test_a_damaged_model_is_not_pushed(ready: Project, hub: Hub) -> None:
    (ready.models / MODEL / "training_info.json").write_text("{}")
    with pytest.raises(Exception, match="was changed after"):
        send(ready)
    assert hub.received == []
