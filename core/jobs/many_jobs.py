"""What a person asks of many jobs at once, and what they will take. Knows neither what they do nor any project."""

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol, TypeVar

from core.errors import BadInput, Refused
from core.ids import JobId
from core.jobs.bundle import Bundle, Jobs, Report, Resources, Runner
from core.jobs.fan_out import MOST_WORKERS, FanOut, parts_under_way, run_parts
from core.jobs.kinds import JobKind, Params, Result
from core.typed_json import to_json

SPAN = 131_072
"""records of a job: some minutes of work, and 100 MB of vectors of 384 numbers"""
FEWEST, MOST = 256, 4_194_304
SAMPLE = 512
"""texts that are worked on here to say how long all will take"""
LOCAL = "local"
WORKERS = {LOCAL: 2}
MANY = 8
"""jobs at once, where nobody says how many: here, and elsewhere"""
VERSION = ("version",)
"""the parameter that says whether a run goes on with what another one began"""
RENTED_CPUS, RENTED_MB = 2.0, 4_096
"""of a rented machine without a GPU: the encoder that comes along needs no more"""


@dataclass(frozen=True)
class PoolWork:
    """doing: what the jobs do. command: that goes on with them."""

    doing: str
    command: str


POOL_WORK = {
    "encode_pool": PoolWork("encoding", "rondo encode"),
    "predict_pieces": PoolWork("predicting", "rondo predict"),
    "encode_pieces": PoolWork("encoding", "rondo candidates"),
    "search_pieces": PoolWork("searching", "rondo candidates"),
}
"""kinds of rows that stand for many jobs, which whoever started them follows"""


@dataclass(frozen=True)
class JobsRequest:
    """on: a runner's name. gpu: "L4", say; None for the processors there. workers: jobs at once, 0 for WORKERS.
    job_records: of each."""

    on: str = LOCAL
    gpu: str | None = None
    workers: int = 0
    job_records: int = SPAN

    def resources(self, seconds: int) -> Resources:
        """Of each job. seconds: its limit elsewhere."""
        if self.gpu or self.on != "modal":
            return Resources(seconds if self.on != LOCAL else 0, self.gpu)
        return Resources(seconds, None, RENTED_CPUS, RENTED_MB)

    def threads(self, here: int) -> int:
        """Of each job; 0 for all that there are. here: on this machine."""
        if self.on == LOCAL:
            return here
        return 0 if self.gpu else int(self.resources(0).cpu or 1)


@dataclass(frozen=True)
class PoolEstimate:
    """What a pool will take. records: that are left. rate: texts a second of one job, measured on some of them on this
    machine; 0 where nothing is left. seconds: until the end. dollars: None where it is free."""

    records: int
    jobs: int
    rate: float
    seconds: float
    dollars: float | None
    sentence: str


def check_request(request: JobsRequest, runner: Runner, on_processors: str) -> JobsRequest:
    """With the number of workers filled in. on_processors: an encoder that uses no GPU, or empty. Raises BadInput."""
    if not 0 <= request.workers <= MOST_WORKERS:
        raise BadInput(f"--workers is {request.workers:,}; it must lie between 1 and {MOST_WORKERS:,}.")
    if not FEWEST <= request.job_records <= MOST:
        raise BadInput(
            f"--job-records is {request.job_records:,}; it must lie between {FEWEST:,} and {MOST:,}: what is lost with "
            "a job is done again."
        )
    if request.gpu and request.on == LOCAL:
        raise BadInput("--gpu asks for a GPU elsewhere (--on modal, --on ray); this machine uses the one it has.")
    if request.gpu and on_processors:
        raise BadInput(
            f"{on_processors} runs on processors, so a GPU would be paid for and not used. Leave out --gpu, and raise "
            "--workers."
        )
    runner.price(request.resources(0), 1)  # refuses a GPU that is not on offer
    return replace(request, workers=request.workers or WORKERS.get(request.on, MANY))


def estimate_pool(  # noqa: PLR0913 - figures of one sentence
    request: JobsRequest, runner: Runner, records: int, jobs: int, rate: float, sampled: int, seconds: int
) -> PoolEstimate:
    """rate: texts a second, measured on `sampled` of them here. seconds: a job's limit elsewhere."""
    at_once = min(request.workers, jobs)
    needed = records / rate
    dollars = runner.price(request.resources(seconds), needed)
    price = f" and {dollars:,.2f} USD (list prices)" if dollars is not None else ""
    known = "" if request.on == LOCAL else ", if a machine there is as quick as this one"
    known = ", less on a GPU" if request.gpu else known
    sentence = (
        f"{records:,} records in {jobs:,} job{'s' if jobs > 1 else ''}, {at_once} at once on {request.on}: "
        f"about {needed / at_once / 60:,.1f} min{price}"
        f"{known} ({rate:,.0f} texts/s on {sampled:,} of them)."
    )
    return PoolEstimate(records, jobs, rate, needed / at_once, dollars, sentence)


