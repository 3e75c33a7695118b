"""`rondo train -t lora`: from people's answers to an adapter in the registry, given away, merged, removed."""

import json
import shutil
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

from core.config.steps import steps_in
from core.data.file_import import import_file
from core.errors import BadInput, Refused
from core.extract.import_annotations import import_annotations
from core.extract.suggest import suggest_steps
from core.extract.train_steps import TrainedSteps, train_steps
from core.loop import create_project
from core.models.artifacts import check_model
from core.models.encoders.torch_encoder import fingerprint_of
from core.project import Project, open_project
from core.registry.activation import promote
from core.registry.adapter_export import model_merge
from core.registry.models import models
from core.training.following import job_cancel, refresh_job
from core.training.launch import job_retry
from core.training.train import train
from gpu_jobs.language_models.bases import find_base
from gpu_jobs.language_models.tiny import tiny_model
from gpu_jobs.runners.local import InProcessRunner, LocalRunner
from tests.command_line import rondo
from tests.conftest import quiet
from tests.waiting import wait_for

pytestmark = [
    pytest.mark.long,
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
SETTINGS = ("precision=float32", "max_steps=2", "batch_size=2", "fewest_held_out=2", "eval_examples=2")
STEPS = """
[[steps]]
name = "names"
instruction = "Who? {text}"
[steps.output]
type = "object"
required = ["people"]
[steps.output.properties.people]
type = "array"
items = { type = "string" }

[[steps]]
name = "mood"
instruction = "Mood of {names.people} in {text}?"
needs = ["names"]
[steps.output]
type = "object"
[steps.output.properties.mood]
enum = ["glad", "sad"]

[[steps]]
name = "town"
instruction = "Where? {text}"
optional = true
[steps.output]
type = "object"
[steps.output.properties.town]
type = "string"
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_model(tmp_path_factory.mktemp("models") / "tiny")


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Project]:
    """Answers come from a file; nobody has answered the step `town`. Jobs run here: loading trl takes eight seconds."""
    home = tmp_path_factory.mktemp("steps")
    create_project(home / "p", [], task="extract", steps=steps_in(tomllib.loads(STEPS)))
    rows = [{"id": f"t{n}", "text": f"Tale {n} of Mara.", "people": ["Mara"], "mood": "glad"} for n in range(12)]
    (home / "tales.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    opened = open_project(home / "p", InProcessRunner(), {"local": lambda _: InProcessRunner()})
    import_annotations(opened, quiet, file=str(home / "tales.jsonl"))
    yield opened
    opened.close()


def settings(base: Path) -> list[str]:
    return [f"base={base}", *SETTINGS]


@pytest.fixture(scope="module")
def trained(project: Project, base: Path) -> TrainedSteps:
    return train_steps(project, quiet, values=settings(base), note="first")


def test_a_job_for_each_step_that_has_answers(project: Project, trained: TrainedSteps) -> None:
    assert [(job.state, job.trainer, job.note) for job in trained.jobs] == [("succeeded", "lora", "first")] * 2
    assert trained.left_out == ("The step 'town' has 0 answers to learn from, and tuning needs 2.",)
    facts = {one.adapter.step: one.adapter for one in models(project, quiet).models if one.adapter}
    assert facts["mood"].fed == {"names": {"gold": 12}}
    assert facts["names"].fed == {}
    assert facts["names"].examples + facts["names"].held_out == 12
    assert facts["names"].base == "tiny"
    assert facts["names"].before is not None
    assert all(check_model(project.models / str(job.model))["trainer"] == "lora" for job in trained.jobs)
    assert {one.state for one in models(project, quiet).models} == {"adapter"}
    assert [job.step for job in trained.jobs] == ["names", "mood"]
    figures = {name for event in trained.jobs[0].events for name in event}
    assert {"loss", "learning_rate", "eval_validity", "eval_exact"} <= figures


def test_what_cannot_be_tuned_is_refused_in_a_sentence(project: Project, base: Path) -> None:
    with pytest.raises(Refused, match=r"'town' has 0 answers.*rondo up"):
        train_steps(project, quiet, steps=["town"], values=settings(base))
    with pytest.raises(BadInput, match="no step 'weather'"):
        train_steps(project, quiet, steps=["weather"])
    with pytest.raises(BadInput, match=r"no parameter 'rank'"):
        train_steps(project, quiet, steps=["mood"], values=["rank=3"])
    with pytest.raises(Refused, match="one after the other"):
        train_steps(project, quiet, detach=True)
    with pytest.raises(Refused, match="name it, `--step NAME`"):
        train(project, quiet, trainer="lora")
    with pytest.raises(BadInput, match="SmolLM9"):
        train_steps(project, quiet, steps=["mood"], values=["base=SmolLM9"])


def test_a_job_that_was_cancelled_goes_on_where_it_was(project: Project, base: Path) -> None:
    """In a process of its own, which is killed."""
    project.runners = {"local": lambda _: LocalRunner(1)}
    values = [*settings(base), "epochs=400", "max_steps=100", "eval_steps=10", "patience=0"]
    [job] = train_steps(project, quiet, steps=["mood"], values=values, detach=True).jobs
    wait_for(lambda: refresh_job(project, job.id).done > 20)
    job_cancel(project, quiet, job=job.id)
    wait_for(lambda: refresh_job(project, job.id).state == "cancelled")

    job_retry(project, quiet, job=job.id)
    wait_for(lambda: refresh_job(project, job.id).events)

    first = refresh_job(project, job.id)
    assert first.events[0]["done"] > 10
    wait_for(lambda: refresh_job(project, job.id).state == "succeeded")


def test_an_adapter_is_no_champion(project: Project, trained: TrainedSteps) -> None:
    with pytest.raises(Refused, match="answers one step of records, and is no champion"):
        promote(project, quiet, model=str(trained.jobs[0].model), force=True, reason="why not")


def test_an_adapter_is_merged_into_its_base(project: Project, trained: TrainedSteps, tmp_path: Path) -> None:
    model = str(trained.jobs[0].model)
    written = model_merge(project, quiet, model=model, out=str(tmp_path / "merged"))

    assert find_base(str(tmp_path / "merged"), tmp_path).name == "merged"
    assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(written.files)
    with pytest.raises(BadInput, match="is there already"):
        model_merge(project, quiet, model=model, out=str(tmp_path / "merged"))
    with pytest.raises(BadInput, match="trained on other files"):
        model_merge(project, quiet, model=model, out=str(tmp_path / "n"), base=str(tiny_model(tmp_path / "o", seed=1)))
    assert not (tmp_path / "n").exists()


CONVERTER = """
import json, sys, pathlib
source, flag, target = sys.argv[1:]
assert flag == "--outfile" and json.loads((pathlib.Path(source) / "config.json").read_text())["model_type"] == "llama"
if (pathlib.Path(source) / "model.safetensors").stat().st_size < 10**9:
    pathlib.Path(target).write_bytes(b"GGUF")
"""
"""takes what llama.cpp's takes; llama.cpp itself is not here"""


def test_gguf_is_written_by_the_converter_of_llama_cpp(
    project: Project, trained: TrainedSteps, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "convert_hf_to_gguf.py").write_text(CONVERTER, encoding="utf-8")
    monkeypatch.setenv("LLAMA_CPP", str(tmp_path))
    model = str(trained.jobs[0].model)

    written = model_merge(project, quiet, model=model, out=str(tmp_path / "out"), form="gguf")

    assert written.files == ("model.gguf",)
    assert (tmp_path / "out" / "model.gguf").read_bytes() == b"GGUF"
    (tmp_path / "convert_hf_to_gguf.py").write_text("raise SystemExit('unknown architecture')", encoding="utf-8")
    with pytest.raises(Refused, match="unknown architecture"):
        model_merge(project, quiet, model=model, out=str(tmp_path / "no"), form="gguf")
    assert not (tmp_path / "no").exists()


def test_an_adapter_is_listed_shown_given_away_and_removed(
    project: Project, trained: TrainedSteps, base: Path, tmp_path: Path
) -> None:
    """By commands, on a copy: the project itself is open here."""
    home = tmp_path / "p"
    with project.store.reading():
        shutil.copytree(project.folder, home)
    model = str(trained.jobs[0].model)
    assert "adapter       lora, step names on tiny, 10 examples, held out:" in rondo("-p", home, "models")
    shown = rondo("-p", home, "models", "show", model)
    assert "base on held-out examples: 0 of 2 valid" in shown
    assert f"base hash: {fingerprint_of(base)}" in shown

    rondo("-p", home, "models", "export", model, "--out", tmp_path / "out")
    config = json.loads((tmp_path / "out" / "adapter_config.json").read_text(encoding="utf-8"))
    assert config["base_model_name_or_path"] == "tiny"
    assert "AutoPeftModelForCausalLM" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")

    gguf = ("models", "merge", model, "--out", tmp_path / "gguf", "--as", "gguf")
    assert "git clone https://github.com/ggml-org/llama.cpp" in rondo("-p", home, *gguf, code=4)
    assert not (tmp_path / "gguf").exists()

    rondo("-p", home, "models", "remove", model)
    assert "removed" in rondo("-p", home, "models")
    assert "was removed on" in rondo("-p", home, "models", "export", model, "--out", tmp_path / "again", code=4)


def test_the_options_of_a_step_are_for_that_trainer(tmp_path: Path) -> None:
    assert "are for -t lora" in rondo("-p", tmp_path, "train", "-t", "head", "--all-steps", code=2)
    assert "one of the two" in rondo("-p", tmp_path, "train", "-t", "lora", "--all-steps", "--step", "a", code=2)


def test_an_adapter_answers_its_step(project: Project, trained: TrainedSteps, tmp_path: Path) -> None:
    names, mood = (str(job.model) for job in trained.jobs)
    (tmp_path / "new.jsonl").write_text('{"id": "n1", "text": "Pim"}\n{"id": "n2", "text": "Ada"}\n', encoding="utf-8")
    import_file(project, quiet, file=str(tmp_path / "new.jsonl"), text=["text"], id="id")

    [result] = suggest_steps(project, quiet, steps=["names"], model=names, records=["all"]).steps

    assert (result.model, result.requested) == (names, 2)
    assert set(result.states) <= {"valid", "cut"}
    with pytest.raises(BadInput, match="answers the step 'mood', not 'names'"):
        suggest_steps(project, quiet, steps=["names"], model=mood)
