"""What Modal's exceptions mean for a person and for a job. Knows their names and texts; imports no client."""

from collections.abc import Iterator
from contextlib import contextmanager

from core.errors import BadInput, Refused, RondoError
from core.jobs.bundle import RunStatus

AGAIN = "`rondo jobs retry` goes on from the newest checkpoint."


class NoAnswer(RondoError):
    """Modal cannot be reached or has an outage: this tells nothing about a job."""


_OUTAGE = "Modal has trouble of its own: {text} Its jobs go on or begin again by themselves; look later."
_CARRYING = "Carrying files to or from Modal did not work: {text} Try again."

WORDS: dict[str, tuple[type[RondoError], str]] = {
    "AuthError": (
        BadInput,
        "Modal does not accept the token: {text} Run `modal setup`, or set MODAL_TOKEN_ID and MODAL_TOKEN_SECRET.",
    ),
    "PermissionDeniedError": (
        BadInput,
        "This token may not do that on Modal: {text} Use another token, or ask the owner of the workspace.",
    ),
    "VersionError": (
        BadInput,
        "Modal no longer serves this client: {text} Upgrade Rondo, which brings a newer one.",
    ),
    "NotFoundError": (
        Refused,
        "Modal has no such thing: {text} Is MODAL_ENVIRONMENT right, and the token that of the same workspace?",
    ),
    "ImageBuildError": (
        Refused,
        "Modal could not build the job's image: {text} Try again; if it stays so, report it with this text.",
    ),
    "ResourceExhaustedError": (
        Refused,
        "A limit of your Modal workspace is reached: {text} Wait for other jobs to end, or raise it in its settings.",
    ),
    "ConnectionError": (NoAnswer, "Modal cannot be reached: {text} Is this machine online? Jobs go on without it."),
    "ServiceError": (NoAnswer, _OUTAGE),
    "InternalError": (NoAnswer, _OUTAGE),
    "InternalFailure": (NoAnswer, _OUTAGE),
    "DataLossError": (NoAnswer, _OUTAGE),
    "ClientClosed": (NoAnswer, "The connection to Modal was closed while it was asked: {text} Look again."),
    "MountUploadTimeoutError": (NoAnswer, _CARRYING),
    "VolumeUploadTimeoutError": (NoAnswer, _CARRYING),
    "ClientError": (NoAnswer, _CARRYING),
    "ConflictError": (Refused, "Modal is busy with the same thing: {text} Try again in a moment."),
    "UnimplementedError": (
        Refused,
        "Modal does not offer what was asked for: {text} Install Rondo again, which names the right client.",
    ),
    "InvalidError": (BadInput, "Modal refuses this: {text} Check the GPU and the time limit under [jobs]."),
    "Error": (Refused, "Modal refused: {text} Try again; if it stays so, report it with this text."),
    "OSError": (NoAnswer, "Modal cannot be reached: {text} Is this machine online? Jobs go on without it."),
    "ProtocolError": (NoAnswer, _OUTAGE),
    "StreamTerminatedError": (NoAnswer, _OUTAGE),
}
"""by the name of an exception's class, or else of one that it descends from"""

_OUT_OF_MEMORY = (
    "It ran out of memory on Modal. Lower batch_size or max_length, or take a larger GPU with --gpu; " + AGAIN
)
_STOPPED = "It was stopped."
TOO_LONG = "It took longer than jobs.job_seconds in rondo.toml allows."


def reason(error: BaseException) -> RondoError:
    """The message for a person about an exception of the client."""
    for kind in type(error).__mro__:
        if kind.__name__ in WORDS:
            requested, words = WORDS[kind.__name__]
            return requested(words.format(text=_short(error)))
    raise error


@contextmanager
def in_words() -> Iterator[None]:
    """Raises the client's exceptions as `reason` translates them. Others are bugs, and pass."""
    import modal
    from aiohttp import ClientError
    from grpclib.exceptions import ProtocolError, StreamTerminatedError

    troubles = (modal.exception.Error, ClientError, ProtocolError, StreamTerminatedError)
    try:
        yield
    except troubles as error:
        raise reason(error) from None
    except OSError as error:
        if error.filename is not None:  # a file of this machine, not the network
            raise
        raise reason(error) from None


def ends() -> tuple[type[BaseException], ...]:
    """Exceptions about the call itself and not about Modal. A container that cannot import sends its own exception."""
    from modal import exception

    return (
        exception.FunctionTimeoutError,
        exception.OutputExpiredError,
        exception.ExecutionError,
        exception.NotFoundError,
        exception.RemoteError,
        exception.InputCancellation,
        ImportError,
    )


def end_of(error: BaseException) -> RunStatus:
    """Status of a call that ended with this exception, one of `ends`."""
    name, text = type(error).__name__, str(error).strip()
    if name == "FunctionTimeoutError":
        return RunStatus("timed_out", TOO_LONG)
    if name in ("RemoteError", "InputCancellation"):
        # a call that was ended from outside has one of these texts, or none at all
        lower = text.lower()
        if not lower or any(word in lower for word in ("cancel", "terminated", "app was stopped")):
            return RunStatus("cancelled", _STOPPED)
        if any(word in lower for word in ("out of memory", "oom", "exit code: 137", "exit code: -9")):
            return RunStatus("failed", _OUT_OF_MEMORY)
        return RunStatus("failed", f"It broke on Modal before it could leave a result: {_sentence(text)} {AGAIN}")
    if name == "OutputExpiredError":
        return RunStatus("lost", "Modal keeps what a call returned for seven days, and its Volume has no result of it.")
    if name == "ExecutionError":
        return RunStatus("failed", f"It could not begin on Modal: {_short(error)} {AGAIN}")
    if isinstance(error, ImportError):
        return RunStatus("failed", f"Modal's image lacks what the job imports: {_short(error)} Please report it.")
    return RunStatus("lost", f"Modal does not know this job: {_short(error)} Is the token that of the same workspace?")


def _short(error: BaseException) -> str:
    return _sentence(str(error).strip() or type(error).__name__)


def _sentence(text: str) -> str:
    """One line that ends in a full stop, at most 300 characters."""
    line = " ".join(text.split())
    line = line if len(line) <= 300 else line[:299] + "…"
    return line if line[-1:] in (".", "!", "?", "…") else line + "."
