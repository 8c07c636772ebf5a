"""From what a person typed, pasted or exported to one E.164 number that can receive messages, or the reason why not."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

import phonenumbers

from portal.messaging.dialled import Reason, Rejection, dialled
from portal.messaging.number_plans import (
    REACHABLE,
    Kind,
    Number,
    calls_abroad_with,
    judge,
    mobile_lengths,
    plain_mobile,
)

__all__ = ["Batch", "Kind", "Number", "Reason", "Rejection", "Row", "mask", "normalise", "normalise_many"]


@dataclass(frozen=True, slots=True)
class Row:
    """One text of a list and what became of it. A `duplicate` repeats the number of an earlier row."""

    text: str
    outcome: Number | Rejection
    duplicate: bool = False


@dataclass(frozen=True, slots=True)
class Batch:
    """A list read through, one row a text, in its order."""

    rows: tuple[Row, ...]

    @property
    def numbers(self) -> list[Number]:
        """Each good number once, where it first stood."""
        return [row.outcome for row in self.rows if isinstance(row.outcome, Number) and not row.duplicate]

    @property
    def duplicates(self) -> list[Row]:
        return [row for row in self.rows if row.duplicate]

    @property
    def rejected(self) -> list[Row]:
        return [row for row in self.rows if isinstance(row.outcome, Rejection)]


def normalise(
    text: str, default_country: str | None = None, *, allowed: Collection[str] = (), mobile_only: bool = True
) -> Number | Rejection:
    """The one number in a text.

    A number without + is read as one of `default_country` (ISO 3166; none or unknown: only international numbers are
    read). `allowed` countries, when given, exclude all others. `mobile_only=False` lets landlines pass, for WhatsApp.
    """
    return _normalise(text, _known([default_country or ""]), frozenset(map(str.upper, allowed)), mobile_only)


def normalise_many(texts: Iterable[str], countries: Sequence[str] = (), *, mobile_only: bool = True) -> Batch:
    """A list of texts. A number without + is tried in each of the `countries` in turn, and no other country passes."""
    known, allowed = _known(countries), frozenset(map(str.upper, countries))
    rows: list[Row] = []
    seen: set[str] = set()
    for text in texts:
        outcome = _normalise(text, known, allowed, mobile_only)
        number = outcome.e164 if isinstance(outcome, Number) else ""
        rows.append(Row(text, outcome, duplicate=number in seen))
        if number:
            seen.add(number)
    return Batch(tuple(rows))


def mask(number: str) -> str:
    """A number as logs may show it: +63917•••4567, at least three digits hidden. What follows an @ is kept."""
    digits, at, domain = number.partition("@")
    shown = min(6, len(digits) - 7)
    return (f"{digits[:shown]}•••{digits[-4:]}" if shown > 0 else "•••") + at + domain


def _known(countries: Iterable[str]) -> tuple[str, ...]:
    return tuple(country for country in map(str.upper, countries) if country in phonenumbers.SUPPORTED_REGIONS)


def _normalise(text: str, countries: tuple[str, ...], allowed: frozenset[str], mobile_only: bool) -> Number | Rejection:
    outcome = plain_mobile(text) or _read(text, countries)
    if isinstance(outcome, Rejection):
        return outcome
    if mobile_only and outcome.kind not in REACHABLE:
        return Rejection(Reason.NOT_MOBILE)
    if allowed and outcome.country not in allowed:
        return Rejection(Reason.WRONG_COUNTRY)
    return outcome


def _read(text: str, countries: tuple[str, ...]) -> Number | Rejection:
    """The + is never taken away, and added only when no country reads the number as its own."""
    number = dialled(text)
    if isinstance(number, Rejection):
        return number
    if number.startswith("+"):
        return judge(number)
    home = [judge(number, country) for country in countries]
    good = [outcome for outcome in home if isinstance(outcome, Number)]
    if good:
        return max(good, key=lambda number: (number.kind in REACHABLE, number.country in countries))
    foreign = _as_foreign(number, countries)
    abroad = judge(foreign) if foreign else Rejection(Reason.NO_COUNTRY)
    return home[0] if home and isinstance(abroad, Rejection) else abroad


def _as_foreign(number: str, countries: tuple[str, ...]) -> str:
    """The number with the + that it lost; "" where that would be a guess.

    Only what is longer than a mobile at home counts as foreign: a local number with one wrong digit must not reach a
    stranger abroad. Behind 00 stands a foreign number, unless a country dials another prefix that starts with 00.
    """
    if number.startswith("00"):
        return "" if any(calls_abroad_with(number, country) for country in countries) else f"+{number[2:]}"
    longest = max((length for country in countries for length in mobile_lengths(country)), default=len(number))
    return f"+{number}" if len(number) > longest else ""
