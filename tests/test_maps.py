"""A map: made once, completed, never used for vectors of another encoder; shapes drawn on it pick the right records."""

import json
import subprocess
import sys
import time
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.charts.plane import PALETTE
from core import loop, simulate
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import Cancelled, Damaged, Refused
from core.explore.map_points import COLOURINGS, COLOURS, NO_LABEL, MapPoints, points, points_inside, summarise_selection
from core.explore.maps import Map, MapFacts, _path, map_notice, open_map, project_map, read_map, write_map
from core.ids import RecordNo
from core.jobs.bundle import read_handle
from core.labelling.bulk import label_many
from core.models.vectors import MANIFEST, encoder_folder
from core.project import Project, open_project
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from gpu_jobs.work.layout_map import lay_out, place_among
from tests.conftest import COLUMNS, TOPICS, quiet, sentences

WHOLE = [(-2.0, -2.0), (2.0, -2.0), (2.0, 2.0), (-2.0, 2.0)]


@pytest.fixture
def mapped(project: Project) -> tuple[Project, Map]:
    project_map(project, quiet)
    record_map = open_map(project)
    assert record_map is not None
    return project, record_map


def test_every_record_has_a_point_and_the_same_seed_the_same_map(mapped: tuple[Project, Map]) -> None:
    project, matches = mapped
    assert matches.record_nos.tolist() == list(range(60))
    assert matches.xy.dtype == np.float32
    assert np.abs(matches.xy).max() == pytest.approx(1.0)
    project_map(project, quiet, again=True)
    assert (read_map(_path(project)).xy == matches.xy).all()  # type: ignore[union-attr]


def test_records_of_one_topic_are_neighbours_on_the_map(mapped: tuple[Project, Map]) -> None:
    topics = [topic for _, topic in sentences(60)]
    xy = mapped[1].xy
    apart = ((xy[:, None] - xy[None]) ** 2).sum(axis=2) + 9 * np.eye(60)
    agree = sum(topics[n] == topics[m] for n, m in enumerate(apart.argmin(axis=1)))
    assert agree > 45, "by lot it would be 20"


def test_records_that_come_later_are_put_among_their_neighbours(mapped: tuple[Project, Map]) -> None:
    project, before = mapped
    file = project.folder / "more.csv"
    file.write_text('id,text,topic,split\nx1,"The rain came before the storm, said witness 99.",,train\n')
    import_file(project, quiet, file=str(file), **COLUMNS)
    encode(project, quiet)
    assert map_notice(project, before) == "1 records came after this map was made."
    assert project_map(project, quiet).added == 1
    after = open_map(project)
    assert after is not None
    assert (after.xy[:60] == before.xy).all()
    assert map_notice(project, after) is None
    weather = [n for n, (_, topic) in enumerate(sentences(60)) if topic == "weather"]
    nearest = ((after.xy[:60] - after.xy[60]) ** 2).sum(axis=1).argsort()[:3]
    assert set(nearest.tolist()) <= set(weather)


def test_a_map_of_other_vectors_is_not_shown(mapped: tuple[Project, Map]) -> None:
    project, matches = mapped
    path = encoder_folder(project.vectors, project.settings().encoder) / MANIFEST
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps(manifest | {"fingerprint": "another"}))
    assert open_map(project) is None
    write_map(_path(project), Map(matches.record_nos, matches.xy, MapFacts("another", 61, 60, "")))
    assert open_map(project) is None, "it knows more records than there are"


def test_a_map_of_mostly_interpolated_points_is_made_again(mapped: tuple[Project, Map]) -> None:
    project, matches = mapped
    write_map(_path(project), Map(matches.record_nos, matches.xy, MapFacts(matches.facts.fingerprint, 60, 40, "")))
    torn = open_map(project)
    assert "20 of 60 points came later" in str(torn and map_notice(project, torn))
    project_map(project, quiet)
    assert open_map(project).facts.laid_out == 60  # type: ignore[union-attr]


def test_a_damaged_map_says_so_and_a_small_project_has_none(mapped: tuple[Project, Map]) -> None:
    project, _ = mapped
    _path(project).write_bytes(b"PK\x03\x04 torn")
    with pytest.raises(Damaged, match="rondo map"):
        open_map(project)
    loop.create_project(project.folder.parent / "new", list(TOPICS))
    new = open_project(project.folder.parent / "new", InProcessRunner())
    with pytest.raises(Refused, match="at least 10"):
        project_map(new, quiet)
    assert open_map(new) is None
    new.close()


def test_a_cancelled_map_leaves_no_process_and_the_old_map(encoded: object, project: Project) -> None:
    project.close()
    local = open_project(project.folder, LocalRunner(1))
    began: list[float] = []

    def impatient(what: str, done: int, total: int) -> None:
        began.append(time.monotonic())
        if what == "Making the map":
            raise Cancelled("enough")

    with pytest.raises(Cancelled):
        project_map(local, impatient)
    assert open_map(local) is None
    job, state, handle = local.store.query("select id, state, handle from jobs where kind = 'project'")[0]
    assert state == "cancelled"
    assert local.jobs.runner.poll(local.folder / "jobs" / job, read_handle(handle)).state == "cancelled"
    local.close()


