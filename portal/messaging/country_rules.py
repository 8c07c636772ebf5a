"""What a country's networks do to a sender id and to marketing: warnings for whoever writes, never a refusal.

The rules are data (`country_rules.toml`, with its source). Pure: from a country, a sender id, a text and a time.
"""

import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

FILE = Path(__file__).with_suffix(".toml")
# No rule keeps marketing back for longer: weekends with holidays around them are shorter.
MOST_QUIET_DAYS = 14


class Form(StrEnum):
    """What a sender id looks like to a network. `UNKNOWN`: the provider chooses it."""

    ALPHANUMERIC = "alphanumeric"
    NUMERIC = "numeric"
    SHORT_CODE = "short_code"
    UNKNOWN = ""


@dataclass(frozen=True, slots=True)
class Caution:
    """`code` is a stable name; `until` is when what it warns of ends, None when it does not."""

    code: str
    text: str
    until: datetime | None = None


def form_of(sender_id: str) -> Form:
    """Letters anywhere make it alphanumeric; up to six digits are a short code."""
    plain = re.sub(r"[\s().-]", "", sender_id)
    if not plain:
        return Form.UNKNOWN
    if not plain.removeprefix("+").isascii() or not plain.removeprefix("+").isdigit():
        return Form.ALPHANUMERIC
    return Form.SHORT_CODE if len(plain) <= 6 and not plain.startswith("+") else Form.NUMERIC


def countries() -> Sequence[str]:
    """The countries (ISO 3166) that rules are known of."""
    return tuple(_rules())


def of_sender(country: str, sender_id: str) -> Caution | None:
    """What becomes of a sender id there; None when it arrives as it is, or nothing is known."""
    rule, form = _rules().get(country, {}), form_of(sender_id)
    fate = rule.get(form.value) if form is not Form.UNKNOWN else None
    if fate == "registered":
        text = f"In {rule['name']} {sender_id} only gets through when it is registered there: ask the provider."
        return Caution("sender_registered", text)
    if fate == "converted":
        shown = rule.get(f"{form.value}_shown", "another sender")
        return Caution("sender_converted", f"In {rule['name']} people see {shown} instead of {sender_id}.")
    return None


def of_message(country: str, sender_id: str, text: str, at: datetime) -> list[Caution]:
    """All that is to be known of a message to a country at a time: its sender, its words, and the quiet hours."""
    rule = _rules().get(country)
    if rule is None:
        return []
    found = [fate] if (fate := of_sender(country, sender_id)) is not None else []
    if forbidden := rule.get("forbidden"):
        found.append(Caution("forbidden", f"Networks in {rule['name']} refuse messages on {forbidden}."))
    words: Sequence[str] = rule.get("opt_out", ())
    if words and not any(re.search(rf"\b{word}\b", text, re.IGNORECASE) for word in words):
        told = f"In {rule['name']} marketing has to say how to end it: {' or '.join(words)} is missing."
        found.append(Caution("opt_out_missing", told))
    if (until := quiet_until(country, at)) is not None:
        there = until.astimezone(ZoneInfo(rule["quiet"]["timezone"]))
        told = f"In {rule['name']} marketing is not delivered before {there:%A %-d %B, %H:%M} there. Schedule it."
        found.append(Caution("quiet_hours", told, until))
    return found


def quiet_until(country: str, at: datetime) -> datetime | None:
    """When marketing is delivered again, if it is not at this moment."""
    quiet = _rules().get(country, {}).get("quiet")
    if not quiet:
        return None
    try:
        there = at.astimezone(ZoneInfo(quiet["timezone"]))
    except ZoneInfoNotFoundError:
        return None  # this machine knows no time zones: `flask doctor` says so
    moment = there
    for _ in range(MOST_QUIET_DAYS):
        if not _is_free(quiet, moment.date()) or moment.hour >= quiet["from"]:
            moment = (moment + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        elif moment.hour < quiet["until"]:
            moment = moment.replace(hour=quiet["until"], minute=0, second=0, microsecond=0)
        else:
            return moment.astimezone(at.tzinfo) if moment != there else None
    return None


def _is_free(quiet: Mapping[str, Any], day: date) -> bool:
    """Is marketing delivered at some hour of this day?"""
    if quiet.get("weekends") and day.weekday() >= 5:
        return False
    return not (quiet.get("holidays") == "FR" and day in french_holidays(day.year))


@cache
def french_holidays(year: int) -> frozenset[date]:
    """The public holidays of metropolitan France (Code du travail, article L3133-1)."""
    fixed = ((1, 1), (5, 1), (5, 8), (7, 14), (8, 15), (11, 1), (11, 11), (12, 25))
    easter = _easter(year)
    return frozenset(
        [date(year, month, day) for month, day in fixed] + [easter + timedelta(days=days) for days in (1, 39, 50)]
    )


def _easter(year: int) -> date:
    """Easter Sunday of the Gregorian calendar (the anonymous computus: Nature, 20 April 1876)."""
    golden, century, rest = year % 19, year // 100, year % 100
    leap = century // 4
    moon = (19 * golden + century - leap - (century - (century + 8) // 25 + 1) // 3 + 15) % 30
    week = (32 + 2 * (century % 4) + 2 * (rest // 4) - moon - rest % 4) % 7
    shift = (golden + 11 * moon + 22 * week) // 451
    month, day = divmod(moon + week - 7 * shift + 114, 31)
    return date(year, month, day + 1)


@cache
def _rules() -> Mapping[str, Mapping[str, Any]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))
