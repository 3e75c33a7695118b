"""Every file format, by its name: the one list that commands, pages and programs offer. Knows no record."""

from collections.abc import Callable
from pathlib import Path

from core.data.formats.arrow_files import ArrowFile, write_arrow
from core.data.formats.csv_files import CsvFile
from core.data.formats.file_format import FileFormat
from core.data.formats.json_files import JsonFile
from core.data.formats.json_folder import JsonFolder, json_files
from core.data.formats.parquet_files import ParquetFile, write_parquet
from core.data.formats.programs.argilla_records import ARGILLA
from core.data.formats.programs.chat_lines import OPENAI_CHAT
from core.data.formats.programs.doccano import DOCCANO
from core.data.formats.programs.fasttext import FASTTEXT
from core.data.formats.programs.hugging_face import HUGGING_FACE
from core.data.formats.programs.label_studio import LABEL_STUDIO
from core.data.formats.programs.prodigy import PRODIGY
from core.data.formats.programs.spacy_docbin import SPACY
from core.data.formats.reading import Source
from core.data.formats.sql_tables import written_by
from core.data.formats.text_folder import TextFolder
from core.data.formats.text_zip import TextZip
from core.data.formats.xlsx_files import XLSX

TEXT_FOLDER = "text-folder"
FORMATS: dict[str, FileFormat] = {
    "csv": FileFormat(
        "fields between commas, semicolons, tabs or bars",
        ".csv",
        (".csv", ".csv.gz"),
        read=CsvFile,
        write=written_by("format csv, header true"),
    ),
    "tsv": FileFormat(
        "fields between tabs",
        ".tsv",
        (".tsv", ".tsv.gz"),
        read=CsvFile,
        write=written_by("format csv, header true, delimiter '\t'"),
    ),
    "jsonl": FileFormat(
        "an object of JSON a line",
        ".jsonl",
        (".jsonl", ".jsonl.gz", ".ndjson", ".ndjson.gz"),
        read=JsonFile,
        write=written_by("format json, array false"),
    ),
    "json": FileFormat(
        "an array of objects",
        ".json",
        (".json", ".json.gz"),
        read=JsonFile,
        write=written_by("format json, array true"),
    ),
    "parquet": FileFormat("a Parquet table", ".parquet", (".parquet",), read=ParquetFile, write=write_parquet),
    "arrow": FileFormat(
        "Arrow's IPC form, a file or a stream; Feather",
        ".arrow",
        (".arrow", ".feather", ".ipc", ".arrows"),
        read=ArrowFile,
        write=write_arrow,
    ),
    "xlsx": XLSX,
    TEXT_FOLDER: FileFormat("a folder of .txt files, each a record", "", read=TextFolder, names_itself=True),
    "zip": FileFormat("a zip of .txt files, each a record", ".zip", (".zip",), read=TextZip, names_itself=True),
    "huggingface": HUGGING_FACE,
    "label-studio": LABEL_STUDIO,
    "prodigy": PRODIGY,
    "doccano": DOCCANO,
    "argilla": ARGILLA,
    "spacy": SPACY,
    "fasttext": FASTTEXT,
    "openai-chat": OPENAI_CHAT,
    "json-folder": FileFormat(
        "a folder of .json files; what is nested is named by its path, as in --text body.text",
        "",
        recognise_folder=lambda folder: bool(json_files(folder)) and next(folder.rglob("*.txt"), None) is None,
        read=JsonFolder,
    ),
}

ENDINGS: dict[str, Callable[[Path, str], Source]] = {
    ending: one.read for one in FORMATS.values() if one.read for ending in one.endings
}
"""of a file's name -> its reader"""


def foreign_ending(name: str, file: str) -> str:
    """The ending of the file's name where it says that it is of another format than this one; else empty."""
    ending = max((one for one in ENDINGS if file.lower().endswith(one)), key=len, default="")
    own = FORMATS[name].ending
    alike = next((one.endings for one in FORMATS.values() if own in one.endings), ())
    return "" if ending in alike and not ending.endswith(".gz") else ending
