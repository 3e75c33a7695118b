"""The vectors of a project, one growing .npy file per encoder. Knows files and row numbers, not texts or records.

Row i is the vector of record number i. One file, not many, so that all of it is one memory map that any function on
arrays can gather from or walk through. It can still be cut off at any moment: what counts is the manifest, renamed
into place after the rows are safely on the disk; rows beyond it are a torn append and are written over by the next.
"""

import hashlib
import json
import os
import re
import shutil
import zlib
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import numpy.typing as npt

from core.arrays import Floats, Ints
from core.errors import Damaged
from core.store.whole_files import write_whole

Halves = npt.NDArray[np.float16]

FILE, MANIFEST, FACTS = "vectors.npy", "manifest.json", "encoder.json"
LISTS = "lists.npz"
"""beside the vectors: in which list of like ones each is; can be made again"""
TEXTS = "texts-"
"""how files begin that hold vectors by the hash of a text, so that none is encoded twice"""

HEADER = 128
"""bytes before the first row: numpy pads its header so that the number of rows can grow in place"""


@dataclass(frozen=True)
class Shard:
    """Rows that were appended together, and the CRC-32 of their bytes."""

    rows: int
    checksum: int


@dataclass(frozen=True)
class VectorsManifest:
    """What the file must hold. fingerprint: of the encoder's weights. texts: the run of cleaning whose texts they are
    of, 0 for texts as they came."""

    encoder: str
    fingerprint: str
    dims: int
    shards: tuple[Shard, ...]
    texts: int = 0

    @property
    def rows(self) -> int:
        return sum(shard.rows for shard in self.shards)

    @property
    def size(self) -> int:
        return HEADER + self.rows * self.dims * 2


@dataclass(frozen=True)
class EncodedFacts:
    """About the shards of an encode job: how many rows they have together, and which encoder made them."""

    records: int
    dims: int
    shard_rows: int
    fingerprint: str


def encoder_folder(vectors: Path, encoder: str) -> Path:
    """Where this encoder's vectors are. Names that are no file names get a hash, so that no two share a folder."""
    slug = re.sub(r"[^A-Za-z0-9._-]+", "-", encoder).strip("-.")[-60:]
    if slug != encoder:
        slug = f"{slug}-{hashlib.sha256(encoder.encode()).hexdigest()[:8]}"
    return vectors / slug


def encoded_rows(vectors: Path, encoder: str) -> int:
    """How many records, from number 0 on, have a vector by this encoder. Raises Damaged."""
    manifest = _read_manifest(encoder_folder(vectors, encoder))
    return manifest.rows if manifest else 0


def open_vectors(vectors: Path, encoder: str) -> Halves:
    """(records, dims) float16 unit rows as a read-only memory map; it stays as it is when more are appended.

    Raises Damaged when there is none, or when the file is not as long as its manifest says.
    """
    folder = encoder_folder(vectors, encoder)
    manifest = _read_manifest(folder)
    if manifest is None:
        raise Damaged(f"{folder} has no {MANIFEST}, so nothing is encoded by {encoder!r}. Run `rondo encode`.")
    shape = (manifest.rows, manifest.dims)
    return np.memmap(folder / FILE, np.float16, mode="r", offset=HEADER, shape=shape)


def cleaned_texts(vectors: Path, encoder: str) -> int:
    """The run of cleaning whose texts this encoder's vectors are of; 0 for texts as they came. Raises Damaged."""
    manifest = _read_manifest(encoder_folder(vectors, encoder))
    return manifest.texts if manifest else 0


def append_shards(vectors: Path, encoder: str, out: Path, start: int, texts: int = 0) -> None:
    """Takes in the shards of a finished encode job, whose first row is record number `start`. texts: of a first one,
    as in the manifest.

    Doing it twice changes nothing; being killed in the middle changes nothing. Raises Damaged for a shard that is
    broken or that another version of the encoder made, and then nothing is changed either.
    """
    folder = encoder_folder(vectors, encoder)
    manifest = _read_manifest(folder) or replace(_new_manifest(encoder, read_facts(out)), texts=texts)
    if manifest.rows > start:
        return
    if manifest.rows < start:
        raise Damaged(f"{folder} holds {manifest.rows} rows, not {start}, as it did before. Run `rondo encode` again.")
    facts = read_facts(out)
    if (facts.fingerprint, facts.dims) != (manifest.fingerprint, manifest.dims):
        raise _damaged(folder, f"other weights of {encoder!r} made them than there are now")
    shards = _read_shards(out, facts)
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / FILE).open("r+b" if manifest.shards else "wb") as file:
        added = _write_rows(file, manifest, shards)
    _write_manifest(folder, replace(manifest, shards=manifest.shards + added))


