"""One colour per label, the same wherever a label is drawn: what a person chose, or by its position."""

from core.config.taxonomy import Taxonomy

OKABE_ITO = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9", "#f0e442")
"""seven hues that people with any of the common colour blindnesses tell apart (Okabe & Ito 2008, "Color Universal
Design"; the palette's black is left out: it is no mark on a dark page)"""
SHADES = (0.0, -0.38, 0.5)
"""by which the palette is repeated: as it is, mixed with black, mixed with white; lightness is seen by everybody"""


def default_colour(position: int) -> str:
    """#rrggbb of the label at this position, from 0; after 21 they begin again."""
    turn, hue = divmod(position % (len(OKABE_ITO) * len(SHADES)), len(OKABE_ITO))
    shade, channels = SHADES[turn], (int(OKABE_ITO[hue][at : at + 2], 16) for at in (1, 3, 5))
    target = 255 if shade > 0 else 0
    return "#" + "".join(f"{round(channel + (target - channel) * abs(shade)):02x}" for channel in channels)


def label_colours(taxonomy: Taxonomy) -> dict[str, str]:
    """Label id to #rrggbb, of the taxonomy in use with its retired labels: a colour stays when one is retired."""
    return {label.id: label.colour or default_colour(at) for at, label in enumerate(taxonomy.current)}


def names_to_colours(taxonomy: Taxonomy) -> dict[str, str]:
    """The same by name, for pictures whose parts are named."""
    names = taxonomy.names
    return {names[label]: colour for label, colour in label_colours(taxonomy).items()}
