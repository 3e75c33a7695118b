"""Files that were damaged, cut, mixed up or written by something else: read whole, or refused in one sentence."""

import gzip
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import duckdb
import pytest

from core.data.ingest_job import IngestParams, Layout
from core.errors import BadInput
from gpu_jobs.work.data.ingest import ingest

MUTANTS = 150
"""of each format"""
ODD: tuple[bytes, ...] = (
    b"",
    b"\x00",
    b"\xff\xfe",
    b"\xef\xbb\xbf",
    b'"',
    b'""',
    b",",
    b";",
    b"\r",
    b"\n",
    b"\n\n",
    b"\t",
    b"|",
    b"{",
    b"}",
)
ODD += (
    b"[",
    b"]",
    b"\\",
    b"\\ud800",
    b"NA",
    b"NaN",
    b"1e999",
    b"-0",
    b"\xe9",
    b"\xf0\x9f",
    b"sep=;\n",
    b"\x1f\x8b",
    b":",
)
ENCODINGS = ("utf-8", "utf-16", "utf-16-le", "cp1252", "utf-7", "shift_jis", "hz")
ROWS: list[dict[str, Any]] = [
    {
        "id": n,
        "text": f"A text, number {n}; with „marks“",
        "label": ["x", "y|z", None, "1.0", "NA"][n % 5],
        "split": "Test",
    }
    for n in range(12)
]


def originals(folder: Path) -> list[Path]:
    """The same rows in every format."""
    lines = [json.dumps(row, ensure_ascii=False) for row in ROWS]
    paths = [folder / f"a.{suffix}" for suffix in ("jsonl", "json", "jsonl.gz", "csv", "parquet")]
    paths[0].write_text("\n".join(lines))
    paths[1].write_text("[" + ",\n".join(lines) + "]")
    paths[2].write_bytes(gzip.compress("\n".join(lines).encode()))
    for path, form in zip(paths[3:], ("csv", "parquet"), strict=True):
        duckdb.connect().execute(f"copy (from read_json('{paths[0]}', format='nd')) to '{path}' (format {form})")
    return paths


def mutated(content: bytes, dice: random.Random) -> bytes:
    """One to four changes: a piece cut out, doubled, moved, overwritten, or something odd put in."""
    for _ in range(dice.randint(1, 4)):
        start = dice.randrange(len(content) + 1)
        end = min(len(content), start + dice.choice((1, 1, 2, 8, 60)))
        piece, odd = content[start:end], dice.choice(ODD)
        elsewhere = dice.randrange(len(content) + 1)
        content = dice.choice(
            (
                content[:start] + content[end:],
                content[:start],
                content[:start] + odd + content[start:],
                content[:start] + odd + content[end:],
                content[:elsewhere] + piece + content[elsewhere:],
                content[:start] + bytes(dice.randrange(256) for _ in piece) + content[end:],
            )
        )
    return content


@pytest.mark.parametrize("form", range(5), ids=["jsonl", "json", "jsonl.gz", "csv", "parquet"])
def test_a_damaged_file_is_read_whole_or_refused_in_one_sentence_and_leaves_nothing(form: int, tmp_path: Path) -> None:
    original = originals(tmp_path)[form]
    dice, whole, read = random.Random(form), original.read_bytes(), 0
    out = tmp_path / "bundle" / "out"
    for number in range(MUTANTS):
        inside = original.suffix == ".gz" and number % 2  # what was packed is damaged, not the packing
        mutant = gzip.compress(mutated(gzip.decompress(whole), dice)) if inside else mutated(whole, dice)
        original.write_bytes(mutant)
        encoding = dice.choice(ENCODINGS) if number % 3 == 0 else "utf-8"
        layout = Layout(
            text=("text",), label="label", id="id", split="split", encoding=encoding, about={"multi": number % 2 == 0}
        )
        (out / "records.parquet").unlink(missing_ok=True)
        sentence = ""
        try:
            contents = ingest(tmp_path / "bundle", IngestParams(str(original), layout), lambda done, total: None)
        except BadInput as error:
            sentence = str(error)
        if sentence:
            assert "\n" not in sentence, number
            assert sentence[-1] in ".?", number
            assert not (out / "records.parquet").exists(), number
        else:
            read += 1
            rows = duckdb.connect().execute(f"select count(*) from '{out / 'records.parquet'}'").fetchone()
            assert rows == (contents.records,), number
    assert 0 < read < MUTANTS


PEAK = """
import re, sys
from pathlib import Path
from core.errors import BadInput
from core.data.ingest_job import IngestParams, Layout
from gpu_jobs.work.data.ingest import ingest
file = Path(sys.argv[1])
try:
    ingest(file.parent / file.suffixes[0], IngestParams(str(file), Layout(("text",))), lambda done, total: None)
except BadInput as error:
    print(error)
print(re.search(r"VmHWM:\\s*(\\d+)", Path("/proc/self/status").read_text())[1])  # of this program alone, unlike rusage
"""


@pytest.mark.parametrize(
    ("name", "start"), [("a.csv.gz", b"text\n"), ("a.jsonl.gz", b'{"text": "'), ("a.json.gz", b'[{"text": "')]
)
def test_a_small_packed_file_that_holds_one_huge_line_takes_no_huge_memory(
    name: str, start: bytes, tmp_path: Path
) -> None:
    part = gzip.compress(b"a" * (16 << 20))
    (tmp_path / name).write_bytes(gzip.compress(start) + part * 64)  # a gigabyte in a megabyte
    result = subprocess.run(
        [sys.executable, "-c", PEAK, str(tmp_path / name)], capture_output=True, text=True, check=True
    ).stdout.splitlines()
    assert "longer than" in result[0] or "too long" in result[0]
    assert int(result[1]) < 500_000  # kilobytes


@pytest.mark.parametrize(
    "encoding", ["idna", "punycode", "undefined", "unicode_escape", "rot13", "base64", "utf\0", "?"]
)
def test_what_is_no_encoding_of_files_is_refused_by_name(encoding: str, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\nx\n")
    params = IngestParams(str(tmp_path / "a.csv"), Layout(("text",), encoding=encoding))
    with pytest.raises(BadInput, match="There is no encoding"):
        ingest(tmp_path / "bundle", params, lambda done, total: None)


LINE = '{"text": "hello "}\n'
UTF16: dict[str, tuple[bytes, str, str]] = {
    "no mark, but said": (LINE.encode("utf-16-le"), "utf-16", "say so: --encoding utf-16-le"),
    "no mark, not said": (LINE.encode("utf-16-be"), "utf-8", "say so: --encoding utf-16-be"),
    "a wrong mark": (b"\xff\xfe" + LINE.encode(), "utf-8", "cannot be read as utf-16"),
    "cut in the middle": (LINE.encode("utf-16")[:-1], "utf-8", "cannot be read as utf-16"),
}


@pytest.mark.parametrize(("content", "encoding", "sentence"), UTF16.values(), ids=UTF16)
@pytest.mark.parametrize("suffix", ["csv", "jsonl"])
def test_utf_16_that_cannot_be_read_is_one_sentence_with_what_to_do(
    content: bytes, encoding: str, sentence: str, suffix: str, tmp_path: Path
) -> None:
    (tmp_path / f"a.{suffix}").write_bytes(content)
    params = IngestParams(str(tmp_path / f"a.{suffix}"), Layout(("text",), encoding=encoding))
    with pytest.raises(BadInput) as caught:
        ingest(tmp_path / "bundle", params, lambda done, total: None)
    assert sentence in str(caught.value)
