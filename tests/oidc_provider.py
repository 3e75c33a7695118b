"""An OpenID provider as small as can be: discovery, keys, a page that asks who somebody is, a token signed with RSA."""

import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlencode

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

if TYPE_CHECKING:
    from joserfc.jwk import RSAKey

CLIENT, CLIENT_SECRET = "rondo-test", "a secret of the client"


def new_key() -> "RSAKey":
    """Loads the library where a provider is asked for, not wherever tests are collected."""
    from joserfc.jwk import RSAKey

    return RSAKey.generate_key(2048, {"kid": "k1", "use": "sig", "alg": "RS256"})


@dataclass
class Provider:
    """`email` on its page is believed: it is a test."""

    url: str
    key: "RSAKey" = field(default_factory=new_key)
    codes: dict[str, dict[str, str]] = field(default_factory=dict)

    async def discovery(self, _: Request) -> Response:
        paths = {"authorization_endpoint": "authorize", "token_endpoint": "token", "jwks_uri": "keys"}
        result = {name: f"{self.url}/{path}" for name, path in paths.items()}
        methods = {"id_token_signing_alg_values_supported": ["RS256"], "code_challenge_methods_supported": ["S256"]}
        return JSONResponse({"issuer": self.url, **result, **methods, "response_types_supported": ["code"]})

    async def keys(self, _: Request) -> Response:
        from joserfc.jwk import KeySet

        return JSONResponse(KeySet([self.key]).as_dict(private=False))

    async def authorize(self, request: Request) -> Response:
        """The page, and what its form leads to."""
        query = dict(request.query_params)
        if "email" not in query:
            hidden = "".join(f'<input type="hidden" name="{name}" value="{value}">' for name, value in query.items())
            return HTMLResponse(f'<form>{hidden}<input id="email" name="email"><button>Go on</button></form>')
        code = secrets.token_hex(16)
        self.codes[code] = query
        return RedirectResponse(f"{query['redirect_uri']}?{urlencode({'code': code, 'state': query['state']})}", 302)

    async def token(self, request: Request) -> Response:
        sent = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        query = self.codes.pop(sent["code"])
        now = int(time.time())
        claims = {"iss": self.url, "aud": CLIENT, "sub": query["email"], "iat": now, "exp": now + 600}
        claims |= {"email": query["email"], "email_verified": True, "nonce": query.get("nonce", "")}
        from joserfc import jwt

        token = jwt.encode({"alg": "RS256", "kid": "k1"}, claims, self.key)
        return JSONResponse({"access_token": "x", "token_type": "Bearer", "expires_in": 600, "id_token": token})

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self.discovery),
                Route("/keys", self.keys),
                Route("/authorize", self.authorize),
                Route("/token", self.token, methods=["POST"]),
            ]
        )


@contextmanager
def provider() -> Iterator[Provider]:
    """One that listens on this machine."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        made = Provider(f"http://127.0.0.1:{listening.getsockname()[1]}")
        server = uvicorn.Server(uvicorn.Config(made.app(), log_level="error"))
        thread = threading.Thread(target=server.run, args=([listening],), daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.02)
        yield made
        server.should_exit = True
        thread.join(10)
