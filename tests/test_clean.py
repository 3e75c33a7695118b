"""Cleaning changes what models read and whom they read of, and nothing else; all of it can be undone."""

import shutil
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.data.clean import CleanOptions, clean
from core.data.clean_rules import RULE_SETS, RULES, clean_text, read_rules
from core.data.encoding import encode
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.explore.record_detail import record_detail
from core.models.encoders.loading import load_encoder
from core.models.vectors import check_vectors, open_vectors
from core.project import Project, open_project
from core.registry.predict import predict_texts
from core.reports.overview import warnings
from core.rounds.run_round import known_now
from core.store.database import count
from core.verbs import do_verb
from gpu_jobs.runners.local import InProcessRunner
from tests.command_line import rondo, rondo_json
from tests.conftest import TOPICS, quiet

PIECES = (
    *("RT @ann: ", "@bob", "#TwoWords ", "https://t.co/x1", "&amp;", "&lt;b&gt;", "<p>", "</p>", "soooooo", "!!!!!"),
    *(
        "KÃ¤hler",
        "\n",
        "  ",
        "\u200b",
        "ﬁrst",
        "Accept cookies\n",
        "--Provided by publisher",
        "😂",
        "سلام",
        "a < b > c",
    ),
    *("www.x.org", "x@y.z", '<a href="x">', "@@", "##", "&#38;"),
)


@given(st.lists(st.one_of(st.sampled_from(PIECES), st.text(max_size=8)), max_size=12), st.sampled_from(list(RULE_SETS)))
def test_cleaning_what_is_clean_changes_nothing(pieces: list[str], rules: str) -> None:
    once = clean_text("".join(pieces), read_rules([rules]))
    assert clean_text(once, read_rules([rules])) == once


@pytest.mark.parametrize(
    ("rules", "text", "cleaned"),
    [
        (
            "tweets",
            "!!! RT @ann: @bob soooooo &amp; #GoodDay https://t.co/x1 &#128514;",
            "@user sooo & Good Day http 😂",
        ),
        (
            "library",
            '<P>K\u00c3\u00a4hler geometry</P>, see www.x.org "--Provided by publisher.',
            "Kähler geometry , see",
        ),
        ("web", "<nav>Sign in</nav>\nA text.\n<script>x < 1</script>All rights reserved.", "A text."),
        ("tweets", "RT @a: " * 20 + "so", "so"),
        ("web", "a <b and c> d, if x < y", "a <b and c> d, if x < y"),
        ("names", "write to ann@example.org or @ann", "write to ann@example.org or @user"),
        ("tweets", "سلام @ann 👩‍👩‍👧", "سلام @user 👩‍👩‍👧"),
    ],
)
def test_a_rule_does_what_it_says(rules: str, text: str, cleaned: str) -> None:
    assert clean_text(text, read_rules([rules])) == cleaned


def test_every_rule_says_what_it_does_and_is_in_a_set_or_can_be_named() -> None:
    assert all(rule.__doc__ for rule in RULES.values())
    assert set().union(*RULE_SETS.values()) == set(RULES)
    with pytest.raises(BadInput, match="no rule 'twets'"):
        read_rules(["twets"])


