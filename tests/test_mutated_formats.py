"""Damaged files of every format: read whole or refused in one sentence. Bytes and objects are what is damaged."""

import json
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as parquet  # type: ignore[import-untyped]
import pytest

from core.data.file_import import import_file
from core.data.formats.formats import FORMATS
from core.data.ingest_job import IngestParams, Layout
from core.errors import BadInput, RondoError
from core.project import open_project
from gpu_jobs.runners.local import InProcessRunner
from gpu_jobs.work.data.ingest import ingest
from tests.conftest import quiet
from tests.format_tables import SEVERAL, label_rows, made, person_rows, write_form
from tests.test_mutated_files import mutated

MUTANTS = 200
"""of each format"""
TEXTS = ("one text", "two\nlines", "drei 😀", "four, five; six")
FORMS = [name for name, one in FORMATS.items() if one.read and name not in ("text-folder", "zip")]
ENCODINGS = ("utf-16", "utf-16-le", "cp1252", "shift_jis", "utf-32")
WRONG: tuple[Any, ...] = (
    None,
    7,
    -1.5,
    True,
    "",
    "text",
    [],
    {},
    [[]],
    [{}],
    {"a": {"b": [1]}},
    "\0",
    "\ud800",
    float("nan"),
)


def original(folder: Path, form: str) -> Path:
    """A small file of the format, with all that it can hold."""
    if form in ("zip", "text-folder"):
        with zipfile.ZipFile(folder / "made.zip", "w", zipfile.ZIP_DEFLATED) as packed:
            for number, text in enumerate(TEXTS):
                packed.writestr(f"a/{number}.txt", text)
        return folder / "made.zip"
    if form == "json-folder":
        made(folder, form).mkdir()
        for number, text in enumerate(TEXTS):
            entry = {"text": text, "id": number, "label": ["rouge"], "more": {"deep": [text]}}
            (made(folder, form) / f"{number}.json").write_text(json.dumps([entry] if number % 2 else entry))
        return made(folder, form)
    people = FORMATS[form].holds is None or "annotator" in (FORMATS[form].holds or ())
    rows = (
        person_rows(TEXTS, several=True) if people else label_rows([t.replace("\n", " ") for t in TEXTS], several=True)
    )
    write_form(folder, form, rows, "person" if people else "label", SEVERAL)
    return made(folder, form)


def with_wrong_values(value: Any, dice: random.Random) -> Any:
    """One part of an object is of another type, is missing, stands twice as deep, or is what another part is."""
    if isinstance(value, dict) and value:
        name = dice.choice(list(value))
        act = dice.randrange(5)
        if act == 0:
            return {key: inner for key, inner in value.items() if key != name}
        if act == 1:
            return value | {name: dice.choice(WRONG)}
        if act == 2:
            return value | {name: {name: value[name]}}
        return value | {name: with_wrong_values(value[name], dice)}
    if isinstance(value, list) and value:
        position = dice.randrange(len(value))
        inner = with_wrong_values(value[position], dice)
        return [*value[:position], *dice.choice(([inner], [inner, inner], [])), *value[position + 1 :]]
    return dice.choice(WRONG)


def wrong_objects(content: bytes, dice: random.Random) -> bytes:
    """Of a file of JSON; of any other the same as a change of its bytes."""
    try:
        text = content.decode()
        lines = [json.loads(text)] if text.startswith("[") else [json.loads(line) for line in text.splitlines()]
    except ValueError:
        return mutated(content, dice)
    if text.startswith("["):
        return json.dumps(with_wrong_values(lines[0], dice)).encode()
    return "\n".join(map(json.dumps, with_wrong_values(lines, dice))).encode()


def in_another_encoding(content: bytes, dice: random.Random) -> bytes:
    try:
        return content.decode().encode(dice.choice(ENCODINGS), "replace")
    except UnicodeDecodeError:
        return mutated(content, dice)


def cut_or_doubled(content: bytes, dice: random.Random) -> bytes:
    """Empty, cut, doubled, or with its columns the other way round."""
    lines = content.splitlines(keepends=True)
    dice.shuffle(lines)
    return dice.choice(
        (b"", content[: dice.randrange(len(content) + 1)], content + content, b"".join(lines), content[:1])
    )


