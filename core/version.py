"""Which code this is: a hash over what a job needs. Knows files, not what is in them."""

import hashlib
from functools import cache
from pathlib import Path

PACKAGES = ("core", "gpu_jobs")
"""what a job's process imports: it is carried to where the job runs"""


@cache
def code_version() -> str:
    """Twelve hexadecimal digits that change when a source file of these packages does."""
    root, digest = Path(__file__).parent.parent, hashlib.sha256()
    for package in PACKAGES:
        for path in sorted((root / package).rglob("*.py")):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    return digest.hexdigest()[:12]
