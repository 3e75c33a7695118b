"""The verb that has a language model suggest answers. Its answers are suggestions, never labels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import duckdb

from core.data.encode_elsewhere import encode_if_needed
from core.errors import BadInput
from core.ids import RecordNo
from core.jobs.bundle import Report
from core.labelling.generated_answers import WHOLE, GeneratedRow, compare_with_head, store_generated
from core.language_models.generation import (
    ModelChoice,
    chosen_model,
    generate,
    planned,
    require_allowed,
    spent,
)
from core.language_models.requests import ChatRequest, Completion, count_answers
from core.language_models.spending import Estimate
from core.models.vectors import open_vectors
from core.project import Project
from core.suggestions.prompts import Prompts, form_of, make_prompts
from core.suggestions.worth import LanguageModelWorth, language_model_worth

LLM = "llm"
PURPOSE = "suggest"
LIMIT = 200
"""records, unless another number is said"""

Question = tuple[RecordNo, str, str]
"""(number, text as models read it, hash)"""


@dataclass(frozen=True)
class SuggestResult:
    """What a language model was asked and said. records: that it was to be asked about, audit: those of them that only
    measure it. estimate: of a dry run, in which nothing was sent. states: answers in each state, now. stored: valid
    ones. calls, cost: of this time, cost None where the price is unknown. failure: why answers are missing.
    stopped: why the model is not asked any more, or empty.
    """

    model: str
    records: int
    audit: int
    estimate: Estimate | None = None
    states: Mapping[str, int] = field(default_factory=dict)
    stored: int = 0
    calls: int = 0
    cost: float | None = None
    seconds: float = 0.0
    failure: str = ""
    stopped: str = ""
    worth: LanguageModelWorth | None = None


def suggest(  # noqa: PLR0913 - each is an option of the command
    project: Project,
    report: Report,
    *,
    using: str = LLM,
    model: str = "",
    url: str = "",
    adapter: str = "",
    limit: int = LIMIT,
    again: bool = False,
    anyway: bool = False,
    dry_run: bool = False,
    max_tokens: int = 0,
    on: str = "local",
) -> SuggestResult:
    """Asks a language model about records: audit records first, which say what it is worth, then what waits in the
    queue, then the pool, the most doubtful first.

    using: llm. model, url, adapter: where not as in the settings. limit: records at most. again: also those that it has
    answered. anyway: also where the audit finds the head better. max_tokens: of an answer, for models that think before
    they answer. on: the runner of a model in a folder. Raises BadInput, Refused; no answer of a person changes.
    """
    if using != LLM:
        raise BadInput(f"There is no suggester {using[:40]!r}; there is {LLM}.")
    if limit < 1:
        raise BadInput(f"Asked for {limit} records; it must be at least 1.")
    settings = project.settings()
    form_of(settings)
    choice = replace(chosen_model(settings, model, url, adapter), on=on)
    require_allowed(settings, choice)
    encode_if_needed(project, report)
    with project.store.reading() as cursor:
        prompts = make_prompts(cursor, settings, open_vectors(project.vectors, settings.encoder))
        answered, waiting, others = _to_ask(cursor, choice.name, limit, again=again)
    # answered audit records come first: they may say that the head is better, before the rest is paid for
    pieces = [prompts.requests(records, max_tokens) for records in (answered, [*waiting, *others])]
    base = SuggestResult(
        model=choice.name,
        records=sum(map(len, pieces)),
        audit=len(answered) + len(waiting),
        worth=language_model_worth(project),
    )
    if dry_run:
        stopped = "" if anyway else _stopped(project, choice)
        return replace(base, estimate=planned(project, choice, [*pieces[0], *pieces[1]]), stopped=stopped)
    result = base
    for requests in pieces:
        stopped = "" if anyway else _stopped(project, choice)
        if stopped or result.failure:
            return replace(result, stopped=stopped, worth=language_model_worth(project))
        if requests:
            result = _ask(project, report, choice, (prompts, requests), result)
    return replace(result, worth=language_model_worth(project))


def require_asking(project: Project) -> ModelChoice:
    """The project's language model. Raises BadInput, Refused where it cannot be asked."""
    settings = project.settings()
    form_of(settings)
    choice = chosen_model(settings)
    require_allowed(settings, choice)
    return choice


