"""A model given away: files that work without Rondo, a card that says how far to trust it, whole or not at all."""

import json
import re
import shutil
import zipfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from core.errors import BadInput, Damaged, Refused
from core.models.encoders.encoder import EMBEDDED, JOINED, MULTILINGUAL
from core.models.encoders.loading import load_encoder
from core.project import Project, open_project
from core.registry.model_export import export_model
from core.tasks.choice import decide
from gpu_jobs.runners.local import InProcessRunner
from tests.conftest import quiet, sentences
from tests.model_world import MODEL, fake_encoder, head, mark_as_classifier, put_to_use
from tests.tiny_models import make_classifier, make_encoder

TEXTS = [text for text, _ in sentences(5)]


def run_readme(folder: Path) -> np.ndarray:
    """What the code in an export's README says of TEXTS; the code itself knows nothing of Rondo."""
    [code] = re.findall(r"```python\n(.*?)```", (folder / "README.md").read_text(), re.DOTALL)
    assert not re.findall(r"^\s*(?:import|from) (?:core|app|gpu_jobs)", code, re.MULTILINE)
    known: dict[str, Any] = {}
    exec(code, known)
    return np.asarray(known["predict"](TEXTS))


def test_the_code_in_the_readme_says_what_rondo_says(
    encoded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from core.models.encoders.feature_encoder import load_feature_encoder
    from core.models.encoders.torch_encoder import load_sentence_transformer

    encoder, classifier = make_encoder(tmp_path / "e"), mark_as_classifier(make_classifier(tmp_path / "c"))
    heads = head(), head(multi=True)
    message = []
    for name, folder, one in zip("ab", (encoder, classifier), heads, strict=True):
        shutil.copytree(encoded, tmp_path / "projects" / name)
        project = open_project(tmp_path / "projects" / name, InProcessRunner())
        put_to_use(project, folder, one)
        export_model(project, quiet, out=str(tmp_path / name))
        project.close()
        monkeypatch.chdir(tmp_path / name)
        message.append(run_readme(tmp_path / name))
    assert capsys.readouterr().out.count("Write a text of yours here.\n") == 2
    sentences_of = load_sentence_transformer(str(encoder), tmp_path, 1).encode(TEXTS)
    assert np.allclose(message[0], heads[0].predict(sentences_of), atol=0.02)
    assert np.allclose(message[1], heads[1].predict(load_feature_encoder(classifier, 1).encode(TEXTS)), atol=0.02)


@pytest.mark.parametrize("multi", [False, True])
def test_setfit_loads_its_export_and_predicts_what_rondo_predicts(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, multi: bool
) -> None:
    from setfit import SetFitModel

    from core.models.encoders.torch_encoder import load_sentence_transformer

    encoder, one = make_encoder(tmp_path / "e"), head(multi=multi)
    put_to_use(project, encoder, one)
    result = export_model(project, quiet, out=str(tmp_path / "out"), library="setfit")
    loaded = SetFitModel.from_pretrained(str(tmp_path / "out"))
    probs = one.predict(load_sentence_transformer(str(encoder), tmp_path, 1).encode(TEXTS))
    assert np.allclose(loaded.predict_proba(TEXTS, as_numpy=True), probs, atol=0.02)
    labels = loaded.predict(TEXTS, as_numpy=multi)
    if multi:
        assert np.array_equal(labels.astype(bool), decide(probs, multi))
    else:
        assert labels == [one.labels[column] for column in probs.argmax(axis=1)]
    monkeypatch.chdir(tmp_path / "out")
    assert np.allclose(run_readme(tmp_path / "out"), probs, atol=0.02)
    assert result.library == "setfit"
    assert "is a pickle, because SetFit reads nothing else" in (tmp_path / "out" / "README.md").read_text()
    assert not list((project.folder / "jobs").rglob("*.pkl"))


def test_what_setfit_cannot_hold_is_refused_in_a_sentence(project: Project, tmp_path: Path) -> None:
    put_to_use(project, "somebody/encoder")
    for library, words in (("setfit", "somebody/encoder is fetched by its name"), ("onnx", "no export for 'onnx'")):
        with pytest.raises((BadInput, Refused), match=words):
            export_model(project, quiet, out=str(tmp_path / "out"), library=library)
    assert not (tmp_path / "out").exists()


def test_a_head_on_the_encoder_that_is_always_there_comes_with_it(project: Project, tmp_path: Path) -> None:
    put_to_use(project, EMBEDDED, head(384))
    export_model(project, quiet, out=str(tmp_path / "out"))
    assert (tmp_path / "out" / "modules.json").exists()
    assert json.loads((tmp_path / "out" / "rondo.json").read_text())["encoder"] == "."
    card = (tmp_path / "out" / "README.md").read_text()
    assert "base_model: sentence-transformers/all-MiniLM-L6-v2" in card


def test_an_encoder_known_by_name_stays_a_name(project: Project, tmp_path: Path) -> None:
    put_to_use(project, "somebody/encoder")
    export_model(project, quiet, out=str(tmp_path / "out"))
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("README.md", "head.safetensors", "rondo.json", "training_info.json")
    }
    assert json.loads((tmp_path / "out" / "rondo.json").read_text())["encoder"] == "somebody/encoder"


