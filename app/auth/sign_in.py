"""The pages to sign in with an access code or the link's token, and out: plain HTML. Knows no page of the app."""

import base64
import hashlib
import time
from html import escape
from urllib.parse import parse_qs, quote

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from annotation.engine.throttle import Throttle
from app.auth.authenticator import Authenticator, AuthMode
from app.auth.guard import TOKEN, Identity, authenticate, from_here, link_cookie
from app.auth.tokens import VALID_SECONDS
from app.request_body import read_at_most
from core.people.names import NAME_LIMIT
from core.store.database import note

MOST_BYTES = 4_096
MOST_NEXT = 2_000
WRONG = "The name or the access code is wrong."
WRONG_LINK = "This is not the token of the link that was printed last."

STYLE = """
:root { color-scheme: light dark; --edge: #767c8a; --go: #1d5fd6; --ring: #1d5fd6; --bad: #b3261e; --soft: #5a606c;
  --page: #fff; --text: #14171c; }
@media (prefers-color-scheme: dark) { :root { --edge: #8b93a3; --ring: #7aa2f2; --bad: #ff8a80; --soft: #a9b0bd;
  --page: #0e1117; --text: #fafafa; } }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: var(--page); color: var(--text); }
main { width: min(24rem, 100vw); padding: 1.5rem; }
h1 { font-size: 1.5rem; margin: 0 0 .25rem; }
p { margin: 0 0 1rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); }
label { display: block; font-weight: 600; margin: 1rem 0 .25rem; }
input { font: inherit; width: 100%; min-height: 44px; padding: .5rem .75rem; border: 1px solid var(--edge);
  border-radius: .5rem; background: var(--page); color: var(--text); }
.code { font-family: ui-monospace, monospace; }
button { font: inherit; font-weight: 600; width: 100%; min-height: 44px; margin-top: 1.5rem; border: 0;
  border-radius: .5rem; background: var(--go); color: #fff; cursor: pointer; }
:focus-visible { outline: 3px solid var(--ring); outline-offset: 2px; }
[role=alert] { color: var(--bad); font-weight: 600; }
"""
_HASH = base64.b64encode(hashlib.sha256(STYLE.encode()).digest()).decode()
HEADERS = {
    "content-security-policy": (
        f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "cache-control": "no-store",
    "referrer-policy": "same-origin",  # with no-referrer, a browser says of a form only that its origin is "null"
}


def sign_in_routes(authenticator: Authenticator) -> list[Route]:
    """`/sign-in` and `/sign-out`, each to see and to send."""
    throttle = Throttle()

    async def sign_in(request: Request) -> Response:
        if request.method == "POST":
            return await run_in_threadpool(_let_in, request, authenticator, throttle, await read_form(request))
        return await run_in_threadpool(_show, request, authenticator)

    async def sign_out(request: Request) -> Response:
        return await run_in_threadpool(_let_out, request, authenticator)

    methods = ["GET", "POST"]
    return [Route("/sign-in", sign_in, methods=methods), Route("/sign-out", sign_out, methods=methods)]


def safe_next(requested: str) -> str:
    """A path of this app, whatever was asked for: `//x`, `/\\x` and a tab in between lead to other sites."""
    odd = any(letter == "\\" or not "!" <= letter <= "~" for letter in requested)
    if odd or len(requested) > MOST_NEXT or not requested.startswith("/") or requested.startswith("//"):
        return "/"
    return "/" if requested.startswith(("/sign-", "/api", "/_stcore")) else requested


def _show(request: Request, authenticator: Authenticator) -> Response:
    requested = safe_next(request.query_params.get("next", "/"))
    if request.headers.get("sec-fetch-site") == "cross-site":  # from a link elsewhere the cookie is not sent
        return _page("", head=f'<meta http-equiv="refresh" content="0;url=./sign-in?next={quote(requested, safe="")}">')
    identity = authenticate(authenticator, request.cookies)
    if _is_in(identity):
        return RedirectResponse(from_here(request, requested), 303)
    return code_form(requested) if identity.auth_mode is not AuthMode.TRUST else token_form(requested)


def _is_in(identity: Identity) -> bool:
    return (
        bool(identity.person)
        or identity.auth_mode is AuthMode.ACCOUNTS
        or (identity.auth_mode is AuthMode.TRUST and identity.known)
    )


def _open_link(request: Request, authenticator: Authenticator, requested: str, token: str) -> Response:
    """Whoever has the terminal before him can copy the token from it."""
    value = authenticator.open_link(token.strip(), time.time())
    if value is None:
        return token_form(requested, WRONG_LINK, 403)
    answer = RedirectResponse(from_here(request, requested), 303, headers={"cache-control": "no-store"})
    link_cookie(answer, authenticator, value, request)
    return answer


def _let_in(request: Request, authenticator: Authenticator, throttle: Throttle, form: dict[str, str]) -> Response:
    """Runs in a thread: a check takes 50 ms."""
    name, requested = " ".join(form.get("name", "").split())[:NAME_LIMIT], safe_next(form.get("next", "/"))
    if (auth_mode := authenticator.auth_mode()) is AuthMode.TRUST and not _is_in(
        authenticate(authenticator, request.cookies)
    ):
        return _open_link(request, authenticator, requested, form.get(TOKEN, ""))
    if auth_mode is not AuthMode.CODES:
        return RedirectResponse(from_here(request, requested), 303)
    address = request.client.host if request.client else ""
    known = authenticator.person(name) if name else None
    keys = (("name and address", f"{known.name if known else name.casefold()} {address}"), ("address", address))
    if wait := throttle.admit(keys, time.monotonic()):
        seconds = max(1, round(wait))
        answer = code_form(requested, f"Too many wrong tries. Try again in {seconds:,} s.", name, 429)
        answer.headers["retry-after"] = str(seconds)
        return answer
    person = authenticator.try_code(name, form.get("code", ""))
    with authenticator.store.transaction() as cursor:
        if person is None:  # the name only where it is one: some type their code there
            tried = known.name if known else None
            note(cursor, "nobody", "sign-in refused", {"name": tried, "address": address})
        else:
            note(cursor, person.name, "signed in", {"role": person.role, "address": address})
    if person is None:
        return code_form(requested, WRONG, name, 403)
    throttle.forgive(keys)
    answer = RedirectResponse(from_here(request, requested), 303, headers={"cache-control": "no-store"})
    answer.set_cookie(
        authenticator.cookie,
        authenticator.open_session(person, time.time()),
        max_age=VALID_SECONDS,
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return answer


def _let_out(request: Request, authenticator: Authenticator) -> Response:
    identity = authenticate(authenticator, request.cookies)
    if request.method == "GET" and identity.person and identity.auth_mode is AuthMode.CODES:
        return _page(
            "<h1>Sign out?</h1>"
            f'<p class="soft">Signed in as {escape(identity.person.name)}. What was answered is kept.</p>'
            '<form method="post" action="sign-out"><button>Sign out</button></form>'
        )
    if identity.person and identity.auth_mode is AuthMode.CODES:
        authenticator.end_session(identity.session, time.time())
        with authenticator.store.transaction() as cursor:
            note(cursor, identity.person.name, "signed out", {})
    answer = RedirectResponse(from_here(request, "/sign-in"), 303)
    answer.delete_cookie(authenticator.cookie, httponly=True, samesite="strict")
    return answer


async def read_form(request: Request) -> dict[str, str]:
    """The first value of each field; nothing of a body that is too long."""
    body = await read_at_most(request, MOST_BYTES)
    try:
        fields = parse_qs((body or b"").decode("utf-8", "replace"), keep_blank_values=True, max_num_fields=10)
    except ValueError:
        return {}
    return {name: values[0] for name, values in fields.items()}


def code_form(requested: str, error_message: str = "", name: str = "", status: int = 200) -> Response:
    alert = f'<p role="alert" id="trouble">{escape(error_message)}</p>' if error_message else ""
    described = ' aria-describedby="trouble"' if error_message else ""
    first, second = (" autofocus", "") if not name else ("", " autofocus")
    return _page(
        '<h1>Rondo</h1><p class="soft">Sign in with your name and the access code that you were given.</p>'
        f'{alert}<form method="post" action="sign-in"><input type="hidden" name="next" value="{escape(requested)}">'
        f'<label for="name">Name</label><input id="name" name="name" value="{escape(name)}" required '
        f'maxlength="{NAME_LIMIT}" autocomplete="username" autocapitalize="off" spellcheck="false"{described}{first}>'
        '<label for="code">Access code</label><input class="code" id="code" name="code" type="password" maxlength="200"'
        f' required autocomplete="current-password"{described}{second}><button>Sign in</button></form>',
        status,
    )


def token_form(requested: str, error_message: str = "", status: int = 200) -> Response:
    alert = f'<p role="alert" id="trouble">{escape(error_message)}</p>' if error_message else ""
    return _page(
        '<h1>Rondo</h1><p class="soft">Open the link that <code>rondo up</code> printed in the terminal where it was '
        "started, or copy its token here; this browser is then known. <code>rondo up</code>, typed again, prints it "
        f'again.</p>{alert}<form method="post" action="sign-in">'
        f'<input type="hidden" name="next" value="{escape(requested)}">'
        f'<label for="{TOKEN}">Token</label><input class="code" id="{TOKEN}" name="{TOKEN}" type="password" required '
        'maxlength="200" autocomplete="off" autofocus><button>Open</button></form>',
        status,
    )


def _page(inner: str, status: int = 200, head: str = "") -> HTMLResponse:
    return HTMLResponse(
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Rondo: sign in and out</title>'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"{head}<style>{STYLE}</style></head><body><main>{inner}</main></body></html>",
        status,
        HEADERS,
    )
