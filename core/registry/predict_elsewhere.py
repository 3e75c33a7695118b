"""A file predicted by many jobs at once, here, on Modal or on Ray. Predicts nothing itself, and reads no text.

A job here cuts the file's texts into pieces; nothing else of the file travels. Each piece is a job; what comes back
lies in the folder of the row that stands for all of them, a folder for a piece: whoever is killed goes on with what is
not there. A last job here reads the file once more and writes its rows with their predictions, as `rondo predict` does.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NotRequired, Unpack

from core.errors import BadInput
from core.jobs.bundle import Bundle, Report
from core.jobs.fan_out import FanOut, Part
from core.jobs.many_jobs import (
    LOCAL,
    SAMPLE,
    SPAN,
    VERSION,
    JobsRequest,
    PoolEstimate,
    agree,
    alone,
    check_request,
    estimate_pool,
    known_row,
    missing_pieces,
    piece_path,
    pieces_of,
    run_pieces,
    standing_row,
)
from core.models.artifacts import INFO, read_manifest
from core.models.encoders.encoder import BUNDLED
from core.models.encoders.int8 import OWN_PEAKS
from core.models.own_encoder import encoder_source
from core.project import Project, runner_of
from core.registry.champions import CHAMPION
from core.registry.exported_model import encoder_of_export, is_export
from core.registry.predict import TextColumns, file_prediction, run_prediction
from core.registry.text_prediction_job import (
    CUT_TEXTS,
    MODELS_IN,
    PIECE_IN,
    PREDICT_PIECE,
    PREDICT_PIECES,
    SAMPLE_OUT,
    CutParams,
    CutResult,
    FilePredictions,
    PieceParams,
    PiecesParams,
    PredictFileParams,
)


class PredictionRequest(TextColumns):
    """The options of `predict`."""

    out: str
    model: NotRequired[str]
    top_k: NotRequired[int]
    with_text: NotRequired[bool]


def predict_elsewhere_estimate(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = SPAN,
    **options: Unpack[PredictionRequest],
) -> PoolEstimate:
    """How long it will take and what it will cost, going by some texts of the file that are predicted on this machine.

    Raises what `predict_elsewhere` does, before anything is sent.
    """
    plan = _plan(project, JobsRequest(on, gpu, workers, job_records), options)
    with _cut(project, report, plan) as (bundle, cut):
        return _estimate(project, report, plan, bundle, cut)


def predict_elsewhere(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = SPAN,
    yes: bool = False,
    **options: Unpack[PredictionRequest],
) -> FilePredictions:
    """What `predict` writes, by so many jobs at once; one that was stopped or killed goes on with what is not there.

    gpu: "L4", say; none: the processors there. workers: 0 for 2 here, 8 elsewhere. job_records: of each job. yes: the
    price was agreed to. Raises Refused with the price where it was not, BadInput for what cannot be asked for; being
    stopped stops all jobs.
    """
    plan = _plan(project, JobsRequest(on, gpu, workers, job_records), options)
    with _cut(project, report, plan) as (bundle, cut):
        agree(plan.request, _estimate(project, report, plan, bundle, cut), report, yes=yes)
        job = standing_row(project.jobs, PREDICT_PIECES, *_pieces(plan, cut), plan.seconds, VERSION)
        with alone(project.jobs, job):
            missing = missing_pieces(project.jobs, job, len(cut.rows))
            parts = [_part(plan, bundle, cut, number) for number in missing]
            jobs, request = replace(project.jobs, runner=runner_of(project, plan.request.on)), plan.request
            resources = request.resources(plan.seconds)
            fan_out = FanOut(job, PREDICT_PIECE, parts, request.workers, resources, "Predicting")
            run_pieces(jobs, fan_out, missing, report)
            params = replace(plan.params, predictions=str(pieces_of(project.jobs, job)), content=cut.content)
            result = run_prediction(project.jobs, params, report)
            Bundle(project.jobs.folder / job).empty()
    resumed = sum(cut.rows) - sum(cut.rows[number] for number in missing)
    return replace(result, resumed=resumed)


@dataclass(frozen=True)
class _Plan:
    """carried: folders of the model that travel with each piece. seconds: a job's limit elsewhere."""

    params: PredictFileParams
    request: JobsRequest
    carried: tuple[Path, ...]
    seconds: int


def _plan(project: Project, request: JobsRequest, options: PredictionRequest) -> _Plan:
    columns: TextColumns = {name: value for name, value in options.items() if name in TextColumns.__annotations__}  # type: ignore[assignment]
    params = file_prediction(
        project,
        columns,
        out=options["out"],
        model=options.get("model", CHAMPION),
        top_k=options.get("top_k", 3),
        with_text=options.get("with_text", True),
    )
    encoder = _encoder(params)
    on_processors = encoder if encoder in BUNDLED or (Path(encoder) / OWN_PEAKS).is_file() else ""
    request = check_request(request, runner_of(project, request.on), on_processors)
    carried = () if request.on == LOCAL else _carried(params, encoder)
    return _Plan(params, request, carried, project.settings().job_seconds)


