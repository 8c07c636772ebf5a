"""Texts to lists of numbers as imqs/messaging knew them: which numbers count, how long a text may be, how it stands.

Countries, the segment limit and the batch size are settings of the sub-account (`Location.bulksms_…`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import phonenumbers

from portal.errors import InvalidInput
from portal.messaging import numbers, segments
from portal.messaging.statuses import TAKEN
from portal.models import Location, Status

MOST_SEGMENTS, MOST_BATCH = 20, 500
_DELIVERED, _FAILED = (Status.DELIVERED, Status.READ), (Status.FAILED, Status.EXPIRED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Standing:
    """How a list stands: what the provider has, what will not go out, and the rest in words, "" for none.

    `settled`: nothing of it is about to change by itself.
    """

    accepted: int
    hopeless: int
    description: str
    settled: bool = True


def countries(location: Location) -> list[str]:
    """The countries that numbers may be of, the first the likeliest (ISO 3166)."""
    return [each for each in (location.bulksms_countries or location.country).split(",") if each]


def clean(location: Location, texts: Sequence[str]) -> list[str]:
    """The numbers that can be sent to, each once, in their order: E.164 without its +. All countries are tried."""
    return [each.e164[1:] for each in numbers.normalise_many(texts, countries(location)).numbers]


def check_text(location: Location, text: str) -> None:
    """Raises `InvalidInput` when it takes more SMS parts than the sub-account allows."""
    most, parts = location.bulksms_segments, len(segments.split(text).parts)
    if most and parts > most:
        raise InvalidInput(f"Message too long: it takes {parts} SMS parts, and {most} are allowed here.")


def standing(total: int, counts: Mapping[str, int], refusal: str) -> Standing:
    """What the counts of a list's messages by status come to. `refusal` is the first reason why one failed."""
    accepted, failed = _sum(counts, TAKEN), _sum(counts, _FAILED)
    held, unknown = counts.get(Status.HELD, 0), counts.get(Status.UNKNOWN, 0)
    queued = total - accepted - failed - held - unknown
    told = (
        (failed, refusal if failed == total else f"{failed} failed, the first with {refusal}"),
        (queued, f"{queued} queued: they go out after this answer"),
        (held, f"{held} held until a person or a setting lets them go"),
        (unknown, f"{unknown} unknown: the provider may have them"),
    )
    return Standing(accepted, failed, "; ".join(words for count, words in told if count), not queued)


def word(status: str) -> str:
    """`delivered`, `failed`, or `sent` for whatever may still become either."""
    return "delivered" if status in _DELIVERED else "failed" if status in _FAILED else "sent"


def set_rules(location: Location, names: Sequence[str] | None, most_segments: int | None, batch: int | None) -> None:
    """Changes what is not None; 0 and an empty list take a limit away. Raises `InvalidInput`."""
    if names is not None:
        wanted = [each.strip().upper() for each in names if each.strip()]
        unknown = [each for each in wanted if each not in phonenumbers.SUPPORTED_REGIONS]
        if unknown or len(wanted) > 50:
            raise InvalidInput(f"{(unknown or wanted)[0]}: countries are at most 50 of two letters each, like ZA,BW.")
        location.bulksms_countries = ",".join(dict.fromkeys(wanted))
    if most_segments is not None:
        location.bulksms_segments = _within(most_segments, MOST_SEGMENTS, "SMS parts")
    if batch is not None:
        location.bulksms_batch = _within(batch, MOST_BATCH, "recipients")


def _within(number: int, most: int, what: str) -> int | None:
    if not 0 <= number <= most:
        raise InvalidInput(f"At most {most} {what}; 0 takes the limit away.")
    return number or None


def _sum(counts: Mapping[str, int], statuses: Collection[Status]) -> int:
    return sum(counts.get(each, 0) for each in statuses)