def test_points_are_grouped_for_every_colouring(mapped: tuple[Project, Map], truth: dict[str, tuple[str, ...]]) -> None:
    project, matches = mapped
    simulate.simulate_rounds(project, truth, simulate.Budget(2, 10, "default"), quiet)
    label_many(project, [n for (n,) in project.store.query("select n from records")][:30], ["food"], "ada")
    for colour in COLOURINGS:
        shown = points(project, matches, colour)
        assert (shown.record_nos == matches.record_nos).all()
        assert (shown.xy == matches.xy).all()
        assert 0 <= shown.group.min() <= shown.group.max() < len(shown.groups)
        assert shown.coloured <= min(len(shown.groups), COLOURS)
    by_label = points(project, matches, "label")
    settled = dict(project.store.query("select n, labels[1] from settled"))
    names = [by_label.groups[group] for group in by_label.group]
    assert names == [settled.get(n, NO_LABEL) for n in range(60)]


def test_rare_labels_share_one_grey_group(project: Project) -> None:
    from core.explore.map_points import _frequent

    result, (groups, coloured), _ = _frequent([f"label {n}" for n in range(13) for _ in range(20 - n)] + ["-"], "-")
    assert (coloured, groups[-2:]) == (10, ("3 other labels", "-"))
    assert result.count("3 other labels") == 10 + 9 + 8


def test_a_summary_counts_and_reads_from_the_middle(mapped: tuple[Project, Map]) -> None:
    project, matches = mapped
    label_many(project, [RecordNo(0), RecordNo(1)], ["food"], "ada")
    shown = points(project, matches, "label")
    ns = points_inside(shown, [WHOLE])
    result = summarise_selection(project, shown, ns, most=5)
    assert (result.count, dict(result.labels)["food"], len(result.nearest)) == (60, 6, 5)
    middle = np.median(matches.xy, axis=0)
    nearest = ((matches.xy - middle) ** 2).sum(axis=1).argsort()[:5]
    assert [row.record for row in result.nearest] == [f"r{n}" for n in nearest]
    assert summarise_selection(project, shown, points_inside(shown, []), most=5).nearest == []


def plainly_inside(x: Fraction, y: Fraction, corners: list[tuple[int, int]]) -> bool:
    """Counts crossings of a ray upwards, in exact numbers: the other axis than the function under test."""
    odd = False
    for (x1, y1), (x2, y2) in zip(corners, corners[1:] + corners[:1], strict=True):
        if (x1 > x) != (x2 > x) and y < y1 + (x - x1) * Fraction(y2 - y1, x2 - x1):
            odd = not odd
    return odd


def made_points(xy: list[tuple[float, float]]) -> MapPoints:
    count = len(xy)
    points = np.array(xy, np.float32).reshape(-1, 2)
    return MapPoints(np.arange(count) * 3, points, np.zeros(count, np.int64), ("all",), 1, False, ())


corners_of = st.lists(st.tuples(st.integers(-6, 6), st.integers(-6, 6)), min_size=3, max_size=9)
somewhere = st.tuples(st.integers(-50, 50), st.integers(-50, 50))


@given(st.lists(corners_of, max_size=3), st.lists(somewhere, min_size=1, max_size=30))
def test_inside_is_what_a_plain_count_of_crossings_says(
    shapes: list[list[tuple[int, int]]], points: list[tuple[int, int]]
) -> None:
    # exact as floats, and never on an edge between corners that are at most 12 apart
    xy = [(x / 8 + 1 / 128, y / 8 + 1 / 4096) for x, y in points]
    exact = [(Fraction(x, 8) + Fraction(1, 128), Fraction(y, 8) + Fraction(1, 4096)) for x, y in points]
    requested = [3 * k for k, (x, y) in enumerate(exact) if any(plainly_inside(x, y, shape) for shape in shapes)]
    assert points_inside(made_points(xy), [[(float(x), float(y)) for x, y in s] for s in shapes]).tolist() == requested


@given(somewhere, somewhere, st.lists(somewhere, min_size=1, max_size=30))
def test_a_rectangle_holds_what_lies_between_its_sides(
    one: tuple[int, int], other: tuple[int, int], points: list[tuple[int, int]]
) -> None:
    (left, right), (low, high) = sorted((one[0], other[0])), sorted((one[1], other[1]))
    xy = [(x + 0.5, y + 0.5) for x, y in points]
    requested = [3 * k for k, (x, y) in enumerate(xy) if left < x < right and low < y < high]
    shape = [(left, low), (right, low), (right, high), (left, high)]
    assert points_inside(made_points(xy), [[(float(x), float(y)) for x, y in shape]]).tolist() == requested


def test_the_palette_can_be_distinguished_by_colour_blind_eyes() -> None:
    """Distances in OKLab (Ottosson 2020) as protanopes and deuteranopes see them (Machado et al. 2009)."""
    codes = np.array([[int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)] for colour in PALETTE])
    light = np.where(codes <= 0.04045, codes / 12.92, ((codes + 0.055) / 1.055) ** 2.4)
    protan = [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    deutan = [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    cones = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.6300]]
    lab = [[0.2105, 0.7936, -0.0041], [1.9780, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    for eyes in (np.eye(3), np.array(protan), np.array(deutan)):
        seen = np.cbrt(np.clip(light @ eyes.T, 0, 1) @ np.array(cones).T) @ np.array(lab).T
        apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(len(PALETTE))
        assert apart.min() > 0.11, "Okabe and Ito's seven come to 0.076"


def test_alike_vectors_can_be_laid_out_and_placed() -> None:
    same = np.tile(np.eye(1, 8, dtype=np.float32), (40, 1))
    xy = lay_out(same, 1, 0, lambda done, total: None)
    assert np.isfinite(xy).all()
    assert (place_among(same[:3], same, xy) >= xy.min()).all()


def test_the_server_makes_no_map_itself() -> None:
    code = (
        "import core.explore.maps, core.explore.map_points, core.labelling.bulk, sys\n"
        "print({'openTSNE', 'faiss', 'sklearn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
