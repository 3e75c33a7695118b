"""Lines of predictions in parts of a file: each part whole or absent, joined at the end. Knows lines, no model."""

import csv
import fcntl
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.data.cells import json_of, string_of
from core.errors import Refused
from core.store.whole_files import whole_file, write_whole

Line = Mapping[str, Any]
KEY, LOCK = "key.json", "lock"
RANKED = ("labels", "scores")
"""fields of a line that are lists; in CSV label_1, score_1, label_2, ..."""


@dataclass(frozen=True)
class Fields:
    """Of every line, in order. text: names of those that are carried over from a file, or say an answer; most: how many
    labels are ranked; several: `predicted` and `truth` are lists."""

    names: tuple[str, ...]
    text: tuple[str, ...]
    most: int
    several: bool

    @property
    def header(self) -> list[str]:
        """Of a CSV file."""
        ranked = [f"{name[:-1]}_{rank}" for rank in range(1, self.most + 1) for name in RANKED]
        return [*(name for name in self.names if name not in RANKED), *ranked]


@dataclass(frozen=True)
class PartFormat:
    """write: (lines, fields, file, is it the first?). join: (parts, file)."""

    write: Callable[[Sequence[Line], Fields, Path, bool], None]
    join: Callable[[Sequence[Path], Path], None]


@dataclass
class Parts:
    """A folder with the parts that there are, and what was counted in each. The counts are written last: a part is
    there once they are."""

    folder: Path
    fields: Fields
    format: PartFormat

    @contextmanager
    def alone(self, target: Path) -> Iterator[None]:
        """Two runs to one file would each remove the other's parts. Raises Refused while another process writes it."""
        while True:
            self.folder.mkdir(exist_ok=True)
            with (self.folder / LOCK).open("a+") as lock:
                try:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    lock.seek(0)
                    raise Refused(
                        f"{target} is being written by another run (process {lock.read().strip() or 'unknown'}). Wait "
                        "until it has ended, stop it, or name another file: --out FILE."
                    ) from None
                if not _is_at(lock.fileno(), self.folder / LOCK):  # of a run that has just ended, and removed it
                    continue
                lock.truncate(0)
                lock.write(str(os.getpid()))
                lock.flush()
                yield
                return

    def open(self, key: str) -> None:
        """Leaves parts of the same key, which is what their lines depend on, and removes others."""
        stored = self.folder / KEY
        if not stored.is_file() or stored.read_text(encoding="utf-8") != key:
            for file in self.folder.iterdir():
                if file.name != LOCK:
                    file.unlink()
            write_whole(stored, key.encode())

    def counts(self, number: int) -> dict[str, Any] | None:
        """Of a part that is there, else None."""
        try:
            return dict(json.loads(self._counts_file(number).read_text(encoding="utf-8")))
        except (OSError, ValueError):
            return None

    def add(self, number: int, lines: Sequence[Line], counts: Mapping[str, Any]) -> None:
        """Writes a part."""
        with whole_file(self._file(number), alone=True) as partial:
            self.format.write(lines, self.fields, partial, number == 0)
        write_whole(self._counts_file(number), json.dumps(counts, ensure_ascii=False).encode(), alone=True)

    def join(self, count: int, target: Path) -> None:
        """Writes the file, whole or not at all, and removes the parts."""
        with whole_file(target) as partial:
            self.format.join([self._file(number) for number in range(count)], partial)
        self.remove()

    def remove(self) -> None:
        """All of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, number: int) -> Path:
        return self.folder / f"part-{number:06}"

    def _counts_file(self, number: int) -> Path:
        return self.folder / f"part-{number:06}.json"


def _is_at(handle: int, path: Path) -> bool:
    """Is the open file still the one of this name?"""
    try:
        return os.path.samestat(os.fstat(handle), path.stat())
    except FileNotFoundError:
        return False


def _write_json_lines(lines: Sequence[Line], fields: Fields, file: Path, first: bool) -> None:
    file.write_bytes("".join(json_of(line) + "\n" for line in lines).encode())


def _write_csv(lines: Sequence[Line], fields: Fields, file: Path, first: bool) -> None:
    content = io.StringIO(newline="")
    table = csv.DictWriter(content, fields.header, lineterminator="\n")
    if first:
        table.writeheader()
    for line in lines:
        cells = {name: cell_of(value) for name, value in line.items() if name not in RANKED}
        for name in RANKED:
            cells |= {f"{name[:-1]}_{rank}": value for rank, value in enumerate(line[name], 1)}
        table.writerow(cells)
    file.write_bytes(content.getvalue().encode())


def cell_of(value: object) -> str | int | float | None:
    """Labels of one cell are joined by |, as an import reads them; true and false as in JSON; nothing for None."""
    if isinstance(value, tuple):
        return "|".join(value)
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text_of(value)


def text_of(value: object) -> str | None:
    """A carried value as text; lists and objects as JSON."""
    try:
        return string_of(value)
    except TypeError:
        return json_of({"": value})[5:-1]


def _join_bytes(parts: Sequence[Path], target: Path) -> None:
    with target.open("wb") as file:
        for part in parts:
            with part.open("rb") as content:
                shutil.copyfileobj(content, file, 1 << 20)


def _write_parquet(lines: Sequence[Line], fields: Fields, file: Path, first: bool) -> None:
    import pyarrow as arrow  # type: ignore[import-untyped]
    from pyarrow import parquet

    strings = arrow.list_(arrow.string())
    kinds = {
        **dict.fromkeys(fields.names, arrow.bool_()),
        **dict.fromkeys(fields.text, arrow.string()),
        "id": arrow.string(),
        "labels": strings,
        "scores": arrow.list_(arrow.float64()),
    }
    if fields.several:
        kinds |= {name: strings for name in ("predicted", "truth") if name in kinds}
    schema = arrow.schema([(name, kinds[name]) for name in fields.names])
    carried = {name for name in fields.names if kinds[name] == arrow.string()}
    columns = [[text_of(line[name]) if name in carried else line[name] for line in lines] for name in fields.names]
    arrays = [arrow.array(column, type=kinds[name]) for name, column in zip(fields.names, columns, strict=True)]
    parquet.write_table(arrow.Table.from_arrays(arrays, schema=schema), file, compression="zstd")


def _join_parquet(parts: Sequence[Path], target: Path) -> None:
    """A row group for each part."""
    from pyarrow import parquet

    schema = parquet.read_schema(parts[0])
    with parquet.ParquetWriter(target, schema, compression="zstd") as writer:
        for part in parts:
            writer.write_table(parquet.read_table(part))


FORMATS: dict[str, PartFormat] = {
    ".csv": PartFormat(_write_csv, _join_bytes),
    ".jsonl": PartFormat(_write_json_lines, _join_bytes),
    ".parquet": PartFormat(_write_parquet, _join_parquet),
}
"""by a file's ending"""
