"""Names of people. Knows no role and no password."""

from core.errors import BadInput

NAME_LIMIT = 80


def check_name(name: object) -> str:
    """A person's name as it is stored, without spaces around it."""
    text = " ".join(name.split()) if isinstance(name, str) else ""
    if not 0 < len(text) <= NAME_LIMIT or not text.isprintable():
        raise BadInput(f"A name has 1 to {NAME_LIMIT} visible characters.")
    return text