def _encoder(params: PredictFileParams) -> str:
    """As `load_encoder` takes it: a name or a folder; of a model without vectors its base."""
    if params.model.folder is None:
        return params.setting.encoder
    folder = Path(params.model.folder)
    if is_export(folder):
        return encoder_of_export(folder)
    manifest = read_manifest(folder)
    if manifest["temperature"] is None:
        stored = json.loads((folder / INFO).read_text(encoding="utf-8"))["values"]
        return params.model.base or str(stored["base"])
    return encoder_source(folder, manifest)


def _carried(params: PredictFileParams, encoder: str) -> tuple[Path, ...]:
    """The model's folder, and that of the model whose encoder it uses. Raises BadInput where it needs what lies
    elsewhere on this machine."""
    model = Path(params.model.folder).resolve() if params.model.folder else None
    folders = {model} if model else set()
    if Path(encoder).is_absolute():
        owner = Path(encoder).resolve()
        if model is None or (owner != model and model.parent not in owner.parents):
            raise BadInput(
                f"{params.model.name} needs {encoder}, a folder of this machine, which no machine elsewhere has. Leave "
                "out --on, or train a model, whose encoder travels with it."
            )
        folders.add(owner if owner == model else model.parent / owner.relative_to(model.parent).parts[0])
    return tuple(sorted(folders))


@contextmanager
def _cut(project: Project, report: Report, plan: _Plan) -> Iterator[tuple[Bundle, CutResult]]:
    """The texts of the file in pieces, in a bundle that goes at the end."""
    params, jobs = plan.params, project.jobs
    bundle = jobs.prepare(
        CUT_TEXTS,
        CutParams(params.setting, params.model, params.source, params.top_k, plan.request.job_records, SAMPLE),
    )
    try:
        cut = jobs.finish(bundle, CUT_TEXTS, report, "Reading the file")
        yield bundle, cut
    finally:
        bundle.empty()


def _estimate(project: Project, report: Report, plan: _Plan, cut_in: Bundle, cut: CutResult) -> PoolEstimate:
    """What is left of it, measured on some texts here."""
    jobs, request = project.jobs, plan.request
    known = known_row(jobs, PREDICT_PIECES, *_pieces(plan, cut), VERSION)
    missing = missing_pieces(jobs, known, len(cut.rows))
    if not missing:
        return PoolEstimate(0, 0, 0.0, 0.0, None, "Every row is predicted.")
    params = PieceParams(plan.params.setting, plan.params.model, False, plan.params.top_k, 0, "")
    bundle = jobs.prepare(PREDICT_PIECE, params)
    try:
        shutil.copyfile(cut_in.path / SAMPLE_OUT, bundle.path / PIECE_IN)
        result = jobs.finish(bundle, PREDICT_PIECE, report, "Measuring how quick the model is")
    finally:
        bundle.empty()
    rate, left = max(result.texts_per_second, 0.1), sum(cut.rows[number] for number in missing)
    runner = runner_of(project, request.on)
    return estimate_pool(request, runner, left, len(missing), rate, cut.sampled, plan.seconds)


def _pieces(plan: _Plan, cut: CutResult) -> tuple[PiecesParams, JobsRequest]:
    """Of the row that stands for all of them."""
    request, params = plan.request, plan.params
    entries = PiecesParams(
        version=cut.version,
        model=params.model.name,
        file=params.source.file,
        gpu=request.gpu or "",
        workers=request.workers,
        job_records=request.job_records,
    )
    return entries, request


def _part(plan: _Plan, cut_in: Bundle, cut: CutResult, number: int) -> Part[PieceParams]:
    """A machine elsewhere has no folder of ours: the model travels with the texts."""
    params, request = plan.params, plan.request
    setting, model = params.setting, params.model
    if request.on != LOCAL:
        setting = replace(setting, vectors="", threads=request.threads(setting.threads))
        model = replace(model, folder=model.folder and Path(model.folder).name, base="")

    def write(bundle: Bundle) -> None:
        shutil.copyfile(piece_path(cut_in.path / "out", number), bundle.path / PIECE_IN)
        for folder in plan.carried:
            shutil.copytree(folder, bundle.path / MODELS_IN / folder.name)

    piece = PieceParams(setting, model, request.on != LOCAL, params.top_k, number, cut.version)
    return Part(piece, cut.rows[number], write)
