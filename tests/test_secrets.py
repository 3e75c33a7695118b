"""Where secrets may come from, and that they go nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from app.secret_file import load_secrets
from core.errors import BadInput


def write(project: Path, text: str) -> None:
    (project / ".streamlit").mkdir()
    (project / ".streamlit" / "secrets.toml").write_text(text, encoding="utf-8")


def seen(project: Path, **environment: str) -> list[str]:
    """HF_TOKEN and OTHER in a process that has read the file."""
    code = (
        "import os, sys; from pathlib import Path; from app.secret_file import load_secrets; "
        "load_secrets(Path(sys.argv[1])); print(os.environ.get('HF_TOKEN'), os.environ.get('OTHER'))"
    )
    clean = {name: value for name, value in os.environ.items() if name != "HF_TOKEN"}
    command = [sys.executable, "-c", code, str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env={**clean, **environment})
    return done.stdout.split()


def test_a_known_secret_comes_from_the_file_and_others_stay_there(tmp_path: Path) -> None:
    write(tmp_path, 'HF_TOKEN = "hf_abc"\nOTHER = "x"\n')
    assert seen(tmp_path) == ["hf_abc", "None"]


def test_the_environment_wins_over_the_file(tmp_path: Path) -> None:
    write(tmp_path, 'HF_TOKEN = "hf_abc"\n')
    assert seen(tmp_path, HF_TOKEN="hf_mine") == ["hf_mine", "None"]


def test_a_broken_file_is_named_without_what_it_holds(tmp_path: Path) -> None:
    write(tmp_path, "HF_TOKEN = hf_abc\n")
    with pytest.raises(BadInput, match="not valid TOML") as error:
        load_secrets(tmp_path)
    assert "hf_abc" not in str(error.value)
