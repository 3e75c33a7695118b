"""What grows with the pool, at a million records and at ten: pages, queue, a round, choosing; on synthetic data.

    python -m benchmarks.scale make FOLDER [--rows 10000000]      a project: records, answers, suggestions, vectors
    python -m benchmarks.scale import FOLDER [--rows 1000000,4000000]  a CSV file of short rows, taken in
    python -m benchmarks.scale pages FOLDER [OTHER]               first page of 50 for every search; the queue
    python -m benchmarks.scale round FOLDER                       predicting, choosing, a whole round
    python -m benchmarks.scale quality DATA [--records 1500]      labels to quality with and without a subpool

Ten million records take 8 GB for vectors and 2 GB for the database; nothing holds either in memory. `docs/scale.md` has
what came out. Figures are processor seconds, for the machine is shared; the clock stands beside them.
"""

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from statistics import median

import duckdb
import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.make_large import LABELS
from benchmarks.recipe import (
    BATCH,
    Trial,
    labels_to,
    load_trial,
    macro_f1_and_overconfidence,
    plain,
    recipe,
)
from benchmarks.recipe import play as replay
from benchmarks.records import DIMS, SHARD, Taken, cases, clock, fill_tables
from core import loop
from core.arrays import Ints
from core.data.encode_job import ENCODE, EncodeParams
from core.data.file_import import import_file
from core.explore.browse import choices, find
from core.ids import ModelId
from core.labelling.leases import Holder
from core.labelling.queue import QueueRequest
from core.labelling.responses import Event
from core.models.encoders.encoder import EMBEDDED
from core.models.heads.head import Head
from core.models.heads.kind import NeighbourGraph
from core.models.heads.neighbour_graph import neighbour_graph
from core.models.vectors import EncodedFacts, append_shards, encoder_folder, open_vectors, shard_path, write_facts
from core.project import Project, open_project
from core.reports.batches import batches
from core.reports.overview import label_counts, status
from core.rounds.champion_log import load_suggestions
from core.rounds.run_round import known_now
from core.sampling.batch import compose
from core.sampling.pool import Pool, Strategy
from core.sampling.strategies import STRATEGIES
from core.sampling.subpool import Candidates, SubpoolSize, subpool, uniform_subpool
from core.sampling.uncertainty import score
from core.sampling.vector_lists import make_lists
from core.tasks.tasks import space_of
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.work.choose import ScoredPool
from gpu_jobs.work.large_pools import PoolRows, narrow, open_lists, predict_pool
from gpu_jobs.work.round_tables import write_suggestions

RUNS = 7
JUDGING = 1_000
"""records of a set that judge, for `quality`"""
CENTRES = 200
PIECE = 1_000_000

_WORD = "substr(translate(md5((hash(n * 8 + {k}) % 20000)::varchar), '0123456789', 'ghijklmnop'), 1, {length})"
_TEXT = " || ' ' || ".join(_WORD.format(k=k, length=3 + k % 5) for k in range(8))


def make_project(folder: Path, rows: int) -> None:
    """Ten labelled by the file in a hundred, one in ten a gold record; texts of eight words out of 20,000."""
    loop.create_project(folder, LABELS)
    project = open_project(folder, LocalRunner(1))
    for start in range(0, rows, PIECE):
        with project.store.transaction() as cursor:
            cursor.execute(
                f"""insert into records
                    select n, 't' || n, {_TEXT}, null, null, n::varchar, null,
                           if(hash(n * 7919 + 20) % 10 = 0, 'test', 'train'), 'large.csv', now()::timestamp
                    from (select range as n from range(?, ?))""",
                [start, min(start + PIECE, rows)],
            )
    labels = [label.id for label in project.settings().taxonomy.active]
    with project.store.transaction() as cursor:
        cursor.execute(
            f"""insert into settled
                select n, [l], 'single', if(split = 'test', 'gold', 'file'), 1, now()::timestamp, to_json([l])
                from (select n, split, {labels}[1 + (hash(n * 7919 + 21) % {len(labels)})::int] as l from records)
                where hash(n * 7919 + 22) % 200 = 0"""
        )
        fill_tables(cursor, rows)
    write_vectors(project, rows)
    project.close()


