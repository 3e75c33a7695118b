"""What the routes for programs take and give, as types; reading bodies and the OpenAPI document rest on them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, StrictBool, StrictFloat, StrictInt, StrictStr

from core.hosted.training_data import Statistics
from core.jobs.job_states import ENDED, UNDER_WAY
from core.registry.models import ModelEntry
from core.suggestions.worth import LanguageModelWorth
from core.training.hosted import RUNNER, HostedEstimate, HostedJob
from core.training.trainers import TRAINERS
from gpu_jobs.runners.choice import RUNNERS

Figures = Mapping[str, object]
ELSEWHERE = [name for name in RUNNERS if name != RUNNER]
"""where a trainer may run: providers tune models and run nothing of ours"""
Reason = Annotated[StrictStr | None, Field(description="Why, for the log; needed with `force`.")]
Force = Annotated[StrictBool | None, Field(description="Although the gate says no.")]
Budget = Annotated[StrictInt | None, Field(description="Requests that a hosted model may be sent; null: 5,000.", ge=0)]
ACTIONS = ("activate", "deactivate")
STARTED_HERE = [*(name for name, one in TRAINERS.items() if not one.by_step), "grid"]
"""trainers that a program may start; those of a language model want the name of a step"""
EXAMPLE = {"trainer": "setfit", "on": "local", "set": {"epochs": 3, "loss": "contrastive"}}


@dataclass(frozen=True, kw_only=True)
class Order:
    """A training job. Without a value what the settings say holds."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "json_schema_extra": {"example": EXAMPLE}}

    trainer: Annotated[
        StrictStr, Field(description="How the model comes about.", json_schema_extra={"enum": STARTED_HERE})
    ]
    on: Annotated[
        StrictStr | None, Field(description="Where it runs.", json_schema_extra={"enum": [*ELSEWHERE, None]})
    ] = None
    gpu: Annotated[
        StrictStr | None, Field(description="The kind of GPU, where one is rented; `L4:2` is two of them.")
    ] = None
    seed: StrictInt | None = None
    note: Annotated[StrictStr | None, Field(description="For people.")] = None
    set: Annotated[
        dict[str, object] | None, Field(description="Parameters of the trainer; the table of trainers has them.")
    ] = None


@dataclass(frozen=True, kw_only=True)
class Activation:
    """A model that shall come into use."""

    __pydantic_config__: ClassVar = {"extra": "forbid"}

    reason: Reason = None
    force: Force = None
    budget: Budget = None


@dataclass(frozen=True, kw_only=True)
class ModelAction:
    """A hosted model that shall answer programs, or the end of that."""

    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "json_schema_extra": {"example": {"action": "activate", "model": "20261130-101500-hosted_tuning-a1b2c3"}},
    }

    action: Annotated[StrictStr, Field(description="What to do.", json_schema_extra={"enum": [*ACTIONS]})]
    model: Annotated[StrictStr | None, Field(description="The model's id; needed to activate.")] = None
    reason: Reason = None
    force: Force = None
    budget: Budget = None


@dataclass(frozen=True, kw_only=True)
class FineTune:
    """A model to be tuned at a provider on the decided pairs. Sending it agrees to the price."""

    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "json_schema_extra": {"example": {"base_model": "gpt-4o-mini-2024-07-18", "provider": "openai", "epochs": 3}},
    }

    base_model: Annotated[StrictStr, Field(description="As the provider calls it.")]
    provider: Annotated[
        StrictStr | None, Field(description="openai (unless named), together, fireworks, or an address.")
    ] = None
    epochs: Annotated[StrictInt | None, Field(description="Passes over the examples; null: the provider chooses.")] = (
        None
    )


@dataclass(frozen=True, kw_only=True)
class PredictPairs:
    """Pairs of texts, to be judged by the model in use."""

    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "json_schema_extra": {"example": {"pairs": [["Lumo 24-inch monitor", "LUMO 24 display"]], "auto_above": 0.9}},
    }

    pairs: Annotated[list[list[StrictStr]], Field(description="Two texts each; (a, b) is (b, a).")]
    auto_above: Annotated[StrictFloat | None, Field(description="Probability to merge from; null: .90.")] = None
    drop_below: Annotated[StrictFloat | None, Field(description="Probability to keep apart below; null: .70.")] = None
    keep_unsure: Annotated[
        StrictBool | None, Field(description="Pairs between both become records that people are asked about.")
    ] = None
    budget: Budget = None


