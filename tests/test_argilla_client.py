"""The embedded server against the unmodified `argilla` client: what a team's scripts do works."""

import json
import threading
import uuid
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from annotation.dataset_copy import DatasetAddress, check_address, copy_dataset
from core.errors import RondoError
from tests.argilla_server import ArgillaServer
from tests.argilla_world import annotator, make_dataset, push, request
from tests.format_tables import LABELS, SEVERAL, made, read_form, suggested_rows, write_form
from tests.waiting import wait_for

TEXTS = (
    "Card payment failed at the shop",
    "Cash withdrawal failed",
    "My card was stolen abroad",
    "The exchange rate is wrong",
    "Top-up by card is pending",
    "Zürich café refused the card",
)


@pytest.fixture(scope="module")
def client(argilla: ArgillaServer) -> Any:
    """The SDK's own, as the owner."""
    import argilla as rg

    return rg.Argilla(api_url=argilla.url, api_key=argilla.api_key)


@pytest.fixture
def name() -> str:
    """Of a workspace that no other test has."""
    return f"w-{uuid.uuid4().hex[:8]}"


@pytest.fixture
def dataset(client: Any, name: str) -> Any:
    """Six records with metadata, vectors and suggestions."""
    return banking(client, name)


@pytest.fixture(scope="module")
def unchanged(client: Any) -> Any:
    """The same, for tests that only look."""
    return banking(client, f"w-{uuid.uuid4().hex[:8]}")


def banking(client: Any, name: str) -> Any:
    import argilla as rg

    workspace = rg.Workspace(name=name, client=client).create()
    settings = rg.Settings(
        guidelines="Label what it is about.",
        fields=[rg.TextField("text"), rg.TextField("note", required=False)],
        questions=[
            rg.LabelQuestion("label", labels=["card", "cash", "other"]),
            rg.MultiLabelQuestion("topics", labels=["shop", "travel", "fees"], required=False),
            rg.RatingQuestion("sure", values=[1, 2, 3], required=False),
            rg.TextQuestion("why", required=False),
        ],
        metadata=[
            rg.TermsMetadataProperty("source"),
            rg.FloatMetadataProperty("uncertainty"),
            rg.IntegerMetadataProperty("length"),
        ],
        vectors=[rg.VectorField("meaning", dimensions=3)],
    )
    made = rg.Dataset("banking", workspace=workspace, settings=settings, client=client).create()
    made.records.log([_record(number, text) for number, text in enumerate(TEXTS)])
    return made


def _record(number: int, text: str) -> Any:
    import argilla as rg

    label = "card" if "card" in text.lower() else "other"
    return rg.Record(
        id=f"r{number}",
        fields={"text": text, "note": "from the bank" if number % 2 else "from a person"},
        metadata={"source": "mail" if number < 3 else "chat", "uncertainty": number / 10, "length": len(text)},
        vectors={"meaning": [1.0, number / 10, 0.0]},
        suggestions=[
            rg.Suggestion("label", label, score=0.5 + number / 20, agent="m1" if number < 4 else "m2"),
            rg.Suggestion("topics", ["shop", "fees"] if number % 2 else ["travel"], score=[0.5, 0.6][: 1 + number % 2]),
        ],
    )


def ids(records: Any) -> set[str]:
    return {record.id for record in records}


def ids_of(dataset: Any, query: str = "", **options: Any) -> set[str]:
    """Ids of the records that a query finds."""
    import argilla as rg

    return ids(dataset.records(query=rg.Query(query=query or None, **options)))


def test_what_was_logged_comes_back_as_it_was(unchanged: Any) -> None:
    record = next(one for one in unchanged.records(with_vectors=True, with_suggestions=True) if one.id == "r3")
    assert record.fields["text"] == TEXTS[3]
    assert dict(record.metadata) == {"source": "chat", "uncertainty": 0.3, "length": len(TEXTS[3])}
    assert record.vectors["meaning"] == [1.0, 0.3, 0.0]
    result = {one.question_name: (one.value, one.score, one.agent) for one in record.suggestions}
    assert result == {"label": ("other", 0.65, "m1"), "topics": (["shop", "fees"], [0.5, 0.6], None)}
    assert len(list(unchanged.records)) == 6