def write_vectors(project: Project, rows: int) -> None:
    """Unit vectors around CENTRES centres, appended piece by piece as encode jobs would leave them."""
    rng, encoder = np.random.default_rng(0), project.settings().encoder
    centres = rng.normal(size=(CENTRES, DIMS)).astype(np.float32)
    project.jobs.prepare(ENCODE, EncodeParams(encoder, encoder, 1, "", 0, rows))
    for first in range(0, rows, PIECE):
        with tempfile.TemporaryDirectory(dir=project.folder) as out:
            last = min(first + PIECE, rows)
            for number, start in enumerate(range(first, last, SHARD)):
                size = min(SHARD, last - start)
                block = centres[rng.integers(CENTRES, size=size)] + rng.standard_normal((size, DIMS), dtype=np.float32)
                block /= np.linalg.norm(block, axis=1, keepdims=True)
                np.save(shard_path(Path(out), number), block.astype(np.float16))
            write_facts(Path(out), EncodedFacts(last - first, DIMS, SHARD, "synthetic"))
            append_shards(project.vectors, encoder, Path(out), first)


def queue_cases(project: Project) -> Iterator[tuple[str, Callable[[], object]]]:
    """What a person waits for who labels: the queue read anew, an answer stored and the next record, a dry queue."""
    queue, holder = project.label_queue, Holder("person 1", "tab")
    start = queue.exchange(holder, QueueRequest(want=3 * RUNS + 9))
    cards = iter(start.cards)
    answer = [project.settings().taxonomy.active[0].id]

    def read_anew() -> None:
        queue.reload()
        queue.waiting()

    def press_a_key() -> None:
        card = next(cards)
        queue.exchange(
            holder, QueueRequest((Event(f"e-{card.id}-{time.time_ns()}", card.id, "submit", answer),), want=1)
        )

    def draw() -> None:
        with project.store.transaction() as cursor:
            queue._draw(cursor, 100)

    yield "queue: read anew", read_anew
    yield "queue: answer, next record", press_a_key

    def draw_anew() -> None:
        queue.reload()
        queue.waiting()
        draw()

    yield "queue: 100 more records", draw
    yield "queue: read anew, 100 more", draw_anew

    def after_a_change(figures: Callable[[Project], object]) -> object:
        with project.store.transaction():
            pass  # whatever was kept is kept no more
        return figures(project)

    def after_an_answer(figures: Callable[[Project], object]) -> object:
        press_a_key()
        return figures(project)

    yield "Overview: after a change", lambda: after_a_change(status)
    yield "Overview: after an answer", lambda: after_an_answer(status)
    yield "Overview: again", lambda: status(project)
    yield "labels on it: after a change", lambda: after_a_change(label_counts)
    yield "labels on it: after an answer", lambda: after_an_answer(label_counts)
    yield "labels on it: again", lambda: label_counts(project)
    yield "Rounds: batches", lambda: batches(project)
    yield "Records: choices of filters", lambda: choices(project)


def measure_pages(folder: Path, runs: int, only: str) -> dict[str, Taken]:
    """By what is searched for or done. only: what names must begin with."""
    project = open_project(folder, InProcessRunner())
    done = {}
    acts = [(name, lambda search=search: find(project, search)) for name, search in cases(project)]
    for name, act in (*acts, *queue_cases(project)):
        if not name.startswith(tuple(only.split(","))):
            continue
        done[name] = clock(act, runs)
        print(done[name].row(name), flush=True)
    project.close()
    return done


