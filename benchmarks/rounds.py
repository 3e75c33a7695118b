"""How long a round takes, from the verb's start to the queued batch: 100,000 records, 64 labels, its own process."""

import shutil
import statistics
import tempfile
import time
from pathlib import Path

import numpy as np

from core import loop
from core.config.settings import with_changes, write_settings
from core.data.encode_job import ENCODE, EncodeParams
from core.models.vectors import EncodedFacts, append_shards, write_facts
from core.project import Project, open_project
from core.store.database import utc_now
from gpu_jobs.runners.local import LocalRunner

RECORDS, LABELS, DIMS = 100_000, 64, 384


def make_project(folder: Path, labelled: int) -> Project:
    """Vectors in 64 clusters as if they had been encoded; `labelled` records answered."""
    loop.create_project(folder, [f"label {number}" for number in range(LABELS)])
    project = open_project(folder, LocalRunner())
    write_settings(folder, with_changes(project.settings(), label_names=False, automatic=False))
    rng = np.random.default_rng(0)
    centres = rng.normal(size=(LABELS, DIMS))
    truth = rng.integers(LABELS, size=RECORDS)
    vectors = centres[truth] + 1.5 * rng.normal(size=(RECORDS, DIMS))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    shards = folder / "made"
    shards.mkdir()
    np.save(shards / "shard-00000.npy", vectors.astype(np.float16))
    write_facts(shards, EncodedFacts(RECORDS, DIMS, RECORDS, "made"))
    append_shards(project.vectors, project.settings().encoder, shards, 0)
    encoder = project.settings().encoder
    project.jobs.prepare(ENCODE, EncodeParams(encoder, encoder, 1, str(folder), 0, RECORDS))
    with project.store.transaction() as cursor:
        cursor.execute(
            """insert into records select range, 'r' || range, 'record ' || range, null, null, range::varchar,
               null, null, 'made', ? from range(?)""",
            [utc_now(), RECORDS],
        )
        chosen = rng.choice(RECORDS, size=labelled, replace=False)
        names = [label.id for label in project.settings().taxonomy.active]
        cursor.executemany(
            "insert into settled values (?, ?, 'single', 'chosen', 1, ?, null)",
            [[int(n), [names[truth[n]]], utc_now()] for n in chosen],
        )
    return project


def main() -> None:
    """Prints one line per number of labels: the first round makes the neighbour graph, later ones read it."""
    print(f"{'labelled':>9} {'first s':>8} {'later s (median of 3)':>22} {'inside the job s':>17}")
    for labelled in (64, 320, 1280):
        folder = Path(tempfile.mkdtemp(prefix="rondo-bench-"))
        try:
            project = make_project(folder / "project", labelled)
            spent, inside = [], []
            for _ in range(4):
                started = time.monotonic()
                result = loop.play_round(project, lambda *_: None, size=100)
                spent.append(time.monotonic() - started)
                inside.append(result.seconds)
            project.close()
            later, within = statistics.median(spent[1:]), statistics.median(inside[1:])
            print(f"{labelled:>9} {spent[0]:>8.1f} {later:>22.2f} {within:>17.2f}")
        finally:
            shutil.rmtree(folder)


if __name__ == "__main__":
    main()
