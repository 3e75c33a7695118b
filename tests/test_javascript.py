"""The browser's scripts below the browser, by node's own test runner: tests/javascript."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

TESTS = sorted((Path(__file__).parent / "javascript").glob("*.test.js"))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.partition(".")[0])
def test_the_scripts_do_what_they_should(file: Path) -> None:
    node = shutil.which("node")
    if node is None:
        say = "The tests of the browser's scripts need Node.js 20.11 or newer: `apt install nodejs`."
        if os.environ.get("CI") == "true":
            pytest.fail(say)
        pytest.skip(say)
    done = subprocess.run([node, "--test", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
