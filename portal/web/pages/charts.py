"""Charts as data: what `static/charts.js` draws, and the table of the same figures beneath it."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STACKED = "bars"
# Names of colours that charts.js takes from the page's own, light or dark.
TONES = ("accent", "good", "bad", "wait", "plain")


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values, as many as the chart has labels; `line` is drawn over the bars."""

    name: str
    values: Sequence[int]
    tone: str = "accent"
    line: bool = False
    stack: str = ""


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart: what it shows in a sentence, the heading of its first column, its labels and series.

    `labels` name the stretches of time in the table, `short` below the bars.
    """

    title: str
    head: str
    labels: Sequence[str]
    series: Sequence[Series]
    short: Sequence[str] = ()

    @property
    def empty(self) -> bool:
        """Is nothing to be seen?"""
        return not any(value for each in self.series for value in each.values)

    @property
    def data(self) -> str:
        """For the script, as JSON."""
        series: list[Mapping[str, object]] = [
            {"name": s.name, "values": list(s.values), "tone": s.tone, "line": s.line, "stack": s.stack or s.name}
            for s in self.series
        ]
        return json.dumps({"labels": list(self.short or self.labels), "series": series}, ensure_ascii=False)

    @property
    def rows(self) -> list[tuple[str, list[int]]]:
        """For the table, the newest first."""
        columns = [each.values for each in self.series]
        return [(label, [values[place] for values in columns]) for place, label in enumerate(self.labels)][::-1]
