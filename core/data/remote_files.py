"""Names of files that lie on a network, or of data sets on the Hub, by how they are written. Fetches nothing."""

import re
from collections.abc import Mapping
from pathlib import Path

from core.errors import BadInput

HUB = "hf:"
SCHEMES = ("http", "https", "s3", "gs", "az", "abfs", "ftp", "sftp")
"""that fsspec reads; some need a package of their own"""
_ADDRESS = re.compile(r"(?P<scheme>[A-Za-z][A-Za-z0-9+.:-]*)://.*", re.DOTALL)


def is_remote(file: str) -> bool:
    """Is it an address, or a data set of the Hub that is no folder here?"""
    return bool(_ADDRESS.fullmatch(file)) or (file.startswith(HUB) and not Path(file.removeprefix(HUB)).is_dir())


def scheme_of(file: str) -> str:
    """Of an address. Raises BadInput for one that is not read: those of this machine, and chains of several."""
    match = _ADDRESS.fullmatch(file)
    scheme = match["scheme"].lower() if match else ""
    if scheme not in SCHEMES:
        known = ", ".join(f"{one}://" for one in SCHEMES)
        raise BadInput(f"{file[:80]!r} is no address that can be read; there are {known}. Name a file by its path.")
    if "@" in file.partition("://")[2].partition("/")[0]:
        raise BadInput("An address with a password would be written down. Set what it needs in the environment.")
    return scheme


def full_path(file: str) -> str:
    """What a job is told: a file's whole path, an address as it is. Raises BadInput for addresses that are not read."""
    if file.startswith(HUB) and Path(file.removeprefix(HUB)).is_dir():
        return str(Path(file.removeprefix(HUB)).resolve())
    if is_remote(file):
        if not file.startswith(HUB):
            scheme_of(file)
        return file
    return str(Path(file).resolve())


def name_of(file: str) -> str:
    """By which people know it, without what an address has behind its path."""
    path = file.partition("?")[0].partition("#")[0] if _ADDRESS.fullmatch(file) else file
    return path.rstrip("/").rpartition("/")[2] or "file"


_SECRETS = {"hf": ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"), "s3": ("AWS_",), "gs": ("GOOGLE_",), "az": ("AZURE_",)}


def secrets_for(file: str, environment: Mapping[str, str]) -> dict[str, str]:
    """The variables of the environment that a job may need to read it; none for a file of this machine."""
    if not is_remote(file):
        return {}
    scheme = "hf" if file.startswith(HUB) else scheme_of(file)
    beginnings = _SECRETS.get("az" if scheme == "abfs" else scheme, ())
    return {name: value for name, value in environment.items() if beginnings and name.startswith(beginnings)}
