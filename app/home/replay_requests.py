"""What the page of replays sends, as what is to be played: checked against what is known of the file. Plays nothing."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from app.cli.pairs.pair_replay import PairReplayOptions
from app.cli.replay import ReplayOptions
from app.cli.steps.step_replay import StepReplayOptions
from app.home.draft_routes import read_roles
from app.home.drafts import Draft
from app.home.replaying import ReplayRequest
from core.errors import BadInput, Refused
from core.extract.replay_job import RANDOM
from core.extract.replay_job import STRATEGIES as STEP_STRATEGIES
from core.pairs.choosing import batch_size
from core.pairs.pair_jobs import POSITIVES
from core.sampling.strategies import STRATEGIES
from core.store.whole_files import write_whole

MOST = {"budget": 100_000, "batch": 10_000, "seeds": 100, "test": 10_000}
MOST_EXAMPLES = 20
RECORDED = (".csv", ".jsonl", ".parquet")
TEACHING = 5
"""records that are answered in the time that one takes to be learnt from"""


@dataclass(frozen=True)
class ReplayKind:
    """What is chosen where nobody chooses. strategies: name -> caption, {} where all are always played. unit: of what
    is counted. seconds: of a unit of work where none was played here yet (docs/benchmarks.md)."""

    strategies: Mapping[str, str]
    ticked: tuple[str, ...]
    budget: int
    batch: int
    seeds: int
    unit: str
    seconds: float


KINDS = {
    "labels": ReplayKind(
        {name: " ".join((one.__doc__ or "").split(". ")[0].rstrip(".").split()) for name, one in STRATEGIES.items()},
        ("default", "margin", "random"),
        *(400, 20, 3),
        "rounds",
        2.0,
    ),
    "pairs": ReplayKind({}, (), 400, 1, 3, "rounds", 0.2),
    "extract": ReplayKind(STEP_STRATEGIES, (RANDOM,), 200, 100, 1, "trainings", 0.4),
}
"""task -> how it is replayed"""


@dataclass(frozen=True)
class ReplayStart:
    """draft: whose file it is. roles: of its columns, several of which may be the text. positive: the label of two that
    are the same. template: of steps, or steps: a file of them, as text; names: of those that are played, none: all.
    test, few_shot, base: as the command has them. recorded: draft of a language model's answers."""

    draft: str
    task: str = "labels"
    roles: dict[str, str] = field(default_factory=dict)
    strategies: tuple[str, ...] | None = None
    budget: int | None = None
    batch: int | None = None
    seeds: int | None = None
    several: bool = False
    tuning: bool = True
    positive: str = ""
    template: str = ""
    steps: str = ""
    names: tuple[str, ...] = ()
    test: int = 100
    few_shot: int = 0
    base: str = ""
    recorded: str = ""


@dataclass(frozen=True)
class _Chosen:
    """What was sent, with what is chosen where nobody chose. columns: role -> names."""

    sent: ReplayStart
    draft: Draft
    columns: Mapping[str, Sequence[str]]
    strategies: tuple[str, ...]
    budget: int
    batch: int
    seeds: int

    @property
    def file(self) -> Path:
        """Whose answers are known."""
        return Path(self.draft.source)

    def only(self, role: str) -> str | None:
        """The one column of this role, or None. Raises BadInput for several."""
        names = self.columns.get(role, ())
        if len(names) > 1:
            raise BadInput(f"Only one column can be the {role} here; {' and '.join(names)} both are.")
        return names[0] if names else None

    def answers(self) -> dict[str, int]:
        """Label -> rows, of the column of labels; {} before all of the file was read."""
        preview = self.draft.preview
        roles = {one.name: one.role for one in preview.columns} if preview and preview.whole else {}
        return dict(preview.labels) if preview and roles.get(self.only("label") or "") == "label" else {}


def replay_request(sent: ReplayStart, draft: Draft, recorded: Draft | None, *, operator: bool) -> ReplayRequest:
    """operator: may files and models of this machine be named? Raises BadInput for what would not do, before anything
    is begun, and Refused while the file is being read."""
    kind = KINDS.get(sent.task)
    if kind is None:
        raise BadInput(f"There is no task {sent.task[:40]!r} to play; there are {', '.join(KINDS)}.")
    _check_counts(sent)
    counts = sent.budget or kind.budget, sent.batch or kind.batch, sent.seeds or kind.seeds
    chosen = _Chosen(sent, draft, _columns(sent, draft), _strategies(sent, kind), *counts)
    if sent.task == "pairs":
        return _pairs(chosen)
    return _steps(chosen, operator=operator) if sent.task == "extract" else _labels(chosen, recorded)