def pages(folders: Sequence[Path], runs: int, only: str) -> None:
    """Of each folder in turn, and how many times longer the last takes than the first."""
    taken = [measure_pages(folder, runs, only) for folder in folders]
    if len(taken) > 1:
        print(f"{'':<28}{'times':>9}")
        for name in taken[0]:
            print(f"{name:<28}{median(taken[-1][name].cpu) / max(median(taken[0][name].cpu), 1e-3):>9.1f}")


@contextmanager
def timed(what: str) -> Iterator[None]:
    """Prints processor seconds and seconds by the clock of what is done inside."""
    cpu, wall = time.process_time(), time.perf_counter()
    yield
    print(f"{what:<48}{time.process_time() - cpu:>8.1f}{time.perf_counter() - wall:>8.1f}", flush=True)


def measure_import(folder: Path, sizes: Sequence[int]) -> None:
    """Files of eight words a row, each into a project of its own, which goes with the file."""
    for rows in sizes:
        with tempfile.TemporaryDirectory(dir=folder) as work:
            file = Path(work) / "rows.csv"
            with duckdb.connect() as connection:
                table = f"select 't' || n as id, {_TEXT} as text from (select range as n from range({rows}))"
                connection.execute(f"copy ({table}) to '{file}' (header)")
            loop.create_project(Path(work) / "project", LABELS)
            project = open_project(Path(work) / "project", InProcessRunner())
            with timed(f"importing {rows:,} rows, {file.stat().st_size / 1e6:,.0f} MB"):
                import_file(project, lambda *_: None, file=str(file), text=["text"], id="id")
            project.close()
            print(f"{'peak memory so far, MB':<48}{getrusage(RUSAGE_SELF).ru_maxrss / 1024:>8,.0f}", flush=True)


def play(folder: Path) -> None:
    """The steps of a round one by one, in this process; a random head stands for one that was fitted."""
    project = open_project(folder, InProcessRunner())
    settings = project.settings()
    space, vectors = space_of(settings), open_vectors(project.vectors, settings.encoder)
    print(f"{len(vectors):,} records{'processor s':>40}{'clock s':>8}")
    cpu, wall = time.process_time(), time.perf_counter()
    with timed("reading the round's input from the store"):
        arrays, _ = known_now(project, settings)
    rng = np.random.default_rng(0)
    width = len(space.categories)
    head = Head(
        rng.standard_normal((width, DIMS)).astype(np.float32), np.zeros(width, np.float32), 1.0, space.categories, False
    )
    with threadpool_limits(1):
        scored = ScoredPool(head, predict_pool(space, head, vectors))
        folder = encoder_folder(project.vectors, settings.encoder)
        with timed("lists of like vectors (once, then read)"):
            open_lists(folder, vectors)
        rows = PoolRows(arrays["pool_rows"], arrays["machine_rows"], arrays["train_rows"])
        with timed("the part to choose from"):
            part = narrow(vectors, rows, scored.predictions, ("default", 1), folder)
        with timed(f"predicting {len(part.rows):,}, choosing 100"):
            predictions = scored.predictions.take(part.rows)
            pool = Pool(vectors, part.rows, rows.labelled, predictions, part.audit_only)
            compose(pool, 100, STRATEGIES["default"], 0.1, rng)
        with tempfile.TemporaryDirectory(dir=project.folder) as out:
            with timed("predicting, and a table of suggestions, for all"):
                write_suggestions(Path(out) / "suggestions.parquet", scored)
            with timed("... taken into the database, beside the old ones"):
                load_suggestions(project, Path(out) / "suggestions.parquet", ModelId("m"))
            with timed("... in place of the old ones"), project.label_queue.changing() as cursor:
                cursor.execute("drop table suggestions")
                cursor.execute("alter table incoming rename to suggestions")
    print(f"{'all of it':<48}{time.process_time() - cpu:>8.1f}{time.perf_counter() - wall:>8.1f}")
    project.close()


