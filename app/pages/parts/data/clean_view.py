"""The Prepare page's tab that cleans: rules and reasons, what they would do, doing it, taking it back."""

from dataclasses import asdict
from typing import Any, cast

import streamlit as st

from app.auth.identity import require_right
from app.background import ProjectServer
from app.pages.parts.widgets import begin, outcome_of
from core.data.clean import Cleaning, CleaningInForce, CleanOptions, clean, cleaning_in_force, read_clean_options
from core.data.clean_job import CHOOSABLE, REASONS, CleanParams
from core.data.clean_rules import RULE_SETS, RULES
from core.errors import RondoError
from core.reports.card_text import escaped

VERB = "clean"
OPTIONS, TROUBLE = "clean-options", f"{VERB}-trouble"
"""of this visit: what the last run was asked; what was wrong, which `outcome_of` shows"""
SET = " (all of its rules)"


def draw_clean(server: ProjectServer) -> None:
    """What is in force, the choice, and the preview of what was chosen last."""
    in_force = cleaning_in_force(server.project.store)
    if in_force:
        _draw_in_force(server, in_force)
    else:
        st.text("Every text is read as it came, and nothing is left out.")
    running = VERB in server.activities
    options, pressed = _ask(in_force.params if in_force else CleanParams(), running=running)
    if pressed:
        _preview(server, options)
    if result := outcome_of(server, VERB):
        _draw_result(server, result)


def _draw_in_force(server: ProjectServer, in_force: CleaningInForce) -> None:
    reasons = ", ".join(f"{reason} {records:,}" for reason, records in in_force.left_out.items())
    rules = f", by {', '.join(in_force.params.rules)}" if in_force.params.rules else ""
    left, right = st.columns([5, 1], vertical_alignment="center")
    left.text(
        f"In force: models read {in_force.changed:,} texts cleaned{rules}; "
        f"{sum(in_force.left_out.values()):,} records are left out{f' ({reasons})' if reasons else ''}."
    )
    with right.popover("Undo", width="stretch"):
        st.text("Every text is read as it came again, and every record comes back.")
        st.button("Undo the cleaning", key="clean-undo", on_click=_undo, args=(server,))


def _ask(before: CleanParams, *, running: bool) -> tuple[CleanOptions, bool]:
    """What was chosen, as the verb takes it, and whether a preview is wanted."""
    with st.form("clean-form"):
        chosen: dict[str, Any] = {
            "rules": st.multiselect(
                "Rules",
                [*RULE_SETS, *RULES],
                before.rules,
                key="clean-rules",
                format_func=lambda name: name + SET if name in RULE_SETS else name,
                help="What models read changes; the text as it came stays in the project, and people see it",
            ),
            "left_out": st.multiselect(
                "Leave out, beside what is too short, too long or in another language",
                CHOOSABLE,
                before.left_out,
                key="clean-left-out",
                format_func=lambda name: f"{name}: {REASONS[name]}",
                help="What is not chosen is only counted. Left out: neither asked nor learnt from. Gold and audit stay",
            ),
            **_ask_limits(before),
        }
        with st.expander("Weights and near-duplicates"):
            weights = _ask_weights(before)
            chosen["near_duplicates"] = st.toggle(
                "Look for near-duplicates, which takes longer", before.near_duplicates, key="clean-near"
            )
        pressed = st.form_submit_button("Preview", key="clean-preview", type="primary", disabled=running)
    _draw_rules()
    return cast(CleanOptions, {name: value for name, value in chosen.items() if value} | weights), pressed


def _ask_limits(before: CleanParams) -> dict[str, Any]:
    first, second, third = st.columns(3)
    return {
        "languages": first.multiselect(
            "Only these languages",
            before.languages,
            before.languages,
            key="clean-languages",
            accept_new_options=True,
            placeholder="all; or en, de …",
            help="Texts that are surely in another one are left out. Write ISO 639 codes",
        ),
        "shortest": second.number_input("Shortest, in characters", 0, None, before.shortest, key="clean-shortest"),
        "longest": third.number_input(
            "Longest, in characters", 0, None, before.longest, key="clean-longest", help="0: no limit"
        ),
    }


