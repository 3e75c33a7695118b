"""A job's process: reads a bundle, does what its `job.json` names, writes `result.json` last. Knows no store."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from core.jobs import manifest, write_json
from gpu_jobs.teaching import Progress

Work = Callable[[Path, Mapping[str, Any], Progress], dict[str, Any]]


def _ingest(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    from gpu_jobs.ingest import ingest

    return ingest(bundle, params, report)


def _encode(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    from gpu_jobs.encode import encode

    return encode(bundle, params, report)


def _round(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    from gpu_jobs.round import play

    return play(bundle, params, report)


def _project(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    from gpu_jobs.project import project

    return project(bundle, params, report)


def _inspect(bundle: Path, params: Mapping[str, Any], report: Callable[[int, int], None]) -> dict[str, Any]:
    from gpu_jobs.inspect import inspect

    return inspect(bundle, params, report)


def _train(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    from gpu_jobs.train import train

    return train(bundle, params, report)


def _activate(bundle: Path, params: Mapping[str, Any], report: Progress) -> dict[str, Any]:
    from gpu_jobs.activate import activate

    return activate(bundle, params, report)


KINDS: dict[str, Work] = {
    "activate": _activate,
    "inspect": _inspect,
    "ingest": _ingest,
    "encode": _encode,
    "round": _round,
    "rechoose": _round,
    "project": _project,
    "train": _train,
}


def run(bundle: Path) -> None:
    """Does the work of one bundle; whatever is raised is recorded by `record_failure`."""
    job = json.loads((bundle / "job.json").read_text(encoding="utf-8"))
    for name in ("out", "ckpt"):
        (bundle / name).mkdir(exist_ok=True)
    value = KINDS[job["kind"]](bundle, job["params"], _reporter(bundle))
    write_json(bundle / "result.json", {"state": "succeeded", "value": value, "manifest": manifest(bundle / "out")})


def record_failure(bundle: Path, error: BaseException) -> None:
    """A result that names the error, so that the owner can raise it again; the traceback goes to the log."""
    write_json(bundle / "result.json", {"state": "failed", "kind": type(error).__name__, "message": str(error)})


def _reporter(bundle: Path) -> Progress:
    last = 0.0

    def report(done: int, total: int, **figures: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.1 and done != total and not figures:
            return
        last = now
        line = {"done": done, "total": total, "at": round(time.time(), 3), **figures}
        with (bundle / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return report


def main() -> None:
    """`python -m gpu_jobs.run BUNDLE`."""
    bundle = Path(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(10)  # somebody may be labelling: a key press goes before a refit

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        record_failure(bundle, error)

    sys.excepthook = hook
    run(bundle)


if __name__ == "__main__":
    main()
