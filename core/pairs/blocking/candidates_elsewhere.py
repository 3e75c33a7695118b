"""Candidates by many jobs at once, here, on Modal or on Ray. Searches nothing itself, and holds no text and no vector.

A job here cuts the texts that have no vector into pieces, and the texts that are looked up into parts. The pieces are
encoded by many jobs; then each part is looked up by a job that has all others as files: vectors and characters, or
words. What they found lies in the folder of the row that stands for all of them, a folder for a part: whoever is killed
goes on with what is not there. A last job here joins it, draws the pairs that are no candidates, and is taken in.
"""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Unpack

from core.data.encode_job import CARRIED, ENCODE_SAMPLE, TEXTS_IN, EncodeParams, carried_encoder
from core.ids import JobId
from core.jobs.bundle import Bundle, Jobs, Report
from core.jobs.fan_out import FanOut, Part
from core.jobs.kinds import JobKind
from core.jobs.many_jobs import (
    LOCAL,
    SPAN,
    VERSION,
    JobsRequest,
    PiecesResult,
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
from core.models.encoders.encoder import BUNDLED
from core.pairs.blocking.candidate_job import CANDIDATES, KNOWN, SIDES, CandidateParams
from core.pairs.blocking.candidate_parts_job import (
    CUT_CANDIDATES,
    ENCODE_PIECE,
    ENCODE_PIECES,
    PLACE_VECTORS,
    SAMPLE_OUT,
    SEARCH_PART,
    SEARCH_PIECES,
    TEXTS_OUT,
    CutCandidatesParams,
    CutCandidatesResult,
    PlaceVectorsParams,
    SearchPartParams,
    SearchPiecesParams,
    block_name,
    vectors_name,
)
from core.pairs.blocking.find_candidates import (
    CandidateOptions,
    Candidates,
    candidate_search,
    finish_candidates,
    write_sides,
)
from core.project import Project, runner_of


def candidates_elsewhere_estimate(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = 0,
    **options: Unpack[CandidateOptions],
) -> PoolEstimate:
    """How long it will take and what it will cost, going by some texts that are encoded and looked up on this machine.

    Raises what `candidates_elsewhere` does, before anything is sent.
    """
    with _cut(project, report, JobsRequest(on, gpu, workers, job_records), options) as search:
        return _estimate(search, report)


def candidates_elsewhere(  # noqa: PLR0913 - an option is an argument
    project: Project,
    report: Report,
    *,
    on: str = LOCAL,
    gpu: str | None = None,
    workers: int = 0,
    job_records: int = 0,
    yes: bool = False,
    **options: Unpack[CandidateOptions],
) -> Candidates:
    """The pairs that `candidates` finds, by so many jobs at once; one that was stopped goes on with what is not there.

    gpu: "L4", say, to encode with; none: the processors there. workers: 0 for 2 here, 8 elsewhere. job_records: texts
    of each job; 0 for 8,192 where each is held against all others, else 131,072. yes: the price was agreed to. Raises
    Refused with the price where it was not, BadInput for what cannot be asked for; being stopped stops all jobs.
    """
    started = time.monotonic()
    with _cut(project, report, JobsRequest(on, gpu, workers, job_records), options) as search:
        agree(search.request, _estimate(search, report), report, yes=yes)
        row = search.row(SEARCH_PIECES, search.cut.version)
        with alone(project.jobs, row):
            missing = missing_pieces(project.jobs, row, len(search.cut.parts))
            with _placed(search, missing, report) as placed:
                parts = [_search_part(search, placed, number) for number in missing]
                resources = replace(search.request, gpu=None).resources(search.seconds)  # it would stand idle
                fan_out = FanOut(row, SEARCH_PART, parts, search.request.workers, resources, "Searching")
                run_pieces(search.jobs, fan_out, missing, report)
            bundle = project.jobs.prepare(CANDIDATES, replace(search.params, pieces=str(pieces_of(project.jobs, row))))
            for name in (SIDES, KNOWN):
                os.link(search.bundle.path / name, bundle.path / name)
            result = finish_candidates(project, report, bundle, search.sources, started)
            Bundle(project.jobs.folder / row).empty()
    return result


@dataclass(frozen=True)
class _Search:
    """bundle: of the job that cut it. sources: name -> records."""

    project: Project
    request: JobsRequest
    params: CandidateParams
    sources: dict[str, int]
    bundle: Bundle
    cut: CutCandidatesResult

    @property
    def jobs(self) -> Jobs:
        """On the machines that were asked for."""
        return replace(self.project.jobs, runner=runner_of(self.project, self.request.on))

    @property
    def seconds(self) -> int:
        """A job's limit elsewhere."""
        return self.project.settings().job_seconds

    def row(self, kind: JobKind[SearchPiecesParams, PiecesResult], version: str) -> JobId:
        """That stands for all parts, or all pieces."""
        return standing_row(self.project.jobs, kind, self._pieces(version), self.request, self.seconds, VERSION)

    def missing(self, kind: JobKind[SearchPiecesParams, PiecesResult], version: str, count: int) -> list[int]:
        """Of so many parts, or pieces, those that are not there."""
        row = known_row(self.project.jobs, kind, self._pieces(version), self.request, VERSION)
        return missing_pieces(self.project.jobs, row, count)

    def _pieces(self, version: str) -> SearchPiecesParams:
        request = self.request
        return SearchPiecesParams(version, request.gpu or "", request.workers, request.job_records)


@contextmanager
def _cut(project: Project, report: Report, request: JobsRequest, options: CandidateOptions) -> Iterator[_Search]:
    """Texts in pieces and parts, in a bundle that goes at the end."""
    sources, params = candidate_search(project, options)
    on_processors = params.encoder if params.encoder in BUNDLED else ""
    checked = check_request(
        replace(request, job_records=request.job_records or SPAN), runner_of(project, request.on), on_processors
    )
    bundle = project.jobs.prepare(CUT_CANDIDATES, CutCandidatesParams(params, request.job_records))
    try:
        write_sides(project, bundle)
        cut = project.jobs.finish(bundle, CUT_CANDIDATES, report, "Reading the records")
        workers = replace(request, workers=checked.workers)
        yield _Search(project, workers, params, sources, bundle, cut)
    finally:
        bundle.empty()


def _estimate(search: _Search, report: Report) -> PoolEstimate:
    """What is left of it: encoding, measured on some texts here, and looking up, which the job that cut has tried."""
    cut, project = search.cut, search.project
    parts = search.missing(SEARCH_PIECES, cut.version, len(cut.parts))
    if not parts:
        return PoolEstimate(0, 0, 0.0, 0.0, None, "Every record was looked up.")
    pieces = search.missing(ENCODE_PIECES, cut.texts_version, len(cut.texts)) if cut.texts else []
    texts, seconds = sum(cut.texts[number] for number in pieces), sum(cut.seconds[number] for number in parts)
    if texts:
        seconds += texts / _encoding_rate(search, report)
    left = sum(cut.parts[number].stop - cut.parts[number].start for number in parts)
    rate, runner = max(left / max(seconds, 1e-3), 0.1), runner_of(project, search.request.on)
    tried = min(cut.sampled or left, left)
    return estimate_pool(search.request, runner, left, len(pieces) + len(parts), rate, tried, search.seconds)


def _encoding_rate(search: _Search, report: Report) -> float:
    """Texts a second of one job on this machine, the loading of the encoder apart."""
    jobs = search.project.jobs
    bundle = jobs.prepare(ENCODE_SAMPLE, _encode_params(search.params, search.cut.sampled))
    try:
        shutil.copyfile(search.bundle.path / SAMPLE_OUT, bundle.path / TEXTS_IN)
        result = jobs.finish(bundle, ENCODE_SAMPLE, report, "Measuring how quick the encoder is")
    finally:
        bundle.empty()
    return max(result.texts_per_second, 0.1)


def _encode_params(params: CandidateParams, texts: int) -> EncodeParams:
    return EncodeParams(params.encoder, params.encoder_source, params.threads, params.cache, 0, texts)


@contextmanager
def _placed(search: _Search, parts: list[int], report: Report) -> Iterator[Path]:
    """A folder with the vectors of each source's texts, which goes at the end; what has none yet is encoded before.
    parts: that are still to be looked up; without one nothing is needed."""
    project, cut = search.project, search.cut
    if not cut.encoded or not parts:
        yield search.bundle.path / "out"
        return
    if not cut.texts:
        with _vectors(search, "", report) as placed:
            yield placed
        return
    row = search.row(ENCODE_PIECES, cut.texts_version)
    with alone(project.jobs, row):  # other searches may want the same texts
        missing = missing_pieces(project.jobs, row, len(cut.texts))
        pieces = [_text_part(search, number) for number in missing]
        resources = search.request.resources(search.seconds)
        fan_out = FanOut(row, ENCODE_PIECE, pieces, search.request.workers, resources, "Encoding")
        run_pieces(search.jobs, fan_out, missing, report)
        with _vectors(search, str(pieces_of(project.jobs, row)), report) as placed:
            Bundle(project.jobs.folder / row).empty()
            yield placed


@contextmanager
def _vectors(search: _Search, encoded: str, report: Report) -> Iterator[Path]:
    """A folder with those of each source, which goes at the end. encoded: where the pieces lie, "" for none."""
    project, texts = search.project, search.cut.texts
    params = PlaceVectorsParams(search.params, str(search.bundle.path / TEXTS_OUT), encoded, len(texts))
    bundle = project.jobs.prepare(PLACE_VECTORS, params)
    try:
        project.jobs.finish(bundle, PLACE_VECTORS, report, "Bringing vectors together")
        yield bundle.path / "out"
    finally:
        bundle.empty()


def _text_part(search: _Search, number: int) -> Part[EncodeParams]:
    texts, carried = search.cut.texts[number], None
    params = replace(_encode_params(search.params, texts), version=f"{search.cut.texts_version} {number}")
    if search.request.on != LOCAL:
        params, carried = carried_encoder(params, search.request.threads(params.threads))

    def write(bundle: Bundle) -> None:
        os.link(piece_path(search.bundle.path / TEXTS_OUT, number), bundle.path / TEXTS_IN)
        if carried:
            shutil.copytree(carried, bundle.path / "in" / CARRIED)

    return Part(params, texts, write)


def _search_part(search: _Search, placed: Path, number: int) -> Part[SearchPartParams]:
    """Files are linked, not copied: every part has all of the others' texts."""
    part, request = search.cut.parts[number], search.request
    threads = request.threads(search.params.threads)
    params = SearchPartParams(part, search.params.per_record, threads, search.cut.version)

    def write(bundle: Bundle) -> None:
        name = block_name(part.block)
        shutil.copytree(search.bundle.path / "out" / name, bundle.path / "in" / name, copy_function=os.link)
        for source in () if part.by_words else part.sources:
            os.link(placed / vectors_name(source), bundle.path / "in" / vectors_name(source))

    return Part(params, part.stop - part.start, write)
