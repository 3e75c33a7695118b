"""What a task declares about its answers, so that the rest need not know what an answer is. Knows no task.

An answer is JSON. Inside jobs it is a row of numbers, as wide as the task says; several records are a matrix of such
rows. What a head gives for a record is a row too, its *outputs*: for labels the probability of each.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from core.arrays import Bools, Floats, Ints, Rows
from core.config.settings import Settings
from core.errors import BadInput
from core.models.heads.kind import FittedHead, HeadKind
from core.tasks.columns import Columns
from core.tasks.language_form import Alternatives, LanguageForm
from core.tasks.questions import TeamForm

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection as Cursor

Answer: TypeAlias = object
"""JSON: for labels the list of their ids, for a number a number"""

Setup: TypeAlias = Mapping[str, object]
"""what must be known of a project's task wherever its settings are not: on the card, in jobs, in programs; JSON"""

Acquisition = Callable[[Floats], Floats]
"""outputs (n, k) -> (n,) acquisition scores, higher = ask sooner"""

EVERYTHING = "*"
"""the only part of a task whose answers are no choice among categories: they stand or fall together"""


@dataclass(frozen=True)
class AnswerSpace:
    """How the answers of one project look as numbers, and what follows from outputs.

    task: its name. encode: canonical answers -> (n, width), for none of them (0, width). decode: back. decide: outputs
    (n, k) -> answers (n, width), what is proposed. confidence: (outputs, answers) -> (n,) probability that the answer
    is right. correct: (truth, answers) -> (n,) how right each is, 0..1. doubtful: outputs -> (n,) mask of those that a
    model is not sure of. gradients: outputs -> (n, k) how far each output would move if the proposed answer were true.
    alternatives: (outputs, most) -> for each record pairs of JSON and probability, best first, for the card.
    acquisition: by name, the first is the default. cold: labelled records below which a model's doubt is not worth
    listening to. heads: how heads are fitted.

    of_head: a head that was fitted before -> the space of what it answers, whose categories may be those of then.

    categories: where an answer has a bool for each of some categories their ids, and names: what people call them;
    lines: where some stand under others, those above each from the top, and itself; texts: names for an encoder.
    exclusive: exactly one of them holds. learns: can a head predict anything of an answer? prior: what predicts before
    anything was learnt, where something is known beforehand; it chooses, and suggests nothing.
    """

    task: str
    encode: Callable[[Sequence[Answer]], Rows]
    decode: Callable[[Rows], list[Answer]]
    decide: Callable[[Floats], Rows]
    confidence: Callable[[Floats, Rows], Floats]
    correct: Callable[[Rows, Rows], Floats]
    doubtful: Callable[[Floats], Bools]
    gradients: Callable[[Floats], Floats]
    alternatives: Callable[[Floats, int], list[list[tuple[Answer, float]]]]
    acquisition: Mapping[str, Acquisition]
    cold: int
    heads: HeadKind
    of_head: Callable[[FittedHead], "AnswerSpace"]
    categories: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    texts: tuple[str, ...] = ()
    exclusive: bool = False
    learns: bool = True
    whole: bool = True
    prior: FittedHead | None = None

    @property
    def parts(self) -> tuple[str, ...]:
        """What the pool is divided into by what is proposed: the categories, where each answer is one of them."""
        return self.categories if self.exclusive else (EVERYTHING,)

    @property
    def part_names(self) -> dict[str, str]:
        """Part -> what people call it."""
        if self.exclusive:
            return dict(zip(self.categories, self.names, strict=True))
        return {EVERYTHING: "all labels" if self.categories else "all answers"}

    def marks(self, truth: Rows, answers: Rows) -> tuple[Bools, Bools]:
        """The same two as (n, categories) yes and no, by which figures are counted; where there are no categories as
        one column, in which a right answer meets the truth."""
        if self.categories:
            return np.asarray(truth, np.bool_), np.asarray(answers, np.bool_)
        return np.ones((len(truth), 1), np.bool_), self.right(truth, answers)[:, None]

    def right(self, truth: Rows, answers: Rows) -> Bools:
        """(n,) are they wholly right?"""
        return np.asarray(self.correct(truth, answers) >= 1) if len(truth) else np.empty(0, np.bool_)


@dataclass(frozen=True)
class PoolFeatures:
    """How records become vectors where it is not by encoding their texts, but by comparing them within the pool: all
    anew when there are new records.

    job: name of the kind of job that does it. query: SQL of its input, a row for each record number. version: setup ->
    by what vectors made with another setup are known.
    """

    job: str
    query: str
    version: Callable[[Setup], str]


@dataclass(frozen=True, kw_only=True)
class GeneratedAnswer:
    """What a language model says of a record. step: of a structured answer, "" where there are none. answer: JSON, of a
    step its value. spans: where its values stand. confidence: 0..1, None: the model does not say. outdone: parts of it
    in which the head does better.
    """

    step: str
    model: str
    answer: Answer
    spans: Mapping[str, object]
    confidence: float | None
    outdone: tuple[str, ...] = ()


Context = Callable[["Cursor", Sequence[int]], Mapping[int, dict[str, object]]]
"""(cursor, record numbers) -> JSON for the card of those of which there is something to say"""


