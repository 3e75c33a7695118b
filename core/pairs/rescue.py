"""What a hosted model says of pairs, recorded while it still answers: to train another on, and to compare with it."""

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from core.arrays import Floats
from core.errors import Refused
from core.hosted.providers import provider_of, token_of
from core.jobs.bundle import Report, write_json
from core.pairs.hosted_answers_job import ANSWERS_FILE, HOSTED_ANSWERS, PAIRS_FILE, HostedAnswersParams
from core.project import Project
from core.store.private_files import private_folder

CACHE = "hosted-answers.jsonl"
BUDGET = 5_000
"""requests, unless more are allowed"""


@dataclass(frozen=True)
class RecordedAnswers:
    """probabilities: (n,) that the two are the same, NaN where an answer was no decision. requests: that were paid."""

    model: str
    probabilities: Floats
    unread: int
    requests: int


def record_answers(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    provider: str,
    model: str,
    pairs: Sequence[tuple[str, str]],
    budget: int = BUDGET,
) -> RecordedAnswers:
    """Asks the model about every pair, in a job. What it answered before is in a cache that holds no texts, so a job
    that was stopped goes on where it was. Raises Refused where the model cannot be asked.
    """
    if not pairs:
        raise Refused("There are no pairs to ask about. Import and decide some first.")
    token_of(provider_of(provider))
    cache = private_folder(project.folder) / CACHE
    params = HostedAnswersParams(provider, "", model, str(cache), budget)
    bundle = project.jobs.prepare(HOSTED_ANSWERS, params)
    write_json(bundle.path / "in" / PAIRS_FILE, [list(pair) for pair in pairs])
    result = project.jobs.run(bundle, HOSTED_ANSWERS, report, f"Asking {model}")
    values = json.loads((bundle.path / "out" / ANSWERS_FILE).read_text(encoding="utf-8"))
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
    probabilities = np.array([np.nan if value is None else value for value in values], np.float64)
    return RecordedAnswers(model, probabilities, result.unread, result.requests)
