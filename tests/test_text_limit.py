"""How much of a text is read: what lies behind changes nothing in the vector, what lies before does."""

import shutil
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from core.models.encoders.encoder import EMBEDDED, MULTILINGUAL, Encoder, embedded_folder
from core.models.encoders.loading import load_encoder
from core.models.encoders.text_limit import characters_read

NOWHERE = Path("/nowhere")
WORDS = " ".join(f"parcel{number} came late" for number in range(2000))


@cache
def loaded(name: str) -> Encoder:
    return load_encoder(name, NOWHERE, 1)


def read(*texts: str, encoder: str = EMBEDDED) -> list[int | None]:
    return characters_read(NOWHERE, NOWHERE, encoder, texts)


@pytest.mark.parametrize("encoder", [EMBEDDED, MULTILINGUAL])
@pytest.mark.parametrize(
    "text",
    [WORDS, "包裹没有收到。" * 300, "👍 fine " * 600, " " * 9000 + WORDS],
    ids=["words", "chinese", "emoji", "spaces"],
)
def test_the_vector_depends_on_what_is_read_and_on_nothing_behind(text: str, encoder: str) -> None:
    (count,) = read(text, encoder=encoder)
    assert count
    units = text.encode("utf-16-le")
    assert count < len(units) // 2
    head = units[: 2 * count].decode("utf-16-le")
    whole, same, less = loaded(encoder).encode([text, head, head[: int(0.9 * len(head))]])
    assert np.allclose(whole, same, atol=1e-3)
    assert not np.allclose(whole, less, atol=1e-3)


def test_a_short_text_is_read_to_its_end() -> None:
    assert read("", "Short.", "word " * 254, "👍" * 20) == [0, 6, 1270, 40]


def test_of_an_encoder_that_is_not_here_nothing_is_claimed() -> None:
    assert read("text", encoder="some/encoder") == [None]
    assert read("text", encoder="model:gone") == [None]
    assert read("text", encoder="no/such/name") == [None]


def test_of_an_encoder_that_was_fetched_the_version_in_use_is_asked(tmp_path: Path) -> None:
    fetched = tmp_path / "models--some--encoder"
    shutil.copytree(embedded_folder(), fetched / "snapshots" / "a")
    (fetched / "snapshots" / "b").mkdir()
    (fetched / "snapshots" / "b" / "tokenizer.json").write_text("{}")
    (fetched / "refs").mkdir()
    (fetched / "refs" / "main").write_text("a")
    assert characters_read(NOWHERE, tmp_path, "some/encoder", ["word " * 254]) == [1270]