def _check_counts(sent: ReplayStart) -> None:
    for name, most in MOST.items():
        value = getattr(sent, name)
        if value is not None and not 1 <= value <= most:
            raise BadInput(f"{name} is {value}; it must be 1 to {most:,}.")
    if not 0 <= sent.few_shot <= MOST_EXAMPLES:
        raise BadInput(f"{sent.few_shot} examples in the prompt; it must be 0 to {MOST_EXAMPLES}.")


def _strategies(sent: ReplayStart, kind: ReplayKind) -> tuple[str, ...]:
    if not kind.strategies:
        return ()
    names = kind.ticked if sent.strategies is None else tuple(dict.fromkeys(sent.strategies))
    if unknown := [name for name in names if name not in kind.strategies]:
        raise BadInput(f"There is no strategy {unknown[0][:40]!r}; there are {', '.join(kind.strategies)}.")
    if not names:
        raise BadInput("Tick at least one strategy; random is what the others are compared with.")
    return names


def _columns(sent: ReplayStart, draft: Draft) -> dict[str, list[str]]:
    """Role -> columns."""
    columns: dict[str, list[str]] = {}
    for name, role in read_roles(sent.roles).items():
        columns.setdefault(role, []).append(name)
    if draft.phase == "failed" and draft.preview is None:
        raise BadInput(draft.error)
    if not draft.source or draft.preview is None or draft.phase not in ("ready", "checked", "failed"):
        raise Refused("The file is still being read. Wait a moment, and try again.")
    known = [one.name for one in draft.preview.columns]
    if unknown := [name for name in sent.roles if name not in known]:
        raise BadInput(f"{draft.title} has no column {unknown[0][:80]!r}; there are {', '.join(known)[:300]}.")
    return columns


def _labels(chosen: _Chosen, recorded: Draft | None) -> ReplayRequest:
    draft, sent, label = chosen.draft, chosen.sent, chosen.only("label")
    if "text" not in chosen.columns:
        raise BadInput("Which column holds the text? Choose one as text.")
    if label is None:
        raise BadInput("Which column holds the known answers? Choose one as label.")
    _check_answers(chosen, label)
    options = ReplayOptions(
        chosen.file,
        tuple(chosen.columns["text"]),
        label,
        chosen.only("split"),
        chosen.strategies,
        *(chosen.budget, chosen.batch, chosen.seeds, sent.several),
        llm=_recorded(recorded) if recorded else None,
        id=chosen.only("id"),
        tuning=sent.tuning,
        encoding=draft.encoding,
        form=draft.preview.form if draft.preview else "",
        leave_out=_left_out(draft),
    )
    if recorded and not options.id:
        raise BadInput("Which column holds the ids, by which the recorded answers know the rows? Choose one as id.")
    rounds = chosen.seeds * len(options.arms) * options.rounds
    return ReplayRequest(sent.task, rounds, rounds, labels=options)


def _check_answers(chosen: _Chosen, label: str) -> None:
    """Raises BadInput where all known answers are the same."""
    known = chosen.answers()
    if len(known) == 1 and not (chosen.sent.several and any("|" in one for one in known)):
        [(name, count)] = known.items()
        raise BadInput(
            f"{chosen.draft.title}, column {label!r}: all {count:,} answers are {name[:60]!r}. Two different ones are "
            "needed: choose another column as label, or another file."
        )


def _recorded(draft: Draft) -> Path:
    """The file of a language model's answers. Raises BadInput for one that is none."""
    if draft.preview is None:
        raise BadInput(f"{draft.title}: {draft.error or 'the recorded answers are still being read.'}")
    names = [one.name for one in draft.preview.columns]
    if Path(draft.source).suffix.lower() not in RECORDED:
        raise BadInput(f"{draft.title} is no file of recorded answers: it must be a {', '.join(RECORDED)}.")
    if missing := [name for name in ("id", "label") if name not in names]:
        raise BadInput(
            f"{draft.title} has no column {missing[0]!r}: recorded answers have id, label and perhaps probability."
        )
    return Path(draft.source)


def _left_out(draft: Draft) -> tuple[int, ...]:
    """Numbers of the rows that cannot be records."""
    if not draft.left_out or not draft.left_out.exists():
        return ()
    return tuple(json.loads(draft.left_out.read_text(encoding="utf-8")))