def write_sparse(vectors: Path, encoder: str, out: Path, rows: Ints, total: int) -> None:
    """Vectors of `total` records of which only these rows, ascending, are known, by the shards of a finished job; all
    others are zero, and take no room on the disk. For a job's own folder: nothing can be appended, nothing is checked.
    """
    folder, facts = encoder_folder(vectors, encoder), read_facts(out)
    folder.mkdir(parents=True, exist_ok=True)
    array, start = np.memmap(folder / FILE, np.float16, "w+", HEADER, (total, facts.dims)), 0
    for shard in _read_shards(out, facts):
        array[rows[start : start + len(shard)]] = shard
        start += len(shard)
    array.flush()
    _write_manifest(folder, VectorsManifest(encoder, facts.fingerprint, facts.dims, (Shard(total, 0),)))


def renew_rows(vectors: Path, encoder: str, rows: Ints, out: Path | None, texts: int) -> None:
    """The vectors of these records, ascending, are those of a finished job; who reads the old file keeps it.

    out: the job's, None where no text changed. texts: the run of cleaning that they are all of now. Killed in between,
    there are the old ones or none. Raises Damaged, and then nothing is changed.
    """
    folder = encoder_folder(vectors, encoder)
    manifest = _read_manifest(folder)
    if manifest is None:
        raise _damaged(folder, f"{MANIFEST} is missing")
    if out is None:
        _write_manifest(folder, replace(manifest, texts=texts))
        return
    facts = read_facts(out)
    if (facts.fingerprint, facts.dims, facts.records) != (manifest.fingerprint, manifest.dims, len(rows)):
        raise _damaged(folder, f"other weights of {encoder!r} made them than there are now")
    partial = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    shutil.copyfile(folder / FILE, partial / FILE)
    array, start = np.memmap(partial / FILE, np.float16, "r+", HEADER, (manifest.rows, manifest.dims)), 0
    for shard in _read_shards(out, facts):
        array[rows[start : start + len(shard)]] = shard
        start += len(shard)
    array.flush()
    with (partial / FILE).open("rb+") as file:
        file.truncate(manifest.size)
        os.fsync(file.fileno())
    _write_manifest(partial, replace(_rechecked(manifest, array, rows), texts=texts))
    _swap_folders(folder, partial)


def _rechecked(manifest: VectorsManifest, array: Halves, rows: Ints) -> VectorsManifest:
    """With new checksums of the shards that hold one of the rows, ascending."""
    shards, start = [], 0
    for shard in manifest.shards:
        stop = start + shard.rows
        changed = np.searchsorted(rows, stop) > np.searchsorted(rows, start)
        shards.append(Shard(shard.rows, zlib.crc32(array[start:stop].tobytes())) if changed else shard)
        start = stop
    return replace(manifest, shards=tuple(shards))


def replace_vectors(vectors: Path, encoder: str, out: Path) -> None:
    """The rows of a finished job stand in place of all that this encoder had; who reads the old ones keeps them.

    Killed in between, there are the old ones or none. Raises Damaged for a broken shard, and then nothing is changed.
    """
    folder = encoder_folder(vectors, encoder)
    partial = folder.with_name(f".{folder.name}.new")
    shutil.rmtree(partial, ignore_errors=True)
    facts = read_facts(out)
    manifest, shards = _new_manifest(encoder, facts), _read_shards(out, facts)
    partial.mkdir(parents=True)
    with (partial / FILE).open("wb") as file:
        added = _write_rows(file, manifest, shards)
    _write_manifest(partial, VectorsManifest(encoder, facts.fingerprint, facts.dims, added))
    _swap_folders(folder, partial)


def _swap_folders(folder: Path, partial: Path) -> None:
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if folder.exists():
        folder.rename(old)
    partial.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def names_path(vectors: Path, encoder: str, texts: Sequence[str]) -> Path:
    """Where a round keeps the vectors of the categories' names."""
    key = hashlib.sha256(json.dumps(list(texts)).encode()).hexdigest()[:16]
    return encoder_folder(vectors, encoder) / f"names-{key}.npy"


def read_names(vectors: Path, encoder: str, texts: Sequence[str]) -> Floats | None:
    """(texts, dims); None where there are none, or no round has encoded them, or not whole."""
    with suppress(OSError, ValueError, EOFError):
        return np.asarray(np.load(names_path(vectors, encoder, texts), allow_pickle=False)) if texts else None
    return None


def vectors_fingerprint(vectors: Path, encoder: str) -> str:
    """Of what made them; empty where there are none. Raises Damaged."""
    manifest = _read_manifest(encoder_folder(vectors, encoder))
    return manifest.fingerprint if manifest else ""


def lists_name(folder: Path) -> str:
    """By which lists of these vectors are known: another one where other weights made them, or of texts that were
    cleaned since. Raises Damaged."""
    manifest = _read_manifest(folder)
    return f"{manifest.fingerprint} {manifest.texts}" if manifest else ""


