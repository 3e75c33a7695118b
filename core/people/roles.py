"""Who may do what: the one table. Knows roles and rights; not who has which, nor what a page or a route is."""

ROLES: dict[str, frozenset[str]] = {
    "annotator": frozenset({"label"}),
    "adjudicator": frozenset({"label", "look", "adjudicate"}),
    "manager": frozenset({"label", "look", "adjudicate", "manage"}),
}
"""label: label records under one's own name, and see one's own figures. look: see rounds and how good the model is.
adjudicate: see who labelled what, correct labels, settle conflicts, ask for a second look. manage: everything else"""


def holders(right: str) -> str:
    """The roles that have it, in words: 'managers', 'adjudicators and managers'."""
    return " and ".join(f"{role}s" for role, rights in ROLES.items() if right in rights)
