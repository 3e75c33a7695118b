"""What tuning the encoder inside the loop brings: the same rounds with and without it, by the true labels.

    python -m benchmarks.tuning DATA_FOLDER [--sets sms_spam,snips] [--seeds 1] [--records 1500] [--test 500]

DATA_FOLDER holds SET.parquet with the columns text, label and perhaps split. Of each set so many records that train and
that judge, drawn once. Per seed and arm: macro F1 on the test records after some numbers of labels, the mean over the
curve (AULC), labels to 90 and 95 % of what all labels give on the frozen encoder, and processor seconds in all. Then a
line for each attempt: what the gate said, and macro F1 on the test records right before and after.
"""

import argparse
import shutil
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import mean

import numpy as np

from app.cli.replay import ReplayOptions, _one_run, _template, _tunings, summarise
from benchmarks.recipe import split_of
from core.simulate import Point

SETS = {"snips": (10, 80), "hwu64": (32, 352), "sms_spam": (10, 80), "davidson_hate": (20, 160)}
"""name -> labels a round, and in all"""
OTHERS = (20, 200)
"""of a set that is not named there"""
SHOWN = 4
"""places on the curve, evenly spread"""


@dataclass(frozen=True)
class Run:
    """One arm from one seed. seconds: of the processor."""

    points: list[Point]
    seconds: float


def sample(folder: Path, name: str, out: Path, most: tuple[int, int]) -> Path:
    """A file of so many training and test records."""
    import polars as pl

    table = pl.read_parquet(folder / f"{name}.parquet")
    test = split_of(table["split"].to_list() if "split" in table.columns else None, len(table))
    rng = np.random.default_rng(0)
    parts = [np.flatnonzero(~test), np.flatnonzero(test)]
    rows = [
        np.sort(rng.choice(part, min(count, len(part)), replace=False)) for part, count in zip(parts, most, strict=True)
    ]
    split = pl.Series("split", ["train"] * len(rows[0]) + ["test"] * len(rows[1]))
    file = out / f"{name}.parquet"
    table[np.concatenate(rows)].select("text", "label").with_columns(split).write_parquet(file)
    return file


def play(name: str, file: Path, folder: Path, seeds: int) -> tuple[float, dict[str, list[Run]]]:
    """What all labels give, and the runs of both arms."""
    batch, budget = SETS.get(name, OTHERS)
    options = ReplayOptions(file, ("text",), "label", "split", ("default",), budget, batch, seeds)
    template, truth, full = _template(options, lambda *_: None, folder / name)
    runs: dict[str, list[Run]] = {"tuned": [], "untuned": []}
    for seed in range(seeds):
        for arm, entries in runs.items():
            started = time.process_time()
            chosen = ReplayOptions(**{**vars(options), "tuning": arm == "tuned"})
            points = _one_run(template, truth, chosen, ("default", seed), lambda _: None)
            entries.append(Run(points, time.process_time() - started))
            print(f"    {name} {arm} {seed}: {entries[-1].seconds:.0f} s", flush=True)
    template.close()
    return full, runs


def report(name: str, full: float, runs: dict[str, list[Run]]) -> None:
    for arm, entries in runs.items():
        curves = summarise([run.points for run in entries], full, None)
        positions = np.linspace(0, len(curves.labels) - 1, SHOWN + 1).round().astype(int)[1:]
        at = ", ".join(f"{curves.labels[row]}: {mean(c[row] for c in curves.macro_f1):.3f}" for row in positions)
        cost = mean(run.seconds for run in entries) / len(curves.labels)
        reached = f"{curves.to90 or '-'} | {curves.to95 or '-'}"
        print(f"| {name} | {full:.3f} | {arm} | {at} | {curves.aulc:.3f} | {reached} | {cost:.1f} |", flush=True)
    for seed, run in enumerate(runs["tuned"]):
        for one in _tunings(run.points, "macro F1"):
            bounds = f"{one.difference:+.3f} ({one.low:+.3f} to {one.high:+.3f})" if one.difference is not None else "-"
            test = f"{one.before:.3f} -> {'-' if one.after is None else format(one.after, '.3f')}"
            print(
                f"    seed {seed}, {one.labels} labels: {'yes' if one.promoted else 'no'}, {bounds}; test {test}",
                flush=True,
            )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--records", type=int, default=1_500)
    parser.add_argument("--test", type=int, default=500)
    options = parser.parse_args()
    for name in options.sets.split(","):
        folder = Path(tempfile.mkdtemp(prefix="rondo-tuning-"))
        try:
            file = sample(options.folder, name, folder, (options.records, options.test))
            report(name, *play(name, file, folder, options.seeds))
        finally:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
