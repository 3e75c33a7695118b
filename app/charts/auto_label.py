"""The picture of what machine labels would cover at which precision: returns an Altair chart."""

import altair as alt

from app.charts.axes import percent, word_at
from core.auto_label.guarantees import GuaranteeOffer


def coverage_chart(offer: GuaranteeOffer) -> alt.LayerChart | None:
    """The least precision over the share of the pool covered, the requested precision as a rule, and the cut that can
    be accepted as a point. None where there is nothing to draw."""
    rows = [vars(step) for step in offer.steps if step.audits]
    if not rows:
        return None
    lowest = min(0.9 * offer.precision, *(max(row["bound"], 0.5) for row in rows))
    covered = alt.X("share:Q", title="share of the pool covered", scale=alt.Scale(domain=[0, 1]), axis=percent())
    least = alt.Y(
        "bound:Q",
        title="precision at least",
        scale=alt.Scale(domain=[lowest, 1], clamp=True),
        axis=percent(),
    )
    tooltip = [
        alt.Tooltip("covered:Q", format=",d"),
        alt.Tooltip("bound:Q", title="precision at least", format=".1%"),
        "audits:Q",
        "wrong:Q",
    ]
    line = (
        alt.Chart(alt.Data(values=rows)).mark_line(point=True, color="#2f6fed").encode(covered, least, tooltip=tooltip)
    )
    rule = alt.Chart(alt.Data(values=[{"bound": offer.precision}])).mark_rule(strokeDash=[4, 4], color="#d9822b")
    words = word_at(0, offer.precision, f"asked for: {offer.precision:.0%}", dy=-7)
    drawn = line + rule.encode(least) + words
    if offer.why is None:
        point = {key: getattr(offer, key) for key in ("share", "bound", "covered", "audits", "wrong")}
        chosen = alt.Chart(alt.Data(values=[point])).mark_point(size=160, filled=True, color="#3aa76d")
        drawn += chosen.encode(covered, least, tooltip=tooltip)
    return drawn.properties(height=260)
