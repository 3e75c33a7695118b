"""The frame: one colour a label, links from figures to their paragraphs, saved views, what stands beside a record."""

import itertools
import re
from pathlib import Path

import numpy as np
import pytest

from app import background
from app.http.find_routes import SimilarRequest, _similar
from app.palette import VERBS, Choice, act
from core.config.colours import OKABE_ITO, default_colour, label_colours
from core.config.taxonomy import make_taxonomy
from core.errors import BadInput
from core.explore.saved_views import remove_view, save_view, saved_views
from core.people.roles import ROLES
from core.project import Project
from core.reports.headline import quality_sentence
from core.reports.measurement_text import measurement_parts
from core.reports.overview import status
from core.reports.project_figures import project_figures
from core.reports.quality_news import quality_news
from core.verbs import VERBS as ALL_VERBS

PAGES = Path(__file__).parent.parent / "app" / "pages"
# Severe red and green blindness: Machado, Oliveira & Fernandes 2009, on linear RGB.
PROTAN = ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998))
DEUTAN = ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.01182, 0.04294, 0.968881))


def oklab(colour: str, sight: tuple[tuple[float, ...], ...] | None) -> np.ndarray:
    """The colour as somebody with this sight sees it, in a space where distances are differences."""
    channels = np.array([int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)])
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    linear = np.clip(np.array(sight) @ linear, 0, 1) if sight else linear
    to_lms = [[0.4122, 0.5363, 0.0514], [0.2119, 0.6807, 0.1074], [0.0883, 0.2817, 0.63]]
    to_lab = [[0.2105, 0.7936, -0.0041], [1.978, -2.4286, 0.4506], [0.0259, 0.7828, -0.8087]]
    seen: np.ndarray = np.array(to_lab) @ np.cbrt(np.array(to_lms) @ linear)
    return seen


@pytest.mark.parametrize("sight", [None, PROTAN, DEUTAN], ids=["usual", "no red", "no green"])
def test_the_first_labels_are_told_apart_by_whatever_eyes(sight: tuple[tuple[float, ...], ...] | None) -> None:
    seen = [oklab(colour, sight) for colour in OKABE_ITO]
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 0.07


def test_a_label_has_the_colour_that_a_person_chose_or_its_positions() -> None:
    labels = label_colours(make_taxonomy(["spam", "ham", "eggs"]))
    assert list(labels.values()) == list(OKABE_ITO[:3])
    assert len({default_colour(position) for position in range(21)}) == 21
    assert default_colour(21) == OKABE_ITO[0]


def test_every_figure_that_links_to_its_paragraph_finds_it() -> None:
    sources = [path.read_text(encoding="utf-8") for path in PAGES.rglob("*.py")]
    links = {link for text in sources for link in re.findall(r'measured(?:=|_link\()"([^"]+)"', text)}
    assert len(links) >= 8
    assert links <= measurement_parts().keys()


def test_a_view_is_saved_by_name_replaced_and_removed(project: Project) -> None:
    save_view(project, "unsure", {"sure": "0~50"})
    save_view(project, "unsure", {"sure": "0~60", "q": "ü"})
    assert saved_views(project) == {"unsure": {"sure": "0~60", "q": "ü"}}
    for name, query in ((" ", {"q": "a"}), ("empty", {})):
        with pytest.raises(BadInput):
            save_view(project, name, query)
    remove_view(project, "unsure")
    assert saved_views(project) == {}


def test_before_a_model_the_frame_says_so_and_the_figures_are_there(project: Project) -> None:
    now = project_figures(project)
    assert (now.records, now.accuracy, now.share) == (60, None, 0.0)
    assert quality_news(project) is None
    assert quality_sentence(status(project), None) == "There is no model yet."


def test_beside_a_record_others_are_found_and_never_itself(project: Project) -> None:
    server = background.open_server(lambda: project)
    try:
        texts = project.store.query("select id, text from records order by n limit 1")
        [(record, text)] = texts
        words = text.split()[0]
        alike = _similar(server, SimilarRequest(record, words), answers=False).records
        assert all(one.id != record and one.answer is None and words in one.text for one in alike)
        assert not _similar(server, SimilarRequest(), answers=True).records
    finally:
        background._OPEN.clear()


def test_the_palette_does_only_what_it_offers(project: Project) -> None:
    assert {one.right for one in VERBS.values()} <= ROLES["manager"]
    assert VERBS.keys() <= ALL_VERBS.keys()
    server = background.open_server(lambda: project)
    try:
        for choice in (Choice("verb", "erase"), Choice("page", "settings"), Choice("record", "r1")):
            act(server, choice, {})
        assert not server.activities
    finally:
        background._OPEN.clear()