@dataclass(frozen=True, kw_only=True)
class PredictTexts:
    """Texts whose labels a model shall predict."""

    __pydantic_config__: ClassVar = {
        "extra": "forbid",
        "json_schema_extra": {"example": {"texts": ["Put on some jazz"], "model": "champion", "top_k": 3}},
    }

    texts: Annotated[list[StrictStr], Field(description="1,000 at most, of up to 100,000 characters each.")]
    model: Annotated[
        StrictStr | None, Field(description="champion (unless named), a model's id, or baseline: no training at all.")
    ] = None
    top_k: Annotated[StrictInt | None, Field(description="Ranked labels of each text; null: 3.")] = None


@dataclass(frozen=True, kw_only=True)
class Suggest:
    """That the project's language model shall be asked."""

    __pydantic_config__: ClassVar = {"extra": "forbid", "json_schema_extra": {"example": {"limit": 200}}}

    limit: Annotated[StrictInt | None, Field(description="Records at most; null: 200.", ge=1)] = None
    again: Annotated[StrictBool | None, Field(description="Also those that it has answered.")] = None
    anyway: Annotated[StrictBool | None, Field(description="Also where the audit finds the head better.")] = None


@dataclass(frozen=True)
class FineTuning:
    """A tuning job that was started, and what it is likely to cost."""

    job: HostedJob
    estimate: HostedEstimate


@dataclass(frozen=True)
class TrainingExamples:
    """The decided pairs that may train. statistics: only where they were asked for."""

    examples: Sequence[Figures]
    statistics: Statistics | None = None


@dataclass(frozen=True)
class Error:
    """A refusal."""

    error: Annotated[str, Field(description="What was wrong and what to do, in a sentence or two.")]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A training job. Times are UTC."""

    id: str
    trainer: str
    runner: Annotated[str, Field(description="Where it runs.")]
    state: Annotated[
        str,
        Field(
            description="`lost` is not `failed`: it may come back.",
            json_schema_extra={"enum": [*UNDER_WAY, *ENDED, "lost"]},
        ),
    ]
    made_at: str
    started_at: Annotated[str | None, Field(description="When it was handed over.")]
    ended_at: str | None
    done: Annotated[int, Field(description="Steps done.")]
    total: Annotated[int, Field(description="Steps in all; 0: not known yet.")]
    figures: Annotated[
        Figures, Field(description="The newest, as loss. Empty in the list; GET /api/jobs/{id} has them.")
    ]
    message: Annotated[str, Field(description="Why it stands so, and what to do; or empty.")]
    model: Annotated[str | None, Field(description="The id of what came out.")]
    metrics: Annotated[Figures, Field(description="By gold and by audit, each with its interval.")]
    values: Annotated[Figures, Field(description="Of the trainer's parameters, where they were set.")]
    note: str
    kind: str
    parent: Annotated[str | None, Field(description="The search that it is a run of.")]
    resources: Figures
    seconds: float | None
    memory_mb: float | None
    remark: str
    dollars: Annotated[float | None, Field(description="What it has cost so far, where somebody is paid.")]


@dataclass(frozen=True, kw_only=True)
class JobInFull(Job):
    """A training job with what it has told."""

    events: Annotated[Sequence[Figures], Field(description="Figures over time.")]
    log: Annotated[Sequence[str], Field(description="Its last lines.")]


@dataclass(frozen=True)
class Jobs:
    """The newest first."""

    jobs: Sequence[Job]


@dataclass(frozen=True)
class Progress:
    """How far something is."""

    what: str
    done: int
    total: int


@dataclass(frozen=True)
class Suggestions:
    """asking: how far the language model is that is asked now, if any. error_message: what the last work in the
    background ended with, if not well. worth: of the language model that answered last."""

    asking: Progress | None
    error_message: str | None
    worth: LanguageModelWorth | None


@dataclass(frozen=True)
class Models:
    """Every model, newest first. activating: how far the promotion is that goes on now, if any. error_message: what the
    last work in the background ended with, if not well. decider: the hosted model that answers programs, if one does.
    warnings: hosted models that have ended or end soon."""

    champion: str | None
    models: Sequence[ModelEntry]
    activating: Progress | None
    error_message: str | None
    decider: str | None = None
    warnings: Sequence[str] = ()


@dataclass(frozen=True)
class Activating:
    """The work goes on."""

    promoted: bool
    model: str
    activating: Progress | None
