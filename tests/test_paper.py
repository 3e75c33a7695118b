"""The paper bundle: every figure is a measured one, what is missing is named, and no name is ever markup."""

import hashlib
import json
import re
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from core.config.settings import TrainerValues
from core.errors import BadInput
from core.evaluation.metrics import Estimate, Metrics, Score
from core.evaluation.reporting import figures
from core.labelling.corrections import correct
from core.paper.facts import comparable, read_facts
from core.paper.markup import latex, needs_unicode
from core.paper.model_text import about_audit, about_models, meaning_of
from core.paper.paper import PaperBundle, paper
from core.paper.supplement import public_settings, write_supplement
from core.paper.tables import PaperTable, table_files, table_latex, table_of
from core.project import Project, open_project
from core.reports.batches import batches
from core.reports.model_quality import MeasuredModel, learning_curve
from gpu_jobs.runners.local import InProcessRunner
from tests import extract_project, pair_project
from tests.conftest import copy_of, quiet

ESCAPES = re.compile(
    r"\\text(?:backslash|asciitilde|asciicircum|less|greater|bar|asciigrave)\{\}|\{\\ttfamily\\char34\}"
    r"|\\[{}$&#_%]|\{[][*]\}|\{\}|\\RL\{"
)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("R&D 50% #1 a_b {x} $y$", r"R\&D 50\% \#1 a\_b \{x\} \$y\$"),
        (r"\input{secret} ~^", r"\textbackslash{}input\{secret\} \textasciitilde{}\textasciicircum{}"),
        ("[1] *", "{[}1{]} {*}"),
        ("a--b,,c", "a-{}-b,{},c"),
        ("good 👍🏽 ❤️", "good (thumbs up sign)(emoji modifier fitzpatrick type-4) (heavy black heart)"),
        ("label عربي 12 שלום end", r"label \RL{عربي 12 שלום} end"),
        ("safe\u202egnp.exe", "safe(U+202E)gnp.exe"),
        ("two\nlines\x00", "two lines"),
        ("Größe „ja“ – 5 €", "Größe „ja“ – 5 €"),
    ],
)
def test_a_name_in_latex_is_shown_and_never_followed(text: str, shown: str) -> None:
    assert latex(text) == shown


@given(st.text(max_size=60))
@example("\\}{%\n")
def test_nothing_special_is_left_of_any_text(text: str) -> None:
    shown = latex(text)
    rest = ESCAPES.sub("", shown)
    assert not re.search(r"[\\{$&#_%~^<>|`\"\[\]*]", rest)
    assert rest.count("}") == shown.count("\\RL{")
    assert "\n" not in shown


def test_a_table_has_its_rules_without_booktabs_and_says_which_engine_its_letters_need() -> None:
    share = Estimate(0.5, 0.25, 0.75)
    table = PaperTable("labels", "Labels & figures", ("label", "F1"), (("مرحبا|", share), ("a_b", None)))
    text = table_latex(table)
    assert "\\providecommand{\\toprule}{\\hline}" in text
    assert "\\RL{مرحبا}\\textbar{} & 50.0 \\% (25.0 to 75.0) \\\\" in text
    assert "a\\_b & – \\\\" in text
    assert "LuaLaTeX" in text
    files = table_files(table)
    assert "| مرحبا\\| | 50.0 % (25.0 to 75.0) |" in files["labels.md"]
    assert files["labels.csv"].splitlines()[1:] == ["مرحبا|,0.5,0.25,0.75", "a_b,,,"]
    assert not needs_unicode("Größe – “x”")
    long = table_of("long", "", [{"n": number} for number in range(60)])
    assert long is not None
    assert "longtable" in table_latex(long)
    assert "\\begin{landscape}" not in table_latex(long)


def test_a_table_that_is_wider_than_the_page_is_made_to_fit() -> None:
    row = {f"column {number}": "word " * 3 for number in range(8)}
    short, long = (table_of("wide", "", [row] * rows) for rows in (3, 60))
    assert short is not None
    assert long is not None
    assert "\\fitted{\\begin{tabular}" in table_latex(short)
    assert table_latex(long).count("\\begin{landscape}") == 1


@pytest.fixture(scope="module")
def written(played: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Project, PaperBundle, Path]]:
    folder = tmp_path_factory.mktemp("paper")
    with copy_of(played, folder / "project") as project:
        yield project, paper(project, quiet, out=str(folder / "bundle")), folder / "bundle"


