"""Annotation files as JSON objects, one after the other: tables, JSONL, one JSON file, a folder of them."""

import gzip
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from core.data.cells import NO_TEXT, is_text
from core.data.formats.sources import open_source
from core.errors import BadInput

JSON_SUFFIXES = (".json", ".json.gz")
LARGEST = 64 << 20
"""bytes of one JSON file, unpacked"""


@dataclass(frozen=True)
class Document:
    """name: its file and, in a file of many, its number. content: None where it cannot be read; fault: why not."""

    name: str
    content: Mapping[str, object] | None
    fault: str = ""


def read_documents(path: Path) -> Iterator[Document]:
    """Raises BadInput where there is nothing to read; what is wrong with one of many files is that one's fault."""
    for one in _documents(path):
        fault = f"{one.name} {NO_TEXT}." if one.content is not None and _holds_no_text(one.content) else ""
        yield Document(one.name, None, fault) if fault else one


def _documents(path: Path) -> Iterator[Document]:
    if path.is_dir():
        files = sorted(one for one in path.iterdir() if one.name.endswith(JSON_SUFFIXES) and one.is_file())
        if not files:
            raise BadInput(f"There is no .json file in {path}.")
        for file in files:
            yield from _json_file(file)
    elif path.name.endswith(JSON_SUFFIXES) and path.is_file():
        yield from _json_file(path)
    else:
        yield from _rows(path)


def columns_of(path: Path) -> list[str]:
    """Of a file of rows; of JSON files the keys of the first document."""
    if path.is_dir() or path.name.endswith(JSON_SUFFIXES):
        first = next(iter(read_documents(path)), None)
        return list(first.content) if first and first.content else []
    return open_source(path).columns([])


def _json_file(path: Path) -> Iterator[Document]:
    stem = path.name.partition(".")[0]
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            yield Document(stem, None, f"{path.name} is larger than {LARGEST >> 20} MB.")
            return
        document = json.loads(content.decode("utf-8-sig"))
    except (OSError, EOFError, UnicodeDecodeError) as error:
        yield Document(stem, None, f"{path.name} cannot be read: {error}.")
        return
    except ValueError as error:
        yield Document(stem, None, f"{path.name} is no JSON: {error}.")
        return
    except RecursionError:
        yield Document(stem, None, f"{path.name} holds lists too deep to be read.")
        return
    if isinstance(document, Mapping):
        yield Document(stem, document)
    elif isinstance(document, list):
        for number, one in enumerate(document, 1):
            name = f"{stem}-{number}"
            if isinstance(one, Mapping):
                yield Document(name, one)
            else:
                yield Document(name, None, f"{path.name}, entry {number} is no JSON object.")
    else:
        yield Document(stem, None, f"{path.name} holds no JSON object.")


def _rows(path: Path) -> Iterator[Document]:
    source = open_source(path)
    columns = source.columns([])
    stem = path.name.partition(".")[0]
    for batch in source.batches(columns):
        for index in range(len(next(iter(batch.columns.values()), []))):
            row = {name: values[index] for name, values in batch.columns.items()}
            yield Document(f"{stem}-{batch.first + index}", row)


def _holds_no_text(value: object) -> bool:
    if isinstance(value, str):
        return not is_text(value)
    if isinstance(value, Mapping):
        return any(_holds_no_text(name) or _holds_no_text(one) for name, one in value.items())
    return isinstance(value, list) and any(map(_holds_no_text, value))
