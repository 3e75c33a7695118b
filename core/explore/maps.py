"""The map of a project: a point in the plane for each record, kept beside the vectors. Knows no colours and no page."""

import json
import zipfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from core.arrays import Floats, Ints
from core.data.encode_elsewhere import encode_if_needed
from core.errors import Damaged, Refused
from core.explore.explore_jobs import MAP, MapParams
from core.jobs.bundle import Bundle, Report
from core.models.vectors import MANIFEST, encoded_rows, encoder_folder
from core.project import Project
from core.store.database import utc_now
from core.store.whole_files import whole_file

FILE = "map.npz"
MOST = 20_000
"""points that are laid out, and that a page draws; of more records this many are drawn by lot"""

MOST_LABELLED = 5_000
"""of them at most so many because they are labelled"""

FEWEST = 10
"""records that make a map"""

OUTGROWN = 0.25
"""share of points that only stand beside their neighbours; above it the map should be made again"""


@dataclass(frozen=True)
class MapFacts:
    """How a map was made. fingerprint: of the encoder's weights; rows: records that had a vector then. laid_out: points
    that were laid out together; later ones were placed among their nearest neighbours.
    """

    fingerprint: str
    rows: int
    laid_out: int
    made_at: str


@dataclass(frozen=True)
class Map:
    """record_nos: (points,) ascending record numbers. xy: (points, 2), the longer side from -1 to 1."""

    record_nos: Ints
    xy: Floats
    facts: MapFacts


@dataclass(frozen=True)
class CompletedMap:
    """points: on the map now; added: how many of them are new."""

    points: int
    added: int
    seconds: float


def project_map(project: Project, report: Report, *, again: bool = False) -> CompletedMap:
    """Lays the records out in the plane, in a job; a map that stands is only completed, unless `again`.

    To complete: records that came or were labelled since are put among their nearest neighbours. A map of which
    more than OUTGROWN stands like that is made again. Raises Refused where there are too few records.
    """
    encode_if_needed(project, report)
    old = None if again else _usable(project)
    stop = encoded_rows(project.vectors, project.settings().encoder)
    rows = _draw(project, old, stop)
    if old is None and len(rows) < FEWEST:
        raise Refused(f"A map needs at least {FEWEST} different records, and there are {len(rows)}. Import more.")
    facts = MapFacts(
        fingerprint=_fingerprint(project),
        rows=stop,
        laid_out=old.facts.laid_out if old else len(rows),
        made_at=f"{utc_now():%Y-%m-%dT%H:%M:%SZ}",
    )
    bundle = _bundle(project, rows, old)
    result = project.jobs.run(bundle, MAP, report, "Making the map")
    _apply_result(project, bundle, facts)
    return CompletedMap(result.points, len(rows), result.seconds)


def open_map(project: Project) -> Map | None:
    """The map of the encoder in use, None where none was made of these vectors. Raises Damaged."""
    record_map = read_map(_path(project))
    return record_map if record_map is not None and _fits(project, record_map.facts) else None


def map_notice(project: Project, record_map: Map) -> str | None:
    """Why the map should be completed or made again, or None."""
    newer = encoded_rows(project.vectors, project.settings().encoder) - record_map.facts.rows
    if outgrown(record_map):
        late = len(record_map.record_nos) - record_map.facts.laid_out
        return f"{late:,} of {len(record_map.record_nos):,} points came later and only stand among their neighbours."
    return f"{newer:,} records came after this map was made." if newer > 0 else None


def outgrown(record_map: Map) -> bool:
    """Whether completing is not enough."""
    return len(record_map.record_nos) > record_map.facts.laid_out * (1 + OUTGROWN)


def read_map(path: Path) -> Map | None:
    """None where there is no such file. Raises Damaged."""
    try:
        with np.load(path, allow_pickle=False) as file:
            facts = MapFacts(**json.loads(str(file["facts"])))
            record_map = Map(np.asarray(file["n"], np.int64), np.asarray(file["xy"], np.float32), facts)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise Damaged(f"{path} cannot be read. Delete it and run `rondo map`.") from error
    if record_map.xy.shape != (len(record_map.record_nos), 2):
        raise Damaged(
            f"{path} holds {len(record_map.record_nos)} records and {record_map.xy.shape} points. "
            "Delete it and run `rondo map`."
        )
    return record_map


def write_map(path: Path, made: Map) -> None:
    """Whole or not at all."""
    with whole_file(path, alone=True) as partial, partial.open("wb") as file:
        facts = np.array(json.dumps(asdict(made.facts)))
        np.savez(file, allow_pickle=False, n=made.record_nos, xy=made.xy, facts=facts)


def _path(project: Project) -> Path:
    return encoder_folder(project.vectors, project.settings().encoder) / FILE


def _fingerprint(project: Project) -> str:
    """Of the weights that made the vectors; '' where there are none."""
    path = encoder_folder(project.vectors, project.settings().encoder) / MANIFEST
    return str(json.loads(path.read_text(encoding="utf-8"))["fingerprint"]) if path.exists() else ""


def _fits(project: Project, facts: MapFacts) -> bool:
    rows = encoded_rows(project.vectors, project.settings().encoder)
    return facts.fingerprint == _fingerprint(project) and facts.rows <= rows


def _usable(project: Project) -> Map | None:
    """The map that can be completed."""
    record_map = open_map(project)
    return None if record_map is None or outgrown(record_map) else record_map


def _bundle(project: Project, rows: Ints, old: Map | None) -> Bundle:
    settings = project.settings()
    params = MapParams(settings.encoder, str(project.vectors), settings.threads, settings.seed % 2**32)
    bundle = project.jobs.prepare(MAP, params)
    known, known_xy = (old.record_nos, old.xy) if old else (np.empty(0, np.int64), np.empty((0, 2), np.float32))
    np.savez(bundle.path / "in" / "rows.npz", allow_pickle=False, rows=rows, known=known, known_xy=known_xy)
    return bundle


# By the hash of their numbers: uniform, and the same records each time. What repeats another text would lie under it.
_DRAW = """
    with fit as (select n from records where duplicate_of is null and n < $stop and n not in (select unnest($have)))
    select n from (select n from fit where is_labelled(n) order by hash(n, $seed), n limit $labelled)
    union
    select n from (select n from fit where n >= $start order by hash(n, $seed), n limit $others)
"""


def _draw(project: Project, old: Map | None, stop: int) -> Ints:
    """Which records below `stop` get a point now: (k,) ascending.

    Of those that came after the old map the same share as it holds of the ones before, so that all stays uniform.
    """
    have = old.record_nos.tolist() if old else []
    start = old.facts.rows if old else 0
    others = round((stop - start) * min(1.0, MOST / start)) if start else MOST
    bounds = {"start": start, "stop": stop, "others": others, "labelled": MOST_LABELLED}
    with project.store.reading() as cursor:
        cursor.execute(_DRAW, {"have": have, "seed": project.settings().seed, **bounds})
        rows = np.sort(np.asarray(cursor.fetchnumpy()["n"], np.int64))
    return rows


def _apply_result(project: Project, bundle: Bundle, facts: MapFacts) -> None:
    """Stores the job's files beside the vectors; repeated, it changes nothing."""
    with np.load(bundle.path / "out" / "points.npz", allow_pickle=False) as file:
        write_map(_path(project), Map(file["n"], file["xy"], facts))
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    bundle.empty()
