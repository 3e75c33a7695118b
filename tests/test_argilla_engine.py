"""The embedded search engine, in Argilla's own environment, against plain Python (`tests.engine_world`)."""

import json
import subprocess
from pathlib import Path

from annotation.environment import argilla_python
from tests.argilla_server import quiet, require_environment

ROOT = Path(__file__).parent.parent


def test_random_queries_filters_orders_and_turns_are_answered_as_by_brute_force(tmp_path: Path) -> None:
    require_environment()
    command = [str(argilla_python(quiet)), "-P", "-m", "tests.engine_world", str(tmp_path), "7", "1500"]

    done = subprocess.run(command, env={"PYTHONPATH": str(ROOT)}, capture_output=True, text=True)

    assert done.returncode == 0, done.stderr[-3000:]
    stored = json.loads(done.stdout.splitlines()[-1])
    assert stored["wrong"] == []
    assert stored["asked"]["words"] == stored["asked"]["filters"] == 1500
    assert stored["asked"]["hostile"] > 40