def test_logging_again_updates_by_id_and_adds_what_is_new(dataset: Any) -> None:
    import argilla as rg

    again = rg.Record(id="r0", fields={"text": "A wombat came"}, metadata={"source": "fax"})
    fresh = rg.Record(id="r9", fields={"text": "A quokka came"}, metadata={"source": "fax"})
    dataset.records.log([again, fresh])
    assert ids_of(dataset, "wombat") == {"r0"}
    assert ids_of(dataset, "shop") == set()
    assert ids_of(dataset, filter=rg.Filter([("metadata.source", "==", "fax")])) == {"r0", "r9"}
    assert len(list(dataset.records)) == 7


def test_deleted_records_are_found_no_more(dataset: Any) -> None:
    dataset.records.delete([one for one in dataset.records if one.id in ("r0", "r2")])
    assert ids_of(dataset, "card") == {"r4", "r5"}
    assert ids(dataset.records) == {"r1", "r3", "r4", "r5"}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("card", {"r0", "r2", "r4", "r5"}),
        ("CARD failed", {"r0"}),
        ("card | cash", {"r0", "r1", "r2", "r4", "r5"}),
        ('"withdrawal failed"', {"r1"}),
        ("with*", {"r1"}),
        ("card -stolen", {"r0", "r4", "r5"}),
        ("zurich cafe", {"r5"}),
        ("top-up", {"r4"}),
        ("bank", {"r1", "r3", "r5"}),
        ("nothing-like-it", set()),
        ("(((", set()),
    ],
)
def test_words_are_found(unchanged: Any, query: str, expected: set[str]) -> None:
    assert ids_of(unchanged, query) == expected


def test_everything_can_be_filtered_on(dataset: Any, client: Any) -> None:
    import argilla as rg

    record = next(one for one in dataset.records if one.id == "r1")
    entries = {"user_id": client.me.id, "status": "submitted"}
    answer = [rg.Response("label", "cash", **entries), rg.Response("sure", 3, **entries)]
    dataset.records.log([rg.Record(id="r1", fields=record.fields, metadata=dict(record.metadata), responses=answer)])
    for conditions, expected in (
        ([("metadata.source", "==", "mail")], {"r0", "r1", "r2"}),
        ([("metadata.source", "in", ["mail", "chat"])], {f"r{n}" for n in range(6)}),
        ([("metadata.uncertainty", ">=", 0.4)], {"r4", "r5"}),
        ([("metadata.uncertainty", ">=", 0.1), ("metadata.uncertainty", "<=", 0.2)], {"r1", "r2"}),
        ([("metadata.length", "<=", len(TEXTS[1]))], {"r1"}),
        ([("label.suggestion", "==", "other")], {"r1", "r3"}),
        ([("topics.suggestion", "in", ["fees"])], {"r1", "r3", "r5"}),
        ([("label.score", ">=", 0.7)], {"r4", "r5"}),
        ([("label.agent", "==", "m2")], {"r4", "r5"}),
        ([("label.response", "==", "cash")], {"r1"}),
        ([("sure.response", "==", 3)], {"r1"}),
        ([("response.status", "==", "submitted")], {"r1"}),
        ([("response.status", "==", "pending")], {"r0", "r2", "r3", "r4", "r5"}),
        ([("status", "==", "completed")], {"r1"}),
        ([("metadata.source", "==", "mail"), ("label.suggestion", "==", "card")], {"r0", "r2"}),
    ):
        assert ids_of(dataset, filter=rg.Filter(conditions)) == expected, conditions
    assert ids_of(dataset, "card", filter=rg.Filter([("metadata.source", "==", "chat")])) == {"r4", "r5"}


def test_records_are_sorted_by_whatever_there_is(argilla: ArgillaServer, unchanged: Any) -> None:
    def order(way: str, **scope: str) -> list[str]:
        body = {"sort": [{"scope": scope, "order": way}]}
        items = request(argilla, "POST", f"/datasets/{unchanged.id}/records/search", body)["items"]
        return [item["record"]["external_id"] for item in items]

    up = [f"r{number}" for number in range(6)]
    metadata = {"entity": "metadata", "metadata_property": "uncertainty"}
    assert order("asc", **metadata) == up
    assert order("desc", **metadata) == up[::-1]
    assert order("desc", entity="suggestion", question="label", property="score") == up[::-1]
    assert order("asc", entity="record", property="inserted_at") == up
    assert order("desc", entity="record", property="external_id") == up[::-1]


