"""What a round's job needs to compare encoders, when it is time. Reads the store, encodes nothing."""

from typing import Any

import numpy as np
import numpy.typing as npt

from core.arrays import Ints
from core.config.settings import Settings
from core.jobs.bundle import Bundle
from core.models.encoders.encoder import BUNDLED
from core.models.feature_check import FEWEST, MOST, is_due
from core.models.feature_plans import last_check
from core.project import Project
from core.rounds.round_job import FeatureOrder
from core.store.tables import quoted
from core.tasks.tasks import space_of, task_of

# Records that no model's doubt has chosen: by lot, from a file, or central ones before a model counts.
_JUDGING = """
    select n from settled where stratum in ('audit', 'file') union
    select unnest(rows) from batches
    where model is null or (labelled < ? and strategy = 'default')
        or strategy in ('random', 'central', 'typiclust', 'k_center')
"""


def feature_order(project: Project, settings: Settings, labels: int) -> FeatureOrder | None:
    """None where a person has fixed the encoder or taken another one than Rondo's, and before it is time."""
    bundled = settings.choose_encoder and settings.encoder in BUNDLED
    if not bundled or task_of(settings).features or not space_of(settings).exclusive:
        return None
    last = last_check(project)
    return FeatureOrder(BUNDLED, last) if is_due(labels, last) else None


def unchosen_records(project: Project, settings: Settings) -> Ints:
    """Numbers of the answered records that no model's doubt has chosen: another encoder looks too good on what the one
    in use was unsure of."""
    rows = project.store.query(_JUDGING, [space_of(settings).cold])
    return np.array([n for (n,) in rows], np.int64)


def compared_records(
    project: Project, settings: Settings, trained: Ints, rng: np.random.Generator
) -> dict[str, npt.NDArray[Any]]:
    """Rows of at most MOST labelled records, ascending, and which of them judge, who come first; {} for too few."""
    unbiased = np.isin(trained, unchosen_records(project, settings))
    if unbiased.sum() < FEWEST:
        return {}
    shuffled = rng.permutation(len(unbiased))
    taken = np.sort(shuffled[np.argsort(~unbiased[shuffled], kind="stable")][:MOST])
    return {"compared_rows": trained[taken], "compared_unbiased": unbiased[taken]}


def write_texts(project: Project, bundle: Bundle, rows: Ints) -> None:
    """Of these records, in their order."""
    with project.store.reading() as cursor:
        cursor.execute(
            "copy (select n, text from model_texts where n in (select unnest(?::bigint[])) order by n) "
            f"to '{quoted(bundle.path / 'in' / 'texts.parquet')}'",
            [rows.tolist()],
        )
