"""Copies a file from a network, or a data set from the Hub, to this machine, and files to where a network keeps them.

Knows addresses; not what a file holds.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from core.data.formats.programs.hugging_face import TABLES
from core.data.remote_files import HUB, name_of, scheme_of
from core.errors import BadInput, Refused
from core.registry.push_job import check_repo

Progress = Callable[[int, int], None]
PIECE = 1 << 20
MOST_BYTES = 50 << 30
PACKAGES = {"s3": "s3fs", "gs": "gcsfs", "az": "adlfs", "abfs": "adlfs", "sftp": "paramiko"}
WRITTEN = ("s3", "gs", "az", "abfs")
"""schemes of stores where a file is whole or absent"""


def fetch(file: str, folder: Path, report: Progress) -> Path:
    """Where it lies now, inside of the folder. Raises BadInput or Refused in a sentence on what to do."""
    if file.startswith(HUB):
        return _fetch_data_set(file.removeprefix(HUB), folder)
    scheme = scheme_of(file)
    import fsspec

    target = folder / name_of(file)[-100:]
    try:
        with fsspec.open(file, "rb") as source, target.open("wb") as copy:
            _copy(source, copy, report)
    except ImportError as error:
        raise _without_package(scheme, error) from None
    except (OSError, ValueError, RuntimeError) as error:
        raise Refused(f"{file[:200]} cannot be read ({_fault(error)}). Check the address and the network.") from None
    return target


def _without_package(scheme: str, error: ImportError) -> Refused:
    package = PACKAGES.get(scheme, "fsspec[http]")
    return Refused(f"{scheme}:// needs the package {package} ({error}). Install it: pip install {package}")


def _fault(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split())[:300]


def require_writable(address: str) -> None:
    """Raises BadInput for an address that nothing is written to, Refused where its package is missing."""
    scheme = scheme_of(address)
    if scheme not in WRITTEN:
        known = ", ".join(f"{one}://" for one in WRITTEN)
        raise BadInput(f"Nothing is written to {scheme}://; there are {known}. Name one of them, or a file here.")
    import fsspec

    try:
        fsspec.get_filesystem_class(scheme)
    except ImportError as error:
        raise _without_package(scheme, error) from None


def send(folder: Path, address: str) -> None:
    """Every file below the folder to where the address lies, those that are hidden left out. Raises Refused."""
    import fsspec

    parent = address.rpartition("/")[0]
    try:
        store, path = fsspec.core.url_to_fs(parent)
        for file in sorted(one for one in folder.rglob("*") if one.is_file()):
            below = file.relative_to(folder)
            if not any(part[0] == "." for part in below.parts):
                store.put_file(str(file), f"{path}/{below.as_posix()}")
    except (OSError, ValueError, RuntimeError) as error:
        raise Refused(
            f"{address[:200]} cannot be written ({_fault(error)}). Check the address, what the environment says of its "
            f"store, and the network; what was to be sent lies in {folder}."
        ) from None


def _copy(source: Any, copy: Any, report: Progress) -> None:
    """With progress in bytes. Raises Refused for what has no end."""
    done, total = 0, int(getattr(source, "size", None) or 0)
    while piece := source.read(PIECE):
        copy.write(piece)
        done += len(piece)
        if done > MOST_BYTES:
            raise Refused(f"The file has more than {MOST_BYTES >> 30} GB; copy it here yourself and import the copy.")
        report(done, max(total, done))


def _fetch_data_set(repo: str, folder: Path) -> Path:
    """The tables of a data set, without scripts: nothing that comes with it is ever run."""
    try:
        check_repo(repo)
    except BadInput:
        raise BadInput(
            f"hf:{repo[:80]} is neither a folder here nor OWNER/NAME of a data set on the Hugging Face Hub."
        ) from None
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    target = folder / repo.rpartition("/")[2]
    patterns = [f"*{ending}" for ending in TABLES]
    try:
        snapshot_download(repo, repo_type="dataset", local_dir=target, allow_patterns=patterns)
    except RepositoryNotFoundError:
        raise Refused(
            f"The Hub has no data set {repo}, or does not show it without a token: set HF_TOKEN, or check the name."
        ) from None
    except OfflineModeIsEnabled:
        raise Refused("HF_HUB_OFFLINE is set, so nothing is fetched. Unset it, or name a folder.") from None
    except HfHubHTTPError as error:
        raise Refused(f"{repo} was not fetched: the Hub answered {error.response.status_code}. Try again.") from None
    except (LocalEntryNotFoundError, HTTPError, OSError) as error:
        raise Refused(f"The Hub cannot be reached ({type(error).__name__}). Check the network and try again.") from None
    return target
