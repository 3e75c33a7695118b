"""Who hosts models: addresses, the variable that holds the token, and which form of the API is spoken there."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from core.errors import BadInput, Refused

OWN_TOKEN = "RONDO_HOSTED_TOKEN"  # noqa: S105 - the name of a variable
ACCOUNT = "FIREWORKS_ACCOUNT_ID"
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class Provider:
    """name: openai, together, fireworks, or a host. base_url: where files and jobs are; chat_url: where models answer.

    token: the environment variable that holds it. dialect: a key of `core.hosted.dialects.DIALECTS`.
    """

    name: str
    base_url: str
    chat_url: str
    token: str
    dialect: str


def _provider(name: str, base_url: str, token: str, dialect: str = "openai", chat_url: str = "") -> Provider:
    return Provider(name, base_url, chat_url or base_url, token, dialect)


PROVIDERS: dict[str, Provider] = {
    "openai": _provider("openai", "https://api.openai.com/v1", "OPENAI_API_KEY"),
    "together": _provider("together", "https://api.together.ai/v1", "TOGETHER_API_KEY", "together"),
    "fireworks": _provider(
        "fireworks",
        "https://api.fireworks.ai/v1",
        "FIREWORKS_API_KEY",
        "fireworks",
        chat_url="https://api.fireworks.ai/inference/v1",
    ),
}
DEPLOYMENTS: dict[str, str] = {
    "together": "Together serves a tuned model on a dedicated endpoint, billed by the minute: deploy it there before "
    "it is asked (docs.together.ai/docs/fine-tuning/deployment, read 2026-11-30).",
    "fireworks": "Fireworks serves a tuned model on a dedicated deployment, billed by the GPU's second: deploy it "
    "there before it is asked (docs.fireworks.ai/fine-tuning/deploying-loras, read 2026-11-30).",
}
"""provider -> what must be done there before a tuned model answers"""
TOKENS = (*(provider.token for provider in PROVIDERS.values()), OWN_TOKEN)


def provider_of(name: str, base_url: str = "") -> Provider:
    """By its name, or an address whose server speaks OpenAI's API. base_url: where a known one stands instead, a proxy
    say. Raises BadInput.
    """
    if known := PROVIDERS.get(name):
        if not base_url or base_url == known.base_url:
            return known
        url = _checked(base_url)
        return replace(known, base_url=url, chat_url=url)
    if "://" not in name:
        raise BadInput(
            f"There is no provider {name[:80]!r}; there are {', '.join(PROVIDERS)}, and any address (https://HOST/v1) "
            "that speaks OpenAI's API."
        )
    url = _checked(name)
    return _provider(urlsplit(url).netloc, url, OWN_TOKEN)


def _checked(url: str) -> str:
    parts = urlsplit(url)
    if parts.username or parts.password:
        raise BadInput(f"The address holds a login, which would be stored. Put the token into {OWN_TOKEN} instead.")
    if not parts.hostname or parts.query or parts.fragment:
        raise BadInput(f"{url[:120]!r} is no address of an API; it looks like https://HOST/v1.")
    if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in LOCAL_HOSTS):
        raise BadInput(f"{url[:120]!r} must begin with https://, because texts and a token go there.")
    return url.rstrip("/")


def token_of(provider: Provider, environment: Mapping[str, str] | None = None) -> str:
    """The token. Raises Refused where the variable is not set; a server on this machine may do without."""
    value = (os.environ if environment is None else environment).get(provider.token, "").strip()
    if value:
        return value
    if urlsplit(provider.base_url).hostname in LOCAL_HOSTS:
        return "none"
    raise Refused(
        f"{provider.token} is not set: {provider.name} wants a token. Set it in the environment of the app, or of this "
        "command where no app runs."
    )


def account_of(environment: Mapping[str, str] | None = None) -> str:
    """The account at Fireworks, which is part of every address there. Raises Refused."""
    value = (os.environ if environment is None else environment).get(ACCOUNT, "").strip()
    if not value or not value.replace("-", "").replace("_", "").isalnum():
        raise Refused(f"{ACCOUNT} is not set: Fireworks wants the name of the account beside the token.")
    return value
