"""Which format a file is of, by name, ending or content, and opening it. Knows no format's form."""

import os
from pathlib import Path

from core.data.formats.file_format import FileFormat
from core.data.formats.formats import ENDINGS, FORMATS, TEXT_FOLDER
from core.data.formats.json_files import JsonFile
from core.data.formats.reading import Source, check_encoding
from core.data.formats.text_folder import TextFolder
from core.errors import BadInput

JSON_ENDINGS = (".json", ".jsonl", ".ndjson", ".json.gz", ".jsonl.gz", ".ndjson.gz")


def open_source(path: Path, encoding: str = "utf-8", form: str = "") -> Source:
    """The reader of the format that `form` names, or for the suffix; reads nothing yet, but checks that the file
    exists."""
    check_encoding(encoding)
    _require_file(path)
    if form:
        read = readable(form).read
        if path.is_file() and path.stat().st_size == 0:
            raise BadInput(f"{path.name} is empty; it needs at least one record.")
        return read(path, encoding) if read else TextFolder(path, encoding)
    if path.is_dir():
        return TextFolder(path, encoding)
    suffix = ending_of(path)
    if suffix not in ENDINGS:
        known = ", ".join(ENDINGS)
        raise BadInput(
            f"{path.name} ends in '{suffix}', which cannot be imported; use {known} or a folder of .txt files."
        )
    if path.stat().st_size == 0:
        raise BadInput(f"{path.name} is empty; it needs at least one record.")
    return ENDINGS[suffix](path, encoding)


def readable(form: str) -> FileFormat:
    """The format of that name. Raises BadInput where there is none that can be read."""
    known = [name for name, one in FORMATS.items() if one.read]
    if form not in known:
        raise BadInput(f"There is no format {form[:40]!r} to import; there are {', '.join(known)}.")
    return FORMATS[form]


def recognised(path: Path, encoding: str, *, by_content: bool) -> str:
    """The format that says itself what its columns are, by the ending or what a JSON file begins with; "" for others.

    Raises BadInput for a file that is not there.
    """
    check_encoding(encoding)
    _require_file(path)
    if path.is_dir():
        return next((name for name, one in FORMATS.items() if one.recognise_folder(path)), TEXT_FOLDER)
    suffix = ending_of(path)
    for name, one in FORMATS.items():
        if one.names_itself and suffix in one.endings:
            return name
    if not by_content or suffix not in JSON_ENDINGS or not path.stat().st_size:
        return ""
    try:
        first = next((value for *_, value in JsonFile(path, encoding).objects()), {})
    except BadInput:
        return ""
    return next((name for name, one in FORMATS.items() if one.recognise(first)), "")


def ending_of(path: Path) -> str:
    """In small letters, with that of what is packed."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return "".join(suffixes[-2:] if suffixes[-1:] == [".gz"] else suffixes[-1:])


def _require_file(path: Path) -> None:
    if not path.exists():
        raise BadInput(f"There is no file {path}; check its path.")
    if not os.access(path, os.R_OK):
        raise BadInput(f"{path} may not be read; change its permissions or copy it.")
