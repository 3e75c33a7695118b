"""Where secrets may come from, and that they go nowhere else."""

import os
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from app.auth.secret_file import load_secrets, read_secret_table
from core.errors import BadInput
from core.jobs.bundle import Resources
from core.jobs.environment_variables import NEEDED, for_job
from core.project import Project
from core.store.database import Store, note
from gpu_jobs.run import KINDS
from gpu_jobs.runners.local import LocalRunner
from tests.conftest import plain_kind


def write(project: Path, text: str) -> None:
    (project / ".streamlit").mkdir()
    (project / ".streamlit" / "secrets.toml").write_text(text, encoding="utf-8")


def seen(project: Path, **environment: str) -> list[str]:
    """HF_TOKEN and OTHER in a process that has read the file."""
    code = (
        "import os, sys; from pathlib import Path; from app.auth.secret_file import load_secrets; "
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


def test_a_job_inherits_only_the_secrets_that_its_kind_needs() -> None:
    harmless = {"PATH": "/bin", "HTTPS_PROXY": "http://a:b@proxy", "TOKENIZERS_PARALLELISM": "false", "MLFLOW_X": "1"}
    tracker = {"WANDB_API_KEY": "w", "MLFLOW_TRACKING_PASSWORD": "m", "AWS_SECRET_ACCESS_KEY": "a"}
    others = {"MODAL_TOKEN_ID": "i", "RONDO_API_TOKEN": "t", "RONDO_ACCESS_CODE": "c", "RONDO_TEAM_PASSWORD": "p"}
    others |= {"DATABASE_URL": "postgres://me:pass@host/db", "github_token": "g"}
    everything = {**harmless, **tracker, "HF_TOKEN": "h", **others}
    assert for_job(everything, "train") == {**harmless, **tracker, "HF_TOKEN": "h"}
    assert for_job(everything, "encode") == {**harmless, "HF_TOKEN": "h"}
    assert for_job(everything, "round") == harmless
    assert NEEDED.keys() <= KINDS.keys()


def test_a_real_job_sees_no_secret_of_others(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RONDO_API_TOKEN", "a-secret-of-ours")
    bundle = project.jobs.prepare(plain_kind("encode"), {})
    handle = LocalRunner(1).start(bundle.path, Resources(environment={"HF_TOKEN": "handed over"}))
    with suppress(psutil.NoSuchProcess):
        environment = psutil.Process(handle.pid).environ()
        assert "a-secret-of-ours" not in environment.values()
        assert environment["HF_TOKEN"] == "handed over"
    LocalRunner(1).cancel(bundle.path, handle)


def test_a_file_of_secrets_that_others_can_read_is_pointed_out_once(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    write(tmp_path, 'HF_TOKEN = "hf_abc"\n')
    path = tmp_path / ".streamlit" / "secrets.toml"
    path.chmod(0o600)
    read_secret_table(tmp_path)
    assert capfd.readouterr().err == ""
    path.chmod(0o644)
    read_secret_table(tmp_path)
    read_secret_table(tmp_path)
    warning = capfd.readouterr().err
    assert warning.count(f"chmod 600 {path}") == 1
    assert "hf_abc" not in warning


def test_the_database_its_log_and_its_copies_are_for_the_owners_eyes_only(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        store = Store(tmp_path)
        with store.transaction() as cursor:
            note(cursor, "ann", "something", {})
        store.backup(tmp_path / "copy")
        with store.transaction() as cursor:
            note(cursor, "ann", "something", {})
        files = [*tmp_path.glob("rondo.duckdb*"), *(tmp_path / "copy").iterdir()]
        assert {path.name for path in files} == {"rondo.duckdb", "rondo.duckdb.wal"}
        assert {oct(path.stat().st_mode & 0o777) for path in files} == {"0o600"}
        store.close()
        (tmp_path / "rondo.duckdb").chmod(0o644)  # of an older Rondo
        Store(tmp_path).close()
        assert (tmp_path / "rondo.duckdb").stat().st_mode & 0o777 == 0o600
    finally:
        os.umask(before)
