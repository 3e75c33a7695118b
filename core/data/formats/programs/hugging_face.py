"""Data sets of Hugging Face in a folder: as `save_to_disk` writes them, or as the Hub holds them (Parquet, CSV, JSONL).

Knows the folder's form; not the Hub, and no record.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.arrow_files import ArrowFile
from core.data.formats.csv_files import CsvFile
from core.data.formats.file_format import ExportTable, FileFormat
from core.data.formats.json_files import JsonFile
from core.data.formats.parquet_files import ParquetFile
from core.data.formats.reading import RowBatch, Source, within
from core.errors import BadInput

STATE, INFO, SPLITS = "state.json", "dataset_info.json", "dataset_dict.json"
TABLES = (".parquet", ".csv", ".tsv", ".jsonl", ".csv.gz", ".jsonl.gz", ".ndjson")
"""what the Hub's own pages show of a data set"""
_SPLIT = re.compile(r"(?:^|[-_./])(train|training|test|validation|valid|val|dev)(?:[-_.]|$)", re.IGNORECASE)


@dataclass(frozen=True)
class DatasetFolder:
    """All files of it as one table, with the column `split` where the rows have none."""

    path: Path
    encoding: str

    @property
    def total(self) -> int:
        """Bytes of all files."""
        return sum(source.path.stat().st_size for source, _ in self._parts())

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Those of every file, in order of appearance."""
        names: dict[str, None] = {}
        for source, split in self._parts():
            names |= dict.fromkeys(source.columns(requested))
            names |= {"split": None} if split else {}
        return list(names)

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """The rows of one file after the other."""
        first, done = 1, 0
        for source, split in self._parts():
            there = set(source.columns(requested))
            for batch in source.batches([name for name in requested if name in there]):
                rows = len(next(iter(batch.columns.values()), []))
                columns = {name: batch.columns.get(name) or [None] * rows for name in requested}
                if split and "split" in requested and "split" not in there:
                    columns["split"] = [split] * rows
                yield RowBatch(first, columns, done, _location(source, batch, first), batch.blank)
                first += rows
            done += source.path.stat().st_size

    def declared(self, column: str) -> list[str]:
        """Names that the first file's metadata list for a column of labels."""
        source, _ = self._parts()[0]
        return source.declared(column) if isinstance(source, ArrowFile | ParquetFile) else []

    def _parts(self) -> list[tuple[Source, str]]:
        """(file, the split that it is of or "") in order."""
        if (self.path / SPLITS).is_file():
            names = _read(self.path / SPLITS).get("splits")
            if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
                raise BadInput(f"{SPLITS} in {self.path} names no splits; save the data set again.")
            parts = [(file, name) for name in names for file in _saved(within(self.path, name))]
        elif (self.path / STATE).is_file():
            split = _read(self.path / STATE).get("_split")
            parts = [(file, split if isinstance(split, str) else "") for file in _saved(self.path)]
        else:
            parts = [(file, _split_of(file, self.path)) for file in _tables(self.path)]
        if not parts:
            raise BadInput(f"The folder {self.path} holds no data set: no {STATE} and no Parquet, CSV or JSONL file.")
        return [(_opened(file, self.encoding), split) for file, split in parts]


def _location(source: Source, batch: RowBatch, first: int) -> "_Location":
    return _Location(source.path.name, batch, first)


@dataclass(frozen=True)
class _Location:
    file: str
    batch: RowBatch
    first: int

    def __call__(self, row: int) -> str:
        return f"{self.file}, {self.batch.location(self.batch.first + row - self.first)}"


def _opened(file: Path, encoding: str) -> Source:
    if file.suffix == ".arrow":
        return ArrowFile(file, encoding)
    if file.suffix == ".parquet":
        return ParquetFile(file, encoding)
    return CsvFile(file, encoding) if ".csv" in file.name or ".tsv" in file.name else JsonFile(file, encoding)


