"""What forms about credits hold: whole numbers, days, reasons, and the key that makes a form count once."""

import re
from datetime import UTC, datetime
from uuid import uuid4
from zoneinfo import ZoneInfo

from flask import request

from portal.credits import days
from portal.credits.grants import MOST
from portal.errors import InvalidInput
from portal.messaging.storable import storable

LONGEST_REASON = 200
LONGEST_REFERENCE = 40
_KEY = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_NUMBER = re.compile(r"[+-]?[0-9]{1,13}", re.ASCII)


def number(name: str, what: str, least: int = 0) -> int:
    """The whole number in a field. Raises `InvalidInput`."""
    raw = _text(name)
    if not _NUMBER.fullmatch(raw) or not least <= int(raw) <= MOST:
        raise InvalidInput(f"{what} is a whole number from {least} to {MOST}.")
    return int(raw)


def number_or_none(name: str, what: str) -> int | None:
    """The same for a field that may stay empty."""
    return number(name, what) if _text(name) else None


def reason(needed: bool = True) -> str:
    """Why it is done. Raises `InvalidInput` where there is none and it is needed."""
    text = storable(_text("reason"))
    if needed and not text:
        raise InvalidInput("Say why: it stands in the ledger and on the statement.")
    if len(text) > LONGEST_REASON:
        raise InvalidInput(f"A reason has at most {LONGEST_REASON} characters.")
    return text


def once() -> str:
    """What makes it count once: the payment's number that was typed, else the form's own key."""
    typed = storable(_text("reference"))
    if len(typed) > LONGEST_REFERENCE:
        raise InvalidInput(f"A reference has at most {LONGEST_REFERENCE} characters.")
    return typed or form_key()


def form_key() -> str:
    """The key of the form that was sent, or of one that is to be shown."""
    sent = request.form.get("key", "")
    return sent if _KEY.fullmatch(sent) else str(uuid4())


def end_of_day(name: str, place: ZoneInfo) -> datetime | None:
    """When the day in a field is over there; None where it was left empty. Raises `InvalidInput`."""
    raw = _text(name)
    if not raw:
        return None
    try:
        day = datetime.strptime(raw, "%Y-%m-%d").date()  # noqa: DTZ007 - a day, wherever it is
    except ValueError:
        raise InvalidInput("A day is written as 2026-03-31.") from None
    if not 1970 <= day.year <= 9000:
        raise InvalidInput("A day is written as 2026-03-31.")
    return days.end_of(place, day)


def moment(name: str, otherwise: datetime) -> datetime:
    """The moment in a field, in UTC. Raises `InvalidInput`."""
    raw = _text(name)
    if not raw:
        return otherwise
    try:
        found = datetime.strptime(raw[:16], "%Y-%m-%dT%H:%M").replace(tzinfo=UTC)
    except ValueError:
        raise InvalidInput("A moment is written as 2026-03-31T08:00.") from None
    if found.year > 9000:
        raise InvalidInput("A moment is written as 2026-03-31T08:00.")
    return found


def typed() -> dict[str, str]:
    """The form as it was sent, to be shown again."""
    return {name: value[:LONGEST_REASON] for name, value in request.form.items() if name != "csrf_token"}


def _text(name: str) -> str:
    return request.form.get(name, "").strip()
