"""Which code this is, and with which libraries it runs. Knows files, not what is in them."""

import hashlib
import sys
from functools import cache
from pathlib import Path

PACKAGES = ("core", "gpu_jobs")
"""what a job's process imports: it is carried to where the job runs"""


@cache
def code_version() -> str:
    """Twelve hexadecimal digits that change when a source file of these packages does."""
    root, digest = Path(__file__).parents[2], hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]


LIBRARIES = ("rondo", "torch", "transformers", "sentence-transformers", "setfit", "trl", "peft", "safetensors", "numpy")
"""what models are made and loaded with"""


def library_versions() -> dict[str, str]:
    """By name, as they are installed here, with Python's; what is not installed is left out."""
    from importlib.metadata import PackageNotFoundError, version

    result = {"python": sys.version.split()[0]}
    for name in LIBRARIES:
        try:
            result[name] = version(name)
        except PackageNotFoundError:
            continue
    return result