def _saved(folder: Path) -> list[Path]:
    """The Arrow files that `save_to_disk` lists. Raises BadInput where one lies elsewhere or is not there."""
    listed = _read(folder / STATE).get("_data_files")
    if not isinstance(listed, list) or not all(isinstance(one, dict) for one in listed):
        raise BadInput(f"{folder / STATE} lists no files; save the data set again.")
    files = [within(folder, str(one.get("filename"))) for one in listed]
    if missing := [file.name for file in files if not file.is_file()]:
        raise BadInput(f"{folder} holds no file {missing[0]}, which its {STATE} lists; copy it again.")
    return files


def _tables(folder: Path) -> list[Path]:
    """Those below a folder, hidden ones left out; of the endings that there are only the first kind."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    shown = [one for one in files if not any(part[0] == "." for part in one.relative_to(folder).parts)]
    for ending in TABLES:
        if matching := [file for file in shown if file.name.lower().endswith(ending)]:
            return matching
    return []


def _split_of(file: Path, folder: Path) -> str:
    match = _SPLIT.search(file.relative_to(folder).as_posix())
    return match[1].lower() if match else ""


def _read(file: Path) -> dict[str, object]:
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise BadInput(f"{file} cannot be read ({type(error).__name__}); save the data set again.") from None
    return value if isinstance(value, dict) else {}


def write(table: ExportTable, target: Path) -> tuple[str, ...]:
    """As `DatasetDict.save_to_disk` writes it: a folder for each split. A record without one is in train."""
    import pyarrow as arrow  # type: ignore[import-untyped]
    import pyarrow.compute as compute  # type: ignore[import-untyped]

    whole = arrow.Table.from_batches(table.batches(), schema=_schema(table))
    splits = whole["split"] if "split" in whole.column_names else arrow.nulls(len(whole), arrow.string())
    words = compute.fill_null(compute.if_else(compute.is_in(splits, arrow.array(_NAMED)), splits, "train"), "train")
    names = [name for name in _NAMED if compute.any(compute.equal(words, name)).as_py()] or ["train"]
    target.mkdir()
    for name in names:
        rows = whole.filter(compute.equal(words, name)) if len(whole) else whole
        _save(rows, target / name, name)
    (target / SPLITS).write_text(json.dumps({"splits": names}), encoding="utf-8")
    return ()


_NAMED = ["train", "validation", "test"]


def _schema(table: ExportTable) -> object:
    import pyarrow.parquet as parquet  # type: ignore[import-untyped]

    return parquet.read_schema(table.path).remove_metadata()


def _save(rows: "object", folder: Path, split: str) -> None:
    """rows: a pyarrow table."""
    import pyarrow as arrow

    folder.mkdir()
    name = "data-00000-of-00001.arrow"
    table: arrow.Table = rows
    features = {field.name: {"dtype": str(field.type), "_type": "Value"} for field in table.schema}
    for field in features.values():
        field["dtype"] = {"double": "float64", "float": "float32"}.get(field["dtype"], field["dtype"])
    with arrow.OSFile(str(folder / name), "wb") as file, arrow.ipc.new_stream(file, table.schema) as writer:
        writer.write_table(table)
    info = {"citation": "", "description": "", "features": features, "homepage": "", "license": ""}
    state: dict[str, object] = {
        "_data_files": [{"filename": name}],
        "_fingerprint": "0" * 16,
        "_format_columns": None,
        "_format_kwargs": {},
        "_format_type": None,
        "_output_all_columns": False,
        "_split": split,
    }
    for file_name, content in ((INFO, info), (STATE, state)):
        (folder / file_name).write_text(json.dumps(content, indent=2), encoding="utf-8")


HUGGING_FACE = FileFormat(
    caption="a data set of Hugging Face in a folder, as save_to_disk writes it, a part for each split",
    ending="",
    recognise_folder=lambda folder: (folder / SPLITS).is_file() or (folder / STATE).is_file(),
    read=DatasetFolder,
    write=write,
    names_itself=True,
    folder=True,
)
