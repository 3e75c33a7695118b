"""The annotated records that a replay learns from and judges by. Knows files, no store and no model."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from core.config.steps import Step, fields_of
from core.errors import BadInput
from core.extract.documents import columns_of
from core.extract.import_annotations import STORY, mapped_documents
from core.extract.mapping import FileMapping, Mapped, plain_mapping, read_mapping
from core.extract.prepare import GOLD, AnsweredRecord, find_step
from core.extract.replay_job import StepReplayParams
from core.extract.step_files import load_steps, template_or_file
from core.tasks.extract_answers import values_of

HELD_OUT = 0.2
"""share of the texts that judge where the file has no split"""
TEST = "test"


@dataclass(frozen=True)
class ReplayData:
    """pool: records to learn from; test: those that judge. faults: parts of the file that do not fit the steps."""

    steps: tuple[Step, ...]
    pool: tuple[AnsweredRecord, ...]
    test: tuple[AnsweredRecord, ...]
    faults: int


def read_replay_data(params: StepReplayParams) -> ReplayData:
    """Raises BadInput where there is nothing to learn from or to judge by."""
    path, steps = Path(params.file), load_steps(params.steps)
    chosen = tuple(find_step(steps, name) for name in params.names) or steps
    mapping = _mapping(params, path, steps)
    records: list[Mapped] = []
    faults = 0
    for document in mapped_documents(path, mapping, steps):
        faults += bool(document.fault) + sum(len(one.faults) for one in document.records)
        records += [one for one in document.records if any(step.name in values_of(one.answer) for step in chosen)]
    if not records:
        raise BadInput(f"{params.file}: no record answers {', '.join(step.name for step in chosen)}.")
    pool, test = _divided(records)
    if not pool or not test:
        raise BadInput(f"{params.file}: {len(pool)} records to learn from and {len(test)} to judge; both are needed.")
    drawn = np.sort(np.random.default_rng(0).permutation(len(test))[: params.test])
    return ReplayData(chosen, tuple(pool), tuple(test[i] for i in drawn), faults)


def _mapping(params: StepReplayParams, path: Path, steps: Sequence[Step]) -> FileMapping:
    """Of the file of steps, or by the columns' names; what the command line names holds before either."""
    own = template_or_file(params.steps)
    mapping = read_mapping(own) if own.suffix == ".toml" else None
    if params.label:
        fields = fields_of(steps)
        if len(fields) != 1:
            raise BadInput(f"--label names the column of an only field, and these steps have {len(fields)}: use [map].")
        mapping = replace(mapping or FileMapping(), values={fields[0].path: params.label})
    mapping = mapping or plain_mapping(steps, columns_of(path))
    if params.text:
        mapping = replace(mapping, text=params.text)
    return replace(mapping, split=params.split) if params.split else mapping


def _divided(records: Sequence[Mapped]) -> tuple[list[AnsweredRecord], list[AnsweredRecord]]:
    """By the split, or whole texts at random where no record says that it is a test."""
    marked = [one.split.strip().casefold() == TEST for one in records]
    if not any(marked):
        groups = sorted({one.meta.get(STORY, one.id) for one in records})
        drawn = np.random.default_rng(0).permutation(len(groups))
        held = {groups[i] for i in drawn[: max(1, round(HELD_OUT * len(groups)))]}
        marked = [one.meta.get(STORY, one.id) in held for one in records]
    parts: tuple[list[AnsweredRecord], list[AnsweredRecord]] = ([], [])
    for one, is_test in zip(records, marked, strict=True):
        group, fields = one.meta.get(STORY, one.id), one.meta | {"text": one.text}
        parts[is_test].append(AnsweredRecord(one.id, group, fields, values_of(one.answer), GOLD))
    return parts