@dataclass(frozen=True)
class Task:
    """What an answer is.

    setup: what the card, jobs and programs must know. unready: why nothing can be asked or learnt yet, or None. read:
    the fields of an event, as a browser or program sent them -> the answer; raises BadInput. fields: back again.
    read_text: a cell of a file, or what a person typed -> the answer; raises BadInput. text: an answer in one line for
    people, and as exports have it, which `read_text` reads again. describe: of a project's settings -> what says an
    answer to people who need not type it. canonical: the same answer always in the same form, by which votes, undo,
    agreement and equality work. refusal: why an answer cannot be stored, or None; one that was given while it was
    possible is kept. retired: why a correction cannot give it now, or None. still_meant: what of an answer is meant
    now, and whether that is enough to count. parameters: the same for SQL on the column `labels`: `active`, what may
    stand in it, and `multi`, whether an answer with any number of them counts, or only one with exactly one. A test
    holds the two together. settle: (canonical answers with weights) -> the one answer that several different ones come
    to, or None; without it the one with the most weight is it. space: the answers as numbers.

    suggestion: what the card shows of what a model proposes, from `AnswerSpace.alternatives`; None where nothing of it
    can be answered. generated: the same where language models have answered too: (what the head proposes or None, what
    they say, settings) -> what is shown, with "model" where it is not the head's. hinted: the same where people
    answered before and that does not count now: (what is proposed or None, the newest such answer, settings).
    composed: (what the language models in use say of a record, settings) -> the whole answer that it comes to and how
    sure it is, 0..1, or None: by it machine labels are made where a head predicts only parts of an answer.
    right: (truth, answer, settings) -> is such an answer right? noun: what people call an answer. taxonomy: answers
    name labels of the project's taxonomy, so it
    has what belongs to one: its part of the Settings page, filters by label, label errors, trainers, evaluations.
    columns: how whole columns of a file are read and written, where that is more than one cell at a time by
    `read_text` and `text`. team: how Argilla asks for an answer, where it can. features: how records become vectors, if
    not by their texts. two_sides: a record is two texts side by side, from a file of such pairs or paired here.
    context: what a person should see beside a record, from people's answers to others; nothing of what a model says may
    be in it, for blind records have it too. language: how a language model is asked for the whole answer, where one may
    suggest it. difference: (an answer, what was suggested) -> JSON of what was changed, as it was suggested: {kind:
    {path: value}}, {} for nothing.
    """

    setup: Callable[[Settings], Setup]
    unready: Callable[[Setup], str | None]
    read: Callable[[Mapping[str, object]], Answer]
    fields: Callable[[Answer], dict[str, object]]
    read_text: Callable[[str, Setup], Answer]
    text: Callable[[Answer, Setup], str]
    describe: Callable[[Settings], Callable[[Answer], str]]
    canonical: Callable[[Answer], Answer]
    refusal: Callable[[Answer, Settings, "Cursor"], str | None]
    retired: Callable[[Answer, Settings], str | None]
    still_meant: Callable[[Answer, Settings], tuple[Answer, bool]]
    parameters: Callable[[Settings], dict[str, object]]
    space: Callable[[Setup], AnswerSpace]
    suggestion: Callable[[Alternatives, Settings], dict[str, object] | None]
    generated: Callable[[dict[str, object] | None, Sequence[GeneratedAnswer], Settings], dict[str, object] | None] = (
        lambda proposed, generated, settings: proposed
    )
    hinted: Callable[[dict[str, object] | None, Answer, Settings], dict[str, object] | None] | None = None
    composed: Callable[[Sequence[GeneratedAnswer], Settings], tuple[Answer, float] | None] | None = None
    right: Callable[[Answer, Answer, Settings], bool] | None = None
    settle: Callable[[Sequence[tuple[Answer, float]]], Answer | None] | None = None
    noun: str = "answer"
    taxonomy: bool = False
    columns: Columns | None = None
    team: TeamForm | None = None
    features: PoolFeatures | None = None
    steps: bool = False
    two_sides: bool = False
    context: Context | None = None
    language: LanguageForm | None = None
    difference: Callable[[Answer, Answer], Mapping[str, object]] | None = None


@dataclass(frozen=True)
class Predictions:
    """What a model says of some records. outputs: (n, k), one row a record."""

    space: AnswerSpace
    outputs: Floats

    def __len__(self) -> int:
        return len(self.outputs)

    @property
    def answers(self) -> Rows:
        """(n, width) what is proposed."""
        return self.space.decide(self.outputs) if len(self) else self.space.encode(())

    @property
    def confidence(self) -> Floats:
        """(n,) probability that what is proposed is right."""
        return self.space.confidence(self.outputs, self.answers)

    def take(self, positions: Ints) -> "Predictions":
        """Those of some records."""
        return replace(self, outputs=self.outputs[positions])

    def drop(self, positions: Ints) -> "Predictions":
        """Those of all other records."""
        return replace(self, outputs=np.delete(self.outputs, positions, axis=0))

    def acquisition(self, name: str | None = None) -> Acquisition:
        """The task's score of that name, or its default. Raises BadInput where it has none of this name."""
        scores = self.space.acquisition
        if name is not None and name not in scores:
            raise BadInput(f"The task {self.space.task} has no score {name!r}; there are {', '.join(scores)}.")
        return scores[next(iter(scores)) if name is None else name]
