"""How often a guarantee about machine labels is kept, and how soon a broken one is noticed. Knows vectors, not stores.

    python -m benchmarks.guarantees DATA_FOLDER [--sets sms_spam,snips,davidson_hate] [--replays 334] [--cache FOLDER]

A replay is a random part of a set, played for five rounds with a tenth to three tenths of audit and one round of audit
alone, as `benchmarks.simulated` does it; then `core.evaluation.guarantee.certify` says what of the pool the machine may
label, and the true labels say whether it is right. Compared with the usual way: the lowest threshold at which the
audit's own precision reaches what is wanted.
"""

import argparse
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.recipe import Trial, load_trial
from benchmarks.simulated import Plan, play
from core.arrays import Bools
from core.auto_label.guarantees import check_size, limit_of
from core.evaluation.exact_tests import evidence_against
from core.evaluation.guarantee import Certificate, GuaranteeTerms, Refusal, certify
from core.evaluation.regions import CheckedRecords, Evidence

REQUESTED = (
    GuaranteeTerms(0.95, None, 0.95),
    GuaranteeTerms(0.9, None, 0.95),
    GuaranteeTerms(0.9, None, 0.9),
    GuaranteeTerms(0.98, None, 0.9),
    GuaranteeTerms(0.95, 0.9, 0.95),
    GuaranteeTerms(0.9, 0.8, 0.9),
)


@dataclass(frozen=True)
class Replay:
    """What a project knows at its end, and what it does not: whether the pool's suggestions are right."""

    evidence: Evidence
    right: Bools


def load_replays(folder: Path, name: str, count: int, cache: Path) -> list[Replay]:
    """Played once, then kept as arrays."""
    files = [cache / "guarantees" / f"{name}-{seed}.npz" for seed in range(count)]
    if missing := [seed for seed, file in enumerate(files) if not file.exists()]:
        files[0].parent.mkdir(parents=True, exist_ok=True)
        trial = load_trial(folder, name, cache)
        for seed in missing:
            np.savez(files[seed], allow_pickle=False, **play_replay(trial, seed))
    return [read_replay(file) for file in files]


def read_replay(file: Path) -> Replay:
    """Labels by number; those that nobody suggests have no number."""
    with np.load(file) as retained:
        entries = {key: retained[key] for key in retained.files}
    labels = tuple(str(number) for number in range(int(max(entries["said"].max(), entries["psaid"].max())) + 1))

    def judged(which: Bools) -> CheckedRecords:
        return CheckedRecords(
            entries["said"][which].astype(np.int64), entries["prob"][which].astype(float), entries["right"][which]
        )

    pool = entries["psaid"].astype(np.int64), entries["pprob"].astype(float)
    return Replay(Evidence(labels, judged(entries["audit"]), judged(~entries["audit"]), *pool), entries["pright"])


def play_replay(trial: Trial, seed: int) -> dict[str, npt.NDArray[Any]]:
    """1,200 to 3,000 records, 200 labels in five rounds, then 40 to 240 of audit alone."""
    rng = np.random.default_rng([seed, 77])
    records, last = int(rng.integers(1200, 3001)), int(rng.choice([40, 100, 160, 240]))
    share = float(rng.choice([0.1, 0.2, 0.3]))
    played = play(trial, Plan(records, (30, 30, 40, 50, 50, last), (*[share] * 5, 1.0), "default", seed))
    pool, predicted = np.flatnonzero(played.pool), played.held_out.argmax(axis=1)
    guess = played.probs[pool].argmax(axis=1)
    return {
        "said": predicted.astype(np.int8),
        "prob": played.held_out.max(axis=1),
        "right": predicted == played.truth[played.requested],
        "audit": played.audited[played.requested],
        "psaid": guess.astype(np.int8),
        "pprob": played.probs[pool].max(axis=1),
        "pright": guess == played.truth[pool],
    }


def is_right(replay: Replay, certificate: Certificate, requested: GuaranteeTerms) -> bool:
    """Whether the truth bears the guarantee out."""
    right = accepted(replay, certificate)
    parts = [right_of for right_of in right if len(right_of)]
    whole = np.concatenate(parts).mean() >= requested.precision - 1e-12
    each = requested.per_label is None or all(part.mean() >= requested.per_label - 1e-12 for part in parts)
    return bool(whole and each)


def accepted(replay: Replay, certificate: Certificate) -> list[Bools]:
    """Per accepted label, whether the machine labels are right."""
    evidence = replay.evidence
    return [
        replay.right[(evidence.pool_label == int(label)) & (evidence.pool_chance >= threshold)]
        for label, threshold in certificate.thresholds.items()
    ]


