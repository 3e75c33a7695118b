"""`rondo replay` on four labelled sets: the default against margin and random, with the trial's batch sizes.

`python -m benchmarks.replays DATA_FOLDER [SEEDS]`. Prints one table and writes a chart per set to docs/replays.
"""

import sys
import time
from pathlib import Path

from app.charts.quality import replay_chart
from app.cli.replay import ReplayOptions, points_of, run_replay
from app.cli.terminal import Ticker

SETS = {"sms_spam": (10, 120), "snips": (10, 200), "davidson_hate": (20, 400), "hwu64": (32, 640)}
STRATEGIES = ("default", "margin", "random")
CHARTS = Path(__file__).parent.parent / "docs" / "replays"


def main() -> None:
    """Labels per round and in all as in SETS; the same seeds for every strategy."""
    folder = Path(sys.argv[1])
    seeds = int(sys.argv[2]) if len(sys.argv) > 2 else 3
    CHARTS.mkdir(parents=True, exist_ok=True)
    print(f"{seeds} seeds\n")
    print("| set (batch, budget) | all labels | strategy | AULC | sd | to 90 % | to 95 % | against random | s |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, (batch, budget) in SETS.items():
        started = time.monotonic()
        requested = ReplayOptions(
            folder / f"{name}.parquet", ("text",), "label", "split", STRATEGIES, budget, batch, seeds
        )
        result = run_replay(requested, Ticker())
        replay_chart(points_of(result), result.full.macro_f1).properties(title=name).save(str(CHARTS / f"{name}.svg"))
        spent = time.monotonic() - started
        for strategy, one in result.strategies.items():
            print(
                f"| {name} ({batch}, {budget}) | {result.full.macro_f1:.3f} | {strategy} | {one.aulc:.3f} "
                f"| {one.aulc_sd:.3f} | {one.to90 or '-'} | {one.to95 or '-'} "
                f"| {one.against_random.mean if one.against_random else 0:+.3f} | {spent:.0f} |",
                flush=True,
            )


if __name__ == "__main__":
    main()
