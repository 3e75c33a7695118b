"""Whatever people, lines and processes do, in whatever order: after a sync both sides say the same, once."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core import loop, verbs
from core.errors import Cancelled, RondoError
from core.exchange.pull import reconcile_now, record_no_of
from core.ids import RecordNo
from core.labelling.changes import change_settings
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer
from tests.conftest import TOPICS, quiet
from tests.exchange_world import Content, Line, Team, answers_in_force, dataset_of, line_to, where

PEOPLE, RECORDS = 2, 4
Step = tuple[Any, ...]
person, index, label = st.integers(0, PEOPLE - 1), st.integers(0, RECORDS - 1), st.sampled_from(sorted(TOPICS))
ACTS = st.one_of(
    st.tuples(st.just("answer"), person, index, label),
    st.tuples(st.just("discard"), person, index, label),
    st.tuples(st.just("draft"), person, index, label),
    st.tuples(st.just("delete"), person, index),
    st.tuples(st.just("late"), person, index, label),
)
STEPS = st.one_of(
    ACTS,
    ACTS,
    st.tuples(st.just("call"), index, st.integers(1, 3)),
    st.tuples(st.just("sync")),
    st.tuples(st.just("push")),
    st.tuples(st.just("cut"), st.sampled_from(["push", "sync"]), st.integers(200, 12_000)),
    st.tuples(st.just("stop"), st.sampled_from(["push", "sync"]), st.integers(0, 2)),
    st.tuples(st.just("reopen")),
    st.tuples(st.just("card"), index, label),
    st.tuples(st.just("relabel")),
)


@dataclass
class Played:
    """A project and its team, and what the people of the schedule believe to have said."""

    project: Project
    team: Team
    line: Line
    people: list[str]
    records: list[str]
    answer: dict[tuple[str, str], Content] = field(default_factory=dict)
    acts: int = 0
    labels: int = 0

    def play(self, step: Step) -> None:
        """One step of a schedule."""
        getattr(self, f"_{step[0]}")(*step[1:])

    def _say(self, user: int, record: int, label: str, status: str, state: str = "current") -> None:
        there = where(self.project, state).get(self.records[record])
        if there is None:
            return
        self.team.answer(self.people[user], there, [label], status=status)
        self.acts += 1
        key = (self.records[record], self.people[user])
        content: dict[str, Content] = {"submitted": ("submit", (label,), None), "discarded": ("skip", (), None)}
        if status in content:
            self.answer[key] = content[status]
        else:
            self.answer.pop(key, None)

    def _answer(self, user: int, record: int, label: str) -> None:
        self._say(user, record, label, "submitted")

    def _discard(self, user: int, record: int, label: str) -> None:
        self._say(user, record, label, "discarded")

    def _draft(self, user: int, record: int, label: str) -> None:
        self._say(user, record, label, "draft")

    def _late(self, user: int, record: int, label: str) -> None:
        """In a dataset that was replaced: the page was still open."""
        self._say(user, record, label, "submitted", "replaced")

    def _delete(self, user: int, record: int) -> None:
        there = where(self.project).get(self.records[record])
        if there is None or self.team.response(self.people[user], there) is None:
            return
        self.team.take_back(self.people[user], there)
        self.answer.pop((self.records[record], self.people[user]), None)

    def _call(self, record: int, times: int) -> None:
        """As the webhook does; where it is not in the schedule, it was lost."""
        if there := where(self.project).get(self.records[record]):
            for _ in range(times):
                reconcile_now(self.project, [record_no_of(self.project, there) or RecordNo(0)])

    def _sync(self) -> None:
        verbs.function_of("team_sync")(self.project, quiet)

    def _push(self) -> None:
        verbs.function_of("team_push")(self.project, quiet)

    def _cut(self, verb: str, left: int) -> None:
        self.line.left = left
        with suppress(RondoError):
            verbs.function_of(f"team_{verb}")(self.project, quiet)
        self.line.left = None

    def _stop(self, verb: str, after: int) -> None:
        """As if the process ended there: what was done is done."""
        left = [after]

        def report(*_: object) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Cancelled("stopped")

        with suppress(Cancelled):
            verbs.function_of(f"team_{verb}")(self.project, report)

    def _reopen(self) -> None:
        self.project.close()
        self.project = self.team.join(open_project(self.project.folder, InProcessRunner()))

    def _card(self, record: int, label: str) -> None:
        event = Event(f"card-{self.acts}-{record}-{label}", self.records[record], "submit", (label,))
        self.project.label_queue.exchange(Holder("dora", "1"), QueueRequest(events=(event,)))

    def _relabel(self) -> None:
        if self.labels < 2:
            self.labels += 1
            change_settings(self.project, add_label=f"extra {self.labels}")


@pytest.fixture(scope="module")
def line(argilla: ArgillaServer) -> Iterator[Line]:
    with line_to(argilla.url) as line:
        yield line


@pytest.fixture(scope="module")
def others(argilla: ArgillaServer) -> Iterator[Team]:
    """Whose people answer in every schedule."""
    team = Team(argilla)
    team.add("ann", "bob")
    yield team
    team.close()


@pytest.mark.timeout(900)
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(steps=st.lists(STEPS, min_size=4, max_size=14))
def test_both_sides_agree_after_any_schedule(
    argilla: ArgillaServer, encoded: Path, line: Line, others: Team, steps: list[Step]
) -> None:
    folder = Path(tempfile.mkdtemp()) / "project"
    shutil.copytree(encoded, folder)
    team = Team(argilla, url=line.url)
    project = team.join(open_project(folder, InProcessRunner()))
    loop.next_batch(project, quiet, size=RECORDS, audit_share=0.25)
    verbs.function_of("team_push")(project, quiet)
    played = Played(project, team, line, team.adopt(others), sorted(where(project))[:RECORDS])
    try:
        for step in steps:
            played.play(step)
        played.play(("push",))
        played.play(("sync",))
        check(played)
    finally:
        played.project.close()
        team.owner.close()
        shutil.rmtree(folder.parent)


def check(played: Played) -> None:
    """Nothing lost, nothing doubled, on either side; and syncing again changes nothing."""
    project = played.project
    assert answers_in_force(project) == played.answer
    events = project.store.one("select count(*) from responses where source = 'argilla' and action <> 'undo'")
    assert events <= played.acts
    there = [one["external_id"] for one in played.team.records(dataset_of(project))]
    assert len(there) == len(set(there))
    assert set(there) == set(where(project)) >= set(played.records)
    before = project.store.query("select * from responses order by event_id")
    assert verbs.function_of("team_sync")(project, quiet).stored == 0
    assert project.store.query("select * from responses order by event_id") == before
    assert project.team.unreadable == {}
