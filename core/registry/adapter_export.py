"""An adapter as files that work without Rondo: by itself, for peft, or merged into its base. Knows no torch."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from core.errors import BadInput, Refused
from core.ids import ModelId
from core.jobs.bundle import Report
from core.jobs.kinds import JobKind
from core.models.adapters import ADAPTER, AdapterFacts, read_adapter
from core.models.artifacts import INFO, check_model
from core.project import Project
from core.registry.champions import find_model, require_files
from core.store.targets import refuse_target
from core.store.whole_files import whole_file
from core.training.trainers import LORA

SAFETENSORS, GGUF = "safetensors", "gguf"
MODEL, MERGED = "model", "merged"
"""the adapter's model in `in/`, and what comes of it in `out/`"""


@dataclass(frozen=True)
class MergeParams:
    """`in/model` is the adapter's model. base: a name, or a folder. form: SAFETENSORS or GGUF."""

    base: str
    form: str
    threads: int
    cache: str = ""


@dataclass(frozen=True)
class MergeResult:
    """What is in `out/merged`. bytes: of its files."""

    files: tuple[str, ...]
    bytes: int


MERGE_ADAPTER = JobKind("merge_adapter", MergeParams, MergeResult)


@dataclass(frozen=True)
class AdapterExport:
    """Written files of an adapter, or of a base with it merged in. form: adapter, safetensors or gguf."""

    model: ModelId
    path: str
    form: str
    files: tuple[str, ...]
    bytes: int


def adapter_facts(project: Project, model: ModelId) -> AdapterFacts:
    """Raises Refused for a model that is no adapter, or whose files are gone."""
    trainer = project.store.one("select trainer from models where id = ?", [model])
    if trainer != LORA:
        raise Refused(f"{model} is no adapter of a language model: it was made by {trainer or 'a round'}.")
    require_files(project, model)
    return read_adapter(project.models / model)


def base_of(project: Project, model: ModelId) -> str:
    """The base's name, or its folder where it was trained on one of this machine."""
    stored = project.store.one("select params::varchar from jobs where id = ?", [model])
    named = json.loads(stored or "{}").get("values", {}).get("base", "")
    return str(named or adapter_facts(project, model).base)


def model_merge(  # noqa: PLR0913 - an option is an argument
    project: Project, report: Report, *, model: str, out: str, form: str = SAFETENSORS, base: str = ""
) -> AdapterExport:
    """Writes the base with the adapter added to its weights: a folder for transformers, vLLM or llama.cpp's converter,
    or, as `gguf`, one file for llama.cpp and Ollama, where that converter is installed.

    model: as `find_model` takes it. base: a folder with the base's files, where they are elsewhere than they were. The
    target is whole or absent. Raises BadInput, Refused.
    """
    if form not in (SAFETENSORS, GGUF):
        raise BadInput(f"There is no form {form!r}; there are {SAFETENSORS} and {GGUF}.")
    id = find_model(project, model)
    adapter_facts(project, id)
    target = _new_folder(project, out)
    settings = project.settings()
    params = MergeParams(base or base_of(project, id), form, settings.threads, str(project.vectors / "cache"))
    bundle = project.jobs.prepare(MERGE_ADAPTER, params)
    try:
        shutil.copytree(project.models / id, bundle.path / "in" / MODEL)
        result = project.jobs.run(bundle, MERGE_ADAPTER, report, f"Merging {id} into its base")
        with project.store.transaction() as cursor:
            project.jobs.claim_result(bundle, cursor)
        with whole_file(target) as partial:
            shutil.move(bundle.path / "out" / MERGED, partial)
    finally:
        bundle.empty()
    return AdapterExport(id, str(target), form, result.files, result.bytes)


def export_adapter(project: Project, id: ModelId, out: str) -> AdapterExport:
    """Writes peft's two files, with the base's name in them again, the lineage, and a README with the code."""
    facts = adapter_facts(project, id)
    check_model(project.models / id)
    target = _new_folder(project, out or str(project.folder / "exports" / id))
    with whole_file(target) as partial:
        shutil.copytree(project.models / id / ADAPTER, partial)
        config = partial / "adapter_config.json"
        stored = json.loads(config.read_text(encoding="utf-8"))
        config.write_text(json.dumps(stored | {"base_model_name_or_path": facts.base}, indent=2), encoding="utf-8")
        shutil.copyfile(project.models / id / INFO, partial / INFO)
        (partial / "README.md").write_text(_readme(id, facts), encoding="utf-8")
    files = tuple(sorted(path.name for path in target.iterdir()))
    return AdapterExport(id, str(target), ADAPTER, files, sum((target / name).stat().st_size for name in files))


def _new_folder(project: Project, out: str) -> Path:
    """Raises BadInput for what is there already."""
    target = Path(out).resolve()
    refuse_target(project, str(target / "README.md"))
    if target.exists() and (target.is_file() or any(target.iterdir())):
        raise BadInput(f"{target} is there already. Name a folder that is new or empty.")
    if target.parent == (project.folder / "exports").resolve():
        target.parent.mkdir(exist_ok=True)
    if not target.parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    return target


def _readme(id: ModelId, facts: AdapterFacts) -> str:
    scores = [
        f"- {name}, on {score.n} held-out examples: {score.sentence}"
        for name, score in (("the base as it is", facts.before), ("with the adapter", facts.after))
        if score
    ]
    return f"""# {id}: an adapter for the step {facts.step!r}

Low-rank weights (LoRA) for {facts.base}, whose files have the hash {facts.base_hash}; learnt from {facts.examples:,}
examples. The held-out ones chose the checkpoint, and so flatter it a little:
{chr(10).join(scores) or "- none were held out"}

```python
from peft import AutoPeftModelForCausalLM
from transformers import AutoTokenizer

base = "{facts.base}"  # its name at the Hub, or the folder where it lies
model = AutoPeftModelForCausalLM.from_pretrained(".")  # where this file lies; adapter_config.json names the base
tokenizer = AutoTokenizer.from_pretrained(base)
```

`rondo models merge {id} --out FOLDER` writes base and adapter in one, which needs neither name nor peft.
`training_info.json` has every setting. Prompts must be those it was trained on: `rondo extract prepare` writes them.
"""
