"""The job that records what a hosted model says of pairs. Knows files and a provider, no store."""

import json
from pathlib import Path

import numpy as np

from core.jobs.bundle import write_json
from core.language_models.answer_cache import AnswerCache
from core.language_models.client import connect
from core.language_models.providers import provider_of
from core.language_models.remote_model import ModelUnavailable, RemoteModel
from core.language_models.spending import Budget
from core.pairs.hosted_answers_job import ANSWERS_FILE, PAIRS_FILE, HostedAnswersParams, HostedAnswersResult
from core.pairs.hosted_judge import HostedJudge, chat_requests
from gpu_jobs.trainers.trainer_types import Progress

PIECE = 64


def hosted_answers(bundle: Path, params: HostedAnswersParams, report: Progress) -> HostedAnswersResult:
    """Where the model gives no more answers, those that it gave before stay, and the result says why.

    Over the budget nothing is asked.
    """
    pairs = [(left, right) for left, right in json.loads((bundle / "in" / PAIRS_FILE).read_text(encoding="utf-8"))]
    connection = connect(provider_of(params.provider, params.base_url), params.patience, chat=True)
    cache = AnswerCache(Path(params.cache))
    hosted = RemoteModel(params.model, connection, cache, Budget(params.budget), workers=params.workers)
    answered: list[float] = []
    failure = ""
    try:
        hosted.require_budget(chat_requests(pairs))
        for begin in range(0, len(pairs), PIECE):
            report(begin, len(pairs))
            answered += HostedJudge(hosted).predict(pairs[begin : begin + PIECE]).tolist()
    except ModelUnavailable as error:
        failure = str(error)
    report(len(answered), len(pairs))
    unread = int(np.isnan(answered).sum())
    values = [None if np.isnan(value) else round(value, 6) for value in answered]
    write_json(bundle / "out" / ANSWERS_FILE, values)
    return HostedAnswersResult(len(answered) - unread, unread, hosted.budget.made, hosted.logprobs, failure)
