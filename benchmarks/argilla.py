"""The embedded Argilla: how fast records are pushed, and what six annotators meet. Knows HTTP, no project of ours.

    python -m benchmarks.argilla [--records 3000] [--batch 500] [--skip-stock]

Prints start time and memory; records per second (text, three metadata values, a suggestion with score) with the mended
hot spots and, in the same run, with those of upstream; what six people who answer while a batch is pushed lose; and how
many records 240 answers of six people complete in the order of the queue and in a shuffle within a tier.
"""

import argparse
import random
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil

from annotation import server
from annotation.home import running
from core import loop
from tests.argilla_server import ArgillaServer, quiet
from tests.argilla_world import annotator, make_dataset, request
from tests.ports import free_port

PEOPLE, ANSWERS, PAGE = 6, 240, 10
WORDS = [f"word{number}" for number in range(3000)]


@dataclass(frozen=True)
class Started:
    """seconds: until it answered. memory: MB after the start."""

    server: ArgillaServer
    seconds: float
    memory: float

    @property
    def process(self) -> psutil.Process:
        """The server's."""
        matches = running(self.server.project)
        assert matches
        return psutil.Process(matches.pid)


@contextmanager
def started(*, speedups: bool) -> Iterator[Started]:
    """A server of its own, the first start of a new project."""
    with tempfile.TemporaryDirectory() as folder:
        project = Path(folder) / "project"
        loop.create_project(project, ["a", "b"])
        began = time.perf_counter()
        result = server.start(project, "127.0.0.1", free_port(), quiet, speedups=speedups)
        seconds = time.perf_counter() - began
        assert result.owner
        made = ArgillaServer(result.url, result.owner.api_key, result.owner.password, project)
        try:
            yield Started(made, seconds, psutil.Process(result.pid).memory_info().rss / 1e6)
        finally:
            server.stop(project)


def full_dataset(server: ArgillaServer, name: str) -> tuple[str, str]:
    """(id, question's id) of a dataset as a project's own is: ranks, uncertainty, source."""
    dataset = make_dataset(server, name, ranked=True, publish=False)
    for title, kind in (("uncertainty", "float"), ("source", "terms")):
        body = {"name": title, "title": title, "settings": {"type": kind}}
        request(server, "POST", f"/datasets/{dataset}/metadata-properties", body)
    request(server, "PUT", f"/datasets/{dataset}/publish")
    questions = request(server, "GET", f"/datasets/{dataset}/questions")["items"]
    return dataset, str(questions[0]["id"])