def test_similar_records_come_nearest_first(unchanged: Any) -> None:
    import argilla as rg

    record = next(one for one in unchanged.records(with_vectors=True) if one.id == "r0")
    near = [one.id for one, _ in unchanged.records(query=rg.Query(similar=rg.Similar("meaning", record)), limit=3)]
    assert near == ["r1", "r2", "r3"]
    far = rg.Similar("meaning", [1.0, 0.0, 0.0], most_similar=False)
    scored = list(unchanged.records(query=rg.Query(similar=far, filter=rg.Filter([("metadata.source", "==", "mail")]))))
    assert [one.id for one, _ in scored] == ["r2", "r1", "r0"]
    assert scored[-1][1] == pytest.approx(0.0, abs=1e-6)


def test_metadata_ranges_are_what_the_interface_shows(argilla: ArgillaServer, unchanged: Any) -> None:
    properties = request(argilla, "GET", f"/me/datasets/{unchanged.id}/metadata-properties")["items"]
    paths = {one["name"]: f"/metadata-properties/{one['id']}/metrics" for one in properties}
    result = {name: request(argilla, "GET", path) for name, path in paths.items()}
    assert result["source"]["values"] == [{"term": "chat", "count": 3}, {"term": "mail", "count": 3}]
    assert (result["uncertainty"]["min"], result["uncertainty"]["max"]) == (0.0, 0.5)
    lengths = [len(text) for text in TEXTS]
    assert (result["length"]["min"], result["length"]["max"]) == (min(lengths), max(lengths))


def test_suggestions_are_replaced_and_taken_away(argilla: ArgillaServer, dataset: Any) -> None:
    import argilla as rg

    record = next(one for one in dataset.records if one.id == "r0")
    entries = {"fields": record.fields, "metadata": dict(record.metadata)}
    dataset.records.log([rg.Record(id="r0", **entries, suggestions=[rg.Suggestion("label", "cash", 0.9, "m3")])])
    assert ids_of(dataset, filter=rg.Filter([("label.agent", "==", "m3")])) == {"r0"}
    path = f"/records/{record._server_id}/suggestions"
    made = request(argilla, "GET", path)["items"]
    request(argilla, "DELETE", f"{path}?ids={','.join(one['id'] for one in made)}")
    assert ids_of(dataset, filter=rg.Filter([("label.suggestion", "==", "cash")])) == set()


def test_a_record_is_complete_after_as_many_people_as_the_overlap_says(argilla: ArgillaServer, name: str) -> None:
    dataset = make_dataset(argilla, name, overlap=2)
    first, second = push(argilla, dataset, 2)
    people = [annotator(argilla, name) for _ in range(2)]
    answer = {"values": {"label": {"value": "a"}}, "status": "submitted"}
    for person in people:
        request(argilla, "POST", f"/records/{first}/responses", answer, person["api_key"])
    request(argilla, "POST", f"/records/{second}/responses", answer, people[0]["api_key"])
    request(argilla, "POST", f"/records/{second}/responses", {"status": "discarded"}, people[1]["api_key"])

    progress = request(argilla, "GET", f"/datasets/{dataset}/progress")
    assert (progress["total"], progress["completed"], progress["pending"]) == (2, 1, 1)
    responses = request(argilla, "GET", f"/me/datasets/{dataset}/metrics", key=people[1]["api_key"])["responses"]
    assert (responses["total"], responses["submitted"], responses["discarded"], responses["pending"]) == (2, 1, 1, 0)


def test_answers_are_edited_saved_as_drafts_and_deleted(argilla: ArgillaServer, name: str) -> None:
    dataset = make_dataset(argilla, name)
    [record] = push(argilla, dataset, 1)
    key = annotator(argilla, name)["api_key"]
    draft = {"values": {"label": {"value": "a"}}, "status": "draft"}
    made = request(argilla, "POST", f"/records/{record}/responses", draft, key)["id"]

    def state() -> str:
        return str(request(argilla, "GET", f"/records/{record}")["status"])

    assert state() == "pending"
    request(argilla, "PUT", f"/responses/{made}", {"values": {"label": {"value": "b"}}, "status": "submitted"}, key)
    assert state() == "completed"
    request(argilla, "DELETE", f"/responses/{made}", key=key)
    assert state() == "pending"


