"""A request to a provider about a job: `python -m gpu_jobs.work.hosted.hosted_request BUNDLE cancel|forget`."""

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from core.errors import RondoError
from core.hosted.fine_tuning import HOSTED_TUNING, cancel, forget
from core.jobs.bundle import Bundle
from core.language_models.client import Connection, connect
from core.language_models.providers import provider_of

TRIES, TIMEOUT_SECONDS = 2, 15.0
REQUESTS: dict[str, Callable[[Path, Connection], object]] = {"cancel": cancel, "forget": forget}


def main() -> None:
    """Ends with 1, and the reason as the last line of stderr, where it did not get through."""
    bundle, what = Path(sys.argv[1]).absolute(), sys.argv[2]
    try:
        params = Bundle(bundle).params(HOSTED_TUNING)
        patience = replace(
            params.patience,
            tries=min(params.patience.tries, TRIES),
            longest=min(params.patience.longest, TIMEOUT_SECONDS),
            timeout=min(params.patience.timeout, TIMEOUT_SECONDS),
        )
        REQUESTS[what](bundle, connect(provider_of(params.provider, params.base_url), patience))
    except RondoError as error:
        sys.exit(f"{error}".replace("\n", " "))


if __name__ == "__main__":
    main()
