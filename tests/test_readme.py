"""The README's commands do what it says: every block marked `sh` runs, in order, in one folder."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


@pytest.mark.timeout(900)  # eight commands, one of them three rounds of a demo: a minute where nothing else runs
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    lines = [
        "body,sender,kind",
        *(f'"offer {n}: win {n} prizes",a@b,spam\n"meeting {n} at ten",c@d,ham' for n in range(40)),
    ]
    (tmp_path / "mails.csv").write_text("\n".join(lines), encoding="utf-8")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    assert script.count("rondo ") >= 8
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert "gold accuracy" in done.stdout
    assert (tmp_path / "mails" / "labels.csv").exists()
    assert (tmp_path / "mails" / "complete.jsonl").exists()
    assert "# Data card" in (tmp_path / "mails" / "complete.jsonl.card.md").read_text(encoding="utf-8")


def test_every_file_the_readme_shows_or_names_is_there() -> None:
    named = [
        *re.findall(r"\]\(([^)#:]+)\)", README),
        "LICENSE",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "docs/benchmarks.md",
    ]
    assert [name for name in named if not (ROOT / name).exists()] == []