def blank_rows(vectors: Path, record_nos: Sequence[int]) -> None:
    """Makes these rows of every encoder the same unit vector, without information; doing it twice changes nothing.

    Derived files that can be made again (neighbour graphs, vectors of texts) are deleted. Raises Damaged.
    """
    for texts in vectors.glob(f"{TEXTS}*"):
        texts.unlink()
    for folder in (path.parent for path in sorted(vectors.glob(f"*/{MANIFEST}"))):
        manifest = _read_manifest(folder)
        if manifest is None:
            continue
        rows = np.array(sorted(n for n in record_nos if n < manifest.rows), np.int64)
        if not len(rows):
            continue
        for derived in (*folder.glob("graph-*.npz"), *folder.glob(LISTS)):
            derived.unlink()
        array = np.memmap(folder / FILE, np.float16, "r+", offset=HEADER, shape=(manifest.rows, manifest.dims))
        array[rows] = np.eye(1, manifest.dims, dtype=np.float16)
        array.flush()
        with (folder / FILE).open("rb+") as file:
            file.truncate(manifest.size)  # a torn append may contain the erased rows, too
        _write_manifest(folder, _rechecked(manifest, array, rows))


def check_vectors(vectors: Path, encoder: str) -> int:
    """Reads everything and compares checksums; returns the number of rows. Raises Damaged."""
    folder = encoder_folder(vectors, encoder)
    manifest = _read_manifest(folder)
    if manifest is None:
        return 0
    rows, start = open_vectors(vectors, encoder), 0
    for shard in manifest.shards:
        if zlib.crc32(rows[start : start + shard.rows].tobytes()) != shard.checksum:
            raise _damaged(folder, f"rows {start} to {start + shard.rows - 1} of {FILE} are not what was written")
        start += shard.rows
    return start


def read_encoder_name(folder: Path) -> str:
    """The encoder whose vectors a folder holds, "" for none. Raises Damaged."""
    manifest = _read_manifest(folder)
    return manifest.encoder if manifest else ""


def shard_path(out: Path, number: int) -> Path:
    """Where an encode job puts its rows number * shard_rows and following."""
    return out / f"shard-{number:05d}.npy"


def write_facts(out: Path, facts: EncodedFacts) -> None:
    """Whole or not at all."""
    write_whole(out / FACTS, json.dumps(asdict(facts)).encode(), alone=True)


def read_facts(out: Path) -> EncodedFacts:
    """Raises Damaged."""
    try:
        return EncodedFacts(**json.loads((out / FACTS).read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError) as error:
        raise Damaged(f"{out / FACTS} is missing or cannot be read. Run `rondo encode` again.") from error


def shard_rows(path: Path, dims: int) -> int | None:
    """Rows of a complete shard; None where there is none, or where its vectors have other dimensions."""
    try:
        shard = np.load(path, mmap_mode="r")
    except (FileNotFoundError, ValueError, EOFError):
        return None
    return len(shard) if shard.dtype == np.float16 and shard.ndim == 2 and shard.shape[1] == dims else None


def _read_shards(out: Path, facts: EncodedFacts) -> list[Halves]:
    shards: list[Halves] = []
    while sum(len(shard) for shard in shards) < facts.records:
        path = shard_path(out, len(shards))
        if shard_rows(path, facts.dims) is None:
            raise Damaged(f"{path} is missing or is not {facts.dims} float16 columns. Run `rondo encode` again.")
        shards.append(np.load(path, mmap_mode="r"))
    return shards


def _write_rows(file: BinaryIO, manifest: VectorsManifest, shards: list[Halves]) -> tuple[Shard, ...]:
    """After the rows that count; on the disk when it returns."""
    file.truncate(manifest.size if manifest.shards else 0)
    rows = manifest.rows + sum(len(shard) for shard in shards)
    header = {"descr": "<f2", "fortran_order": False, "shape": (rows, manifest.dims)}
    np.lib.format.write_array_header_1_0(file, header)
    file.seek(manifest.size)
    added = []
    for shard in shards:
        data = shard.tobytes()
        file.write(data)
        added.append(Shard(len(shard), zlib.crc32(data)))
    file.flush()
    os.fsync(file.fileno())
    return tuple(added)


def _new_manifest(encoder: str, facts: EncodedFacts) -> VectorsManifest:
    return VectorsManifest(encoder, facts.fingerprint, facts.dims, ())


def _read_manifest(folder: Path) -> VectorsManifest | None:
    path = folder / MANIFEST
    try:
        read = json.loads(path.read_text(encoding="utf-8"))
        shards = tuple(Shard(**shard) for shard in read["shards"])
        manifest = VectorsManifest(read["encoder"], read["fingerprint"], read["dims"], shards, read.get("texts", 0))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError) as error:
        raise _damaged(folder, f"{MANIFEST} cannot be read") from error
    size = (folder / FILE).stat().st_size if (folder / FILE).exists() else 0
    if size < manifest.size:
        raise _damaged(folder, f"{FILE} has {size} bytes, not the {manifest.size} that {MANIFEST} promises")
    return manifest


def _write_manifest(folder: Path, manifest: VectorsManifest) -> None:
    written = asdict(manifest) | {"dtype": "float16", "file": FILE}
    write_whole(folder / MANIFEST, json.dumps(written).encode(), alone=True)


def _damaged(folder: Path, what: str) -> Damaged:
    return Damaged(f"The vectors in {folder} cannot be used: {what}. Delete that folder and run `rondo encode`.")
