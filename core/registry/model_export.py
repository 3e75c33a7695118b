"""A model as files that work without Rondo: encoder, head and card in one folder or zip. Knows no hub."""

import json
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from core.data.clean import rules_in_force
from core.errors import BadInput, Refused
from core.ids import ModelId
from core.jobs.bundle import Bundle, Report
from core.jobs.kinds import JobKind
from core.models.artifacts import INFO, INSIDE, check_model
from core.models.encoders.encoder import BUNDLED, EMBEDDED, FEATURES, OWN
from core.models.file_kinds import check_file, files_of, kinds
from core.project import Project
from core.registry.adapter_export import export_adapter
from core.registry.champions import find_model, require_files
from core.registry.model_card import PackagedModel, model_card, public_name, stored_model, training_info
from core.registry.usage import ABOUT, BUNDLED_FORM
from core.store.targets import refuse_target
from core.store.whole_files import whole_file
from core.tasks.tasks import require_labels
from core.training.trainers import LORA

README = "README.md"
_HEAD = "head.safetensors"


@dataclass(frozen=True)
class Exported:
    """The files of an export, by name. form: a key of `usage`."""

    model: ModelId
    packaged: PackagedModel
    files: dict[str, Path]
    texts: dict[str, str]

    @property
    def size(self) -> int:
        """Bytes."""
        return sum(path.stat().st_size for path in self.files.values()) + sum(map(len, self.texts.values()))


@dataclass(frozen=True)
class ModelExport:
    """A written export. files: how many. library: the one it was written for, empty for any."""

    model: ModelId
    path: str
    files: int
    bytes: int
    library: str


@dataclass(frozen=True)
class SetFitHeadParams:
    """temperature: of the head in `in/head.safetensors`; the written head is at temperature 1."""

    multi: bool
    temperature: float


@dataclass(frozen=True)
class SetFitHeadResult:
    """file: in `out/`; labels: how many it knows."""

    file: str
    labels: int


SETFIT_HEAD = JobKind("setfit_head", SetFitHeadParams, SetFitHeadResult)


def export_model(project: Project, report: Report, *, model: str = "", out: str = "", library: str = "") -> ModelExport:
    """Writes a folder that sentence-transformers (or transformers) loads, or a zip of it where `out` ends in .zip.
    Where the encoder comes with Rondo in a form of its own, `rondo.load` alone loads it, and the card says so.

    Of an adapter of a language model it is a folder that peft loads.

    model: as `find_model` takes it, empty for the champion. out: empty for exports/<model> of the project. library:
    "setfit" for a folder that `SetFitModel.from_pretrained` loads. The README is a model card with the code to use it.
    Written whole or not at all; a zip that is there is replaced, a folder that holds something is not.
    """
    if library not in ("", "setfit"):
        raise BadInput(
            f"There is no export for {library!r}. Name setfit, or nothing for files of safetensors and JSON."
        )
    id = find_model(project, model or "champion")
    if project.store.one("select trainer from models where id = ?", [id]) == LORA:
        written = export_adapter(project, id, out)
        return ModelExport(id, written.path, len(written.files), written.bytes, "peft")
    if not out:
        (project.folder / "exports").mkdir(exist_ok=True)
    target = Path(out) if out else project.folder / "exports" / id
    refuse_target(project, str(target))
    zipped = target.suffix.lower() == ".zip"
    if not zipped:
        refuse_target(project, str(target / README))
    if (zipped and target.is_dir()) or (not zipped and target.exists() and (target.is_file() or any(target.iterdir()))):
        raise BadInput(f"{target} is there already. Name a folder that is new or empty, or a file that ends in .zip.")
    if not target.resolve().parent.is_dir():
        raise BadInput(f"There is no folder {target.parent}; make it first or choose another.")
    exported = collect(project, id)
    bundle = project.jobs.prepare(SETFIT_HEAD, _setfit_params(exported)) if library else None
    if bundle:
        exported = _as_setfit(project, report, exported, bundle)
    try:
        with whole_file(target.resolve()) as partial:
            (_zip if zipped else write_folder)(exported, partial, report)
    except OSError as error:
        raise Refused(f"{target} could not be written ({error}). Nothing was exported.") from error
    count, size = len(exported.files) + len(exported.texts), exported.size
    if bundle:
        bundle.empty()
    return ModelExport(exported.model, str(target), count, size, library)


def _setfit_params(exported: Exported) -> SetFitHeadParams:
    """Raises Refused for a model that SetFit cannot hold: it knows a sentence-transformers folder with a head on it."""
    if "modules.json" not in exported.files:
        encoder = json.loads(exported.texts[ABOUT])["encoder"]
        why = f"its encoder {encoder} is fetched by its name" if encoder != "." else "it is a whole classifier"
        if exported.packaged.form == BUNDLED_FORM:
            why = f"its encoder {encoder} is loaded by Rondo alone"
        raise Refused(f"{exported.model} cannot be exported as setfit: {why}. Train with --trainer setfit or encoder.")
    return SetFitHeadParams(exported.packaged.manifest["multi"], exported.packaged.manifest["temperature"])


