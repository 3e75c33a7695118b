"""A job's state: any sequence of changes leads from a state to one that may follow it, and an end stays an end."""

import re
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.ids import JobId
from core.jobs.job_states import ENDED, OPEN, STATES, TRANSITIONS, UNDER_WAY, WrongState, change_state
from core.store.database import Store

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    store = Store(tmp_path_factory.mktemp("jobs"))
    yield store
    store.close()


def state_of(store: Store, job: str) -> str:
    return str(store.one("select state from jobs where id = ?", [job]))


STEPS = st.lists(st.tuples(st.sampled_from(STATES), st.sets(st.sampled_from(STATES))), max_size=12)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_only_what_may_follow_follows_and_what_somebody_else_changed_is_left(
    store: Store, steps: list[tuple[str, set[str]]]
) -> None:
    with store.transaction() as cursor:
        cursor.execute("delete from jobs")
        cursor.execute("insert into jobs (id, kind, state, made_at, params) values ('j', 'x', 'draft', now(), '{}')")
    now = "draft"
    for to, before in steps:
        expected = before or set(STATES)
        refused = now in expected and to not in TRANSITIONS[now]
        with (
            pytest.raises(WrongState, match=f"is {now}, so it cannot become {to}") if refused else nullcontext(),
            store.transaction() as cursor,
        ):
            assert change_state(cursor, JobId("j"), to, expected, error=to) == (now in expected)
        assert state_of(store, "j") == (to if now in expected and not refused else now)
        now = state_of(store, "j")


def test_every_state_has_its_line_and_what_succeeded_stays() -> None:
    assert set(TRANSITIONS) == set(STATES) == {*UNDER_WAY, *ENDED, "lost"}
    assert TRANSITIONS["succeeded"] == ()
    assert all(set(TRANSITIONS[state]) <= {"submitting", state} for state in ENDED)  # but for another attempt
    assert set(OPEN) == set(STATES) - set(ENDED)


def test_a_job_that_is_not_there_changes_to_nothing(store: Store) -> None:
    with store.transaction() as cursor:
        assert not change_state(cursor, JobId("no such job"), "running")


def test_nobody_else_writes_the_state_of_a_job() -> None:
    writes = re.compile(r"update\s+jobs\s+set[^;]*?\bstate\s*=", re.DOTALL | re.IGNORECASE)
    for file in [*ROOT.glob("core/**/*.py"), *ROOT.glob("app/**/*.py"), *ROOT.glob("gpu_jobs/**/*.py")]:
        text = file.read_text(encoding="utf-8")
        for found in re.finditer(r"update\s+jobs\s+set", text, re.IGNORECASE):
            sql = text[found.start() : text.find('"', found.start())]
            assert file.name == "states.py" or not writes.search(sql), f"{file.relative_to(ROOT)}: {sql}"
