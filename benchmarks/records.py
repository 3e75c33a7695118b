"""How long the Records page waits for its first page of 50, for every kind of search. Knows synthetic records only.

    python -m benchmarks.records [--rows 1000000] [--folder FOLDER]

Makes a project of many records with labels, suggestions, answers, flags and vectors (or takes the one that FOLDER
holds), and prints median and 95th percentile of `core.explore.browse.find`, CPU and clock. The peer is what a page
does that does not mind: join all tables, count what meets the condition, sort, and cut a page out.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import duckdb
import numpy as np

from benchmarks.make_large import LABELS, make_large
from core import loop
from core.data.file_import import import_file
from core.explore.browse import find
from core.explore.filters import RecordSearch, conditions
from core.explore.record_detail import neighbours, record_detail
from core.labelling.record_states import STATES
from core.models.vectors import EncodedFacts, append_shards, open_vectors, shard_path, write_facts
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner

DIMS = 384
SHARD = 50_000
RUNS, PEER_RUNS = 20, 3
NEVER = "zzqqzzjq"

Case = tuple[str, RecordSearch]


def make_project(folder: Path, rows: int) -> None:
    """Ten labelled by the file in a hundred, two in a hundred asked, the rest with a suggestion."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    file = folder.parent / "large.csv"
    make_large(file, rows)
    loop.create_project(folder, LABELS)
    project = open_project(folder, InProcessRunner())
    import_file(project, lambda *_: None, file=str(file), text=["text"], id="id", label="label", split="split")
    with project.store.transaction() as cursor:
        fill_tables(cursor, rows)
    _write_vectors(project, rows)
    project.close()
    file.unlink()


def fill_tables(cursor: duckdb.DuckDBPyConnection, rows: int) -> None:
    """What rounds and people would have left; hash(n * 7919 + k) is the k-th dice of a record."""
    label = f"{LABELS}[1 + (hash(n * 7919 + {{}}) % {len(LABELS)})::int]"
    kind = "['label_error', 'ambiguous', 'near_duplicate'][1 + (hash(n * 7919 + 11) % 3)::int]"
    free = "duplicate_of is null and split is distinct from 'test'"
    for step in (
        f"""insert into suggestions select n, [l][1], p, 1 - p, [l], 'm', to_json([l]) from (
            select n, {label.format(1)} as l, 0.2 + (hash(n * 7919 + 2) % 8000) / 1e4 as p
            from records where {free})""",
        f"""insert into queue select n, 1 + (hash(n * 7919 + 3) % 50)::int, n, hash(n * 7919 + 4) % 10 = 0, false, .5,
            null, 'm', null, null from records
            where {free} and n not in (select n from settled) and hash(n * 7919 + 5) % 40 = 0""",
        f"""insert into responses select 'e' || n, n, 'person ' || hash(n * 7919 + 6) % 10, a,
            if(a = 'submit', [{label.format(7)}], []) as labels, null, null, now()::timestamp, 0, now()::timestamp,
            batch, 1, 'm', null, n, 'app', false, if(a = 'submit', to_json(labels), null), null
            from (select *, ['skip', 'flag', 'submit'][1 + least(hash(n * 7919 + 8) % 50, 2)::int] as a
            from queue where hash(n * 7919 + 9) % 20 > 0)""",
        """insert into settled select n, labels, 'single', if(audit, 'audit', 'chosen'), round, received_at,
           answer from responses join queue using (n) where action = 'submit'""",
        """insert into machine_labels select n, labels, probability, .9, 'p', 'm', answer from suggestions
           where probability > .9 and n not in (select n from settled)""",
        f"""insert into held_out_predictions
            select n, stratum, 1e-6, labels, [{label.format(10)}], null, .8, 'm', answer,
            null from settled
            where stratum in ('gold', 'audit')""",
        """insert into batches select batch, now()::timestamp, 1, 'default', count(*), count(*) filter (audit), 0, 0,
            'm', '{}', [], null from queue group by batch""",
        f"""insert into flags select n, {kind}, (hash(n * 7919 + 12) % 1000) / 1e3, (n + 7) % {rows}, null, 'm'
            from settled where hash(n * 7919 + 13) % 10 = 0""",
    ):
        cursor.execute(step)


def _write_vectors(project: Project, rows: int) -> None:
    """Unit vectors around 200 centres, as an encode job would leave them."""
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(200, DIMS)).astype(np.float32)
    with tempfile.TemporaryDirectory(dir=project.folder) as out:
        for number, start in enumerate(range(0, rows, SHARD)):
            size = min(SHARD, rows - start)
            block = centres[rng.integers(200, size=size)] + rng.standard_normal((size, DIMS), dtype=np.float32)
            block /= np.linalg.norm(block, axis=1, keepdims=True)
            np.save(shard_path(Path(out), number), block.astype(np.float16))
        write_facts(Path(out), EncodedFacts(rows, DIMS, SHARD, "synthetic"))
        append_shards(project.vectors, project.settings().encoder, Path(out), 0)


