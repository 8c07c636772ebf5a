"""The words of a letter on alerts: one for all that a recipient is to hear at a time."""

from collections.abc import Sequence
from dataclasses import dataclass

from portal.alarms.topics import TOPICS, topic_of
from portal.models import Alert, Location, NoticeKind

LONGEST_SUBJECT = 120
_WORDS = {NoticeKind.BEGAN: "", NoticeKind.OVER: "Over: ", NoticeKind.TEST: "Test: "}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that a letter tells; without an alert it is a test."""

    kind: NoticeKind
    text: str
    alert: Alert | None
    place: Location | None


def write(lines: Sequence[Line], app_url: str) -> tuple[str, str]:
    """Subject and text."""
    paragraphs = [_paragraph(line, app_url.rstrip("/")) for line in lines]
    foot = f"Who is told of what: {app_url.rstrip('/')}/admin/alerts/recipients"
    return _subject(lines), "\n\n".join([*paragraphs, "-- ", foot]) + "\n"


def _subject(lines: Sequence[Line]) -> str:
    first = _head(lines[0])
    more = f" and {len(lines) - 1} more" if len(lines) > 1 else ""
    return f"{' '.join(first.split())[: LONGEST_SUBJECT - len(more)]}{more}"


def _head(line: Line) -> str:
    if line.alert is None:
        return f"{_WORDS[line.kind]}notices of Sendero"
    where = f", {line.place.name or line.place.ghl_id}" if line.place is not None else ""
    return f"{_WORDS[line.kind]}{TOPICS[topic_of(line.alert.kind)].name}{where}"


def _paragraph(line: Line, home: str) -> str:
    if line.alert is None:
        return f"{_head(line)}\n{line.text}"
    since = f"Since {line.alert.opened_at:%Y-%m-%d %H:%M} UTC"
    back = f", {line.alert.returns} times back" if line.alert.returns > 1 else ""
    return f"{_head(line)}\n{line.text}\n{since}{back}. {home}/admin/alerts/{line.alert.id}"