def _ask(
    project: Project,
    report: Report,
    choice: ModelChoice,
    what: tuple[Prompts, list[ChatRequest]],
    so_far: SuggestResult,
) -> SuggestResult:
    prompts, requests = what
    generation = generate(project, report, choice, requests, PURPOSE)
    stored = _store(project, prompts, choice.name, generation.completions)
    counts, job = count_answers(generation.completions), generation.result
    states = {state: so_far.states.get(state, 0) + count for state, count in counts.states.items()}
    cost = None if job is None or job.cost is None else (so_far.cost or 0.0) + job.cost
    return replace(
        so_far,
        states=states,
        stored=so_far.stored + stored,
        calls=so_far.calls + (job.calls if job else 0),
        cost=cost,
        seconds=so_far.seconds + (job.seconds if job else 0.0),
        failure=counts.failure,
    )


def _stopped(project: Project, choice: ModelChoice) -> str:
    """Why it is not asked any more, or empty."""
    settings, before = project.settings(), spent(project)
    if before.calls >= settings.llm_calls:
        return f"The budget of {settings.llm_calls:,} calls is spent: raise llm_calls in rondo.toml."
    if settings.llm_dollars and before.dollars >= settings.llm_dollars:
        return f"The budget of {settings.llm_dollars:,.2f} USD is spent: raise llm_dollars in rondo.toml."
    with project.store.reading() as cursor:
        compared = compare_with_head(cursor, choice.name)
    if compared.better != "head":
        return ""
    return (
        f"The head is better: right on {compared.head:.0%} of {compared.records} audit records, {choice.name} on "
        f"{compared.model:.0%}. It is asked no more; --anyway asks it."
    )


_OPEN = """n in (select n from askable) and n not in (
    select n from generated_answers where step = $step and model = $model and not $again)"""


def _to_ask(
    cursor: duckdb.DuckDBPyConnection, model: str, limit: int, *, again: bool
) -> tuple[list[Question], list[Question], list[Question]]:
    """Answered audit records, those that wait for an answer (a suggestion is never shown beside them), and others."""
    rows = cursor.execute(
        f"""select n, m.text, hash, is_labelled(n) from records join model_texts m using (n) where {_OPEN} and (
                n in (select n from settled where stratum = 'audit')
                or n in (select n from queue where audit and not is_labelled(n)))
            order by is_labelled(n) desc, n limit $limit""",
        {"step": WHOLE, "model": model, "again": again, "limit": limit},
    ).fetchall()
    answered = [(n, text, digest) for n, text, digest, labelled in rows if labelled]
    waiting = [(n, text, digest) for n, text, digest, labelled in rows if not labelled]
    return answered, waiting, _open_records(cursor, model, limit - len(rows), again=again)


def _open_records(cursor: duckdb.DuckDBPyConnection, model: str, limit: int, *, again: bool) -> list[Question]:
    """What waits in the queue in its order, then the pool."""
    return cursor.execute(
        f"""select n, m.text, hash from records join model_texts m using (n)
            left join (select n, min(position) as position from queue where not audit and purpose is null group by n)
                using (n)
            left join suggestions using (n)
            where {_OPEN} and not is_labelled(n) and n not in (select n from queue where audit or purpose is not null)
            order by position nulls last, score desc nulls last, hash(n), n limit $limit""",
        {"step": WHOLE, "model": model, "again": again, "limit": max(limit, 0)},
    ).fetchall()


def _store(project: Project, prompts: Prompts, model: str, completions: Sequence[Completion]) -> int:
    """What failed is not stored, so that it is asked again. Returns how many valid answers there are."""
    rows = [
        GeneratedRow(
            record_no=RecordNo(int(one.id)),
            step=WHOLE,
            model=model,
            state=one.state,
            answer=prompts.form.read(one.value, prompts.setup) if one.state == "valid" else None,
            confidence=one.joint,
            raw=one.text,
            tokens_in=one.tokens_in,
            tokens_out=one.tokens_out,
            cost=one.cost,
            seconds=one.seconds,
        )
        for one in completions
        if one.state != "failed"
    ]
    with project.label_queue.changing() as cursor:
        here = {n for (n,) in cursor.execute("select n from records").fetchall()}  # it may have been erased meanwhile
        store_generated(cursor, [row for row in rows if row.record_no in here])
    return sum(row.answer is not None for row in rows)