def cases(project: Project) -> Iterator[Case]:
    """One for every filter, and words that are common, less so, rare, and in no text."""
    text = project.store.one("select text from records where n = (select max(n) - 7 from records)")
    first, second, *_ = sorted({word for word in text.split() if word.isalpha()}, key=len, reverse=True)
    record = project.store.one("select id from records where n = (select max(n) // 2 from records)")
    yield "no filter", RecordSearch()
    yield "label", RecordSearch(label="praise")
    yield "suggestion", RecordSearch(suggestion="praise")
    yield "probability 50 to 51 %", RecordSearch(sure=(0.5, 0.51))
    yield "annotator", RecordSearch(annotator="person 3")
    yield "annotator: the file", RecordSearch(annotator="large.csv")
    yield "round", RecordSearch(batch=7)
    yield "stratum", RecordSearch(stratum="audit")
    yield from ((f"flag: {kind}", RecordSearch(kind=kind)) for kind in ("label_error", "near_duplicate"))
    yield from ((f"state: {state}", RecordSearch(state=state)) for state in STATES)
    yield "machine-labelled", RecordSearch(machine=True)
    yield "confusion matrix cell", RecordSearch(truth="praise", predicted="other")
    yield "label and suggestion", RecordSearch(label="praise", suggestion="other", sure=(0.4, 0.6))
    yield "common word", RecordSearch(words="e")
    yield "word", RecordSearch(words=first)
    yield "rare: two words", RecordSearch(words=f"{first} {second}")
    yield "no such word", RecordSearch(words=NEVER)
    yield "word and label", RecordSearch(words=first, label="praise")
    yield "more like this", RecordSearch(like=record)
    yield "more like this and label", RecordSearch(like=record, label="praise")


_PEER = """
    from (
        select records.*, s.labels, s.how, s.stratum, g.labels as suggested, g.probability, m.labels as machine, k.kinds
        from records left join settled s using (n) left join suggestions g using (n)
        left join machine_labels m using (n)
        left join (select n, list(kind) as kinds from flags group by n) k using (n)
    ) where {condition}
"""


def peer(project: Project, search: RecordSearch) -> Callable[[], object]:
    """Everything joined, counted, sorted, cut. For likeness: numpy's product, all of it in float32."""
    if search.like:
        vectors = open_vectors(project.vectors, project.settings().encoder)
        return lambda: np.argsort(-(np.asarray(vectors, np.float32) @ np.asarray(vectors[0], np.float32)))[:50]
    condition, parameters = conditions(search, project.settings())
    joined = _PEER.format(condition=condition)

    def run() -> None:
        with project.store.reading() as cursor:
            cursor.execute(f"select count(*) {joined}", parameters).fetchall()
            cursor.execute(f"select * {joined} order by n limit 50 offset 0", parameters).fetchall()

    return run


@dataclass(frozen=True)
class Taken:
    """Milliseconds of several runs, sorted: of the process's CPU, and on the clock."""

    cpu: list[float]
    wall: list[float]

    def row(self, name: str) -> str:
        """Median and 95th percentile of both."""
        figures = (
            figure for runs in (self.cpu, self.wall) for figure in (median(runs), runs[len(runs) * 95 // 100 - 1])
        )
        return f"{name:<28}" + "".join(f"{figure:>9.0f}" for figure in figures)


def clock(act: Callable[[], object], runs: int) -> Taken:
    """One run before them does not count."""
    act()
    cpu, wall = list[float](), list[float]()
    for _ in range(runs):
        start = time.process_time(), time.perf_counter()
        act()
        cpu.append((time.process_time() - start[0]) * 1e3)
        wall.append((time.perf_counter() - start[1]) * 1e3)
    return Taken(sorted(cpu), sorted(wall))


def report(project: Project) -> None:
    total = project.store.one("select count(*) from records")
    print(f"first page of 50 from {total:,} records, {RUNS} runs; ratio = naive / ours, CPU, medians")
    print(f"{'':<28}{'CPU ms':>9}{'p95':>9}{'ms':>9}{'p95':>9}{'naive':>9}{'ratio':>8}  found")
    for name, search in cases(project):
        ours = clock(lambda search=search: find(project, search), RUNS)  # type: ignore[misc]
        theirs = median(clock(peer(project, search), PEER_RUNS).cpu)
        matches = find(project, search)
        result = f"{len(matches.lines)}" + (f" in {matches.searched:,} texts" if matches.searched else "")
        print(f"{ours.row(name)}{theirs:>9.0f}{theirs / median(ours.cpu):>8.1f}  {result}", flush=True)
    record = find(project, RecordSearch(label="praise")).lines[0].id
    for name, act in (("one record", record_detail), ("its neighbours", neighbours)):
        print(clock(lambda act=act: act(project, record), RUNS).row(name))  # type: ignore[misc]
    print(clock(lambda: search_all(project), RUNS).row("all texts, no such word"))


def search_all(project: Project) -> None:
    """What a person gets who goes on until the end."""
    start: int | None = 0
    while start is not None:
        start = find(project, RecordSearch(words=NEVER), start).next


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.folder or Path(temporary) / "project"
        if not (folder / "rondo.toml").exists():
            make_project(folder, args.rows)
        project = open_project(folder, InProcessRunner())
        report(project)
        project.close()


if __name__ == "__main__":
    main()
