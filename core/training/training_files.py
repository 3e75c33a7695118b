"""Input files of a training job: labelled texts, the records to score on, the base encoder. Trains nothing."""

import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.config.settings import Settings
from core.errors import Refused
from core.ids import JobId
from core.jobs.bundle import Bundle, Resources
from core.models.artifacts import check_model
from core.models.encoders.encoder import OWN
from core.models.encoders.loading import encoder_source
from core.models.vectors import open_vectors, read_names
from core.project import Project
from core.rounds.feature_orders import unchosen_records
from core.rounds.run_round import known_now
from core.store.tables import quoted
from core.tasks.tasks import space_of
from core.training.train_job import TrainParams, TrialParams
from core.training.trainers import Value


@dataclass(frozen=True)
class Order:
    """A requested training job. parent: the search that it is part of."""

    trainer: str
    values: Mapping[str, Value]
    on: str = "local"
    resources: Resources = field(default_factory=Resources)
    seed: int | None = None
    parent: JobId | None = None
    note: str = ""
    tried: bool = False
    """against the encoder in use, in the same job"""


POOL = 2_000
"""texts of the pool that a trial makes its neighbour graphs of"""
MOST_TRIED = 2_000
"""records that train where the training is tried out: its steps see no more, and each is encoded three times"""
FILES = ("train.parquet", "judge.parquet", "history.npz")


def copy_training_files(source: Bundle, bundle: Bundle) -> None:
    """Copies those of another job: the runs of a search train on the same labels, whatever was labelled meanwhile."""
    for name in FILES:
        shutil.copyfile(source.path / "in" / name, bundle.path / "in" / name)


def write_training_files(project: Project, bundle: Bundle, settings: Settings, *, tried: bool = False) -> None:
    """`in/train.parquet` and `in/judge.parquet` (n, text, stratum, labels, split) and the audit's history.

    Audit and gold records never train, nor do records with the same text. tried: with what a trial needs beside.
    """
    arrays, _ = known_now(project, settings)
    train_rows = np.setdiff1d(arrays["train_rows"], arrays["audit_rows"])
    if tried and len(train_rows) > MOST_TRIED:
        train_rows = np.sort(np.random.default_rng(settings.seed).choice(train_rows, MOST_TRIED, replace=False))
    labels = [label.id for label in settings.taxonomy.active]
    _write(project, bundle.path / "in" / "train.parquet", train_rows, labels)
    scored_rows = np.union1d(arrays["gold_rows"], arrays["audit_rows"])
    _write(project, bundle.path / "in" / "judge.parquet", scored_rows, labels)
    if tried:
        _write_trial_files(project, bundle, settings, (train_rows, arrays["audit_rows"]))
    history = {name: values for name, values in arrays.items() if name.startswith("history_") or name == "asked_rows"}
    np.savez(bundle.path / "in" / "history.npz", allow_pickle=False, **history)


def _write_trial_files(project: Project, bundle: Bundle, settings: Settings, rows: tuple[Ints, Ints]) -> None:
    """`in/trial.npz`, vectors by the encoder in use, and `in/pool.parquet`, a sample of the texts that models read.
    rows: that train, of the audit."""
    train_rows, audit_rows = rows
    vectors = open_vectors(project.vectors, settings.encoder)
    target = quoted(bundle.path / "in" / "pool.parquet")
    with project.store.reading() as cursor:
        cursor.execute(
            f"copy (select n, text from model_texts where n < {len(vectors)} order by hash(n + {settings.seed}), n "
            f"limit {POOL}) to '{target}' (format parquet)"
        )
        pool = np.asarray(cursor.execute(f"select n from '{target}'").fetchnumpy()["n"], np.int64)
    texts = space_of(settings).texts if settings.label_names else ()
    names = read_names(project.vectors, settings.encoder, texts)
    np.savez(
        bundle.path / "in" / "trial.npz",
        allow_pickle=False,
        train=vectors[train_rows],
        audit=vectors[audit_rows],
        pool=vectors[pool],
        names=np.empty((0, vectors.shape[1]), np.float32) if names is None else names,
        fresh=~np.isin(train_rows, _learnt(project, settings.encoder)),
        unchosen=np.isin(train_rows, unchosen_records(project, settings)),
    )


def _learnt(project: Project, encoder: str) -> list[int]:
    """Records that the encoder may have learnt from: those that were answered before its training began."""
    if not encoder.startswith(OWN):
        return []
    rows = project.store.query(
        """select distinct n from responses where action = 'submit' and received_at <= (
               select coalesce((select made_at from jobs where jobs.id = m.id), m.made_at)
               from models m where m.id = ?)""",
        [encoder.removeprefix(OWN)],
    )
    return [n for (n,) in rows]


def carry_encoder(project: Project, bundle: Bundle, base: str) -> None:
    """Copies an encoder that was trained here into the bundle: where the job runs there is no project."""
    if base.startswith(OWN):
        check_model(project.models / base.removeprefix(OWN))
        shutil.copytree(encoder_source(project.models, base), bundle.path / "in" / "encoder")


def _write(project: Project, path: Path, rows: Ints, labels: list[str]) -> None:
    target = quoted(path)
    with project.store.reading() as cursor:
        cursor.execute(
            f"""copy (
                select r.n, m.text, s.stratum, list_filter(s.labels, lambda x: list_contains($labels, x)) as labels,
                       r.split
                from records r join model_texts m using (n) join settled s using (n)
                where r.n in (select unnest($rows::bigint[])) order by r.n
            ) to '{target}' (format parquet)""",
            {"rows": rows.tolist(), "labels": labels},
        )


def refuse_too_little(project: Project, settings: Settings, trainer: str) -> None:
    """Raises Refused where there are too few labels for this trainer."""
    if len(settings.taxonomy.active) < (1 if settings.multi else 2):
        raise Refused("A model needs two labels to choose between. Add labels on the Settings page.")
    if not project.store.one("select count(*) from records"):
        raise Refused("The project has no records yet. Bring some with `rondo import FILE --text COLUMN`.")
    if trainer == "zeroshot":
        return
    used = project.store.query(
        "select count(*) from settled where stratum not in ('gold', 'audit') and len(labels) > 0 group by labels"
    )
    if len(used) < 2:
        raise Refused(
            f"Training needs labels of two kinds; there {'is one' if used else 'is none'} (gold and audit labels only "
            "judge). Label some records first: `rondo up`."
        )


def training_params(settings: Settings, order: Order) -> TrainParams:
    """The job's parameters besides its files."""
    active, values = settings.taxonomy.active, dict(order.values)
    entails = values.get("by") == "nli"  # there an empty base means the default NLI model, not the encoder
    base = str(values.get("base") or ("" if entails else settings.encoder))
    starts_from = base if order.trainer != "transformer" and not entails else settings.encoder
    return TrainParams(
        trainer=order.trainer,
        values={**values, **({"base": base} if "base" in values else {})},
        encoder=base if base.startswith(OWN) else starts_from,
        labels=tuple(label.id for label in active),
        label_names=tuple(label.name for label in active),
        descriptions=tuple(label.description for label in active),
        multi=settings.multi,
        seed=settings.seed if order.seed is None else order.seed,
        threads=settings.threads,
        taxonomy=settings.taxonomy.version,
        note=order.note,
        trial=_trial_params(settings) if order.tried else None,
    )


def _trial_params(settings: Settings) -> TrialParams:
    return TrialParams(settings.encoder, space_of(settings).texts if settings.label_names else ())
