"""The browser's scripts below the browser, by node's own test runner: tests/javascript. Playwright brings a node."""

import subprocess
from pathlib import Path

import pytest
from playwright._impl._driver import compute_driver_executable

TESTS = sorted((Path(__file__).parent / "javascript").glob("*.test.js"))


@pytest.mark.parametrize("file", TESTS, ids=lambda file: file.name.partition(".")[0])
def test_the_scripts_do_what_they_should(file: Path) -> None:
    node, _ = compute_driver_executable()
    done = subprocess.run([node, "--test", file], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
