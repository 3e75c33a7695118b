"""A folder of .txt files as batches of columns: each file is a row. Knows paths and texts; not what a column means."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from core.data.formats.reading import BATCH_ROWS, LONGEST_LINE, RowBatch, open_text, wrong_encoding
from core.errors import BadInput


@dataclass(frozen=True)
class TextFolder:
    """Every .txt file below a folder, in the order of their paths: hidden ones are left out.

    Columns: `id` is the path below the folder, `text` the content to the byte, `folder` the path without the name.
    """

    path: Path
    encoding: str

    @property
    def total(self) -> int:
        """Files."""
        return len(self._files())

    def columns(self, requested: Sequence[str]) -> list[str]:
        """Always the same three."""
        return ["id", "text", "folder"]

    def batches(self, requested: Sequence[str]) -> Iterator[RowBatch]:
        """One file, one row."""
        files = self._files()
        if not files:
            raise BadInput(f"The folder {self.path} holds no .txt file; put each text in a file of its own.")
        for start in range(0, len(files), BATCH_ROWS):
            rows = [self._row(file) for file in files[start : start + BATCH_ROWS]]
            columns = {name: [row[name] for row in rows] for name in requested}
            yield RowBatch(start + 1, columns, start + len(rows), self._location)

    def _location(self, row: int) -> str:
        return f"row {row} ({self._files()[row - 1].relative_to(self.path).as_posix()})"

    def _files(self) -> list[Path]:
        inside = ((path.relative_to(self.path), path) for path in self.path.rglob("*") if path.suffix.lower() == ".txt")
        shown = [(below.as_posix(), path) for below, path in inside if not any(part[0] == "." for part in below.parts)]
        return [path for _, path in sorted(shown) if path.is_file()]

    def _row(self, file: Path) -> dict[str, object]:
        below = file.relative_to(self.path)
        with open_text(file, self.encoding, newline="") as (stream, _):
            try:
                text = stream.read(LONGEST_LINE)
            except UnicodeError as error:
                raise wrong_encoding(f"{self.path.name}: the file {below.as_posix()}", None, self.encoding) from error
            if stream.read(1):
                raise BadInput(
                    f"{self.path.name}: the file {below.as_posix()} is longer than {LONGEST_LINE:,} characters; cut it."
                )
        return {"id": below.as_posix(), "text": text, "folder": below.parent.as_posix()}
