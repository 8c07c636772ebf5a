"""Single values out of a provider's JSON, whose types are not to be relied on."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

LONGEST_ID = 200
# Later than that a timestamp is in milliseconds.
MILLISECONDS_FROM = 10_000_000_000


def text(value: object) -> str:
    """A text; a whole number becomes its digits, anything else "". PostgreSQL keeps neither NUL nor half an emoji."""
    if isinstance(value, str):
        return (
            value
            if value.isascii() and "\x00" not in value
            else value.replace("\x00", "").encode("utf-8", "replace").decode()
        )
    return str(value) if isinstance(value, int) and not isinstance(value, bool) and abs(value) < 10**30 else ""


def identifier(value: object) -> str:
    """An id of a message, "" for anything that can be none."""
    found = text(value).strip()
    return found if len(found) <= LONGEST_ID and found.isprintable() else ""


def block(value: object) -> Mapping[str, Any]:
    """A JSON object, empty for anything else."""
    return value if isinstance(value, dict) else {}


def blocks(value: object) -> list[Mapping[str, Any]]:
    """The objects of a list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def number(value: object) -> float | None:
    """A number, also when it is spelled as a text."""
    try:
        found = float(value) if isinstance(value, int | float | str) and not isinstance(value, bool) else None
    except (ValueError, OverflowError):
        return None
    return found if found is not None and abs(found) < 1e15 else None


def moment(value: object) -> datetime | None:
    """Seconds since 1970 as a moment; None for what is none."""
    seconds = number(value)
    if seconds is None or seconds <= 0:
        return None
    try:
        return datetime.fromtimestamp(seconds / 1000 if seconds >= MILLISECONDS_FROM else seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return None
