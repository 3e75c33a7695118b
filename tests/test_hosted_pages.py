"""The page Models with hosted models: listed, put to use, taken out, and warned of before they end."""

import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import background
from core.models.hosted_models import hosted_in_use
from tests.hosted_api import TOKEN, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture
from tests.hosted_registry import decided_folder as decided_folder  # a fixture
from tests.hosted_registry import reopen, teach, tune
from tests.test_jobs_pages import finish
from tests.test_pages import shown

pytestmark = pytest.mark.long


@pytest.fixture
def server(decided_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[background.ProjectServer]:
    monkeypatch.setenv("RONDO_HOSTED_TOKEN", TOKEN)
    folder = Path(shutil.copytree(decided_folder, tmp_path / "pairs"))
    yield background.open_server(lambda: reopen(folder))
    background.close_server()


def test_a_hosted_model_is_put_to_use_and_taken_out_on_the_page(
    server: background.ProjectServer, hosted_api: HostedApi
) -> None:
    hosted_api.shutdown = str(datetime.now(UTC).date() + timedelta(days=20))
    tuned = tune(server.project, hosted_api)
    teach(server.project, hosted_api, tuned)
    page = shown("models.py")
    assert any("in 20 days: rondo models rescue" in warning.value for warning in page.warning)
    assert any("40 more gold and audit pairs" in note.value for note in page.info)
    page.text_input(key="promote-reason").set_value("for this test")
    page.button(key="promote").click().run()
    finish(server)
    assert hosted_in_use(server.project) == tuned
    page.run()
    assert not page.exception
    assert any(head.value.startswith("Answers programs: hosted") for head in page.header)
    assert not any("40 more gold" in note.value for note in page.info)
    page.button(key="deactivate").click().run()
    finish(server)
    assert hosted_in_use(server.project) is None
    assert not page.run().exception
