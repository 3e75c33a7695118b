"""Work that a provider bills: it begins only once what it takes was shown for exactly these choices, and agreed to.

Which provider and base are asked for here, too; a key never is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import streamlit as st

from app.auth.identity import is_signed_in
from app.background import ProjectServer
from app.pages.parts.widgets import begin, outcome_of
from core.errors import BadInput, RondoError
from core.language_models.providers import PROVIDERS
from core.reports.card_text import escaped
from core.training.hosted import MOST_EPOCHS, require_tunable

OTHER = "another address"
SECRETS = "Or in .streamlit/secrets.toml of the project. The app reads both when it starts; no key is typed on a page."


@dataclass(frozen=True)
class PaidWork:
    """key: begins the widgets' keys. estimate, start: verbs; `start` takes `yes`, `agreed` and options that cost
    nothing, too. title: on the button that agrees. sentences, warnings: of the estimate, whose own `sentence` is what
    is agreed to."""

    key: str
    estimate: str
    start: str
    title: str
    sentences: Callable[[Any], Sequence[str]]
    warnings: Callable[[Any], Sequence[str]]


def draw_paid_work(
    server: ProjectServer, work: PaidWork, options: dict[str, Any] | None, further: dict[str, Any]
) -> Any:
    """What came of the last start of this visit, None before it has succeeded.

    options: of both verbs, None until they are complete; further: of `start` alone.
    """
    request = None if options is None else {**options, **further}
    busy = work.estimate in server.activities or work.start in server.activities
    st.button(
        "What it would take",
        key=f"{work.key}-estimate",
        icon=":material/receipt_long:",
        disabled=busy or options is None,
        on_click=_estimate,
        args=(server, work, options, request),
    )
    estimate = outcome_of(server, work.estimate)
    if estimate is not None and request is not None and st.session_state.get(_agreeing(work)) == request:
        with st.container(border=True, key=f"{work.key}-price"):
            for warning in work.warnings(estimate):
                st.warning(escaped(warning), icon=":material/warning:")
            for sentence in work.sentences(estimate):
                st.text(sentence)
            st.button(
                work.title,
                key=f"{work.key}-start",
                type="primary",
                icon=":material/paid:",
                disabled=busy,
                on_click=_agree,
                args=(server, work, request, estimate.sentence),
            )
    return outcome_of(server, work.start)


def _agreeing(work: PaidWork) -> str:
    """Under which name the choices stand whose estimate is shown."""
    return f"{work.key}-estimated"


def _estimate(server: ProjectServer, work: PaidWork, options: dict[str, Any], request: dict[str, Any]) -> None:
    """Sends nothing that is billed. What runs already is of other choices, perhaps: it is not shown for these."""
    name = f"{work.estimate}-task"
    before = st.session_state.get(name)
    begin(server, work.estimate, **options)
    if st.session_state.get(name) is not before:
        st.session_state[_agreeing(work)] = request


def _agree(server: ProjectServer, work: PaidWork, request: dict[str, Any], sentence: str) -> None:
    """Once for each estimate: a second click that was on its way begins nothing. sentence: what was agreed to; where it
    takes something else by now, nothing begins either."""
    if st.session_state.pop(_agreeing(work), None) == request:
        begin(server, work.start, **request, yes=True, agreed=sentence)


def ask_base(key: str) -> dict[str, Any] | None:
    """provider, base and epochs of a tuning; None until they are complete, and where a token is missing, which is said.

    key: begins the widgets' keys.
    """
    left, middle, right = st.columns([2, 3, 1], vertical_alignment="bottom")
    named = [*PROVIDERS] if is_signed_in() else [*PROVIDERS, OTHER]  # what answers there is given the app's own token
    provider = left.selectbox("Provider", named, key=f"{key}-provider")
    base = middle.text_input("Base model", key=f"{key}-base", placeholder="as the provider calls it").strip()
    epochs = right.number_input("Epochs", 1, MOST_EPOCHS, None, key=f"{key}-epochs", placeholder="theirs")
    if provider not in named:
        return None
    if provider == OTHER:
        provider = st.text_input(
            "Its address", key=f"{key}-address", placeholder="https://HOST/v1", help="That speaks OpenAI's API"
        ).strip()
    try:
        if provider:
            require_tunable(provider, base or "any", epochs)
    except BadInput as error:
        st.error(escaped(error))
        return None
    except RondoError as error:
        st.info(escaped(f"{error} {SECRETS}"), icon=":material/key:")
        return None
    return {"provider": provider, "base": base, "epochs": epochs} if provider and base else None