@pytest.mark.parametrize(("encoder", "dims"), [(MULTILINGUAL, 512), (JOINED, 576)])
def test_a_head_on_an_encoder_that_only_rondo_has_is_said_to_be_loaded_by_rondo(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, encoder: str, dims: int
) -> None:
    one = head(dims)
    put_to_use(project, encoder, one)
    export_model(project, quiet, out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "library_name: rondo" in card
    assert "sentence_transformers" not in card
    assert "base_model" not in card
    assert json.loads((tmp_path / "out" / "rondo.json").read_text())["encoder"] == encoder
    monkeypatch.chdir(tmp_path / "out")
    vectors = load_encoder(encoder, tmp_path, 1).encode(TEXTS)
    assert np.allclose(run_readme(tmp_path / "out"), one.predict(vectors), atol=0.02)
    with pytest.raises(Refused, match="is loaded by Rondo alone"):
        export_model(project, quiet, out=str(tmp_path / "setfit"), library="setfit")


def test_a_card_names_what_the_model_was_made_from_not_what_encodes_for_the_project(
    project: Project, tmp_path: Path
) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"), base="answerdotai/ModernBERT-base")
    export_model(project, quiet, out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert "base_model: answerdotai/ModernBERT-base" in card
    assert "answerdotai/ModernBERT-base" in card.split("## How it was made")[1]


def test_a_card_says_what_the_model_is_and_what_its_figures_rest_on(project: Project, tmp_path: Path) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    export_model(project, quiet, out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    for word in (
        "75.0% (50.0 to 90.0)",
        "12 gold records",
        "learning\\_rate",
        "torch 2.13.0",
        f"Made with numpy {version('numpy')}, safetensors {version('safetensors')}, sentence-transformers",
        "'torch>=2.13.0'`, then:",
        "No audit speaks",
        "seed",
    ):
        assert word in card
    assert "does not estimate accuracy" in card
    from huggingface_hub import ModelCard

    results = ModelCard(card).data.eval_results
    assert [(one.dataset_name, one.metric_name, one.metric_value) for one in results] == [
        *(("gold records", "accuracy", 0.75), ("gold records", "macro f1", 0.7), ("gold records", "micro f1", 0.75))
    ]
    assert "No licence was chosen" in card


def test_no_text_no_path_and_no_record_number_leaks(project: Project, tmp_path: Path) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    export_model(project, quiet, out=str(tmp_path / "out"))
    texts = [text for (text,) in project.store.query("select text from records")]
    assert len(texts) == 60
    for path in (tmp_path / "out").rglob("*"):
        written = path.read_bytes().decode("utf-8", "replace") if path.is_file() else ""
        assert not [text for text in texts if text in written]
        assert str(tmp_path) not in written
        assert "/home/me" not in written
        assert "held_out" not in written
    assert not list((tmp_path / "out").glob("judged.*"))


def test_what_a_project_calls_its_things_is_shown_and_never_followed(project: Project, tmp_path: Path) -> None:
    from dataclasses import replace

    evil = "![x](http://evil)\n---\nlicense: mit\n# Hi <script>"
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    with project.changing_settings() as (settings, _):
        project.save_settings(replace(settings, name=evil))
    export_model(project, quiet, out=str(tmp_path / "out"))
    card = (tmp_path / "out" / "README.md").read_text()
    assert card.count("\n---\n") == 1
    assert "\nlicense: mit" not in card
    assert "<script>" not in card.replace("\\<script\\>", "")


def test_a_zip_holds_what_a_folder_holds_and_is_the_same_each_time(project: Project, tmp_path: Path) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    export_model(project, quiet, model=MODEL, out=str(tmp_path / "out"))
    for name in ("a.zip", "b.zip", "b.zip"):
        export_model(project, quiet, out=str(tmp_path / name))
    assert (tmp_path / "a.zip").read_bytes() == (tmp_path / "b.zip").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    folder = tmp_path / "out"
    assert entries == {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def test_without_a_folder_named_it_goes_to_the_exports_of_the_project(project: Project) -> None:
    put_to_use(project, EMBEDDED, head(384))
    result = export_model(project, quiet)
    assert result.path == str(project.folder / "exports" / MODEL)
    assert (project.folder / "exports" / MODEL / "README.md").is_file()


def test_an_export_never_writes_over_what_is_there(project: Project, tmp_path: Path) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine").write_text("kept")
    home = project.folder
    for out in (
        tmp_path / "full",
        home,
        home / "models",
        home / "new",
        home / "models" / "x",
        home / "rondo.toml",
        tmp_path / "no" / "x",
    ):
        with pytest.raises(BadInput):
            export_model(project, quiet, out=str(out))
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    (home / "exports").mkdir()
    export_model(project, quiet, out=str(home / "exports" / "new"))
    assert not list(home.rglob("*.partial"))


def test_a_damaged_model_or_one_without_a_head_is_not_given_away(project: Project, tmp_path: Path) -> None:
    put_to_use(project, fake_encoder(tmp_path / "tiny"))
    weights = project.models / MODEL / "encoder" / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"x")
    with pytest.raises(Damaged, match="changed"):
        export_model(project, quiet, out=str(tmp_path / "out"))
    assert not (tmp_path / "out").exists()
    with pytest.raises((BadInput, Refused)):
        export_model(project, quiet, model="nothing", out=str(tmp_path / "out"))
