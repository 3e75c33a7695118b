"""An interval as a small picture for a row of a table, in colours that show on both schemes. Knows no figures."""

from base64 import b64encode

WIDTH, HEIGHT = 120, 24
"""of the picture, in pixels"""
BLUE, ORANGE, GREY = "#4f7ff0", "#e08a2e", "#8a94a3"
_EDGE = 6


def interval_image(
    estimate: tuple[float, float, float], span: tuple[float, float], *, special: bool, apart: bool = False
) -> str:
    """A data URI of SVG: the value as a dot on its interval, between faint marks at each tenth.

    estimate: value, low, high. span: what the left and right ends are. special: a diamond in another colour.
    apart: hollow, in grey: its records are not those that others are measured on.
    """
    value, low, high = (_position(one, span) for one in estimate)
    middle, colour = HEIGHT / 2, ORANGE if special else GREY if apart else BLUE
    inside = f'fill="none" stroke="{colour}" stroke-width="1.5"' if apart else f'fill="{colour}"'
    marks = "".join(
        f'<path d="M{_position(tenth / 10, span):.1f} 3V{HEIGHT - 3}" stroke="{GREY}" stroke-opacity=".35"/>'
        for tenth in range(round(10 * span[0]), round(10 * span[1]) + 1)
    )
    bar = (
        f'<rect x="{low:.1f}" y="{middle - 3.5}" width="{max(high - low, 1):.1f}" height="7" rx="3.5" fill="{colour}" '
        'fill-opacity=".45"/>'
    )
    dot = f'<circle cx="{value:.1f}" cy="{middle}" r="5" {inside}/>'
    if special:
        dot = f'<path d="M{value:.1f} {middle - 7}l7 7-7 7-7-7z" fill="{colour}"/>'
    size = f'width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}"'
    svg = f'<svg xmlns="http://www.w3.org/2000/svg" {size}>{marks}{bar}{dot}</svg>'
    return f"data:image/svg+xml;base64,{b64encode(svg.encode()).decode()}"


def _position(value: float, span: tuple[float, float]) -> float:
    low, high = span
    return _EDGE + (WIDTH - 2 * _EDGE) * min(max((value - low) / (high - low), 0.0), 1.0)
