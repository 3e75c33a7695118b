"""The job that has a language model answer requests: its parameters and result. Knows no task and no store."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from core.jobs.kinds import JobKind
from core.language_models.client import Patience

REQUESTS_FILE, ANSWERS_FILE, CALLS_FILE, CACHE_FILE = "requests.jsonl", "answers.jsonl", "calls.jsonl", "cache.jsonl"
MODEL_FOLDER, ADAPTER_FOLDER = "model", "adapter"
"""below `in/`, where a model travels with its job"""
LOCAL = "local"
"""in place of an address: the model is a folder, and runs in the job"""


@dataclass(frozen=True)
class GenerateParams:
    """The requests are `in/requests.jsonl`. endpoint: the server's address or a provider's name, or LOCAL.

    model: its name at the server; of LOCAL a folder, where `in/model` is none. adapter: a folder with a PEFT adapter
    on it, where `in/adapter` is none; empty for none. cache: file of known answers, log: of calls; empty: in the
    bundle, for a job elsewhere. calls, dollars: at most; dollars None: calls alone are limited. price: US dollars per
    million tokens in and out, None where it is unknown. batch, threads: of LOCAL.
    """

    endpoint: str
    model: str
    adapter: str = ""
    cache: str = ""
    log: str = ""
    purpose: str = ""
    calls: int = 0
    dollars: float | None = None
    price: tuple[float, float] | None = None
    workers: int = 4
    batch: int = 8
    threads: int = 0
    patience: Patience = field(default_factory=Patience)


@dataclass(frozen=True)
class GenerateResult:
    """The answers are `out/answers.jsonl`, one a request, in order. states: how many are in each. calls: that were
    made; known: answers from the cache. cost: US dollars of these calls, None where the price is unknown. form: how the
    server was asked for JSON. failure: why answers are missing, or empty. memory_mb: most that the process took.
    """

    states: Mapping[str, int]
    calls: int
    known: int
    tokens_in: int
    tokens_out: int
    cost: float | None
    seconds: float
    form: str = ""
    failure: str = ""
    memory_mb: int = 0


GENERATE = JobKind("generate", GenerateParams, GenerateResult)
