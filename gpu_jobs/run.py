"""A job's process: reads a bundle, does what its `job.json` names, writes `result.json` last. Knows no store."""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from importlib.abc import MetaPathFinder
from math import isfinite
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, get_type_hints

from core.errors import BadInput
from core.jobs.bundle import manifest, write_json
from core.typed_json import from_json, to_json

if TYPE_CHECKING:
    from gpu_jobs.trainers.trainer_types import Progress

Work = Callable[[Path, Any, "Progress"], object]
"""(bundle, params, report) -> result; what params and the result are stands in its annotations"""


@dataclass(frozen=True)
class WorkFunction:
    """Where the function of a kind of work is. Imported when it is called: each needs other heavy libraries."""

    module: str
    name: str

    @property
    def work(self) -> Work:
        """The function itself."""
        function: Work = getattr(import_module(self.module), self.name)
        return function


KINDS: dict[str, WorkFunction] = {
    "activate": WorkFunction("gpu_jobs.work.registry.activate", "activate"),
    "check_files": WorkFunction("gpu_jobs.work.data.check_files", "check"),
    "clean": WorkFunction("gpu_jobs.work.data.clean", "clean"),
    "compare": WorkFunction("gpu_jobs.work.registry.compare", "compare"),
    "compare_encoders": WorkFunction("gpu_jobs.work.registry.compare_encoders", "compare_encoders"),
    "dedup": WorkFunction("gpu_jobs.work.pairs.dedup", "dedup"),
    "encode": WorkFunction("gpu_jobs.work.encode", "encode"),
    "encode_sample": WorkFunction("gpu_jobs.work.encode", "encode"),
    "describe_folders": WorkFunction("gpu_jobs.work.trees.describe_folders", "describe_folders"),
    "early_batch": WorkFunction("gpu_jobs.work.early_batch", "early_batch"),
    "evaluate": WorkFunction("gpu_jobs.work.registry.evaluate", "evaluate"),
    "figures": WorkFunction("gpu_jobs.work.figures", "draw"),
    "gather": WorkFunction("gpu_jobs.work.trees.gather", "gather"),
    "generate": WorkFunction("gpu_jobs.work.language_models.generate", "generate"),
    "hosted_answers": WorkFunction("gpu_jobs.work.hosted.hosted_answers", "hosted_answers"),
    "hosted_lookup": WorkFunction("gpu_jobs.work.hosted.hosted_lookup", "hosted_lookup"),
    "hosted_tuning": WorkFunction("gpu_jobs.work.hosted.hosted_tuning", "hosted_tuning"),
    "ingest": WorkFunction("gpu_jobs.work.data.ingest", "ingest"),
    "inspect": WorkFunction("gpu_jobs.work.inspect", "inspect"),
    "merge_adapter": WorkFunction("gpu_jobs.work.language_models.merge_adapter", "merge"),
    "candidates": WorkFunction("gpu_jobs.work.pairs.candidate_search", "candidates"),
    "cut_candidates": WorkFunction("gpu_jobs.work.pairs.candidate_parts", "cut_candidates"),
    "place_vectors": WorkFunction("gpu_jobs.work.pairs.candidate_parts", "place_vectors"),
    "search_part": WorkFunction("gpu_jobs.work.pairs.candidate_parts", "search_part"),
    "encode_piece": WorkFunction("gpu_jobs.work.encode", "encode"),
    "pair_features": WorkFunction("gpu_jobs.work.pairs.pair_pool", "compare"),
    "preview": WorkFunction("gpu_jobs.work.data.preview", "preview"),
    "cut_texts": WorkFunction("gpu_jobs.work.registry.predict_pieces", "cut_texts"),
    "predict_piece": WorkFunction("gpu_jobs.work.registry.predict_pieces", "predict_piece"),
    "predict_file": WorkFunction("gpu_jobs.work.registry.predict_file", "predict_file"),
    "predict_texts": WorkFunction("gpu_jobs.work.registry.text_predictor", "predict_texts"),
    "predict_pairs": WorkFunction("gpu_jobs.work.pairs.pair_pool", "predict"),
    "read_pairs": WorkFunction("gpu_jobs.work.pairs.pair_replay", "read_pairs"),
    "pair_replay": WorkFunction("gpu_jobs.work.pairs.pair_replay", "pair_replay"),
    "project": WorkFunction("gpu_jobs.work.layout_map", "layout_map"),
    "push": WorkFunction("gpu_jobs.work.registry.hub_push", "push"),
    "push_data": WorkFunction("gpu_jobs.work.registry.hub_push_data", "push_data"),
    "quality": WorkFunction("gpu_jobs.work.annotator_quality", "quality"),
    "split": WorkFunction("gpu_jobs.work.data.split", "split"),
    "renew": WorkFunction("gpu_jobs.work.encode", "encode"),
    "render_chats": WorkFunction("gpu_jobs.work.extract.render_chats", "render_chats"),
    "step_replay": WorkFunction("gpu_jobs.work.extract.step_replay", "step_replay"),
    "read_sheet": WorkFunction("gpu_jobs.work.sheets.sheets", "read"),
    "rechoose": WorkFunction("gpu_jobs.work.round", "run_round"),
    "round": WorkFunction("gpu_jobs.work.round", "run_round"),
    "sample": WorkFunction("gpu_jobs.work.sheets.sheets", "sample"),
    "setfit_head": WorkFunction("gpu_jobs.work.setfit_head", "write_head"),
    "write_format": WorkFunction("gpu_jobs.work.data.write_format", "write_format"),
    "train_lora": WorkFunction("gpu_jobs.work.language_models.train_lora", "train_lora"),
    "train_pairs": WorkFunction("gpu_jobs.work.pairs.train_pairs", "train_pairs"),
    "train": WorkFunction("gpu_jobs.work.train", "train"),
}