def naive(replay: Replay, requested: GuaranteeTerms) -> tuple[float, bool] | None:
    """(share covered, kept) with the lowest threshold at which the audit's plain precision is as wanted."""
    audit, evidence = replay.evidence.audit, replay.evidence
    best = None
    for threshold in np.unique(audit.chance):
        right = audit.right[audit.chance >= threshold]
        if len(right) >= 10 and right.mean() >= requested.precision:
            best = threshold
            break
    if best is None:
        return None
    taken = evidence.pool_chance >= best
    return float(taken.mean()), bool(not taken.any() or replay.right[taken].mean() >= requested.precision - 1e-12)


def answers_until_noticed(right: Bools, requested: GuaranteeTerms, rng: np.random.Generator) -> int | None:
    """How many blind answers in random order it takes; None where the check ends before."""
    order = right[rng.permutation(len(right))][: check_size(requested)]
    wrong = np.cumsum(~order)
    for seen in range(1, len(order) + 1):
        against = evidence_against(seen - int(wrong[seen - 1]), int(wrong[seen - 1]), len(right), requested.precision)
        if against >= limit_of(requested, 0):
            return seen
    return None


def shifted(size: int, requested: GuaranteeTerms, rng: np.random.Generator) -> Bools:
    """Accepted labels of which three times as many are wrong as allowed: texts have changed since."""
    return np.asarray(rng.random(size) >= 3 * (1 - requested.precision), bool)


def report(name: str, replays: list[Replay], requested: GuaranteeTerms) -> None:
    """One line: the guarantee, the usual way, and the watch."""
    rng = np.random.default_rng(0)
    verdicts = [certify(replay.evidence, requested) for replay in replays]
    supplied = [(r, v) for r, v in zip(replays, verdicts, strict=True) if isinstance(v, Certificate)]
    broken = sum(not is_right(replay, verdict, requested) for replay, verdict in supplied)
    covered = sum(verdict.covered / verdict.pool for _, verdict in supplied)
    plain = [matches for replay in replays if (matches := naive(replay, requested)) is not None]
    plain_broken = sum(not fine for _, fine in plain)
    sound = [np.concatenate(accepted(r, v)) for r, v in supplied if is_right(r, v, requested)]
    alarms = sum(answers_until_noticed(right, requested, rng) is not None for right in sound)
    noticed = [answers_until_noticed(shifted(v.covered, requested, rng), requested, rng) for _, v in supplied]
    seen = [count for count in noticed if count is not None]
    missing = [v.missing for v in verdicts if isinstance(v, Refusal) and v.missing is not None]
    total = len(replays)
    each = "-" if requested.per_label is None else f"{requested.per_label:.2f}"
    print(
        f"{name:<14}{requested.precision:>6.2f}{each:>6}{requested.confidence:>6.2f}{total:>6}"
        f"{len(supplied) / total:>7.0%}"
        f"{1 - broken / total:>8.1%}{1 - broken / max(len(supplied), 1):>8.1%}{covered / total:>8.0%}"
        f"{np.median(missing) if missing else 0:>8.0f} |"
        f"{len(plain) / total:>6.0%}{1 - plain_broken / total:>8.1%}{sum(s for s, _ in plain) / total:>6.0%} |"
        f"{alarms / max(len(sound), 1):>7.1%}{len(seen) / max(len(noticed), 1):>7.0%}"
        f"{np.median(seen) if seen else 0:>6.0f}{check_size(requested):>6}",
        flush=True,
    )


def main() -> None:
    """All sets, all guarantees."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", default="sms_spam,snips,davidson_hate")
    parser.add_argument("--replays", type=int, default=334)
    parser.add_argument("--cache", type=Path, default=Path(tempfile.gettempdir()) / "rondo-recipe")
    options = parser.parse_args()
    print(
        f"{'set':<14}{'prec.':>6}{'each':>6}{'conf.':>6}{'n':>6}{'given':>7}{'kept':>8}{'of given':>8}{'covered':>8}"
        f"{'missing':>8} |{'naive':>6}{'kept':>8}{'cov.':>6} |{'alarm':>7}{'notice':>7}{'after':>6}{'check':>6}"
    )
    for name in options.sets.split(","):
        replays = load_replays(options.folder, name, options.replays, options.cache)
        for requested in REQUESTED:
            report(name, replays, requested)


if __name__ == "__main__":
    main()