def test_an_annotator_sees_his_workspace_and_nothing_else(argilla: ArgillaServer, name: str) -> None:
    mine, other = make_dataset(argilla, name), make_dataset(argilla, f"{name}-other")
    push(argilla, other, 1)
    key = annotator(argilla, name)["api_key"]
    assert [one["id"] for one in request(argilla, "GET", "/me/datasets", key=key)["items"]] == [mine]
    for method, path in (("POST", f"/me/datasets/{other}/records/search"), ("GET", "/users"), ("GET", "/webhooks")):
        with pytest.raises(AssertionError, match="403"):
            request(argilla, method, path, {} if method == "POST" else None, key)


def test_people_of_a_tier_get_different_records_and_the_useful_ones_first(argilla: ArgillaServer, name: str) -> None:
    dataset = make_dataset(argilla, name, ranked=True)
    records = push(argilla, dataset, 60, [number // 30 for number in range(60)])
    keys = [annotator(argilla, name)["api_key"] for _ in range(3)]
    pages = []
    for key in keys:
        path = f"/me/datasets/{dataset}/records/search?limit=10"
        body = {"filters": {"and": [{"type": "terms", "scope": {"entity": "response", "property": "status"}}]}}
        body["filters"]["and"][0]["values"] = ["pending"]
        pages.append([item["record"]["id"] for item in request(argilla, "POST", path, body, key)["items"]])
    assert sorted(one for page in pages for one in page) == sorted(records[:30])
    owner = request(argilla, "POST", f"/me/datasets/{dataset}/records/search?limit=60", {})["items"]
    assert {item["record"]["id"] for item in owner[:30]} == {*records[:30]}


def test_a_dataset_goes_with_all_its_records(argilla: ArgillaServer, dataset: Any, client: Any) -> None:
    path = f"/datasets/{dataset.id}"
    dataset.delete()
    with pytest.raises(AssertionError, match="404"):
        request(argilla, "GET", path)


def test_guidelines_and_overlap_can_be_changed_later(argilla: ArgillaServer, dataset: Any) -> None:
    change = {"guidelines": "Anew.", "distribution": {"strategy": "overlap", "min_submitted": 3}}
    result = request(argilla, "PATCH", f"/datasets/{dataset.id}", change)
    assert (result["guidelines"], result["distribution"]["min_submitted"]) == ("Anew.", 3)


class Receiver:
    """A web server that remembers what it was sent, and fails the first so many times."""

    def __init__(self, failures: int = 0) -> None:
        self.got: list[tuple[dict[str, str], bytes]] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                failed = len(outer.got) < failures
                outer.got.append((dict(self.headers), body))
                self.send_response(500 if failed else 200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, count: int) -> list[tuple[dict[str, str], bytes]]:
        """The first so many deliveries."""
        wait_for(lambda: len(self.got) >= count)
        return self.got[:count]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """On this machine."""
    made = Receiver()
    yield made
    made.server.shutdown()
    made.server.server_close()


def test_webhooks_send_what_was_requested_signed_and_nothing_after_they_are_gone(
    argilla: ArgillaServer, name: str, receiver: Receiver
) -> None:
    from standardwebhooks.webhooks import Webhook

    dataset = make_dataset(argilla, name)
    records = push(argilla, dataset, 3)  # before there is a webhook: the server remembers that none is wanted
    hook = request(
        argilla, "POST", "/webhooks", {"url": receiver.url, "events": ["response.created"], "description": "h"}
    )
    answer = {"values": {"label": {"value": "b"}}, "status": "submitted"}
    person = annotator(argilla, name)
    for record in records[:2]:
        request(argilla, "POST", f"/records/{record}/responses", answer, person["api_key"])

    result = [Webhook(hook["secret"]).verify(body, headers) for headers, body in receiver.wait(2)]

    assert [(one["type"], one["data"]["record"]["id"]) for one in result] == [
        ("response.created", record) for record in records[:2]
    ]
    assert {one["data"]["user"]["username"] for one in result} == {person["username"]}
    request(argilla, "PATCH", f"/webhooks/{hook['id']}", {"enabled": False})
    request(argilla, "POST", f"/records/{records[2]}/responses", answer, person["api_key"])
    request(argilla, "PATCH", f"/webhooks/{hook['id']}", {"enabled": True, "events": ["record.created"]})
    push_one = {"items": [{"fields": {"text": "late"}, "external_id": "late"}]}
    request(argilla, "POST", f"/datasets/{dataset}/records/bulk", push_one)
    assert json.loads(receiver.wait(3)[2][1])["type"] == "record.created"
    request(argilla, "DELETE", f"/webhooks/{hook['id']}")
    assert len(receiver.got) == 3


def test_an_exported_folder_comes_up_on_the_server_and_the_folder_that_the_client_writes_is_read(
    client: Any, name: str, tmp_path: Path
) -> None:
    import argilla as rg

    workspace = rg.Workspace(name=name, client=client).create()
    rows = suggested_rows(TEXTS, several=True)
    write_form(tmp_path, "argilla", rows, "all", SEVERAL)
    dataset = rg.Dataset.from_disk(str(made(tmp_path, "argilla")), workspace=name, client=client)
    assert dataset.settings.questions["label"].labels == list(LABELS)
    records = sorted(dataset.records(with_suggestions=True), key=lambda record: str(record.id))
    assert [record.fields["text"] for record in records] == list(TEXTS)
    assert records[0].suggestions["label"].value == ["new york", "rouge"]
    client.me.add_to_workspace(workspace)
    response = rg.Response(question_name="label", value=["rouge"], user_id=client.me.id)
    dataset.records.log([rg.Record(id="r0", fields={"text": TEXTS[0]}, responses=[response])])
    (tmp_path / "theirs").mkdir()
    dataset.to_disk(str(tmp_path / "theirs"))
    back = {row["id"]: row for row in read_form(tmp_path / "theirs", "argilla", ["id", "text", "label", "annotator"])}
    assert back["r0"]["annotator"] == str(client.me.id)
    assert back["r0"]["label"] == ["rouge"]
    assert back["r1"]["label"] == ["日本"]


def test_a_dataset_is_fetched_as_the_folder_that_an_import_reads(
    argilla: ArgillaServer, unchanged: Any, tmp_path: Path
) -> None:
    workspace = unchanged.workspace.name
    person = annotator(argilla, workspace)
    record = next(one for one in unchanged.records if one.id == "r3")
    answer = {"values": {"label": {"value": "cash"}}, "status": "submitted"}
    request(argilla, "POST", f"/records/{record._server_id}/responses", answer, key=person["api_key"])
    seen: list[tuple[int, int]] = []

    def copy(**changes: str) -> Path:
        supplied = {"workspace": workspace, "dataset": "banking", "question": "label", "api_key": argilla.api_key}
        address = DatasetAddress(url=argilla.url, **(supplied | changes))
        return copy_dataset(check_address(address), tmp_path, lambda done, total: seen.append((done, total)))

    folder = copy()
    assert seen == [(6, 6)]
    columns = ["id", "text", "annotator", "label", "suggestion", "length"]
    rows = {row["id"]: row for row in read_form(folder, "argilla", columns)}
    assert {row["text"] for row in rows.values()} == set(TEXTS)
    assert (rows["r3"]["annotator"], rows["r3"]["label"], rows["r3"]["suggestion"]) == (
        person["username"],
        ["cash"],
        ["other"],
    )
    assert rows["r3"]["length"] == len(TEXTS[3])
    assert not any(argilla.api_key in path.read_text() for path in folder.rglob("*.json"))
    for changes, words in (
        ({"dataset": "none"}, "There is no dataset 'none' on this Argilla server; there is banking"),
        ({"question": ""}, "in several questions: label, topics"),
        ({"question": "sure"}, "there is label, topics"),
        ({"api_key": "wrong"}, "does not accept the key"),
        ({"api_key": "wr\nong"}, "characters that no key has"),
    ):
        with pytest.raises(RondoError, match=words) as error:
            copy(**changes)
        assert "wr\nong" not in str(error.value)
