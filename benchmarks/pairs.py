"""Decisions on pairs, chosen and at random, on labelled sets: blocking, F1 against decisions, mutual best without any.

    python -m benchmarks.pairs DATA_FOLDER [--sets abt_buy,dblp_acm,fodors_zagats,korean_questions] [--seeds 1]
        [--budget 1000] [--peer PYTHON] [--pictures FOLDER]

DATA_FOLDER holds pairs_SET.parquet with the columns text, text_b, label and split. Each set is a `rondo replay --task
pairs` with so many decisions; F1 is of the matches among the pairs of the test split, without misses of blocking. The
last column says whether the floors after 200 and 1,000 decisions hold (mean over the seeds). The field `class` of
fodors_zagats is left out: it is a number of the restaurant, equal in every match and in no other pair.

--peer PYTHON: an interpreter that has `goldenmatch` and `polars<2`. It gets the same records, field by field, and
decides without labels; pairs that it does not name count as different.
"""

import argparse
import json
import re
import subprocess
import tempfile
import time
from pathlib import Path
from statistics import mean

import polars as pl

from app.cli.pairs.pair_replay import PairCurves, PairReplay, PairReplayOptions, run_pair_replay
from app.cli.terminal import Ticker
from core.pairs.features import split_fields
from core.pairs.pair_jobs import POSITIVES

FLOORS = {
    "abt_buy": (0.88, 0.90),
    "dblp_acm": (0.98, 0.985),
    "fodors_zagats": (0.95, None),
    "korean_questions": (0.71, 0.74),
}
"""set -> F1 after 200 and 1,000 chosen decisions"""
GIVEN_AWAY = {"fodors_zagats": "class"}
"""set -> a field that says the answer"""
PEER = Path(__file__).with_name("peer_goldenmatch.py")
BUDGET = 1_000
SHOWN = (50, 100, 200, 500, 1_000)


def f1_at(curves: PairCurves, decisions: int) -> float | None:
    """Mean over the seeds; None where the file has fewer pairs to decide."""
    if decisions not in curves.labels:
        return None
    return mean(curve[curves.labels.index(decisions)] for curve in curves.f1)


def row(name: str, strategy: str, result: PairReplay, seconds: float) -> str:
    """One line of the table."""
    curves = result.strategies[strategy]
    scores = [f1_at(curves, decisions) for decisions in SHOWN]
    spread = max(curve[-1] for curve in curves.f1) - min(curve[-1] for curve in curves.f1)
    cells = ["-" if score is None else f"{score:.3f}" for score in scores]
    held = floors(name, strategy, result)
    return f"| {name} | {strategy} | {' | '.join(cells)} | {spread:.3f} | {seconds:.0f} | {held} |"


def floors(name: str, strategy: str, result: PairReplay) -> str:
    """Whether they hold, of the chosen decisions."""
    if strategy != "ours" or name not in FLOORS:
        return ""
    scores = [f1_at(result.strategies[strategy], decisions) for decisions in (200, 1_000)]
    floors_there = [(floor, score) for floor, score in zip(FLOORS[name], scores, strict=True) if floor is not None]
    if any(score is None for _, score in floors_there):
        return "not reached"
    held = [score is not None and score >= floor for floor, score in floors_there]
    return "hold" if all(held) else f"MISSED: {FLOORS[name]}"


def prepare(name: str, source: Path, target: Path) -> None:
    """The set without the field that gives its answer away."""
    table = pl.read_parquet(source)
    if field := GIVEN_AWAY.get(name):
        line = re.compile(rf"\n{field}: [^\n]*")
        table = table.with_columns(
            pl.Series(column, [line.sub("", text) for text in table[column]]) for column in ("text", "text_b")
        )
    table.write_parquet(target)


def peer_row(name: str, file: Path, python: str, folder: Path) -> str:
    """What the peer reaches on the same test pairs, as a line of a table."""
    table = pl.read_parquet(file)
    rows_by_text, tables = [], []
    for column in ("text", "text_b"):
        texts = list(dict.fromkeys(table[column]))
        rows_by_text.append({text: row for row, text in enumerate(texts)})
        tables.append(folder / f"{column}.parquet")
        pl.DataFrame({"row": range(len(texts)), **(split_fields(texts) or {"text": texts})}).write_parquet(tables[-1])
    out = folder / "matches.json"
    started = time.monotonic()
    ended = subprocess.run([python, "-W", "ignore", PEER, *tables, out], capture_output=True, text=True)
    if ended.returncode:
        return f"| {name} | failed: {(ended.stderr.strip().splitlines() or ['no message'])[-1]} | | | |"
    seconds, answer = time.monotonic() - started, json.loads(out.read_text())
    matches = {tuple(pair) for pair in answer["pairs"]}
    judged = [
        (label in POSITIVES, (rows_by_text[0][one], rows_by_text[1][other]) in matches)
        for one, other, label, split in table.select("text", "text_b", "label", "split").iter_rows()
        if split == "test"
    ]
    right = sum(same and answered for same, answered in judged)
    precision = right / max(sum(answered for _, answered in judged), 1)
    recall = right / sum(same for same, _ in judged)
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return f"| {name} | GoldenMatch {answer['version']} | {precision:.3f} | {recall:.3f} | {f1:.3f} | {seconds:.0f} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--sets", default=",".join(FLOORS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--budget", type=int, default=BUDGET)
    parser.add_argument("--peer", metavar="PYTHON")
    parser.add_argument("--pictures", type=Path)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        run_sets(options, Path(folder))


def run_sets(options: argparse.Namespace, folder: Path) -> None:
    """The tables; files of each set lie in the folder."""
    facts, peers = [], []
    print(f"{options.seeds} seeds\n")
    print(f"| set | decisions | {' | '.join(f'{count:,}' for count in SHOWN)} | range of the last | s | floors |")
    print(f"|{'---|' * (len(SHOWN) + 5)}")
    for name in options.sets.split(","):
        file = folder / f"pairs_{name}.parquet"
        prepare(name, options.data / file.name, file)
        started = time.monotonic()
        picture = options.pictures / f"pairs_{name}.svg" if options.pictures else None
        limits = (options.budget, options.seeds)
        requested = PairReplayOptions(file, "text", "text_b", "label", "split", "", *limits, picture)
        result = run_pair_replay(requested, Ticker())
        for strategy in result.strategies:
            print(row(name, strategy, result, time.monotonic() - started), flush=True)
        facts.append(
            f"| {name} | {result.blocking_recall:.4f} | {result.candidates_per_record:.1f} "
            f"| {result.mutual_best.f1:.3f} | {result.full.f1:.3f} ({result.records:,}) |"
        )
        if options.peer:
            peers.append(peer_row(name, file, options.peer, folder))
    print("\n| set | blocking recall | candidates per left record | mutual best, no decision | all decisions |")
    print("|---|---|---|---|---|")
    print("\n".join(facts))
    if peers:
        print("\nWithout a label, on the same test pairs (ours: mutual best, above)\n")
        print("| set | peer | precision | recall | F1 | s |\n|---|---|---|---|---|---|")
        print("\n".join(peers))


if __name__ == "__main__":
    main()
