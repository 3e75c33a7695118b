"""A team's exchange with the embedded Argilla: records pushed a second, and how soon an answer there is stored here.

    python -m benchmarks.team [--records 3000] [--people 6] [--answers 240]

Pushes a queue (text, metadata, suggestion) by our own push; then people answer over HTTP, as fast as the server takes
it, while another batch is pushed, with our webhook listening. Prints records a second, median and 95th percentile from
an answer's acknowledgement by Argilla to its row here, and whether every answer arrived once, a sync at the end.
"""

import argparse
import json
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median, quantiles

from annotation import server
from app.http.webhook_routes import register
from core import loop, verbs
from core.data.file_import import import_file
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.argilla_server import ArgillaServer, quiet
from tests.exchange_world import Team, answers_in_force, where
from tests.ports import free_port
from tests.test_webhook import Opened, serve

WORDS = [f"word{number}" for number in range(3000)]


def make_project(folder: Path, records: int) -> Project:
    """All records queued: the first half as a batch, with suggestions; the second half in the pool."""
    loop.create_project(folder, ["spam", "ham"])
    project = open_project(folder, InProcessRunner())
    file = folder.parent / "texts.jsonl"
    rows = [
        {"id": f"r{number}", "text": " ".join(WORDS[(number * 7 + index) % 3000] for index in range(40)), "source": "m"}
        for number in range(records * 2)
    ]
    file.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    import_file(project, quiet, file=str(file), text=["text"], id="id", meta=["source"])
    queue(project, 0, records)
    return project


def queue(project: Project, begin: int, end: int) -> None:
    """As a round does, without one."""
    with project.label_queue.changing() as cursor:
        cursor.execute(
            """insert into queue select n, ?, n, false, false, 0.5, '[["spam", 0.7], ["ham", 0.3]]', 'm1', null, null
               from records where n >= ? and n < ?""",
            [1 if begin == 0 else 2, begin, end],
        )


def push(project: Project) -> tuple[int, float]:
    """(records, seconds)."""
    began = time.perf_counter()
    result = verbs.function_of("team_push")(project, quiet)
    return int(result.sent), time.perf_counter() - began


def answer_all(team: Team, people: list[str], remote_ids: list[str], each: int) -> dict[tuple[str, str], float]:
    """(Argilla's record, person) -> when Argilla had acknowledged the answer."""
    result: dict[tuple[str, str], float] = {}

    def work(number: int) -> None:
        for remote_id in remote_ids[number * each : (number + 1) * each]:
            body = {"status": "submitted", "values": {"label": {"value": "spam"}}}
            reply = team.people[people[number]].post(f"/records/{remote_id}/responses", json=body)
            assert reply.status_code == 201, reply.text
            result[(remote_id, people[number])] = time.perf_counter()

    with ThreadPoolExecutor(len(people)) as pool:
        list(pool.map(work, range(len(people))))
    return result


def watch(project: Project, seen: dict[tuple[str, str], float], stop: threading.Event) -> None:
    """Notes when each answer is first seen in the store, every 20 ms."""
    query = """select t.record, annotator from responses a join team_records t using (n)
               where source = 'argilla'"""
    while not stop.wait(0.02):
        now = time.perf_counter()
        for row in project.store.query(query):
            seen.setdefault((row[0], row[1]), now)


def measure(project: Project, team: Team, people: list[str], answers: int) -> None:
    """Answers while the second half is pushed."""
    remote_ids = sorted(where(project).values())
    queue(project, len(remote_ids), 2 * len(remote_ids))
    seen: dict[tuple[str, str], float] = {}
    stop = threading.Event()
    watcher = threading.Thread(target=watch, args=(project, seen, stop))
    watcher.start()
    with ThreadPoolExecutor(1) as pool:
        pushing = pool.submit(push, project)
        supplied = answer_all(team, people, remote_ids, answers // len(people))
        records, seconds = pushing.result()
    for _ in range(400):
        if len(seen) >= len(supplied):
            break
        time.sleep(0.05)
    stop.set()
    watcher.join()
    waits = [max(0.0, seen[key] - at) for key, at in supplied.items() if key in seen]
    called = len(seen)
    verbs.function_of("team_sync")(project, quiet)
    events = project.store.one("select count(*) from responses where source = 'argilla'")
    print(f"pushed meanwhile: {records:,} records, {records / seconds:,.0f}/s")
    print(f"answers: {len(supplied)} given; {called} stored by a call within 20 s of the last one")
    print(f"after a sync: {len(answers_in_force(project))} stored, by {events} events")
    print(f"answer to stored row: median {median(waits):.2f} s, 95 % within {quantiles(waits, n=20)[-1]:.2f} s")


def main() -> None:
    """Starts a server of its own."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--records", type=int, default=3000)
    parser.add_argument("--people", type=int, default=6)
    parser.add_argument("--answers", type=int, default=240)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        project = make_project(Path(folder) / "project", args.records)
        result = server.start(project.folder, "127.0.0.1", free_port(), quiet)
        assert result.owner
        matches = ArgillaServer(result.url, result.owner.api_key, result.owner.password, project.folder)
        team = Team(matches)
        try:
            team.join(project)
            people = team.add(*(f"p{number}" for number in range(args.people)))
            records, seconds = push(project)
            print(f"pushed alone: {records:,} records, {records / seconds:,.0f}/s")
            again, seconds = push(project)
            print(f"pushed again, nothing changed: {again} sent, {seconds:.2f} s")
            listening, url, thread = serve(Opened(project))
            register(project, url)
            measure(project, team, people, args.answers)
            listening.should_exit = True
            thread.join()
        finally:
            team.close()
            server.stop(project.folder)
            project.close()


if __name__ == "__main__":
    main()