def test_every_figure_of_the_bundle_is_one_that_was_measured(written: tuple[Project, PaperBundle, Path]) -> None:
    project, result, folder = written
    rows = pl.read_csv(folder / "tables" / "quality.csv")
    curve = [(model, model.metrics.gold) for model in learning_curve(project) if model.metrics.gold]
    golden = rows.filter(pl.col("measured on") == "gold")
    measured = [figures(score)["accuracy"] for _, score in curve]
    assert golden["accuracy"].to_list() == pytest.approx([one.value for one in measured if one])
    assert golden["accuracy low"].to_list() == pytest.approx([one.low for one in measured if one])
    text = (folder / "methods.md").read_text()
    assert "in 2 rounds of 10 records, 20 in all" in text
    assert f"{100 * measured[-1].value:.1f} %" in text  # type: ignore[union-attr]
    assert "learning-curve" in result.figures
    assert (folder / "figures" / "learning-curve.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in (folder / "figures" / "learning-curve.svg").read_text()
    assert all(f"\\input{{tables/{name}}}" in (folder / "supplement.tex").read_text() for name in result.tables)


def test_what_was_not_measured_is_said_to_be_missing(written: tuple[Project, PaperBundle, Path]) -> None:
    _, result, folder = written
    readme = (folder / "README.md").read_text()
    assert any("Agreement is not reported" in sentence for sentence in result.missing)
    assert "Agreement is not reported" in readme
    assert "agreement" not in result.tables
    assert "None of them" not in (folder / "methods.md").read_text()


def test_answers_are_in_order_people_are_numbered_and_no_text_is_in_it(
    written: tuple[Project, PaperBundle, Path],
) -> None:
    project, result, folder = written
    answers = pl.read_parquet(folder / "answers.parquet")
    assert len(answers) == result.answers == project.store.one("select count(*) from responses")
    assert answers["number"].to_list() == list(range(1, len(answers) + 1))
    assert answers["received_at"].is_sorted()
    assert set(answers["annotator"]) <= {f"annotator {number}" for number in range(1, 9)}
    written_files = [path for path in folder.rglob("*.*") if path.is_file()]
    everything = b"".join(path.read_bytes() for path in written_files)
    assert b"witness" not in everything
    assert str(project.folder).encode() not in everything
    for line in (folder / "SHA256SUMS").read_text().splitlines():
        digest, name = line.split("  ")
        assert hashlib.sha256((folder / name).read_bytes()).hexdigest() == digest


def test_a_reviewer_gets_every_batch_with_its_seed_and_the_command_that_chooses_it_again(
    written: tuple[Project, PaperBundle, Path],
) -> None:
    project, _, folder = written
    rows = [json.loads(line) for line in (folder / "batches.jsonl").read_text().splitlines()]
    assert [(row["round"], row["seed"], row["rows_md5"]) for row in rows] == [
        (one.round, one.seed, one.rows_md5) for one in reversed(batches(project))
    ]
    assert all(len(row["records"]) == row["size"] for row in rows)
    text = (folder / "REPRODUCE.md").read_text()
    assert all(f"rondo rechoose {row['round']}\n" in text for row in rows)
    assert "Vectors are not in it: `rondo encode` makes them again" in text
    assert (folder / "rondo.toml").read_text().count("[sampling]") == 1


def test_with_texts_and_as_a_zip(written: tuple[Project, PaperBundle, Path], tmp_path: Path) -> None:
    project, _, folder = written
    result = paper(project, quiet, out=str(tmp_path / "paper.zip"), texts=True, names=True)
    with zipfile.ZipFile(result.path) as archive:
        names, answers = set(archive.namelist()), archive.read("answers.jsonl").decode()
    assert names == {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert "witness" in answers
    assert [path.name for path in tmp_path.iterdir()] == ["paper.zip"]
    with pytest.raises(BadInput, match="is there already"):
        paper(project, quiet, out=str(folder))


def test_gold_of_another_size_is_no_point_of_the_curve_and_a_round_has_one() -> None:
    def model(number: int, n: int) -> MeasuredModel:
        share = Estimate(0.5, 0.4, 0.6)
        return MeasuredModel(f"m{n}", "", number, 80, 1.0, Metrics(audit=Score(9, share), gold=Score(n, share)))

    curve = comparable([model(1, 40), model(2, 40), model(2, 150), model(3, 150)])
    assert [(one.round, one.metrics.gold and one.metrics.gold.n) for one in curve] == [(1, None), (2, 150), (3, 150)]
    assert all(one.metrics.audit for one in curve)


def test_of_a_model_from_training_the_text_claims_no_folds_and_not_all_records(
    written: tuple[Project, PaperBundle, Path],
) -> None:
    project, *_ = written
    facts = read_facts(project, quiet, names=False)
    [entry] = [one for one in facts.models.models if facts.model and one.id == facts.model.id]
    of_round = " ".join(about_audit(facts))
    assert "without its fold" in of_round
    listed = replace(facts.models, models=(replace(entry, trainer="setfit"),))
    trained = replace(facts, models=listed, deeds=replace(facts.deeds, forced=("m1",)))
    text = " ".join([*about_audit(trained), *about_models(trained), meaning_of(trained, "audit")])
    assert "fold" not in text
    assert "estimate all records" not in text
    assert "the records that were not asked" in text
    assert "did not support it: m1." in text
    own = replace(facts, models=replace(facts.models, models=(replace(entry, encoder="model:m1"),)))
    assert "do not count: the figures are about the records that were not asked" in " ".join(about_audit(own))


def test_a_new_project_has_a_bundle_that_claims_nothing(project: Project, tmp_path: Path) -> None:
    result = paper(project, quiet, out=str(tmp_path / "new"))
    assert result.figures == ()
    text = (tmp_path / "new" / "methods.md").read_text()
    assert "No batch was chosen by active learning." in text
    assert "No model was made." in text
    assert not (tmp_path / "new" / "figures").exists()


def test_pairs_and_structured_answers_have_one_too_and_quotes_of_a_text_stand_as_numbers(tmp_path: Path) -> None:
    pair_project.make_project(tmp_path / "pairs")
    extract_project.make_project(tmp_path / "extract")
    for name in ("pairs", "extract"):
        project = open_project(tmp_path / name, InProcessRunner())
        paper(project, quiet, out=str(tmp_path / f"{name}-paper"))
        project.close()
        text = (tmp_path / f"{name}-paper" / "methods.md").read_text()
        assert f"The task is '{name}'." in text
        assert (
            "confusion matrix: the task's answers are no labels" in (tmp_path / f"{name}-paper/README.md").read_text()
        )
        assert not list((tmp_path / f"{name}-paper").glob("*/confusion.*"))
    assert (tmp_path / "extract-paper" / "steps.toml").exists()
    rows = (tmp_path / "extract-paper" / "answers.jsonl").read_text().splitlines()
    shown = [answer for row in rows if (answer := json.loads(row)["answer"]) is not None]
    assert shown
    assert all(re.fullmatch(r"answer \d+", answer) for answer in shown)


def test_answers_that_come_while_a_bundle_is_written_are_not_in_it_and_none_before_them_is_lost(
    played: Path, tmp_path: Path
) -> None:
    with copy_of(played, tmp_path / "project") as project:
        facts = read_facts(project, quiet, names=True)
        before = project.store.one("select count(*) from responses")
        [(record, answer)] = project.store.query(
            "select id, answer->>0 from settled join records using (n) where stratum = 'chosen' limit 1"
        )
        correct(project, record, [answer], "somebody new")
        assert write_supplement(project, facts, tmp_path, texts=False) == before
        newer = read_facts(project, quiet, names=True)
        assert write_supplement(project, newer, tmp_path, texts=False) == before + 1
    assert pl.read_parquet(tmp_path / "answers.parquet")["annotator"].to_list()[-1] == "somebody new"


def test_no_folder_of_this_machine_is_in_a_bundle(project: Project) -> None:
    base = TrainerValues("encoder", (("base", "/home/ann/secret/model"), ("learning_rate", "0.003")))
    settings = replace(project.settings(), encoder="/home/ann/secret/other", train=(base,))
    public = public_settings(settings)
    assert (public.encoder, public.train[0].values) == ("other", (("base", "model"), ("learning_rate", "0.003")))
    assert public_settings(project.settings()).encoder == project.settings().encoder
