"""Clusters as people and programs use them: commands, exports and the forms of other tools, HTTP, the page."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient
from streamlit.testing.v1 import AppTest

from app import background
from app.http.program_routes import api_routes
from core.errors import BadInput
from core.labelling.corrections import correct
from core.merges.merge_edits import merges_survivor
from core.merges.project_clusters import current_clusters
from core.project import Project, open_project
from core.reports.export import captions, count_rows, first_rows, write_export
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo
from tests.conftest import quiet
from tests.pair_world import label_by_machine, pair_project
from tests.test_jobs_api import TOKEN, reply_to
from tests.test_pages import shown

SOURCES: dict[str, dict[str, str | dict[str, str]]] = {
    "a": {"1": {"name": "Lumo monitor", "price": "129"}, "2": {"name": "Sony WH", "price": "279"}},
    "b": {
        "1": {"name": "LUMO monitor 24", "price": ""},
        "2": {"name": "SONY WH", "price": "281"},
        "3": {"name": "Lumo <b>", "price": "12"},
    },
}
PAIRS = [(0, 2), (0, 4), (2, 4), (1, 3), (1, 4)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """a:1 = b:1 by a person, a:2 = b:2 by a machine, a:2 is not b:3 by a person; no word on b:3 and the others."""
    project = pair_project(tmp_path / "p", SOURCES, PAIRS)
    file = tmp_path / "p" / "rondo.toml"
    file.write_text(file.read_text() + '\n[fields]\nname = "name"\nprice = "number"\n')
    correct(project, "0-2", {"same": True}, "ann")
    correct(project, "1-4", {"same": False}, "ann")
    label_by_machine(project, {"1-3": (True, 0.93)})
    project.close()
    return tmp_path / "p"


@pytest.fixture
def project(folder: Path) -> Iterator[Project]:
    project = open_project(folder, InProcessRunner())
    yield project
    project.close()


def rows(project: Project, what: str, tmp_path: Path) -> list[dict[str, str]]:
    file = tmp_path / f"{what}.csv"
    count = write_export(project, file, "csv", what)
    with file.open(encoding="utf-8", newline="") as lines:
        result = list(csv.DictReader(lines))
    assert len(result) == count == count_rows(project, what)[0]
    assert [list(map(str, row)) for row in first_rows(project, what, 1)] == [list(result[0])]
    return result


def test_pairs_say_who_decided_and_how_probable_it_is(project: Project, tmp_path: Path) -> None:
    exported = rows(project, "pairs", tmp_path)
    assert [(one["left_id"], one["right_id"], one["decision"], one["by"], one["annotators"]) for one in exported] == [
        ("1", "1", "same", "person", "ann"),
        ("2", "2", "same", "machine", ""),
        ("2", "3", "different", "person", "ann"),
    ]
    assert [one["probability"] for one in exported] == ["", "0.93", ""]


def test_clusters_mapping_and_golden_records_have_every_record_once(project: Project, tmp_path: Path) -> None:
    merges_survivor(project, quiet, cluster="a:1", record="b:1")
    clusters = {(one["source"], one["id"]): one["cluster"] for one in rows(project, "clusters", tmp_path)}
    assert clusters == {("a", "1"): "a:1", ("b", "1"): "a:1", ("a", "2"): "a:2", ("b", "2"): "a:2", ("b", "3"): "b:3"}
    mapping = rows(project, "mapping", tmp_path)
    assert {(one["source"], one["id"]): one["cluster"] for one in mapping} == clusters
    assert {one["survivor"] for one in mapping} == {"b:1", "a:2", "b:3"}
    golden = rows(project, "golden", tmp_path)
    assert [(one["cluster"], one["survivor"], one["records"], one["name"], one["price"]) for one in golden] == [
        ("a:1", "b:1", "2", "LUMO monitor 24", "129"),
        ("a:2", "a:2", "2", "Sony WH", "279"),
        ("b:3", "b:3", "1", "Lumo <b>", "12"),
    ]


def test_splinks_form_joined_by_its_edges_gives_our_clusters(project: Project, tmp_path: Path) -> None:
    edges = rows(project, "splink_pairs", tmp_path)
    assert [(one["match_probability"], one["clerical_match_score"]) for one in edges] == [
        ("1.0", "1.0"),
        ("0.93", ""),
        ("0.0", "0.0"),
    ]
    joined = {
        (one["source_dataset_l"], one["unique_id_l"], one["source_dataset_r"], one["unique_id_r"])
        for one in edges
        if float(one["match_probability"]) > 0.5
    }
    clusters = {
        (one["source_dataset"], one["unique_id"]): one["cluster_id"]
        for one in rows(project, "splink_clusters", tmp_path)
    }
    assert all(clusters[left, left_id] == clusters[right, right_id] for left, left_id, right, right_id in joined)
    assert len(set(clusters.values())) == len(clusters) - len(joined)


def as_dedupe_reads(document: dict[str, object]) -> object:
    """dedupe.serializer._from_json of dedupe 3.0.3: what it makes of each JSON object."""
    return tuple(document["__value__"]) if document.get("__class__") == "tuple" else document  # type: ignore[arg-type]


def test_dedupes_training_file_has_peoples_decisions_as_tuples(project: Project, tmp_path: Path) -> None:
    file = tmp_path / "training.json"
    assert write_export(project, file, "json", "dedupe") == 2
    assert json.loads(file.read_text(), object_hook=as_dedupe_reads) == {
        "match": [({"name": "Lumo monitor", "price": "129"}, {"name": "LUMO monitor 24", "price": None})],
        "distinct": [({"name": "Sony WH", "price": "279"}, {"name": "Lumo <b>", "price": "12"})],
    }
    with pytest.raises(BadInput, match="--format json"):
        write_export(project, file, "csv", "dedupe")
    with pytest.raises(BadInput, match="Cannot write 'json'"):
        write_export(project, file, "json", "pairs")


def test_exports_of_pairs_are_offered_only_where_records_are_pairs(project: Project) -> None:
    settings = project.settings()
    assert {"pairs", "golden", "dedupe"} <= captions(settings).keys()


def test_exports_of_pairs_are_refused_for_labels(encoded: Path, tmp_path: Path) -> None:
    labels = rondo(
        "--project", encoded, "export", "--out", tmp_path / "x.csv", "--format", "csv", "--what", "pairs", code=2
    )
    assert "Cannot export 'pairs'" in labels


def test_commands_list_show_undo_and_redo(folder: Path) -> None:
    merges = ("--project", folder, "merges")
    listed = json.loads(rondo(*merges, "list", "--json"))
    assert [one["cluster"] for one in listed["lines"]] == ["a:2", "a:1"], "the doubtful one first"
    assert "a:2  2 records (1 by machine, least 93.0%)" in rondo(*merges, "list")
    lines = rondo(*merges, "show", "b:1")
    assert "Cluster a:1: 2 records. a:1 stands for it." in lines
    assert "a:1 = b:1  by a person" in lines
    assert "Decided 1 pairs: 0 same, 1 different." in rondo(*merges, "undo", "a:2", "b:2")
    assert json.loads(rondo(*merges, "list", "--json"))["clusters"] == 1
    assert "Took 1 decisions back." in rondo(*merges, "redo", "a:2")
    rondo(*merges, "decide", "b:1", "b:3")
    rondo(*merges, "decide", "a:1", "b:3", "--apart")
    held = rondo(*merges, "list", "--held")
    assert "are said to be apart" in held
    assert "1 merges are held:" in held
    assert "Decided 1 pairs" in rondo(*merges, "pick", "a:2")
    assert "b:2 stands for the cluster a:2: it was chosen." in rondo(*merges, "survivor", "a:2", "b:2")
    assert "There is no record 'nobody'" in rondo(*merges, "show", "nobody", code=2)


@pytest.fixture
def server(folder: Path) -> Iterator[background.ProjectServer]:
    yield background.open_server(lambda: open_project(folder, InProcessRunner()))
    background.close_server()


def test_programs_read_the_clusters_with_the_token(server: background.ProjectServer) -> None:
    with TestClient(Starlette(routes=api_routes(lambda: server, TOKEN))) as client:
        assert client.get("/api/pairs/clusters").status_code == 401
        client.headers["authorization"] = f"Bearer {TOKEN}"
        answer = reply_to(client, "GET", "/api/pairs/clusters")
        assert (answer["records"], answer["clusters"], answer["lines"][0]["cluster"]) == (5, 2, "a:2")
        one = client.get("/api/pairs/clusters", params={"cluster": "b:1", "most": 1}).json()
        assert [line["cluster"] for line in one["lines"]] == ["a:1"]
        assert client.get("/api/pairs/clusters", params={"cluster": "nobody"}).status_code == 422
        assert client.get("/api/pairs/clusters", params={"most": 5_000}).status_code == 422


def clusters_page() -> AppTest:
    page = shown("clusters.py")
    page.text_input(key="records-who").set_value("ann").run()
    assert not page.exception
    return page


def groups(server: background.ProjectServer) -> dict[str, tuple[str, ...]]:
    return dict(current_clusters(server.project).joined)


def test_a_click_sets_a_cluster_apart_and_another_takes_it_back(server: background.ProjectServer) -> None:
    page = clusters_page()
    assert page.checkbox[0].label == "a:2"
    page.button(key="reject").click().run()
    assert not page.exception
    assert "1 decisions written (0 same, 1 different)" in page.success[0].value
    assert groups(server) == {"a:1": ("a:1", "b:1")}
    page.button(key="take-back").click().run()
    assert groups(server) == {"a:1": ("a:1", "b:1"), "a:2": ("a:2", "b:2")}


def test_the_picked_stay_together_on_the_page(server: background.ProjectServer) -> None:
    correct(server.project, "0-4", {"same": True}, "ann")
    page = clusters_page()
    page.text_input(key="cluster-search").set_value("a:1").run()
    assert page.button(key="pick").disabled
    for index in (0, 1):
        page.checkbox(key=f"pick-a:1-{index}").check().run()
    page.button(key="pick").click().run()
    assert not page.exception
    assert "2 decisions written (0 same, 2 different); 1 pairs were decided so already" in page.success[0].value
    assert groups(server)["a:1"] == ("a:1", "b:1")
    page.selectbox(key="stands-a:1").select("b:1").run()
    page.button(key="survivor").click().run()
    assert "b:1 stands for the cluster a:1." in page.success[0].value


def test_a_held_merge_is_settled_on_the_page(server: background.ProjectServer) -> None:
    correct(server.project, "0-4", {"same": False}, "ann")
    correct(server.project, "2-4", {"same": True}, "ann")
    page = clusters_page()
    assert any("Held: b:1 = b:3, says a person. But" in text.value for text in page.text)
    page.button(key="held-same-0").click().run()
    assert not page.exception
    assert groups(server)["a:1"] == ("a:1", "b:1", "b:3")
