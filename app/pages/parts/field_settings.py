"""The fields of records that are paired: what each holds, and of which record of a cluster the golden one has it."""

from collections.abc import Callable

import streamlit as st

from core.config.record_fields import GOLDEN_RULES, ROLES, FieldRule, RecordField
from core.config.settings import Settings
from core.merges.golden import DEFAULTS, field_rules

COLUMNS = {
    "field": st.column_config.TextColumn("Field", disabled=True),
    "role": st.column_config.SelectboxColumn("Holds", options=list(ROLES), required=True),
    "rule": st.column_config.SelectboxColumn("Golden record has", options=list(GOLDEN_RULES), required=True),
}


def draw_fields(settings: Settings, change: Callable[..., None]) -> None:
    """change: saves settings by name."""
    st.header("Fields")
    st.caption("  \n".join(f"{rule.replace('_', ' ')}: {meaning}" for rule, meaning in GOLDEN_RULES.items()))
    rules = field_rules(settings)
    roles = {field.name: field.role for field in settings.fields}
    with st.form("fields"):
        if settings.fields:
            rows = [{"field": name, "role": role, "rule": rules[name]} for name, role in roles.items()]
            edited = st.data_editor(rows, column_config=COLUMNS, key="field-rows", hide_index=True, width="stretch")
        else:
            [(whole, rule)] = rules.items()
            names = list(GOLDEN_RULES)
            chosen = st.selectbox("Golden record has", names, names.index(rule), key="golden-rule")
            edited = [{"field": whole, "role": "text", "rule": chosen}]
        one_partner = st.toggle(
            "A cluster has at most one record of each source",
            settings.one_partner,
            key="one-partner",
            help="Where no source has duplicates of its own: a second one is held, and shown for a decision",
        )
        if not st.form_submit_button("Save", key="save-fields", type="primary"):
            return
    fields = tuple(RecordField(row["field"], row["role"]) for row in edited) if settings.fields else ()
    usual = {field.name: DEFAULTS[field.role] for field in fields or (RecordField(edited[0]["field"]),)}
    golden = tuple(FieldRule(row["field"], row["rule"]) for row in edited if row["rule"] != usual[row["field"]])
    change(fields=fields, golden=golden, one_partner=one_partner)
    st.rerun()