PLAIN = ("ingest", "preview")
"""kinds of work that have no use for pandas, and take no second to do it, where the file is a text"""
TEXTS = ("csv", "tsv", "json", "jsonl")


class WithoutPandas(MetaPathFinder):
    """To the rest of the process pandas is not installed. pyarrow loads it at its first array, to see whether that is
    made of one of its series: a third of the time that a small file's import takes."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ModuleNotFoundError for pandas, and leaves all others to the next finder."""
        if name == "pandas":
            raise ModuleNotFoundError("This kind of job has no use for pandas.", name=name)


def needs_pandas(bundle: Path) -> bool:
    """Whether pyarrow may need it: for times of Parquet, Arrow and queries that are finer than Python's."""
    job = json.loads((bundle / "job.json").read_text(encoding="utf-8"))
    params = job["params"]
    if job["kind"] not in PLAIN or params.get("sql"):
        return True
    form = params.get("form") or params.get("layout", {}).get("form")
    return (form or Path(params["file"].removesuffix(".gz")).suffix[1:].lower()) not in TEXTS


def run(bundle: Path) -> None:
    """Does the work of one bundle; whatever is raised is recorded by `record_failure`."""
    job = json.loads((bundle / "job.json").read_text(encoding="utf-8"))
    for name in ("out", "ckpt"):
        (bundle / name).mkdir(exist_ok=True)
    work = KINDS[job["kind"]].work
    try:
        params = from_json(get_type_hints(work)["params"], job["params"], f"The parameters of {bundle.name}")
    except BadInput as error:  # no person wrote them
        raise TypeError(str(error)) from None
    value = to_json(work(bundle, params, _reporter(bundle)))
    write_json(bundle / "result.json", {"state": "succeeded", "value": value, "manifest": manifest(bundle / "out")})


def record_failure(bundle: Path, error: BaseException) -> None:
    """A result that names the error, so that the owner can raise it again; the traceback goes to the log."""
    message = str(error).encode("utf-8", "replace").decode()  # half a UTF-16 pair of a file's name is no UTF-8
    write_json(bundle / "result.json", {"state": "failed", "kind": type(error).__name__, "message": message})


def _reporter(bundle: Path) -> "Progress":
    last = 0.0

    def report(done: int, total: int, **figures: float) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last < 0.1 and done != total and not figures:
            return
        last = now
        result = {name: figure for name, figure in figures.items() if isfinite(figure)}  # NaN is no JSON
        line = {"done": done, "total": total, "at": round(time.time(), 3), **result}
        with (bundle / "events.jsonl").open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")

    return report


def main() -> None:
    """`python -m gpu_jobs.run BUNDLE`."""
    bundle = Path(sys.argv[1])
    if hasattr(os, "nice"):
        os.nice(10)  # somebody may be labelling: a key press goes before a refit

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        traceback.print_exception(kind, error, trace)
        record_failure(bundle, error)

    sys.excepthook = hook
    if not needs_pandas(bundle):
        sys.meta_path.insert(0, WithoutPandas())
    run(bundle)


if __name__ == "__main__":
    main()
