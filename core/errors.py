"""The errors a person is shown in one line; anything that is not one of these is a bug and keeps its traceback."""


class RondoError(Exception):
    """Says what was wrong, where, and what to do. `exit_code` is what the command line ends with."""

    exit_code = 1


class BadInput(RondoError):
    """The input (a file, a column, a value, an option) cannot be used as it is."""

    exit_code = 2


class Unreachable(BadInput):
    """What was named lies elsewhere and could not be fetched now: there is no network, or nobody answers."""


class NotAProject(RondoError):
    """There is no project where one was looked for."""

    exit_code = 3


class Refused(RondoError):
    """The request is understood but cannot be met now: too few records, no labels yet, another holder."""

    exit_code = 4


class Damaged(RondoError):
    """A stored file is not what it should be; nothing was changed."""

    exit_code = 5


class Cancelled(RondoError):
    """A person stopped it."""

    exit_code = 130
