"""Plays a replay in a process of its own, at low priority: `python -m app.home.replaying FILE` with a `ReplayRequest`.

Its projects lie in the folder of its results until it ends, so that nothing of them outlives a home that was killed.
"""

import csv
import io
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from app.cli.pairs.pair_replay import PairReplayOptions, run_pair_replay
from app.cli.replay import ReplayOptions, run_replay
from app.cli.steps.step_replay import StepReplayOptions, run_step_replay
from app.home.child import speak
from app.home.replay_results import Played, Points, ReplaySummary, labels_played, pairs_played, steps_played
from core.errors import BadInput
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
    """labels, pairs, steps: one of them, as its command takes it; few_shot: of steps. rounds: models that will be made;
    work: what the time is in proportion to. folder: where the results go."""

    task: str
    rounds: int
    work: int
    labels: ReplayOptions | None = None
    pairs: PairReplayOptions | None = None
    steps: StepReplayOptions | None = None
    few_shot: int = 0
    folder: str = ""

    @property
    def strategies(self) -> tuple[str, ...]:
        """That were chosen; of pairs they are the same for all."""
        chosen = self.labels or self.steps
        return chosen.strategies if chosen else ()


def play(request: ReplayRequest, report: Report) -> ReplaySummary:
    """Writes the files. Raises BadInput for what cannot be replayed."""
    folder = Path(request.folder)
    work = folder / "work"
    work.mkdir()
    tempfile.tempdir = os.environ["TMPDIR"] = str(work)  # of this process, and of the jobs that it starts
    try:
        played = _play(request, folder / CHART, report)
    except BadInput as error:
        raise BadInput(_for_a_page(str(error), request)) from None
    finally:
        shutil.rmtree(work, ignore_errors=True)
    write_whole(folder / RESULT, json.dumps(to_json(played.result), ensure_ascii=False, indent=1).encode())
    write_whole(folder / POINTS, _csv(played.points).encode())
    write_whole(folder / TABLE, _markdown(played.summary).encode())
    return played.summary


def _play(request: ReplayRequest, chart: Path, report: Report) -> Played:
    if request.pairs:
        return pairs_played(request.pairs, run_pair_replay(replace(request.pairs, out=chart), report))
    if request.steps:
        return steps_played(request.steps, run_step_replay(request.steps, (), request.few_shot, report, chart))
    if request.labels:
        return labels_played(request.labels, run_replay(replace(request.labels, out=chart), report))
    raise BadInput("Nothing is named that could be played.")


def _for_a_page(message: str, request: ReplayRequest) -> str:
    """Without paths of this machine and dashes of options, whose names the page's fields have."""
    chosen = request.labels or request.pairs or request.steps
    paths = [chosen.file if chosen else Path(), *([Path(request.steps.steps)] if request.steps else [])]
    for path in [*paths, *([request.labels.llm] if request.labels and request.labels.llm else [])]:
        message = message.replace(str(path), path.name)
    return re.sub(r"(?<!\S)--(?=[a-z])", "", message)


def _csv(points: Points) -> str:
    out = io.StringIO()
    rows = csv.DictWriter(out, list(points[0]), lineterminator="\n")
    rows.writeheader()
    rows.writerows(points)
    return out.getvalue()


def _markdown(summary: ReplaySummary) -> str:
    """As the command prints it."""
    lines = [summary.sentence, "", f"{summary.setting}.", ""]
    lines += [_row(summary.columns), f"|{'---|' * len(summary.columns)}", *map(_row, summary.rows)]
    return "\n".join([*lines, *(f"\n{one}" for one in summary.details), ""])


def _row(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


def main() -> None:
    """The request's file is the one argument."""
    os.nice(LEAST_URGENT)
    request = from_json(ReplayRequest, json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")), "The request")
    speak(partial(play, request), "Stopped. Nothing of it is kept.")


if __name__ == "__main__":
    main()
