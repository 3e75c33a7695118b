"""The environment of a process that we start: no secrets but those that its work needs. Starts nothing."""

import re
from collections.abc import Mapping

_SECRET_WORDS = {
    *("TOKEN", "SECRET", "PASSWORD", "PASSWD", "PASSPHRASE"),
    *("CREDENTIAL", "CREDENTIALS", "KEY", "APIKEY", "PAT"),
}
_OURS = ("RONDO_ACCESS_CODE",)
_LOGIN = re.compile(r"://[^/@\s]*:[^/@\s]+@")
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
"""a password may stand in them, and without them there is no network"""

_HUB = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_TRACKERS = ("WANDB_", "MLFLOW_", "DATABRICKS_", "AWS_", "AZURE_", "GOOGLE_")
"""MLflow keeps files at the last four"""
_HOSTED = ("OPENAI_API_KEY", "TOGETHER_API_KEY", "FIREWORKS_API_KEY", "RONDO_HOSTED_TOKEN")
NEEDED: dict[str, tuple[str, ...]] = {
    "activate": _HUB,
    "compare_encoders": _HUB,
    "encode": _HUB,
    "encode_sample": _HUB,
    "evaluate": _HUB,
    "generate": _HOSTED,
    "hosted_answers": _HOSTED,
    "hosted_lookup": _HOSTED,
    "hosted_tuning": _HOSTED,
    "push": _HUB,
    "renew": _HUB,
    "train_lora": _HUB,
    "train": (*_HUB, *_TRACKERS),
}
"""kind of job: how the names of the secrets begin that it may need; every other kind needs none"""


def without_secrets(environment: Mapping[str, str], needed: tuple[str, ...] = ()) -> dict[str, str]:
    """The variables without secrets, judged by their names and by logins in addresses, and the needed ones."""
    return {
        name: value
        for name, value in environment.items()
        if name.upper().startswith(needed) or not _is_secret(name.upper(), value)
    }


def for_job(environment: Mapping[str, str], kind: str) -> dict[str, str]:
    """The environment of a job of this kind."""
    return without_secrets(environment, NEEDED.get(kind, ()))


def _is_secret(name: str, value: str) -> bool:
    if name in _PROXIES:
        return False
    return name in _OURS or bool(_SECRET_WORDS & set(name.split("_"))) or _LOGIN.search(value) is not None