def _pairs(chosen: _Chosen) -> ReplayRequest:
    left, right, label = (chosen.only(role) for role in ("left", "right", "label"))
    if not left or not right:
        raise BadInput("A pair has two sides: choose a column for the left one and one for the right one.")
    if not label:
        raise BadInput("Which column says whether two are the same? Choose one as label.")
    _check_answers(chosen, label)
    known, positive = chosen.answers(), chosen.sent.positive
    matches = [one for one in POSITIVES if one in known]
    there = ", ".join(repr(one[:40]) for one in [*known][:10])
    if known and positive and positive not in known:
        raise BadInput(f"{chosen.draft.title}, column {label!r}: no row has {positive[:40]!r}; there are {there}.")
    if known and not positive and len(matches) != 1:
        raise BadInput(
            f"{chosen.draft.title}, column {label!r}: which label says that two are the same? Choose it, of {there}."
        )
    split = chosen.only("split")
    options = PairReplayOptions(chosen.file, left, right, label, split, positive, chosen.budget, chosen.seeds)
    decided, rounds = 0, 0
    while decided < min(chosen.budget, sum(known.values()) or chosen.budget):
        decided, rounds = decided + batch_size(decided), rounds + 2 * chosen.seeds
    return ReplayRequest(chosen.sent.task, rounds, rounds, pairs=options)


def _steps(chosen: _Chosen, *, operator: bool) -> ReplayRequest:
    sent = chosen.sent
    if sent.base and not operator:
        raise Refused("Only whoever runs this home may name a language model of its machine. Leave the field empty.")
    source = _source_of_steps(chosen)
    try:
        names = _fitting_steps(chosen, source)
    except BadInput as error:
        raise BadInput(str(error).replace(source, "The file of steps") if sent.steps else str(error)) from None
    text, split = chosen.only("text"), chosen.only("split")
    options = StepReplayOptions(
        chosen.file,
        source,
        names,
        split,
        text,
        chosen.only("label") or "",
        chosen.strategies,
        *(chosen.budget, min(chosen.batch, chosen.budget), chosen.seeds),
        sent.test,
        sent.base,
    )
    answers = [*range(options.batch, options.budget, options.batch), options.budget]
    times = len(names) * len(options.strategies) * options.seeds
    measured = sent.test * (times * len(answers) + len(names) * (2 if sent.few_shot else 1))
    work = times * TEACHING * sum(answers) + measured
    return ReplayRequest(sent.task, times * len(answers), work, steps=options, few_shot=sent.few_shot)


def _source_of_steps(chosen: _Chosen) -> str:
    """A template's name, or the file that was sent, beside the one that is played: both go with it. Only TOML is read,
    for a Python file of steps is run."""
    from core.extract.step_files import TEMPLATES

    sent = chosen.sent
    if sent.steps:
        content = sent.steps.encode(errors="replace")
        path = chosen.draft.folder / f".steps-{hashlib.sha256(content).hexdigest()[:16]}.toml"
        if not path.exists():
            write_whole(path, content)
        return str(path)
    if sent.template not in TEMPLATES:
        none = "Which steps are answered? Choose a template, or add a file of steps."
        raise BadInput(f"There is no template of steps {sent.template[:40]!r}." if sent.template else none)
    return sent.template


def _fitting_steps(chosen: _Chosen, source: str) -> tuple[str, ...]:
    """Names of those that are played. Raises BadInput where the file has no column that they speak of."""
    from core.config.steps import fields_of
    from core.extract.mapping import plain_mapping, read_mapping
    from core.extract.prepare import find_steps
    from core.extract.step_files import load_steps, template_or_file

    title, preview = chosen.draft.title, chosen.draft.preview
    there = [one.name for one in preview.columns] if preview else []
    steps = load_steps(source)
    names = tuple(one.name for one in find_steps(steps, chosen.sent.names))
    mapping = read_mapping(template_or_file(source))
    if chosen.only("label"):
        if (fields := len(fields_of(steps))) != 1:
            raise BadInput(
                f"A column chosen as label holds the values of an only field, and these steps have {fields}: leave it "
                "out, and say in the section [map] of the file of steps where the answers stand."
            )
        paths = [chosen.only("label") or ""]
    else:
        mapping = mapping or plain_mapping(steps, there)
        paths = [*mapping.values.values(), *(one.source for one in mapping.lookup.values())]
    text = chosen.only("text") or (mapping.text if mapping else "text")
    if text.partition(".")[0] not in there:
        raise BadInput(f"{title} has no column {text!r}, where these steps look for the text. Choose one as text.")
    if not (mapping and mapping.each) and not any(path.partition(".")[0] in there for path in paths):
        raise BadInput(
            f"These steps do not fit {title}: it has none of the columns {', '.join(paths)[:200]}. Choose other steps, "
            "or a file of steps whose section [map] says where the answers stand."
        )
    return names