@pytest.fixture(scope="module")
def template(encoded: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project with twelve more records: links, repeats, another language, nearly a gold text; encoded."""
    folder = tmp_path_factory.mktemp("messy") / "project"
    shutil.copytree(encoded, folder)
    project = open_project(folder, InProcessRunner())
    [gold] = project.store.query("select text from records where id = 'r4'")
    lines = [
        "id,text,topic,split",
        f'leak,"RT @ann: {gold[0]}",weather,train',
        'first,"The fog came @ann before the snow &amp; the wind",weather,train',
        'again,"The fog came @bob before the snow &amp; the wind",weather,train',
        'link,"https://x.org/2",food,train',
        'german,"Der Regen kam vor dem Schnee, und der Wind kam aus dem Norden, sagte der Zeuge.",weather,train',
        'long,"' + "The bread came before the soup. " * 40 + '",food,train',
        *(f'plain{n},"The piano number {n} came before the choir did",music,train' for n in range(6)),
    ]
    file = folder.parent / "messy.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    import_file(project, quiet, file=str(file), text=["text"], id="id", label="topic", split="split")
    encode(project, quiet)
    project.close()
    return folder


@pytest.fixture
def messy(template: Path, tmp_path: Path) -> Iterator[Project]:
    """A copy of it."""
    shutil.copytree(template, tmp_path / "project")
    project = open_project(tmp_path / "project", InProcessRunner())
    yield project
    project.close()


def state(project: Project) -> list[object]:
    """All that cleaning may touch."""
    tables = ("records", "responses", "settled", "cleanings", "cleaned", "left_out", "queue")
    return [project.store.query(f"from {table} order by all") for table in tables]


def ids(project: Project, query: str) -> dict[str, str]:
    return dict(project.store.query(f"select id, reason from records join ({query}) using (n)"))


OPTIONS: CleanOptions = {
    "rules": ["tweets"],
    "languages": ["en"],
    "longest": 1_000,
    "left_out": ["leak", "duplicate"],
}


def test_a_preview_counts_shows_and_changes_nothing(messy: Project) -> None:
    before = state(messy)
    preview = clean(messy, quiet, **OPTIONS)
    assert state(messy) == before
    assert not preview.applied
    assert {one.rule: one.texts for one in preview.rules}["names"] == 3
    [names] = [one for one in preview.rules if one.rule == "names"]
    assert "@ann" in names.examples[0].before
    assert "@user" in names.examples[0].after
    found = {one.reason: one for one in preview.reasons}
    assert {"leak", "duplicate", "long", "language"} <= set(found)
    assert [(one.id, one.other_id) for one in found["duplicate"].examples] == [("again", "first")]
    assert preview.left_out >= 4
    assert not list((messy.folder / "jobs").glob("*-clean-*/in"))


def test_models_read_the_cleaned_text_and_only_changed_texts_are_encoded_again(messy: Project) -> None:
    vectors = np.array(open_vectors(messy.vectors, messy.settings().encoder))
    result = clean(messy, quiet, apply=True, **OPTIONS)
    [(text, model_text)] = messy.store.query(
        "select r.text, m.text from records r join model_texts m using (n) where id = 'first'"
    )
    assert (text, model_text) == (
        "The fog came @ann before the snow &amp; the wind",
        "The fog came @user before the snow & the wind",
    )
    assert encode(messy, quiet).encoded == result.encode == result.changed
    changed = [n for (n,) in messy.store.query("select n from cleaned order by n")]
    renewed = np.array(open_vectors(messy.vectors, messy.settings().encoder))
    others = set(np.flatnonzero((renewed != vectors).any(axis=1)).tolist())
    assert others < set(changed)  # of one only a blank at its end went, which the encoder does not see
    assert len(others) == len(changed) - 1
    assert check_vectors(messy.vectors, messy.settings().encoder) == len(vectors)
    encoder = load_encoder(messy.settings().encoder, messy.vectors / "cache", 1)
    [number] = [n for (n,) in messy.store.query("select n from records where id = 'first'")]
    assert float(encoder.encode([model_text])[0] @ renewed[number].astype(np.float32)) > 0.99
    assert encode(messy, quiet).encoded == 0


def test_undo_brings_back_texts_records_and_vectors(messy: Project) -> None:
    before, vectors = state(messy)[:3], np.array(open_vectors(messy.vectors, messy.settings().encoder))
    clean(messy, quiet, apply=True, **OPTIONS)
    encode(messy, quiet)
    result = clean(messy, quiet, undo=True)
    assert result.restored >= 4
    assert state(messy)[:3] == before
    assert messy.store.one("select count(*) from model_texts join records using (n, text)") == result.records
    assert encode(messy, quiet).encoded == result.encode > 0
    again = np.array(open_vectors(messy.vectors, messy.settings().encoder), np.float32)
    assert np.allclose(again, vectors.astype(np.float32), atol=2e-3)


def test_what_is_left_out_is_neither_asked_nor_learnt_from_and_gold_never_is(messy: Project) -> None:
    gold = messy.store.query("select n from records where split = 'test'")
    clean(messy, quiet, apply=True, **OPTIONS)
    out = ids(messy, "select n, reason from left_out")
    assert out == {"leak": "leak", "again": "duplicate", "german": "language", "long": "long"} | {
        name: reason for name, reason in out.items() if name.startswith("r")
    }
    assert not messy.store.query("select n from left_out where n in (select n from records where split = 'test')")
    arrays, _ = known_now(messy, messy.settings())
    numbers = [n for (n,) in messy.store.query("select n from left_out")]
    assert not np.isin(numbers, arrays["train_rows"]).any()
    assert not np.isin(numbers, arrays["pool_rows"]).any()
    assert sorted(arrays["gold_rows"]) == [n for (n,) in gold]
    do_verb(messy, "round", quiet, size=10)
    assert not messy.store.one("select count(*) from queue where n in (select n from left_out)")


def test_cleaning_again_replaces_what_was_cleaned_before(messy: Project) -> None:
    clean(messy, quiet, apply=True, **OPTIONS)
    encode(messy, quiet)
    result = clean(messy, quiet, apply=True, rules=["names"])
    assert messy.store.one("select m.text from model_texts m join records using (n) where id = 'first'") == (
        "The fog came @user before the snow &amp; the wind"
    )
    assert not messy.store.one("select count(*) from left_out")
    assert encode(messy, quiet).encoded == result.encode


def test_a_text_of_which_nothing_is_left_stays_as_it_came_and_is_left_out(messy: Project) -> None:
    clean(messy, quiet, apply=True, rules=["web"])
    assert ids(messy, "select n, reason from left_out") == {"link": "empty"}
    assert messy.store.one("select m.text from model_texts m join records using (n) where id = 'link'") == (
        "https://x.org/2"
    )


def test_bad_options_are_refused_before_anything_begins(messy: Project) -> None:
    refused: list[tuple[CleanOptions, str]] = [
        ({"rules": ["nothing"]}, "no rule 'nothing'"),
        ({"left_out": ["language"]}, "cannot be left out for 'language'"),
        ({"shortest": 10, "longest": 5}, "No text has 10 to 5 characters"),
        ({"languages": ["english"]}, "no code of a language"),
        ({"rules": ["links", "link_words"]}, "exclude each other"),
    ]
    for options, words in refused:
        with pytest.raises(BadInput, match=words):
            clean(messy, quiet, **options)
    with pytest.raises(Refused, match="nothing to undo"):
        clean(messy, quiet, undo=True)


def test_records_of_two_sides_are_not_cleaned(paired: Path) -> None:
    assert "two sides" in rondo("--project", paired, "clean", "--rules", "web", code=4)


@pytest.mark.usefixtures("jobs_here")
def test_the_command_shows_then_does_then_undoes(messy: Project) -> None:
    folder = messy.folder
    messy.close()
    shown = rondo("--project", folder, "clean", "--rules", "tweets", "--language", "en", "--leave-out", "duplicate")
    assert "Nothing was changed" in shown
    assert " -> The fog came @user before" in shown
    done = rondo_json(folder, "clean", "--rules", "tweets", "--leave-out", "duplicate", "--apply")
    assert done["applied"]
    assert {"again"} <= {example["id"] for one in done["reasons"] for example in one["examples"]}
    assert "are as they came again" in rondo("--project", folder, "clean", "--undo")
    assert "retweets" in rondo("clean", "--list-rules")
    assert set(TOPICS) == {"weather", "food", "music"}


def test_a_vector_of_texts_that_the_database_does_not_know_is_made_anew(messy: Project) -> None:
    """After restoring a backup from before the cleaning."""
    clean(messy, quiet, apply=True, rules=["tweets"])
    encode(messy, quiet)
    with messy.store.transaction() as cursor:
        for table in ("cleanings", "cleaned"):
            cursor.execute(f"delete from {table}")
        total = count(cursor, "select count(*) from records")
    assert encode(messy, quiet).encoded == total


def test_texts_from_elsewhere_are_cleaned_before_they_are_predicted(messy: Project) -> None:
    texts = ["RT @bob: the rain &amp; the wind", "the rain & the wind"]
    first, second = predict_texts(messy, quiet, texts=texts, model="baseline").predictions
    assert first.scores != second.scores
    clean(messy, quiet, apply=True, rules=["tweets"])
    first, second = predict_texts(messy, quiet, texts=texts, model="baseline").predictions
    assert first.scores == second.scores


def test_records_that_come_after_a_cleaning_are_announced(messy: Project, tmp_path: Path) -> None:
    clean(messy, quiet, apply=True, rules=["tweets"])
    assert not [one for one in warnings(messy) if "cleaned" in one]
    (tmp_path / "late.csv").write_text("id,text\nlate,@ann is late\n", encoding="utf-8")
    import_file(messy, quiet, file=str(tmp_path / "late.csv"), text=["text"], id="id")
    assert [one for one in warnings(messy) if one.startswith("1 records came after the texts were cleaned")]
    clean(messy, quiet, undo=True)
    assert not [one for one in warnings(messy) if "cleaned" in one]


def test_a_record_says_how_models_read_it_and_why_it_is_left_out(messy: Project) -> None:
    clean(messy, quiet, apply=True, **OPTIONS)
    facts = {fact["name"]: fact["value"] for fact in record_detail(messy, "again").facts}
    assert facts["as models read it"] == "The fog came @user before the snow & the wind"
    assert facts["left out of training"] == "duplicate: first"
    assert "left out of training" not in {fact["name"] for fact in record_detail(messy, "first").facts}
