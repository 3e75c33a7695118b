"""Which model is in use, which were before, and where a rollback leads. Reads the log of champions only."""

from dataclasses import dataclass

from core.errors import BadInput, Damaged, Refused
from core.evaluation.gate_verdict import GateVerdict, read_verdict
from core.evaluation.metrics import read_metrics
from core.evaluation.reporting import best_score, headline
from core.ids import ModelId
from core.models.artifacts import MANIFEST
from core.models.in_use import active_model
from core.project import Project
from core.registry.deciders import undoing

CHAMPION = "champion"

_HISTORY = """
    select strftime(since, '%Y-%m-%dT%H:%M:%SZ'), model, encoder, user, how, reason, evidence
    from champions order by champions.since, rowid
"""


@dataclass(frozen=True)
class ChampionChange:
    """A model that came into use. how: as in `Activation`. reason: a person's. evidence: the gate's verdict."""

    since: str
    model: ModelId
    encoder: str
    user: str
    how: str
    reason: str | None
    evidence: GateVerdict | None


def champion_history(project: Project) -> list[ChampionChange]:
    """Newest first."""
    return [
        ChampionChange(*[*facts, read_verdict(evidence) if evidence else None])
        for *facts, evidence in reversed(project.store.query(_HISTORY))
    ]


def find_model(project: Project, name: str) -> ModelId:
    """The id that a person's input names: all of it, a unique end of it, or 'champion'. Raises BadInput, or
    Refused where there is no champion yet.
    """
    if name == CHAMPION:
        champion = active_model(project)
        if champion is None:
            raise Refused("There is no champion yet: `rondo fit` makes the first model.")
        return champion
    ids = [model for (model,) in project.store.query("select id from models order by made_at")]
    matches = [model for model in ids if model == name] or [model for model in ids if name and model.endswith(name)]
    if len(matches) == 1:
        return ModelId(matches[0])
    if matches:
        raise BadInput(f"{len(matches)} models end in {name!r}: {', '.join(matches[:5])}. Name one of them in full.")
    raise BadInput(f"There is no model {name[:80]!r}. `rondo models list` shows them.")


def has_files(project: Project, model: ModelId) -> bool:
    """Does its artifact exist? It is not checked for damage."""
    return (project.models / model / MANIFEST).exists()


def require_files(project: Project, model: ModelId) -> None:
    """Raises Refused for a model that was removed, Damaged where its files are gone otherwise."""
    if has_files(project, model):
        return
    removed = project.store.one("select strftime(removed_at, '%-d %b %Y') from models where id = ?", [model])
    if removed:
        raise Refused(f"{model} was removed on {removed}; only its line in the list is left. Train it again.")
    raise Damaged(
        f"The files of {model} are gone: there is no {project.models / model / MANIFEST}. Put the folder back from a "
        "backup, or train it again."
    )


def eras(project: Project) -> list[list[ModelId]]:
    """The log as eras: a decision begins an era, the heads of its rounds follow in it, a rollback ends one.

    Each era's champion is its last model, and the last era's is the one in use.
    """
    result: list[list[ModelId]] = []
    encoder = None
    for change in reversed(champion_history(project)):
        if change.how == "rolled back":
            result = _cut(result, change.model)
        elif change.how == "round" and result and change.encoder == encoder:
            result[-1].append(change.model)
        else:
            result.append([change.model])
        encoder = change.encoder
    return result


def _cut(eras: list[list[ModelId]], model: ModelId) -> list[list[ModelId]]:
    for index in reversed(range(len(eras))):
        if model in eras[index]:
            return [*eras[:index], eras[index][: eras[index].index(model) + 1]]
    return [*eras, [model]]


def one_back(project: Project, *, lost: bool = False) -> ModelId | None:
    """Target of a rollback: the champion before the last decision, or without a decision the previous round's.

    One whose files are gone is skipped, unless `lost`.
    """
    past = eras(project)
    before = [model for era in (past[:-1] if len(past) > 1 else [era[:-1] for era in past]) for model in era]
    return next((model for model in reversed(before) if lost or has_files(project, model)), None)


@dataclass(frozen=True)
class RollbackOffer:
    """Where a rollback would lead now. to: an id, or the word champion."""

    to: str
    sentence: str


def rollback_offer(project: Project) -> RollbackOffer | None:
    """None where there is nothing to go back to."""
    if undo := undoing(project):
        if undo.to is None:
            return RollbackOffer(CHAMPION, "The champion decides again on pairs that programs ask about.")
        return RollbackOffer(undo.to, f"{undo.to} decides again on pairs that programs ask about.")
    to = one_back(project)
    if to is None:
        return None
    return RollbackOffer(to, f"Suggestions and the order of what waits become again what {to} made of them.")


@dataclass(frozen=True)
class ChampionState:
    """Champion and its score in a sentence, and whether a challenger awaits a decision."""

    champion: ModelId | None
    sentence: str
    waiting: ModelId | None
    waiting_sentence: str


def champion_state(project: Project) -> ChampionState:
    """For the overview."""
    champion = active_model(project)
    waiting = _waiting(project, champion)
    return ChampionState(
        champion=champion,
        sentence=_in_words(project, "Champion", champion) if champion else "There is no champion yet.",
        waiting=waiting,
        waiting_sentence=_in_words(project, "A challenger waits", waiting) if waiting else "",
    )


def _waiting(project: Project, champion: ModelId | None) -> ModelId | None:
    """The newest trained model without a decision that was made after the champion came into use."""
    value: ModelId | None = project.store.one(
        """select id from models where trainer is not null and encoder <> '' and id not in (select model from champions)
             and removed_at is null
             and made_at > coalesce((select max(since) from champions where how <> 'round'), timestamp '1970-01-01')
           order by made_at desc limit 1"""
    )
    return value if value and value != champion and has_files(project, value) else None


def _in_words(project: Project, what: str, model: ModelId) -> str:
    [(trainer, day, metrics)] = project.store.query(
        "select coalesce(trainer, 'round head'), strftime(made_at, '%-d %b %Y'), metrics from models where id = ?",
        [model],
    )
    best, words = best_score(read_metrics(metrics, model)), ""
    if best:
        name, figure = headline(best[1])
        words = f" ({name} {figure.value:.0%} on {best[1].n:,} {best[0]} records)" if figure else ""
    return f"{what}: {trainer} of {day}{words}."
