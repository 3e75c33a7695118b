"""A bundle on Modal's Volume, from the server's side: upload, listing, download. Knows files, no calls."""

import io
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from core.errors import Damaged
from core.jobs.bundle import LOG
from core.store.whole_files import sha256_of, whole_file
from gpu_jobs.runners.modal.modal_job import CALL

PROGRESS = ("events.jsonl", LOG)
Stamp = tuple[int, int]
"""(size in bytes, seconds since 1970)"""


@dataclass
class FarBundle:
    """The folder of a bundle's name. Every method may raise what the client raises.

    brought: stamps of the last download, so that unchanged files are skipped.
    """

    volume: Any
    name: str
    fetched: dict[str, Stamp] = field(default_factory=dict)

    def files(self) -> dict[str, Stamp]:
        """The files directly in it."""
        return {path: stamp for path, stamp in self._list("") if "/" not in path}

    def newest_call(self, files: Mapping[str, Stamp]) -> tuple[int, str]:
        """(its number from 1, its id); (0, '') where none was made."""
        numbers = [int(file.removeprefix(CALL)) for file in files if file.startswith(CALL)]
        return (max(numbers), self.read(f"{CALL}{max(numbers)}").decode()) if numbers else (0, "")

    def carry(self, bundle: Path) -> None:
        """Uploads the job's input, checkpoints too, in one request."""
        with self.volume.batch_upload(force=True) as batch:
            for folder in ("in", "ckpt"):
                for file in sorted(path for path in (bundle / folder).rglob("*") if path.is_file()):
                    batch.put_file(file, f"/{self.name}/{file.relative_to(bundle).as_posix()}")
            batch.put_file(bundle / "job.json", f"/{self.name}/job.json")

    def write_once(self, file: str, text: str) -> bool:
        """False where a file of this name stands already: the first to write it wins."""
        try:
            with self.volume.batch_upload() as batch:
                batch.put_file(io.BytesIO(text.encode()), f"/{self.name}/{file}")
        except FileExistsError:
            return False
        return True

    def read(self, file: str) -> bytes:
        """Raises FileNotFoundError."""
        return b"".join(self.volume.read_file(f"{self.name}/{file}"))

    def result(self) -> dict[str, Any] | None:
        """None where there is none."""
        try:
            return dict(json.loads(self.read("result.json")))
        except FileNotFoundError:
            return None

    def bring_progress(self, bundle: Path, files: Mapping[str, Stamp]) -> None:
        """Downloads events and log, where they have changed."""
        for file in PROGRESS:
            if file in files and self.fetched.get(file) != files[file]:
                self._bring(file, bundle / file)
                self.fetched[file] = files[file]

    def bring_out(self, bundle: Path, manifest: Mapping[str, str]) -> None:
        """Downloads the files that the result lists, and no others; those that are here already stay.

        Raises Damaged for one that is gone, not as it was made, or named so that it leads out of the folder.
        """
        out = bundle / "out"
        requested = {out / _checked(name): (f"out/{name}", digest) for name, digest in manifest.items()}
        for stray in [path for path in out.rglob("*") if path.is_file() and path not in requested]:
            stray.unlink()
        for target, (file, digest) in requested.items():
            if not (target.is_file() and sha256_of(target) == digest):
                try:
                    self._bring(file, target)
                except FileNotFoundError:
                    raise Damaged(f"{file} is gone from Modal's Volume. Start a new job.") from None
                if sha256_of(target) != digest:
                    raise Damaged(f"{file} did not come back from Modal as it was made. It is brought again.")

    def clear(self) -> None:
        """Deletes texts and the model; the record of the job and its result stay."""
        for folder in ("in", "ckpt", "out"):
            try:
                self.volume.remove_file(f"{self.name}/{folder}", recursive=True)
            except FileNotFoundError:
                continue

    def _list(self, folder: str) -> Iterator[tuple[str, Stamp]]:
        import modal

        try:
            entries = self.volume.listdir(f"/{self.name}/{folder}", recursive=False)
        except (modal.exception.NotFoundError, FileNotFoundError):
            return
        for entry in entries:
            yield PurePosixPath(entry.path.lstrip("/")).relative_to(self.name).as_posix(), (entry.size, entry.mtime)

    def _bring(self, file: str, target: Path) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole_file(target) as partial, partial.open("wb") as copy:
            for chunk in self.volume.read_file(f"{self.name}/{file}"):
                copy.write(chunk)


def _checked(name: str) -> str:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\\" in name:
        raise Damaged(f"The job's result names {name[:80]!r}, which is no file of its own. Start a new job.")
    return name