def smaller(trial: Trial, records: int) -> Trial:
    """Some of the records, drawn with a fixed seed."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(trial.train))[:records]
    judges = rng.permutation(len(trial.test))[:JUDGING]
    train = trial.train[rows]
    graph = neighbour_graph(train, np.arange(len(train)), rng)
    return replace(
        trial,
        train=train,
        truth=trial.truth[rows],
        test=trial.test[judges],
        test_truth=trial.test_truth[judges],
        neighbour_graph=NeighbourGraph(graph, train[graph.rows]),
    )


def through_a_part(trial: Trial) -> Strategy:
    """The default strategy on a quarter of the pool, taken as from one of millions."""
    lists, rows = make_lists(trial.train, np.random.default_rng(0)), len(trial.train)
    size = SubpoolSize(rows // 10, rows // 10, rows // 20)

    def choose(pool: Pool, n: int, rng: np.random.Generator) -> Ints:
        candidates, predictions = Candidates(pool.rows, pool.labelled, rows), pool.predictions
        if predictions is None or len(pool.labelled) < predictions.space.cold:
            part = uniform_subpool(candidates, size.uniform, rng)
        else:
            scored = predictions
            part = subpool(
                candidates, lists, lambda some: score(scored.take(np.searchsorted(pool.rows, some))), size, rng
            )
        left = predictions and predictions.take(np.searchsorted(pool.rows, part.rows))
        return STRATEGIES["default"](replace(pool, rows=part.rows, predictions=left), n, rng)

    return choose


def compare(data: Path, sets: Sequence[str], records: int, seeds: int, cache: Path) -> None:
    """The default head with both ways to choose, on the same seeds: area under the curve and labels to 90 and 95 %."""
    print(f"{'set':<10}{'chosen from':<14}{'AULC':>8}{'sd':>7}{'part - all':>12}{'to 90 %':>9}{'to 95 %':>9}")
    for name in sets:
        trial, batch = smaller(load_trial(data, name, cache, EMBEDDED), records), BATCH[name]
        every = np.arange(len(trial.train))
        full = macro_f1_and_overconfidence(trial, plain(trial, every))[0]
        curves = {
            way: np.array([replay(trial, strategy, recipe, batch, seed)[:, 0] for seed in range(seeds)])
            for way, strategy in (("all", STRATEGIES["default"]), ("a part", through_a_part(trial)))
        }
        means = {way: curve.mean(axis=1) for way, curve in curves.items()}
        for way, curve in curves.items():
            gain = means[way] - means["all"]
            error = gain.std(ddof=1) / np.sqrt(seeds) if seeds > 1 else 0.0
            goals = [labels_to(curve.mean(axis=0), share * full, batch) for share in (0.9, 0.95)]
            line = f"{name:<10}{way:<14}{means[way].mean():>8.3f}{means[way].std():>7.3f}"
            print(f"{line}{f'{gain.mean():+.3f} ± {error:.3f}':>16}{goals[0]:>9}{goals[1]:>9}", flush=True)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["make", "import", "pages", "round", "quality"])
    parser.add_argument("folders", type=Path, nargs="+")
    parser.add_argument("--rows", default="10000000", help="Of `import` several: 1000000,4000000.")
    parser.add_argument("--runs", type=int, default=RUNS, help="of each page")
    parser.add_argument("--only", default="", help="of `pages`: how the names begin that are measured, by commas")
    parser.add_argument("--sets", default="snips,hwu64")
    parser.add_argument("--records", type=int, default=1_500, help="of each set that `quality` chooses from")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    args = parser.parse_args()
    sizes = [int(size) for size in args.rows.split(",")]
    if args.what == "make":
        with timed(f"{sizes[0]:,} records"):
            make_project(args.folders[0], sizes[0])
    elif args.what == "import":
        measure_import(args.folders[0], sizes)
    elif args.what == "pages":
        pages(args.folders, args.runs, args.only)
    elif args.what == "round":
        play(args.folders[0])
    else:
        with threadpool_limits(1), timed("all of it, processor and clock s"):
            compare(args.folders[0], args.sets.split(","), args.records, args.seeds, args.cache)


if __name__ == "__main__":
    main()
