"""Signing in with an organisation's accounts: Streamlit's st.login does it, this reads its settings and its cookie."""

import json
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path

from app.auth.secret_file import read_secret_table
from core.errors import BadInput, Refused

NEEDED = ("redirect_uri", "cookie_secret")
OF_A_PROVIDER = ("client_id", "client_secret", "server_metadata_url")
LEAST_SECRET = 32


def read_auth(project: Path) -> dict[str, object]:
    """[auth] of the project's secrets.toml, or {}. Raises BadInput without quoting a value, Refused without Authlib."""
    auth = read_secret_table(project).get("auth")
    if auth is None:
        return {}
    if not isinstance(auth, dict) or any(not isinstance(auth.get(name), str) for name in NEEDED):
        raise BadInput(f"[auth] in .streamlit/secrets.toml needs {' and '.join(NEEDED)}; see the README.")
    if not any(all(name in table for name in OF_A_PROVIDER) for table in _providers(auth).values()):
        raise BadInput(f"[auth] in .streamlit/secrets.toml needs {', '.join(OF_A_PROVIDER)}; see the README.")
    if len(str(auth["cookie_secret"])) < LEAST_SECRET:
        raise BadInput(f"cookie_secret under [auth] signs who somebody is: make it {LEAST_SECRET} characters or more.")
    if find_spec("authlib") is None:
        raise Refused("Signing in by [auth] needs Authlib. Install it: pip install 'rondo[oidc]'.")
    return auth


def provider_names(auth: Mapping[str, object]) -> list[str]:
    """Names for `st.login`: `default` where the settings are in [auth] itself."""
    return [name for name, table in _providers(auth).items() if all(key in table for key in OF_A_PROVIDER)]


def _providers(auth: Mapping[str, object]) -> dict[str, Mapping[str, object]]:
    tables = {name: table for name, table in auth.items() if isinstance(table, dict) and name != "client_kwargs"}
    return {"default": auth, **tables}


def claims_of(cookies: Mapping[str, str]) -> dict[str, object]:
    """The provider's claims about the owner of these cookies, {} where Streamlit did not sign them."""
    from streamlit.web.server.starlette.starlette_server_config import USER_COOKIE_NAME
    from streamlit.web.server.starlette.starlette_websocket import _get_signed_cookie_with_chunks

    try:
        signed_cookie_with_chunks = _get_signed_cookie_with_chunks(dict(cookies), USER_COOKIE_NAME)
        result = json.loads(signed_cookie_with_chunks) if signed_cookie_with_chunks else {}
    except (ValueError, UnicodeError):
        return {}
    return result if isinstance(result, dict) else {}
