"""The real client against a local provider: what may pass is waited for, what may not is one clear error."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest

from core.errors import BadInput, Refused, RondoError, Unreachable
from core.hosted.dialects import FIREWORKS_WORDS, STATUSES, TOGETHER_WORDS, TuningOrder
from core.hosted.fine_tuning import (
    HostedState,
    HostedTuningParams,
    cancel,
    create_once,
    forget,
    list_jobs,
    look_up,
    read_state,
    tune,
)
from core.language_models.client import Connection, Patience, connect
from core.language_models.providers import ACCOUNT, PROVIDERS, provider_of, token_of
from tests.hosted_api import TOKEN, Fault, HostedApi
from tests.hosted_api import hosted_api as hosted_api  # a fixture


@dataclass
class Clock:
    """Sleeps that are noted and not slept."""

    slept: list[float] = field(default_factory=list)

    def __call__(self, seconds: float) -> None:
        self.slept.append(seconds)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    for variable in ("OPENAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "RONDO_HOSTED_TOKEN"):
        monkeypatch.setenv(variable, TOKEN)
    monkeypatch.setenv(ACCOUNT, "me")
    return Clock()


def connection(api: HostedApi, clock: Clock, provider: str = "openai", **patience: float) -> Connection:
    known = Patience(tries=3, first=1.0, most=60.0, longest=120.0, timeout=20.0)
    values = {name: int(value) if name == "tries" else value for name, value in patience.items()}
    return connect(provider_of(provider, api.url), replace(known, **values), sleep=clock)  # type: ignore[arg-type]


def params(**values: object) -> HostedTuningParams:
    known = HostedTuningParams("openai", "", "gpt-4o-mini", 3, 12, 11, 1, 900, 0.1, poll_seconds=20.0, outages=3)
    return replace(known, **values)  # type: ignore[arg-type]


def bundle(folder: Path) -> Path:
    (folder / "job-1" / "in").mkdir(parents=True)
    (folder / "job-1" / "in" / "train.jsonl").write_text('{"messages": []}\n')
    return folder / "job-1"


def quiet() -> None:
    """Nobody follows."""


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_job_is_uploaded_created_and_followed_to_its_model(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path, provider: str
) -> None:
    seen: list[str] = []
    folder = bundle(tmp_path)
    job = tune(
        folder, params(), connection(hosted_api, clock, provider), lambda: seen.append(read_state(folder).status)
    )
    assert seen == ["queued" if provider == "together" else "validating_files", "queued", "running", "succeeded"]
    assert job.model == "ft:gpt-4o-mini:rondo::ftjob-1"
    assert len(hosted_api.files) == len(hosted_api.jobs) == 1
    assert b'{"messages": []}' in next(iter(hosted_api.files.values()))
    assert clock.slept == [20.0] * 3
    assert [one.id for one in list_jobs(connection(hosted_api, clock, provider))] == ["ftjob-1"]
    forget(folder, connection(hosted_api, clock, provider))
    forget(folder, connection(hosted_api, clock, provider))
    assert hosted_api.files == {}


def test_epochs_and_method_are_what_was_ordered(hosted_api: HostedApi, clock: Clock, tmp_path: Path) -> None:
    tune(bundle(tmp_path), params(epochs=4), connection(hosted_api, clock), quiet)
    [order] = hosted_api.bodies
    assert order["method"] == {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 4}}}
    assert order["metadata"] == {"rondo_job": "job-1"}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_failed_job_says_what_the_provider_says(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path, provider: str
) -> None:
    hosted_api.steps, hosted_api.error = ("running", "failed"), "Invalid file format at line 7."
    with pytest.raises(Refused, match="failed: Invalid file format at line 7"):
        tune(bundle(tmp_path), params(), connection(hosted_api, clock, provider), quiet)


def test_a_paused_job_is_waited_for_and_an_unknown_word_is_running(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path
) -> None:
    hosted_api.steps = ("pausing", "paused", "warming_up", "succeeded")
    folder, seen = bundle(tmp_path), list[tuple[str, str]]()

    def look() -> None:
        state = read_state(folder)
        seen.append((state.status, state.word))

    tune(folder, params(), connection(hosted_api, clock), look)
    assert seen[:3] == [("paused", "pausing"), ("paused", "paused"), ("running", "warming_up")]


def test_retry_after_is_respected_in_seconds_and_as_a_date(hosted_api: HostedApi, clock: Clock) -> None:
    later = format_datetime(datetime.now(UTC) + timedelta(seconds=60), usegmt=True)
    hosted_api.faults["GET /v1/fine_tuning"] = [
        Fault(429, headers={"retry-after": "17"}),
        Fault(429, headers={"retry-after": later}),
    ]
    assert list_jobs(connection(hosted_api, clock)) == []
    assert clock.slept[0] == 17.0
    assert 50 < clock.slept[1] <= 60


def test_waits_double_from_try_to_try_and_end_with_the_providers_message(hosted_api: HostedApi, clock: Clock) -> None:
    hosted_api.faults["GET /v1/fine_tuning"] = [Fault(503, {"error": {"message": "overloaded"}})] * 4
    with pytest.raises(Unreachable, match=r"Listing .* at openai: it answered 503: overloaded \(4 tries\)"):
        list_jobs(connection(hosted_api, clock, tries=4))
    assert clock.slept == [1.0, 2.0, 4.0]


def test_a_wait_of_hours_is_not_waited_for(hosted_api: HostedApi, clock: Clock) -> None:
    hosted_api.faults["GET /v1/fine_tuning"] = [Fault(429, headers={"retry-after": "7200"})]
    with pytest.raises(Unreachable, match="asks to wait 7,200 s"):
        list_jobs(connection(hosted_api, clock))
    assert clock.slept == []


def test_a_spent_quota_is_not_tried_again(hosted_api: HostedApi, clock: Clock) -> None:
    body = {"error": {"message": "You exceeded your current quota.", "code": "insufficient_quota"}}
    hosted_api.faults["GET /v1/fine_tuning"] = [Fault(429, body)]
    with pytest.raises(Refused, match="quota is spent: You exceeded"):
        list_jobs(connection(hosted_api, clock))
    assert len(hosted_api.received) == 1


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (Fault(200, b"<html>Welcome</html>", {"content-type": "text/html"}), "makes no sense"),
        (Fault(200, b'{"data": ['), "makes no sense"),
        (Fault(200, [1, 2]), "makes no sense"),
        (Fault(200, {"data": "none"}), "makes no sense"),
        (Fault(200, {"data": [{"id": "x"}]}), "it has no status"),
        (Fault(403, {"error": "not for you"}), "not allowed: not for you"),
        (Fault(400, {"error": {"message": {"deep": 1}}}), r"refused with 400: no reason given"),
        (Fault(404, b"nothing", {"content-type": "text/plain"}), "refused with 404"),
    ],
)
def test_an_answer_that_makes_no_sense_is_one_clear_error(
    hosted_api: HostedApi, clock: Clock, fault: Fault, message: str
) -> None:
    hosted_api.faults["GET /v1/fine_tuning"] = [fault]
    with pytest.raises(RondoError, match=message) as error:
        list_jobs(connection(hosted_api, clock))
    assert "at openai" in str(error.value)
    assert clock.slept == []


@pytest.mark.parametrize("line", ["POST /v1/files", "POST /v1/fine_tuning/jobs", "GET /v1/fine_tuning/jobs/"])
@pytest.mark.parametrize("body", [b"<p>Welcome</p>", b"{", [1], None, {"id": 7, "status": "queued"}, {"status": [1]}])
def test_whatever_comes_back_at_whatever_step_is_one_clear_error(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path, line: str, body: object
) -> None:
    hosted_api.faults[line] = [Fault(200, body)]
    with pytest.raises(Refused, match="at openai: the answer makes no sense"):
        tune(bundle(tmp_path), params(), connection(hosted_api, clock), quiet)


def test_a_wrong_token_is_named_by_its_variable_and_not_shown(
    hosted_api: HostedApi, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-and-wrong")
    with pytest.raises(Refused, match=r"the token in OPENAI_API_KEY was refused: .*\*\*\*") as error:
        list_jobs(connection(hosted_api, clock))
    assert "secret" not in str(error.value)


def test_a_time_out_and_a_closed_port_are_tried_again(hosted_api: HostedApi, clock: Clock) -> None:
    hosted_api.faults["GET /v1/fine_tuning"] = [Fault(hang=True)]
    assert list_jobs(connection(hosted_api, clock, timeout=5.0)) == []
    assert clock.slept == [1.0]
    gone = replace(hosted_api, url="http://127.0.0.1:9/v1")
    with pytest.raises(Unreachable, match=r"could not be reached \(http://127.0.0.1:9/v1/"):
        list_jobs(connection(gone, clock))


@pytest.mark.parametrize("fault", [Fault(500, after=True), Fault(hang=True, after=True)])
def test_a_job_whose_answer_was_lost_is_not_created_twice(hosted_api: HostedApi, clock: Clock, fault: Fault) -> None:
    hosted_api.files["file-1"] = b""
    hosted_api.faults["POST /v1/fine_tuning"] = [fault]
    job = create_once(connection(hosted_api, clock, timeout=5.0), TuningOrder("gpt", "file-1", None, "job-1"))
    assert (job.id, len(hosted_api.jobs)) == ("ftjob-1", 1)


@pytest.mark.parametrize(
    "state", [HostedState(file="file-1"), HostedState(file="file-1", job="ftjob-1")], ids=["uploaded", "created"]
)
def test_an_attempt_that_was_killed_goes_on_with_the_same_job(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path, state: HostedState
) -> None:
    hosted_api.files["file-1"] = b"{}"
    created = create_once(connection(hosted_api, clock), TuningOrder("gpt", "file-1", None, "job-1"))
    folder = bundle(tmp_path)
    (folder / "hosted.json").write_text(json.dumps(vars(state)))
    assert tune(folder, params(), connection(hosted_api, clock), quiet).id == created.id
    assert len(hosted_api.jobs) == len(hosted_api.files) == 1


def test_an_outage_while_it_trains_is_waited_out(hosted_api: HostedApi, clock: Clock, tmp_path: Path) -> None:
    hosted_api.faults["GET /v1/fine_tuning/jobs/"] = [Fault(500)] * 5
    assert tune(bundle(tmp_path), params(), connection(hosted_api, clock), quiet).status == "succeeded"
    hosted_api.faults["GET /v1/fine_tuning/jobs/"] = [Fault(500)] * 9
    with pytest.raises(Unreachable, match="Looking at the job"):
        tune(bundle(tmp_path / "second"), params(), connection(hosted_api, clock), quiet)


@pytest.mark.parametrize("provider", PROVIDERS)
def test_cancelling_reaches_a_job_that_hangs_also_where_its_id_was_never_received(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path, provider: str
) -> None:
    hosted_api.steps = ("running",)
    hosted_api.files["file-1"] = b""
    there = connection(hosted_api, clock, provider)
    create_once(there, TuningOrder("gpt", "file-1", None, "job-1"))
    folder = bundle(tmp_path)
    (folder / "hosted.json").write_text(json.dumps(vars(HostedState(file="file-1"))))
    assert cancel(folder, there).status == "cancelled"
    assert hosted_api.jobs["ftjob-1"]["cancelled"]
    assert read_state(folder).job == "ftjob-1"
    cancel(folder, there)
    assert hosted_api.count("cancel") == 1


def test_nothing_was_uploaded_so_nothing_is_cancelled(hosted_api: HostedApi, clock: Clock, tmp_path: Path) -> None:
    assert cancel(bundle(tmp_path), connection(hosted_api, clock)) == HostedState()
    assert hosted_api.received == []


def test_a_job_that_was_cancelled_on_the_providers_page_says_so(
    hosted_api: HostedApi, clock: Clock, tmp_path: Path
) -> None:
    hosted_api.steps = ("running", "cancelled")
    with pytest.raises(Refused, match="ftjob-1 was cancelled at openai"):
        tune(bundle(tmp_path), params(), connection(hosted_api, clock), quiet)


@pytest.mark.parametrize(("date", "requested"), [("2027-01-14", "2027-01-14"), (None, None), ("soon", None)])
def test_the_day_a_model_ends_is_read_where_the_provider_says_one(
    hosted_api: HostedApi, clock: Clock, date: str | None, requested: str | None
) -> None:
    hosted_api.models, hosted_api.shutdown = {"ft:x"}, date
    there = connection(hosted_api, clock)
    assert look_up(there, "ft:x").shutdown == requested
    assert (look_up(there, "ft:x").there, look_up(there, "ft:gone").there) == (True, False)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("http://example.org/v1", "must begin with https://"),
        ("https://me:pass@example.org/v1", "holds a login"),
        ("https://", "no address of an API"),
        ("ftp://127.0.0.1/v1", "must begin with https://"),
        ("openia", "There is no provider 'openia'; there are openai, together, fireworks"),
    ],
)
def test_an_address_that_would_betray_a_token_is_refused(address: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        provider_of(address)


def test_a_token_comes_from_the_environment_and_a_server_on_this_machine_needs_none() -> None:
    with pytest.raises(Refused, match="OPENAI_API_KEY is not set"):
        token_of(PROVIDERS["openai"], {})
    assert token_of(PROVIDERS["together"], {"TOGETHER_API_KEY": " t \n"}) == "t"
    assert token_of(provider_of("http://127.0.0.1:8000/v1/"), {}) == "none"


def test_waiting_is_a_callable_of_the_connection() -> None:
    sleep: Callable[[float], None] = Clock()
    assert connect(provider_of("http://localhost:1/v1"), Patience(), sleep=sleep).sleep is sleep


FIREWORKS_STATES = """
    CREATING RUNNING COMPLETED FAILED CANCELLED DELETING WRITING_RESULTS VALIDATING DELETING_CLEANING_UP PENDING EXPIRED
    RE_QUEUEING CREATING_INPUT_DATASET IDLE CANCELLING EARLY_STOPPED PAUSED DELETED ARCHIVED
"""
TOGETHER_STATES = """
    pending queued running compressing uploading cancel_requested cancelled error user_error completed
"""


def test_every_state_that_fireworks_and_together_name_is_known() -> None:
    """A state that is not known is followed as running, and a job that was deleted there would be followed for ever."""
    assert {f"JOB_STATE_{state}" for state in FIREWORKS_STATES.split()} <= FIREWORKS_WORDS.keys()
    assert {FIREWORKS_WORDS[f"JOB_STATE_{state}"] for state in ("DELETED", "ARCHIVED")} == {"cancelled"}
    others = set(TOGETHER_STATES.split()) - TOGETHER_WORDS.keys()
    assert others == {"queued", "running", "cancelled"}
    assert others <= set(STATUSES)
