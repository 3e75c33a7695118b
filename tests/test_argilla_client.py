"""The embedded server against the unmodified `argilla` client: what a team's scripts do works."""

import uuid
from typing import Any

import pytest

from tests.argilla_server import ArgillaServer

TEXTS = ("card payment failed", "cash withdrawal failed", "card stolen abroad", "exchange rate wrong", "top up by card")


@pytest.fixture(scope="module")
def client(argilla: ArgillaServer) -> Any:
    """The SDK's own, as the owner."""
    import argilla as rg

    return rg.Argilla(api_url=argilla.url, api_key=argilla.api_key)


@pytest.fixture
def workspace(client: Any) -> Any:
    """A new one."""
    import argilla as rg

    return rg.Workspace(name=f"w-{uuid.uuid4().hex[:8]}", client=client).create()


def test_records_are_logged_found_and_deleted(client: Any, workspace: Any) -> None:
    import argilla as rg

    settings = rg.Settings(fields=[rg.TextField("text")], questions=[rg.LabelQuestion("label", labels=["a", "b"])])
    dataset = rg.Dataset("d", workspace=workspace, settings=settings, client=client).create()
    dataset.records.log([rg.Record(id=f"r{n}", fields={"text": text}) for n, text in enumerate(TEXTS)])

    found = list(dataset.records(query=rg.Query(query="card -stolen")))

    assert {record.id for record in found} == {"r0", "r4"}