def full_items(count: int, question: str, start: int = 0) -> list[dict[str, Any]]:
    """Records of forty words, with metadata and a suggestion."""
    rng = random.Random(start)
    return [
        {
            "external_id": f"r{start + number}",
            "fields": {"text": " ".join(rng.choices(WORDS, k=40))},
            "metadata": {"queue_rank": number // 60, "uncertainty": rng.random(), "source": "mail"},
            "suggestions": [{"question_id": question, "value": "a", "score": rng.random(), "agent": "m1"}],
        }
        for number in range(count)
    ]


def push_rate(one: Started, count: int, batch: int) -> tuple[float, float]:
    """Records per second on the clock, and per second of the server's CPU; 200 are pushed before, for warmth."""
    dataset, question = full_dataset(one.server, f"push-{batch}")
    path = f"/datasets/{dataset}/records/bulk"
    request(one.server, "PUT", path, {"items": full_items(200, question, 10**6)})
    batches = [full_items(batch, question, start) for start in range(0, count, batch)]
    cpu, clock = sum(one.process.cpu_times()[:2]), time.perf_counter()
    for items in batches:
        request(one.server, "PUT", path, {"items": items})
    return count / (time.perf_counter() - clock), count / (sum(one.process.cpu_times()[:2]) - cpu)


@dataclass
class Team:
    """Six people of a workspace and what each answered. shuffled: their pages come in a shuffle within a tier."""

    server: ArgillaServer
    dataset: str
    keys: list[str]
    shuffled: bool = False
    errors: list[str] = field(default_factory=list)
    supplied: list[str] = field(default_factory=list)

    def page(self, person: int, client: httpx.Client) -> list[str]:
        """The ids that Argilla's page loads next: ten that wait for this person."""
        scope = {"entity": "response", "property": "status"}
        requested = [{"type": "terms", "scope": scope, "values": ["pending"]}]
        requested.append({"type": "terms", "scope": {"entity": "record", "property": "status"}, "values": ["pending"]})
        limit = 500 if self.shuffled else PAGE
        path = f"/me/datasets/{self.dataset}/records/search?limit={limit}"
        answer = client.post(path, json={"filters": {"and": requested}}).raise_for_status()
        records = [item["record"] for item in answer.json()["items"]]
        if self.shuffled:  # the prototype's order
            lot = {one["id"]: random.Random(f"{person}{one['id']}").random() for one in records}
            records.sort(key=lambda one: (one["metadata"]["queue_rank"], lot[one["id"]]))
        return [str(one["id"]) for one in records[:PAGE]]

    def answer(self, record: str, client: httpx.Client) -> None:
        """One answer; what goes wrong is noted."""
        body = {"values": {"label": {"value": "a"}}, "status": "submitted"}
        try:
            client.post(f"/records/{record}/responses", json=body).raise_for_status()
            self.supplied.append(record)
        except httpx.HTTPError as error:
            self.errors.append(str(error)[:200])

    def client(self, person: int) -> httpx.Client:
        """As this person."""
        headers = {"X-Argilla-Api-Key": self.keys[person]}
        return httpx.Client(base_url=f"{self.server.url}/api/v1", headers=headers, timeout=120)


def make_team(server: ArgillaServer, name: str, *, shuffled: bool = False) -> tuple[Team, str]:
    """A team before an empty dataset, and the id of its question."""
    dataset, question = full_dataset(server, name)
    keys = [annotator(server, name)["api_key"] for _ in range(PEOPLE)]
    return Team(server, dataset, keys, shuffled), question


def while_pushing(one: Started) -> str:
    """Six people answer 40 records each while 2,000 more are pushed in batches of 250."""
    team, question = make_team(one.server, "busy")
    path = f"/datasets/{team.dataset}/records/bulk"
    request(one.server, "PUT", path, {"items": full_items(400, question)})

    def work(person: int) -> None:
        with team.client(person) as client:
            while sum(1 for _ in done[person]) < ANSWERS // PEOPLE:
                for record in team.page(person, client):
                    team.answer(record, client)
                    done[person].append(record)

    done: list[list[str]] = [[] for _ in range(PEOPLE)]
    threads = [threading.Thread(target=work, args=(person,)) for person in range(PEOPLE)]
    began = time.perf_counter()
    for thread in threads:
        thread.start()
    for start in range(1000, 3000, 250):
        request(one.server, "PUT", path, {"items": full_items(250, question, start)})
    for thread in threads:
        thread.join()
    seconds = time.perf_counter() - began
    stored = stored_answers(one.server, team.dataset)
    return (
        f"{len(team.supplied)} answers acknowledged in {seconds:.1f} s, {len(team.errors)} errors, "
        f"{stored.total()} stored, {stored.total() - len(team.supplied)} too many or lost"
    )


def stored_answers(server: ArgillaServer, dataset: str) -> Counter[str]:
    """Answers per record."""
    counts: Counter[str] = Counter()
    for offset in range(0, 10_000, 500):
        path = f"/datasets/{dataset}/records?include=responses&limit=500&offset={offset}"
        items = request(server, "GET", path)["items"]
        counts.update({item["id"]: len(item["responses"]) for item in items if item["responses"]})
        if len(items) < 500:
            break
    return counts


def completed(one: Started, tier: int, *, shuffled: bool) -> int:
    """Records that 240 answers complete when six people load ten at a time and answer in step; overlap 1."""
    team, question = make_team(one.server, f"tier-{tier}-{shuffled}", shuffled=shuffled)
    items = full_items(400, question)
    for number, item in enumerate(items):
        item["metadata"]["queue_rank"] = number // tier
    request(one.server, "PUT", f"/datasets/{team.dataset}/records/bulk", {"items": items})
    clients = [team.client(person) for person in range(PEOPLE)]
    pages: list[list[str]] = [[] for _ in clients]
    with ThreadPoolExecutor(PEOPLE) as pool:
        for _ in range(ANSWERS // PEOPLE):
            for person, client in enumerate(clients):
                pages[person] = pages[person] or team.page(person, client)
            turn = [page.pop(0) for page in pages]
            list(pool.map(team.answer, turn, clients))
    for client in clients:
        client.close()
    return len({*team.supplied})


def main() -> None:
    """Prints tables in Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--skip-stock", action="store_true")
    wish = parser.parse_args()
    print("| hot spots | start s | memory MB | records/s | records per second of CPU |\n|---|---|---|---|---|")
    with started(speedups=True) as one:
        mended = push_rate(one, wish.records, wish.batch)
        print(f"| mended | {one.seconds:.1f} | {one.memory:.0f} | {mended[0]:.0f} | {mended[1]:.0f} |", flush=True)
        if not wish.skip_stock:
            with started(speedups=False) as other:
                stock = push_rate(other, wish.records // 3, wish.batch)
                print(f"| upstream's | {other.seconds:.1f} | {other.memory:.0f} | {stock[0]:.0f} | {stock[1]:.0f} |")
            print(f"\nmended / upstream's: {mended[0] / stock[0]:.1f} on the clock, {mended[1] / stock[1]:.1f} in CPU")
        print(f"\n6 annotators answer while 2,000 records are pushed: {while_pushing(one)}", flush=True)
        print("\n| records per tier | completed in the queue's order | in a shuffle within a tier |\n|---|---|---|")
        for tier in (1, 20, 60, 200):
            figures = [completed(one, tier, shuffled=shuffled) for shuffled in (False, True)]
            print(f"| {tier} | {figures[0]} | {figures[1]} |", flush=True)
        print(f"\nmemory at the end: {one.process.memory_info().rss / 1e6:.0f} MB")


if __name__ == "__main__":
    main()
