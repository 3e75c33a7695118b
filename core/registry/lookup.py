"""Finds the model, encoder or records that a person names. Writes nothing but a job's input."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from core.arrays import Ints
from core.errors import BadInput, Refused
from core.jobs.bundle import Bundle
from core.models.artifacts import INFO, MANIFEST, read_manifest
from core.models.encoders.encoder import OWN
from core.models.out_of_fold import VERDICTS, HeldOut, read_held_out
from core.models.own_encoder import encoder_name, encoder_source
from core.project import Project
from core.registry.champions import CHAMPION, find_model, require_files
from core.registry.evaluation_jobs import EncoderSource, EvaluatedFolder
from core.registry.exported_model import is_export, name_of_export
from core.rounds.run_round import known_now
from core.store.tables import quoted

BASELINE = "baseline"


@dataclass(frozen=True)
class Model:
    """A model to score. folder: its artifact, None for the baseline, which has none.
    base: the folder on this machine that it was made from, which no artifact names, or empty."""

    name: str
    folder: Path | None
    base: str = ""

    @property
    def as_input(self) -> EvaluatedFolder:
        """In the form of a job's input."""
        return EvaluatedFolder(self.name, str(self.folder) if self.folder else None, self.base)

    @property
    def has_out_of_fold(self) -> bool:
        """Does its artifact have out-of-fold predictions of its training records?"""
        return self.folder is not None and (self.folder / VERDICTS).exists()


def find_model_to_score(project: Project, word: str) -> Model:
    """`baseline`, the folder of an artifact or of an export, or what `find_model` takes. Raises BadInput, Refused or
    Damaged."""
    if word == BASELINE:
        return Model(BASELINE, None)
    word = word or CHAMPION
    folder = Path(word)
    if is_export(folder):
        return Model(name_of_export(folder), folder.resolve())
    known = project.store.one("select count(*) from models where id = ?", [word])
    if not known and (folder / MANIFEST).is_file():
        return Model(folder.resolve().name, folder.resolve())
    try:
        model = find_model(project, word)
    except BadInput as error:
        raise BadInput(f"{error} A folder with a {MANIFEST} can be judged, too, and `{BASELINE}` needs none.") from None
    require_files(project, model)
    folder = (project.models / model).resolve()
    written = project.store.one("select params from jobs where id = ?", [model])
    base = str((json.loads(written).get("values") or {}).get("base", "")) if written else ""
    return Model(model, folder, base if base and Path(base).is_dir() else "")


def find_encoder(project: Project, word: str) -> EncoderSource:
    """word: a name, a folder, or a model, which may be named by the end of its id, as everywhere."""
    if word in ("", CHAMPION):
        word = project.settings().encoder
    word = word.removeprefix(OWN)
    if not (project.models / word / MANIFEST).exists() and not (Path(word) / MANIFEST).is_file():
        ends = project.store.one("select count(*) from models where ends_with(id, ?)", [word])
        if not ends or Path(word).is_dir():
            return EncoderSource(word, word)
    model = find_model_to_score(project, word)
    if model.folder is None:
        raise BadInput(f"{BASELINE} is no encoder. Name an encoder, its folder, or a model.")
    manifest = read_manifest(model.folder)
    if not encoder_name(model.folder, manifest):
        raise BadInput(f"{model.name} classifies texts without vectors, so it has no encoder to compare.")
    return EncoderSource(encoder_name(model.folder, manifest), encoder_source(model.folder, manifest))


def stratum_rows(project: Project, stratum: str) -> Ints:
    """Numbers of the records that have a settled label in that stratum."""
    rows = project.store.query("select n from settled where stratum = ? order by n", [stratum])
    return np.array([n for (n,) in rows], np.int64)


def labelled_rows(project: Project) -> Ints:
    """Numbers of all records that have a settled label."""
    rows = project.store.query("select n from settled where len(labels) > 0 order by n")
    return np.array([n for (n,) in rows], np.int64)


def held_out_rows(model: Model) -> Ints:
    """Numbers of the records that training held out and whose probabilities it stored then: the final fit may have used
    them since. Raises Refused where there are none.
    """
    rows = np.empty(0, np.int64)
    if model.folder is not None:
        stored = read_held_out(model.folder, len(read_manifest(model.folder)["labels"]))
        if stored is not None:
            rows = stored.held_out if len(stored.held_out) else _held_out_before(model.folder, stored)
    if not len(rows):
        raise Refused(f"The training of {model.name} held out no record. Evaluate it on gold, audit or a file.")
    return rows


def _held_out_before(folder: Path, held_out: HeldOut) -> Ints:
    """Earlier versions named them in the training info."""
    result = json.loads((folder / INFO).read_text(encoding="utf-8")) if (folder / INFO).exists() else {}
    named = result.get("held_out")
    return np.intersect1d(np.array(named if isinstance(named, list) else [], np.int64), held_out.rows)


def write_audit(project: Project, bundle: Bundle, model: str, *, every: bool) -> None:
    """Writes the audit records, or all asked ones, and how they left the pool, for their weights."""
    arrays, _ = known_now(project, project.settings())
    rows = arrays["asked_rows"] if every else np.intersect1d(arrays["audit_rows"], arrays["asked_rows"])
    if not len(arrays["audit_rows"]):
        raise Refused("No audit record has a label yet. Label on, or evaluate on gold or a file.")
    write_records(project, bundle, rows, model)
    history = {name: values for name, values in arrays.items() if name.startswith("history_") or name == "asked_rows"}
    np.savez(bundle.path / "in" / "history.npz", allow_pickle=False, **history)


def write_records(project: Project, bundle: Bundle, rows: Ints, model: str) -> None:
    """`in/records.parquet`: n, id, text, labels, and stated: the stored confidence of this model, if any."""
    target = quoted(bundle.path / "in" / "records.parquet")
    active = [label.id for label in project.settings().taxonomy.active]
    with project.store.reading() as cursor:
        cursor.execute(
            f"""copy (
                select r.n, r.id, m.text, list_filter(s.labels, lambda x: list_contains($labels, x)) as labels,
                       j.probability as stated
                from records r join model_texts m using (n) join settled s using (n)
                left join held_out_predictions j on j.n = r.n and j.model = $model
                where r.n in (select unnest($rows::bigint[])) order by r.n
            ) to '{target}' (format parquet)""",
            {"rows": rows.tolist(), "labels": active, "model": model},
        )


def write_training_texts(project: Project, bundle: Bundle) -> None:
    """`in/taught.npy`: hashes of possible training texts, so that leakage into a test file is noticed."""
    rows = project.store.query(
        "select distinct r.hash from records r join settled s using (n) where s.stratum <> 'gold' and len(s.labels) > 0"
    )
    np.save(bundle.path / "in" / "taught.npy", np.array([hashed for (hashed,) in rows], np.uint64), allow_pickle=False)
