"""Input files of a training job on records of two sides: the pool, what people decided, what scores. Trains nothing."""

import numpy as np

from core.config.settings import Settings
from core.errors import Refused
from core.jobs.bundle import Bundle
from core.pairs.scorer import text_encoder
from core.project import Project
from core.rounds.run_round import known_now
from core.store.tables import quoted
from core.tasks.tasks import task_of
from core.training.train_job import TrainPairsParams
from core.training.training_files import Order

FEWEST = 10
"""decisions of either kind, below which a model that reads pairs learns nothing"""
POOL, ROWS = "records.parquet", "rows.npz"


def pair_training_params(project: Project, settings: Settings, order: Order) -> TrainPairsParams:
    """The job's parameters besides its files. Raises Refused for too few decisions."""
    counts = project.store.query(
        "select count(*) from settled where stratum not in ('gold', 'audit') group by answer::varchar order by 1"
    )
    numbers = [int(count) for (count,) in counts]
    if len(numbers) < 2 or numbers[0] < FEWEST:
        raise Refused(
            f"Training needs {FEWEST} decisions of either kind; there are {' and '.join(map(str, numbers)) or 'none'} "
            "(gold and audit decisions only judge). Decide on some more first: `rondo up`."
        )
    return TrainPairsParams(
        trainer=order.trainer,
        values=dict(order.values),
        encoder=text_encoder(project.models, settings.encoder),
        setup=task_of(settings).setup(settings),
        seed=settings.seed if order.seed is None else order.seed,
        threads=settings.threads,
        taxonomy=settings.taxonomy.version,
        note=order.note,
    )


def write_pair_training_files(project: Project, bundle: Bundle, settings: Settings) -> None:
    """`in/records.parquet`, all pairs as their features are made from; `in/rows.npz`, as a round has them: decisions,
    what scores, and the audit's history.
    """
    features = task_of(settings).features
    if features is None:
        raise Refused(f"Records of the task {settings.task!r} have one side.")
    arrays, _ = known_now(project, settings)
    with project.store.reading() as cursor:
        cursor.execute(f"copy ({features.query}) to '{quoted(bundle.path / 'in' / POOL)}'")
    np.savez(bundle.path / "in" / ROWS, allow_pickle=False, **arrays)