def _as_setfit(project: Project, report: Report, exported: Exported, bundle: Bundle) -> Exported:
    """With what `SetFitModel.from_pretrained` reads: its settings, and the head, which a job writes: it takes torch."""
    shutil.copyfile(exported.files[_HEAD], bundle.path / "in" / _HEAD)
    made = project.jobs.run(bundle, SETFIT_HEAD, report, "Writing the head")
    with project.store.transaction() as cursor:
        project.jobs.claim_result(bundle, cursor)
    names = [label["name"] for label in json.loads(exported.texts[ABOUT])["labels"]]
    packaged = replace(exported.packaged, form="setfit")
    texts = {
        **exported.texts,
        "config_setfit.json": _json({"normalize_embeddings": True, "labels": names}),
        README: model_card(project, packaged),
    }
    files = {**exported.files, made.file: bundle.path / "out" / made.file}
    return replace(exported, packaged=packaged, files=files, texts=texts)


def collect(project: Project, model: str, folder_code: str = 'folder = "."  # where this file lies') -> Exported:
    """The files of a model to export. Raises Damaged for one that was changed, Refused for one without a head, and for
    a task without labels: the files say what each column of the head is called.

    folder_code: Python that makes `folder`, as the card shows it.
    """
    require_labels(project.settings(), "Exporting a model")
    id = find_model(project, model or "champion")
    require_files(project, id)
    folder, row = project.models / id, stored_model(project, id)
    manifest = check_model(folder)
    if _HEAD not in manifest["files"]:
        raise Refused(f"{id} judges texts with {public_name(row.encoder)} as it is; it has no files to give away.")
    encoder = _encoder_folder(project, folder, manifest["encoder"] or row.encoder)
    files = {**(_encoder_files(encoder) if encoder else {}), _HEAD: folder / _HEAD}
    form = "classifier" if FEATURES in files else "encoder"
    if not encoder and row.encoder in BUNDLED:
        form = BUNDLED_FORM
    packaged = PackagedModel(row, manifest, folder, form, folder_code)
    about = _about(project, packaged, "." if encoder else row.encoder, files.get(FEATURES))
    texts = {ABOUT: _json(about), INFO: _json(training_info(folder)), README: model_card(project, packaged)}
    return Exported(id, packaged, {name: path for name, path in files.items() if name not in texts}, texts)


def _encoder_folder(project: Project, folder: Path, encoder: str) -> Path | None:
    """Where the encoder's files are on this machine; None for one that is fetched by its name."""
    if encoder == INSIDE:
        return folder / INSIDE
    if encoder.startswith(OWN):
        other = project.models / encoder.removeprefix(OWN)
        check_model(other)
        return other / INSIDE
    if encoder == EMBEDDED:
        from core.models.encoders.encoder import embedded_folder

        return embedded_folder()
    return Path(encoder) if Path(encoder).is_dir() else None


def _encoder_files(folder: Path) -> dict[str, Path]:
    """Files of the kinds that a model may contain: folders from the Hub have the weights in other formats, too."""
    files = {name: path for name, path in files_of(folder).items() if path.suffix.lower() in kinds()}
    for name, path in files.items():
        check_file(path, name)
    if not any(name.endswith(".safetensors") for name in files):
        raise Refused(f"The encoder in {folder} has no safetensors weights. Save it again as safetensors first.")
    return files


def _about(project: Project, packaged: PackagedModel, encoder: str, features: Path | None) -> dict[str, Any]:
    """The settings file that the code in the card reads."""
    names = project.settings().taxonomy.names | training_info(packaged.folder).get("label_names", {})
    manifest = packaged.manifest
    return {
        "schema": 1,
        "model": packaged.row.id,
        "labels": [{"id": label, "name": names.get(label, label)} for label in manifest["labels"]],
        "multi": manifest["multi"],
        "temperature": manifest["temperature"],
        "rules": list(rules_in_force(project.store)),
        "encoder": encoder if encoder == "." else public_name(encoder),
        **(json.loads(features.read_text(encoding="utf-8")) if features else {}),
    }


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def write_folder(exported: Exported, folder: Path, report: Report) -> None:
    """Into a new folder."""
    total = len(exported.files) + len(exported.texts)
    for done, (name, path) in enumerate(exported.files.items()):
        report("Exporting", done, total)
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    for name, text in exported.texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    report("Exporting", total, total)


def _zip(exported: Exported, file: Path, report: Report) -> None:
    """Deterministic: the same bytes for the same model. Weights hardly shrink, so nothing is compressed."""
    total = len(exported.files) + len(exported.texts)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for done, (name, path) in enumerate(exported.files.items()):
            report("Exporting", done, total)
            with path.open("rb") as source, archive.open(zipfile.ZipInfo(name), "w", force_zip64=True) as target:
                shutil.copyfileobj(source, target, 1 << 20)
        for name, text in exported.texts.items():
            archive.writestr(zipfile.ZipInfo(name), text)
    report("Exporting", total, total)
