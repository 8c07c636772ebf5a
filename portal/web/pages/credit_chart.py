"""Bars of a chart, as an SVG of the server draws them: no script, no style of its own."""

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 720, 140
_GAP = 0.25
_LEAST = 2.0


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar, in the units of the drawing, with what it stands for."""

    x: float
    y: float
    width: float
    height: float
    name: str
    value: int


def bars(values: Sequence[tuple[str, int]]) -> list[Bar]:
    """A bar for each value, the highest as high as the drawing; nothing is drawn below 0."""
    top = max((value for _, value in values), default=0)
    step = WIDTH / max(len(values), 1)
    found = []
    for place, (name, value) in enumerate(values):
        height = max(HEIGHT * value / top, _LEAST) if value > 0 else 0.0
        bar = Bar(
            round(step * (place + _GAP / 2), 2),
            round(HEIGHT - height, 2),
            round(step * (1 - _GAP), 2),
            round(height, 2),
            name,
            value,
        )
        found.append(bar)
    return found
