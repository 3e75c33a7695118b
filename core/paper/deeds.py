"""How answers came about, counted in the store: what was in view, what came in bulk, what was lost."""

from dataclasses import dataclass

from core.ids import ModelId
from core.project import Project
from core.registry.champions import champion_history, has_files

_ANSWERS = """
    select count(*) filter (blind and source in ('app', 'argilla')),
           count(*) filter (not blind and source in ('app', 'argilla')), count(*) filter (source = 'bulk')
    from responses where action = 'submit'
"""
_MARKED = "select count(*) from queue where purpose = ?"
_BATCHES = "select batch, model from batches order by batch"


@dataclass(frozen=True)
class Deeds:
    """blind, seeing: answers given one by one, without and with a suggestion in view. bulk: to many records at once.
    again: records that people were to look at again. by_request: that somebody put in the queue. generated: model ->
    records that it answered, as a language model does. left_out: records, of training. encoders: of the models that
    were in use, in that order. forced: models that a person put into use though the gate said no. erased: records.
    unrepeatable: rounds of which what they chose from, or the model that chose, is gone.
    """

    blind: int
    seeing: int
    bulk: int
    again: int
    by_request: int
    generated: dict[str, int]
    left_out: int
    encoders: tuple[str, ...]
    forced: tuple[str, ...]
    erased: int
    unrepeatable: tuple[int, ...]


def read_deeds(project: Project) -> Deeds:
    """As of now."""
    store, changes = project.store, champion_history(project)[::-1]
    [(blind, seeing, bulk)] = store.query(_ANSWERS)
    generated = store.query("select model, count(distinct n) from generated_answers group by 1 order by 1")
    refused = [one.model for one in changes if one.reason and one.evidence and not one.evidence.passes]
    return Deeds(
        blind=blind,
        seeing=seeing,
        bulk=bulk,
        again=store.one(_MARKED, ["review"]),
        by_request=store.one(_MARKED, ["wanted"]),
        generated={model: records for model, records in generated},
        left_out=store.one("select count(distinct n) from left_out"),
        encoders=tuple(dict.fromkeys(one.encoder for one in changes)),
        forced=tuple(dict.fromkeys(refused)),
        erased=store.one("select count(*) from erased"),
        unrepeatable=tuple(batch for batch, model in store.query(_BATCHES) if not _is_whole(project, batch, model)),
    )


def _is_whole(project: Project, batch: int, model: str | None) -> bool:
    rows = project.folder / "rounds" / f"{batch:05d}"
    files = rows.with_suffix(".json").exists() and rows.with_suffix(".npz").exists()
    return files and (model is None or has_files(project, ModelId(model)))