def deep(content: bytes, dice: random.Random) -> bytes:
    """Lists in lists in the place of something."""
    levels = dice.choice((50, 3_000, 100_000))
    at = dice.randrange(len(content) + 1)
    return content[:at] + b"[" * levels + b"]" * levels + content[at:]


KINDS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(mutated, mutated, wrong_objects, wrong_objects, wrong_objects, in_another_encoding, cut_or_doubled, deep),
)


def damaged(folder: Path, form: str, dice: random.Random, number: int) -> None:
    """One file of what was written is another one now; inside of a packed file every other time."""
    target = made(folder, form) if form != "zip" else folder / "made.zip"
    files = sorted(path for path in target.rglob("*") if path.is_file()) if target.is_dir() else [target]
    file = files[dice.randrange(len(files))]
    change = KINDS[number % len(KINDS)]
    if form in ("xlsx", "zip") and number % 2:
        with zipfile.ZipFile(file) as packed:
            members = {name: packed.read(name) for name in packed.namelist()}
        name = dice.choice(list(members))
        members[name] = change(members[name], dice)
        with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as packed:
            for member, content in members.items():
                packed.writestr(member, content)
        return
    file.write_bytes(change(file.read_bytes(), dice))


@pytest.mark.parametrize("form", [*FORMS, "zip"])
def test_a_damaged_file_of_any_format_is_read_whole_or_refused_in_one_sentence(
    form: str, tmp_path: Path, encoded: Path
) -> None:
    whole = original(tmp_path, form)
    copy, dice, accepted = tmp_path / "copy", random.Random(form), list[int]()
    shutil.copytree(whole, copy) if whole.is_dir() else shutil.copyfile(whole, copy)
    out = tmp_path / "bundle" / "out"
    for number in range(MUTANTS):
        damaged(tmp_path, form, dice, number)
        names: dict[str, Any] = {} if FORMATS[form].names_itself else {"text": ("text",), "label": "label", "id": "id"}
        layout = Layout(about={"multi": True}, form=form, many_labels=True, **names)
        (out / "records.parquet").unlink(missing_ok=True)
        sentence = ""
        try:
            report = ingest(tmp_path / "bundle", IngestParams(str(whole), layout), lambda done, total: None)
        except BadInput as error:
            sentence = str(error)
        if sentence:
            assert "\n" not in sentence, (number, sentence)
            assert sentence[-1] in ".?)", (number, sentence)
            assert not (out / "records.parquet").exists(), number
        else:
            assert parquet.read_metadata(out / "records.parquet").num_rows == report.records, number
            accepted.append(number)
            shutil.copytree(whole, tmp_path / f"ok{number}") if whole.is_dir() else shutil.copyfile(
                whole, tmp_path / f"ok{number}{whole.suffix}"
            )
        shutil.rmtree(whole) if whole.is_dir() else whole.unlink()
        shutil.copytree(copy, whole) if whole.is_dir() or copy.is_dir() else shutil.copyfile(copy, whole)
    assert len(accepted) < MUTANTS
    assert accepted or form in ("spacy", "parquet", "arrow")
    import_some(tmp_path, form, whole.suffix, accepted, encoded)


def import_some(folder: Path, form: str, suffix: str, accepted: list[int], encoded: Path) -> None:
    """Some of those that were read come into a project, or are refused: their number of records says which."""
    shutil.copytree(encoded, folder / "project")
    project = open_project(folder / "project", InProcessRunner())
    options: dict[str, Any] = {} if FORMATS[form].names_itself else {"text": ["text"], "id": "id"}
    for number in accepted[:3]:
        before = project.store.one("select count(*) from records")
        try:
            result = import_file(project, quiet, file=str(folder / f"ok{number}{suffix}"), form=form, **options)
        except RondoError:
            assert project.store.one("select count(*) from records") == before
        else:
            assert project.store.one("select count(*) from records") == before + result.added
    project.close()
