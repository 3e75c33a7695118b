"""Plays a replay in a process of its own, at low priority: `python -m app.home.replaying FILE` with a `ReplayRequest`.

Its projects lie in the folder of its results until it ends, so that nothing of them outlives a home that was killed.
"""

import csv
import io
import json
import os
import shutil
import sys
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from app.cli.replay import COLUMNS, Replay, ReplayOptions, points_of, run_replay
from app.home.child import speak
from core.jobs.bundle import Report
from core.store.whole_files import write_whole
from core.typed_json import from_json, to_json

LEAST_URGENT = 10
"""steps of niceness: pages and people's answers go first"""
CHART, POINTS, TABLE, RESULT = "curves.svg", "curves.csv", "replay.md", "replay.json"
FILES = {CHART: "image/svg+xml", POINTS: "text/csv", TABLE: "text/markdown", RESULT: "application/json"}
"""what a replay leaves"""


@dataclass(frozen=True)
class ReplayRequest:
    """folder: where the results go. leave_out: a file with the numbers of rows to pass over, or "". several: a cell
    may hold several labels. The rest as `ReplayOptions` has it."""

    folder: str
    file: str
    text: tuple[str, ...]
    label: str
    split: str | None
    strategies: tuple[str, ...]
    budget: int
    batch: int
    seeds: int
    several: bool = False
    tuning: bool = True
    encoding: str = "utf-8"
    form: str = ""
    leave_out: str = ""

    @property
    def rounds(self) -> int:
        """That are played in all."""
        return self.seeds * len(self.strategies) * max(1, self.budget // self.batch)


@dataclass(frozen=True)
class Replayed:
    """records: that could be asked. sentence: what each strategy needed."""

    records: int
    sentence: str


def play(request: ReplayRequest, report: Report) -> Replayed:
    """Writes the files. Raises BadInput for what cannot be replayed."""
    folder = Path(request.folder)
    work = folder / "work"
    work.mkdir()
    tempfile.tempdir = str(work)
    left_out = json.loads(Path(request.leave_out).read_text(encoding="utf-8")) if request.leave_out else []
    counts = (request.budget, request.batch, request.seeds)
    options = ReplayOptions(
        Path(request.file),
        request.text,
        request.label,
        request.split,
        request.strategies,
        *counts,
        request.several,
        out=folder / CHART,
        tuning=request.tuning,
        encoding=request.encoding,
        form=request.form,
        leave_out=tuple(left_out),
    )
    try:
        result = run_replay(options, report)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_whole(folder / RESULT, json.dumps(to_json(result), ensure_ascii=False, indent=1).encode())
    write_whole(folder / POINTS, _points(result).encode())
    write_whole(folder / TABLE, _table(result, request).encode())
    return Replayed(result.records, saved_sentence(result))


def saved_sentence(result: Replay) -> str:
    """How many labels each strategy needed, and what the best one saved against random."""
    needed = {name: one.to95 for name, one in result.strategies.items()}
    parts = [f"{name} with {labels:,}" if labels else f"{name} not within them" for name, labels in needed.items()]
    sentence = (
        f"All labels reach {result.measure} {result.full.macro_f1:.3f}. Labels to 95 % of that: {', '.join(parts)}."
    )
    reached = {name: labels for name, labels in needed.items() if labels and name != "random"}
    if reached and (random := needed.get("random")):
        best = min(reached, key=lambda name: reached[name])
        saved = random - reached[best]
        more = f"would have saved {saved:,} of {random:,}" if saved > 0 else "would have saved none"
        sentence += f" Choosing by {best} {more}."
    return sentence


def _points(result: Replay) -> str:
    """A row for each strategy, seed and number of labels."""
    out = io.StringIO()
    rows = csv.DictWriter(out, ["strategy", "labels", result.measure], lineterminator="\n")
    rows.writeheader()
    rows.writerows(points_of(result))
    return out.getvalue()


def _table(result: Replay, request: ReplayRequest) -> str:
    """As the command prints it, in Markdown."""
    tuned = "with" if request.tuning else "without"
    lines = [
        f"{saved_sentence(result)}",
        "",
        f"{result.records:,} records, {request.budget:,} labels in batches of {request.batch}, {request.seeds} seeds, "
        f"{tuned} tuning of the encoder.",
        "",
        f"| strategy | {' | '.join(COLUMNS)} |",
        f"|{'---|' * (len(COLUMNS) + 1)}",
    ]
    for name, one in result.strategies.items():
        counts = [str(labels) if labels else "never" for labels in (one.to90, one.to95)]
        gain = f"{one.against_random.mean:+.3f}" if one.against_random else ""
        lines.append(f"| {name} | {' | '.join([f'{one.aulc:.3f}', f'{one.aulc_sd:.3f}', *counts, gain])} |")
    return "\n".join([*lines, ""])


def main() -> None:
    """The request's file is the one argument."""
    os.nice(LEAST_URGENT)
    request = from_json(ReplayRequest, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), "The request")
    speak(partial(play, request), "Stopped. Nothing of it is kept.")


if __name__ == "__main__":
    main()