def agree(request: JobsRequest, estimate: PoolEstimate, report: Report, *, yes: bool) -> None:
    """Says what it will take. Raises Refused with the price where that was not agreed to."""
    if estimate.records:
        report(estimate.sentence, 0, 0)
    if estimate.dollars is not None and not yes:
        raise Refused(f"This costs money on {request.on}: {estimate.sentence} Say --yes to agree.")


def known_row(
    jobs: Jobs, kind: JobKind[Params, Result], params: Params, request: JobsRequest, same: Sequence[str]
) -> JobId | None:
    """The row of a run on the same runner whose parameters `same` are equal, if it is unfinished or what it made still
    lies there."""
    values: dict[str, str] = json.loads(json.dumps(to_json(params)))
    equal = " and ".join(f"params->>'{name}' = ?" for name in same)
    rows: Sequence[tuple[JobId, str]] = jobs.store.query(
        f"select id, state from jobs where kind = ? and runner = ? and {equal} order by made_at desc",
        [kind.name, request.on, *(values[name] for name in same)],
    )
    usable = (job for job, state in rows if state != "succeeded" or piece_path(pieces_of(jobs, job), 0).is_dir())
    return next(usable, None)


def standing_row(  # noqa: PLR0913 - columns of a row
    jobs: Jobs, kind: JobKind[Params, Result], params: Params, request: JobsRequest, seconds: int, same: Sequence[str]
) -> JobId:
    """The row that stands for all jobs: `known_row`, or a new one."""
    job = known_row(jobs, kind, params, request, same) or jobs.prepare(kind, params).id
    resources = json.dumps(to_json(request.resources(seconds)))
    with jobs.store.transaction() as cursor:
        cursor.execute(
            "update jobs set runner = ?, resources = ?, params = ? where id = ?",
            [request.on, resources, json.dumps(to_json(params)), job],
        )
    return job


_at_work: set[tuple[Path, JobId]] = set()
_changing = threading.Lock()


@contextmanager
def alone(jobs: Jobs, job: JobId) -> Iterator[None]:
    """Inside, nobody else follows this row's jobs: both would take the same ones. Raises Refused where somebody does.
    Within this process: no other has the project."""
    key = (jobs.folder, job)
    with _changing:
        if key in _at_work:
            raise Refused(
                f"Exactly this is under way already. Wait for its end, or stop it: `rondo jobs cancel {job}`."
            )
        _at_work.add(key)
    try:
        yield
    finally:
        with _changing:
            _at_work.discard(key)


def add_seconds(jobs: Jobs, job: JobId, seconds: float, result: Callable[[float], object]) -> None:
    """Adds what a job took to the row that stands for all of them. result: as its kind has it, of so many seconds."""
    with jobs.store.transaction() as cursor:
        query = "select coalesce((result->>'seconds')::double, 0.0) from jobs where id = ?"
        [(before,)] = cursor.execute(query, [job]).fetchall()
        written = json.dumps(to_json(result(round(before + seconds, 3))))
        cursor.execute("update jobs set result = ? where id = ?", [written, job])


@dataclass(frozen=True)
class PiecesResult:
    """Of a row that stands for jobs whose files lie beside it. seconds: of all jobs together."""

    seconds: float


class TimedResult(Protocol):
    """What a job says that makes a piece."""

    @property
    def seconds(self) -> float:
        """that it took"""


TimedResultT = TypeVar("TimedResultT", bound=TimedResult)


def piece_path(out: Path, number: int) -> Path:
    """Of what is cut into pieces, and of the folder with what a job made of one."""
    return out / f"piece-{number:06}"


def pieces_of(jobs: Jobs, job: JobId) -> Path:
    """The folder with a folder for every piece that is there."""
    return jobs.folder / job / "out"


def run_pieces(jobs: Jobs, fan_out: FanOut[Params, TimedResultT], numbers: Sequence[int], report: Report) -> None:
    """`run_parts`, of which each leaves its files in a folder of `pieces_of`, renamed into place. numbers: which piece
    each part is: those that are not there."""
    pieces = pieces_of(jobs, fan_out.job)
    if jobs.store.one("select state from jobs where id = ?", [fan_out.job]) == "succeeded":
        return

    def take(part: int, bundle: Bundle, result: TimedResultT) -> None:
        pieces.mkdir(exist_ok=True)
        (bundle.path / "out").rename(piece_path(pieces, numbers[part]))
        add_seconds(jobs, fan_out.job, result.seconds, PiecesResult)

    run_parts(jobs, fan_out, report, take)
    for bundle, _ in parts_under_way(jobs, fan_out.job):  # an owner was killed between its piece and its row
        with jobs.store.transaction() as cursor:
            jobs.claim_result(bundle, cursor)
        bundle.empty()


def missing_pieces(jobs: Jobs, job: JobId | None, count: int) -> list[int]:
    """Numbers of those of so many pieces that are not there. job: None where nothing was begun."""
    if job is None:
        return list(range(count))
    pieces = pieces_of(jobs, job)
    return [number for number in range(count) if not piece_path(pieces, number).is_dir()]