def _ask_weights(before: CleanParams) -> dict[str, float]:
    first, second = st.columns(2)
    return {
        "near_empty": first.number_input(
            "Near empty below",
            None,
            None,
            before.near_empty,
            0.5,
            key="clean-near-empty",
            help="Sum of the TF-IDF weights, ln(records / those with it), of a text's words",
        ),
        "boilerplate": second.number_input(
            "Boilerplate below",
            None,
            None,
            before.boilerplate,
            0.5,
            key="clean-boilerplate",
            help="Mean of these weights",
        ),
    }


def _draw_rules() -> None:
    with st.expander("What each rule does"):
        rows = [
            {"rule": name, "what it does": rule.__doc__, "sets": [one for one in RULE_SETS if name in RULE_SETS[one]]}
            for name, rule in RULES.items()
        ]
        st.dataframe(rows, key="clean-rule-table", hide_index=True, alt="The rules, and the sets that they are in")


def _preview(server: ProjectServer, options: CleanOptions) -> None:
    try:
        read_clean_options(options)
    except RondoError as error:
        st.session_state[TROUBLE] = str(error)
        return
    st.session_state[OPTIONS] = options
    begin(server, VERB, **options)
    st.rerun()


def _undo(server: ProjectServer) -> None:
    try:
        result = server.do(require_right("manage"), clean, undo=True)
    except RondoError as error:
        st.session_state[TROUBLE] = str(error)
        return
    st.session_state.pop(f"{VERB}-task", None)
    st.toast(result.sentence)


def _draw_result(server: ProjectServer, result: Cleaning) -> None:
    columns = st.columns(3)
    columns[0].metric("Texts read cleaned", f"{result.changed:,} of {result.records:,}")
    columns[1].metric("Records left out", f"{result.left_out:,}")
    columns[2].metric("Gold and audit that stay", f"{result.protected:,}", help="They have a reason, too, but measure")
    if result.applied:
        st.success(escaped(f"Done: {result.sentence}"))
        if result.encode:
            st.text(f"{result.encode:,} texts are encoded again by the next round, or now:")
            st.button("Encode now", key="clean-encode", on_click=begin, args=(server, "encode"))
    else:
        st.text("Nothing was changed yet.")
        st.button(
            "Apply",
            key="clean-apply",
            type="primary",
            on_click=begin,
            args=(server, VERB),
            kwargs={**st.session_state[OPTIONS], "apply": True},
        )
    _draw_reports(result)


def _draw_reports(result: Cleaning) -> None:
    """Each rule and each reason with its count, and texts that it meets."""
    if result.rules:
        st.subheader("Rules", anchor=False)
        rows = [{"rule": one.rule, "texts": one.texts, "what it does": one.about} for one in result.rules]
        st.dataframe(rows, key="clean-by-rule", hide_index=True, alt="How many texts each rule changes by itself")
        changes = [{"rule": rule.rule, **asdict(one)} for rule in result.rules for one in rule.examples]
        if changes:
            shown = ("rule", "before", "after", "id")
            st.dataframe(changes, key="clean-changes", hide_index=True, column_order=shown, alt="Before and after")
    if result.reasons:
        st.subheader("Reasons to leave records out", anchor=False)
        rows = [
            {
                "reason": one.reason,
                "records": one.records,
                "what happens": "left out" if one.applies else "only counted",
                "what it is": one.about,
            }
            for one in result.reasons
        ]
        st.dataframe(rows, key="clean-by-reason", hide_index=True, alt="How many records there is a reason for")
        with st.expander("Such records"):
            met = [{"reason": reason.reason, **asdict(one)} for reason in result.reasons for one in reason.examples]
            names = {"before": "text", "after": "repeats the text", "other_id": "of"}
            order = ("reason", "id", "before", "other_id", "after")
            st.dataframe(met, key="clean-met", hide_index=True, column_order=order, column_config=names)
    if result.languages:
        counted = ", ".join(f"{code} {texts:,}" for code, texts in result.languages.items())
        st.text(f"Languages: {counted} (un: unknown).")
