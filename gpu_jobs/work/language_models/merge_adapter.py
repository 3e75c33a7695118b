"""Adds an adapter to its base's weights, and writes the result for other programs. Knows no store."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from core.errors import Refused
from core.models.artifacts import check_model
from core.registry.adapter_export import GGUF, MERGED, MODEL, MergeParams, MergeResult
from gpu_jobs.language_models.adapters import merge_adapter
from gpu_jobs.language_models.bases import find_base
from gpu_jobs.trainers.trainer_types import Progress

CONVERTER = "convert_hf_to_gguf.py"
"""of llama.cpp, as its repository has it"""


def merge(bundle: Path, params: MergeParams, report: Progress) -> MergeResult:
    """Leaves `out/merged`. Raises Refused for GGUF without llama.cpp's converter, before anything is loaded."""
    converter = find_converter() if params.form == GGUF else None
    report(0, 3)
    check_model(bundle / "in" / MODEL)
    base = find_base(params.base, Path(params.cache or bundle.parent / "cache"))
    report(1, 3)
    target = bundle / "out" / MERGED
    plain = bundle / "ckpt" / MERGED if converter else target
    merge_adapter(bundle / "in" / MODEL, base, plain, params.threads)
    report(2, 3)
    if converter:
        target.mkdir(parents=True)
        _convert(converter, plain, target / "model.gguf")
    files = sorted(path for path in target.iterdir() if path.is_file())
    report(3, 3)
    return MergeResult(tuple(path.name for path in files), sum(path.stat().st_size for path in files))


def find_converter() -> Path:
    """On the path, or in the folder that LLAMA_CPP names. Raises Refused with how to get it."""
    folder = os.environ.get("LLAMA_CPP", "")
    named = Path(folder) / CONVERTER
    located = str(named) if folder and named.is_file() else shutil.which(CONVERTER)
    if not located:
        raise Refused(
            f"GGUF is written by llama.cpp's {CONVERTER}, which is not on the path. Get it: git clone "
            "https://github.com/ggml-org/llama.cpp, and set LLAMA_CPP to that folder. Or merge as safetensors, and "
            "convert that folder where llama.cpp is."
        )
    return Path(located)


def _convert(converter: Path, source: Path, target: Path) -> None:
    command = [sys.executable, str(converter), str(source), "--outfile", str(target)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode or not target.is_file():
        lines = (done.stderr or done.stdout).strip().splitlines() or ["it wrote nothing"]
        raise Refused(f"llama.cpp's converter could not read the merged model: {lines[-1]}")
