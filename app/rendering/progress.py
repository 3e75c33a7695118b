"""How far a piece of work is, as one line for a terminal or a page. Knows no work."""

from app.rendering.score_text import duration


def progress_line(what: str, done: int, total: int, seconds: float) -> str:
    """'Encoding 1,024 of 5,000 (20 %), 512/s, 8 s to go'."""
    if total <= 3:  # steps, not units
        return f"{what} …"
    line = f"{what} {done:,} of {total:,} ({done / total:.0%})"
    if done and seconds > 0.5:
        rate = done / seconds
        line += f", {rate:,.{0 if rate >= 10 else 1}f}/s, {duration((total - done) / rate)} to go"
    return line
