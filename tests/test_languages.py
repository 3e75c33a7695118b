"""Languages of a file's texts choose the encoder of a new project, unless a person has."""

from dataclasses import replace
from pathlib import Path

import pytest

from app.cli.data.import_file import import_lines
from core import loop
from core.config.settings import read_settings, write_settings
from core.data.file_import import ImportSummary, import_file
from core.data.languages import encoder_for, language_sentence, language_shares
from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet

KOREAN = [
    *("로또 번호 알려줘", "밤에 잠이 안 와", "오늘 너무 졸려", "고백 언제 하지", "공무원 시험 힘들다", "비가 올까요?"),
    *("택배가 아직 안 왔어요", "환불은 어떻게 하나요", "회의 시간을 바꿔 주세요", "음악 좀 틀어 줘"),
]
ENGLISH = ["what is the weather like", "play some music", "book a table for two", "wake me up at seven"]


@pytest.mark.parametrize(
    ("texts", "encoder", "sentence"),
    [
        (KOREAN, MULTILINGUAL, "Korean"),
        (ENGLISH * 5, EMBEDDED, ""),
        (
            ["Wo bleibt mein Paket?", "Bitte meine Adresse ändern", "Ich möchte kündigen"] * 4,
            MULTILINGUAL,
            "German",
        ),
        (["", "🙂", "12 34", "\ud83d!"] * 5, EMBEDDED, ""),
    ],
)
def test_most_letters_decide(texts: list[str], encoder: str, sentence: str) -> None:
    shares = language_shares(texts)
    assert encoder_for(shares) == encoder
    assert sentence in language_sentence(shares)


def bring(folder: Path, texts: list[str], **changes: object) -> tuple[ImportSummary, str]:
    """A new project with one file; and its encoder then."""
    if not folder.exists():
        loop.create_project(folder, ["a", "b"])
        write_settings(folder, replace(read_settings(folder), **changes))  # type: ignore[arg-type]
    file = folder.parent / f"{len(texts)}.csv"
    file.write_text("text\n" + "\n".join(texts))
    project = open_project(folder, InProcessRunner())
    try:
        return import_file(project, quiet, file=str(file), text=["text"]), project.settings().encoder
    finally:
        project.close()


def test_the_first_file_chooses_the_encoder_and_says_so(tmp_path: Path) -> None:
    result, encoder = bring(tmp_path / "one", [*KOREAN, *ENGLISH[:1]])
    assert (result.encoder, encoder) == (MULTILINGUAL, MULTILINGUAL)
    assert any("% Korean: encoded by use-multilingual-v3" in str(line) for line in import_lines(result))
    second, encoder = bring(tmp_path / "one", ENGLISH * 5)
    assert (second.encoder, encoder) == ("", MULTILINGUAL)


def test_what_a_person_has_set_stays(tmp_path: Path) -> None:
    assert bring(tmp_path / "own", KOREAN, encoder="some/encoder")[1] == "some/encoder"
    assert bring(tmp_path / "fixed", KOREAN, choose_encoder=False)[1] == EMBEDDED
