"""Signing in to a home: by the token of its link, or by a name and a code that projects know; and out."""

import time
from collections.abc import Iterable

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from annotation.engine.throttle import Throttle
from app.auth.guard import TOKEN, from_here
from app.auth.sign_in import WRONG, WRONG_LINK, code_form, read_form, safe_next, token_form
from app.auth.tokens import VALID_SECONDS
from app.home.access import Access
from app.home.home_guard import link_cookie, visitor_of
from core.people.names import NAME_LIMIT


def home_sign_in_routes(access: Access) -> list[Route]:
    """`/sign-in` and `/sign-out`."""
    throttle = Throttle()

    async def sign_in(request: Request) -> Response:
        requested = safe_next(request.query_params.get("next", "/"))
        if request.method == "POST":
            return await run_in_threadpool(_let_in, request, access, throttle, await read_form(request))
        if visitor_of(request).known and requested.startswith("/p/"):  # known, and not to this project
            return code_form(requested)
        if visitor_of(request).known:
            return RedirectResponse(from_here(request, requested), 303)
        by_code = not access.bound.loopback or "code" in request.query_params
        return code_form(requested) if by_code else token_form(requested)

    async def sign_out(request: Request) -> Response:
        return _let_out(request, access)

    return [
        Route("/sign-in", sign_in, methods=["GET", "POST"]),
        Route("/sign-out", sign_out, methods=["POST"]),
    ]


def _let_in(request: Request, access: Access, throttle: Throttle, form: dict[str, str]) -> Response:
    """Runs in a thread: a check of a code takes 50 ms for each project."""
    requested = safe_next(form.get("next", "/"))
    if TOKEN in form:
        value = access.open_link(form[TOKEN], time.time())
        if value is None:
            return token_form(requested, WRONG_LINK, 403)
        answer: Response = RedirectResponse(from_here(request, requested), 303)
        link_cookie(answer, access, value, request)
        return answer
    name = " ".join(form.get("name", "").split())[:NAME_LIMIT]
    address = request.client.host if request.client else ""
    keys = (("name and address", f"{name.casefold()} {address}"), ("address", address))
    if wait := throttle.admit(keys, time.monotonic()):
        seconds = max(1, round(wait))
        answer = code_form(requested, f"Too many wrong tries. Try again in {seconds:,} s.", name, 429)
        answer.headers["retry-after"] = str(seconds)
        return answer
    people = access.try_code(name, form.get("code", "")) if name else {}
    if not people:
        return code_form(requested, WRONG, name, 403)
    throttle.forgive(keys)
    answer = RedirectResponse(from_here(request, requested), 303, headers={"cache-control": "no-store"})
    session_cookies(answer, (access.session_cookie(folder, person) for folder, person in people.items()), request)
    return answer


def session_cookies(answer: Response, cookies: Iterable[tuple[str, str]], request: Request) -> None:
    """Signs the browser in to projects."""
    secure = request.url.scheme == "https"
    for name, value in cookies:
        answer.set_cookie(name, value, max_age=VALID_SECONDS, httponly=True, samesite="strict", secure=secure)


def _let_out(request: Request, access: Access) -> Response:
    """Every cookie of this home and its projects goes from the browser."""
    answer = RedirectResponse(from_here(request, "/sign-in"), 303)
    for name in request.cookies:
        if name.startswith("rondo_"):
            answer.delete_cookie(name, httponly=True, samesite="lax" if name == access.cookie else "strict")
    return answer
