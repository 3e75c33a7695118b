"""The table of roles and rights. Knows neither people nor pages and routes."""

ROLES: dict[str, frozenset[str]] = {
    "annotator": frozenset({"label"}),
    "adjudicator": frozenset({"label", "look", "adjudicate"}),
    "manager": frozenset({"label", "look", "adjudicate", "manage"}),
}
"""label: label records under one's own name, and see one's own figures. look: see rounds and how good the model is.
adjudicate: see who labelled what, correct labels, settle conflicts, ask for a second look. manage: everything else"""


def holders(right: str) -> str:
    """The roles that have the right, in words: 'managers', 'adjudicators and managers'."""
    return " and ".join(f"{role}s" for role, rights in ROLES.items() if right in rights)
