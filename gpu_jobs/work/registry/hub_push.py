"""Sends folders to the Hugging Face Hub with its own client, one commit each. Knows files and names, not models."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from core.errors import BadInput, Refused, RondoError
from core.registry.push_job import PushedRepository, PushParams, PushResult

MIB = 1 << 20
_KEPT = (".gitattributes", "LICENSE", "LICENSE.md", "LICENSE.txt")
"""what others may add to the repository and a new version leaves there"""
_MARKS = {"model": "rondo.json", "dataset": "card.json"}
"""a file that says that the repository holds what was pushed from here"""
_ANSWERS = {
    400: "did not take it (400).",
    401: "does not know this token (401). Make one with write access and set HF_TOKEN.",
    402: "asks for a paid plan (402).",
    403: "does not let this token write there (403). Give it write access, or name a repository of yours.",
    404: "has no such place (404). Is the owner's name right, and may this token see it?",
    409: "says that somebody else is making it right now (409). Try again.",
    412: "says that somebody else pushed meanwhile (412). Push again.",
    429: "says that there were too many requests (429). Wait some minutes and push again.",
}


def push(bundle: Path, params: PushParams, report: Callable[[int, int], None]) -> PushResult:
    """`in/model`, and `in/dataset` if there is one, each as one commit. The token is in HF_TOKEN.

    Raises Refused or BadInput with a sentence on what to do; a repository that is public, or contains something else,
    is left as it is.
    """
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    token = os.environ.get("HF_TOKEN", "")
    repositories = {"model": (params.repo, bundle / "in" / "model")}
    if params.labels:
        repositories["dataset"] = (f"{params.repo}-labels", bundle / "in" / "dataset")
    with in_sentences(params.repo, token):
        from huggingface_hub import HfApi

        api = HfApi(token=token)
        parents = {kind: prepare(api, repo, kind, params.private) for kind, (repo, _) in repositories.items()}
        sent = {
            kind: send(api, (repo, kind, parents[kind]), folder, params.message, report)
            for kind, (repo, folder) in repositories.items()
        }
    return PushResult(params.model, **vars(sent["model"]), dataset=sent.get("dataset"))


def prepare(api: Any, repo: str, kind: str, private: bool) -> str | None:
    """The parent of the new commit. Makes the repository where there is none."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.repo_info(repo, repo_type=kind)
    except RepositoryNotFoundError:
        api.create_repo(repo, repo_type=kind, private=private)
        info = api.repo_info(repo, repo_type=kind)
    names = {one.rfilename for one in info.siblings or ()}
    if names - {*_KEPT, "README.md"} and _MARKS[kind] not in names:
        raise Refused(f"{repo} is there already and holds something else. Name another; nothing was pushed.")
    if private and not info.private:
        raise Refused(f"{repo} is there already and public. Push with --public if that is meant, or name another.")
    return str(info.sha) if info.sha else None


def send(
    api: Any, target: tuple[str, str, str | None], folder: Path, message: str, report: Callable[[int, int], None]
) -> PushedRepository:
    """All files as one commit; files of an earlier one that are not among them go. target: repo, kind, parent."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    repo, kind, parent = target
    files = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*")) if path.is_file()}
    total, done = sum(path.stat().st_size for path in files.values()), 0
    adding = [CommitOperationAdd(path_in_repo=name, path_or_fileobj=path) for name, path in files.items()]
    for one, path in zip(adding, files.values(), strict=True):  # one by one, for the sake of progress
        report(done // MIB, total // MIB + 1)
        api.preupload_lfs_files(repo, additions=[one], repo_type=kind, free_memory=False)
        done += path.stat().st_size
    there = {one.rfilename for one in api.repo_info(repo, repo_type=kind).siblings or ()}
    gone = [CommitOperationDelete(path_in_repo=name) for name in sorted(there - files.keys() - {*_KEPT})]
    made = api.create_commit(repo, [*adding, *gone], commit_message=message, repo_type=kind, parent_commit=parent)
    report(total // MIB + 1, total // MIB + 1)
    url = f"{api.endpoint}/{'datasets/' if kind == 'dataset' else ''}{repo}"
    private = bool(api.repo_info(repo, repo_type=kind).private)
    return PushedRepository(repo, url, made.oid, private, len(files), total)


@contextmanager
def in_sentences(repo: str, token: str) -> Iterator[None]:
    """Turns what the client raises into a sentence on what to do, without the token."""
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, HTTPError, OfflineModeIsEnabled

    if not token:
        raise Refused("There is no HF_TOKEN. Make one with write access at https://huggingface.co/settings/tokens.")
    try:
        yield
    except RondoError:
        raise
    except HFValidationError as error:
        raise BadInput(f"{repo!r} is no name of a repository: {_line(error, token)}") from None
    except OfflineModeIsEnabled:
        raise Refused("HF_HUB_OFFLINE is set, so nothing can be pushed. Unset it and push again.") from None
    except HfHubHTTPError as error:
        raise Refused(_answer(repo, error, token)) from None
    except (HTTPError, ConnectionError) as error:
        kind = type(error).__name__
        raise Refused(f"The Hub cannot be reached ({kind}). Check the network and push again.") from None
    except OSError as error:  # from the storage, too: it refuses a token with errors of its own
        fault = f"{type(error).__name__}: {_line(error, token)}"
        raise Refused(f"{repo} was not pushed ({fault}). Check the token and the network, and push again.") from None
    except (RuntimeError, ValueError) as error:
        cause = error.__cause__
        if isinstance(cause, HfHubHTTPError):
            raise Refused(_answer(repo, cause, token)) from None
        raise Refused(f"{repo} was not pushed: {_line(cause or error, token)} Try again.") from None


def _answer(repo: str, error: Any, token: str) -> str:
    status = error.response.status_code
    if status >= 500:
        return f"{repo} was not pushed: the Hub has trouble ({status}). Try again later."
    fault = _line(error, token)
    return f"{repo} was not pushed: the Hub {_ANSWERS.get(status, f'answered {status}.')} It said: {fault}"


def _line(error: BaseException, token: str) -> str:
    """The server's own message where there is one, in one line."""
    text = getattr(error, "server_message", None) or str(error)
    return " ".join(text.replace(token, "(token)").split())[:300]
