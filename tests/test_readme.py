"""The README's commands do what it says: every block marked `sh` runs, in order, in one folder."""

import json
import os
import re
import subprocess
import sys
from itertools import islice
from pathlib import Path

import pytest

from app.cli.demo import docstrings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


DEMO_RECORDS = 400


def begin_demo(folder: Path) -> None:
    """The records of the demo, which goes on with those that lie there: thousands would take a minute to encode."""
    folder.mkdir()
    lines = []
    for entry in islice(docstrings(), DEMO_RECORDS):
        chapter = entry["truth"] if entry["split"] else None
        lines.append(json.dumps({key: entry[key] for key in ("id", "text", "name", "split")} | {"chapter": chapter}))
    (folder / "docstrings.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.mark.timeout(900)  # ten commands, one of them three rounds of a demo
def test_the_commands_of_the_readme_run(tmp_path: Path) -> None:
    lines = [
        "body,sender,kind",
        *(f'"offer {n}: win {n} prizes",a@b,spam\n"meeting {n} at ten",c@d,ham' for n in range(40)),
    ]
    (tmp_path / "mails.csv").write_text("\n".join(lines), encoding="utf-8")
    script = "\n".join(re.findall(r"```sh\n(.*?)```", README, re.DOTALL))
    assert script.count("rondo ") >= 8
    assert "rondo demo --oracle --rounds 3 --project demo-oracle\n" in script
    begin_demo(tmp_path / "demo-oracle")
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
