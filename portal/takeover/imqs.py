"""imqs/messaging's configuration file, one JSON object: what `smsProvider` says. Its database has neither senders nor
users nor credits, and what it sent is no part of this."""

from collections.abc import Iterator
from typing import Any

from portal.channels.clickatell.fields import FIELDS
from portal.messaging.bulksms import MOST_BATCH
from portal.takeover.exports import Line, Unusable, folded
from portal.takeover.wishes import Given, Left, RulesWish, SenderWish, Wish

CHANNEL = "clickatell"
_NAMES = frozenset(field.name for field in FIELDS)
OTHER_API = (
    "Its token is for Clickatell's REST API of before 2018, which no new integration has: make an API key in the "
    "Clickatell portal, and give --set api_key=…"
)


def wishes(line: Line, given: Given) -> Iterator[Wish | Left]:
    """Its rules, and a sender at Clickatell where the key for one is given. Raises `Unusable`."""
    if not line.has("smsProvider"):
        raise Unusable("This is no configuration of imqs/messaging: it has no smsProvider.")
    provider = line.table("smsProvider")
    place = line.place(given.location, "location")
    batch = provider.whole("maxBatchSize")
    most = min(batch, MOST_BATCH) if batch else None
    note = f"No list is cut into more than {MOST_BATCH} here." if batch and batch > MOST_BATCH else ""
    yield RulesWish(place, _countries(provider), provider.whole("maxMessageSegments"), most, note)
    yield from _sender(provider, given, place)


def _countries(provider: Line) -> tuple[str, ...] | None:
    value: Any = provider.values.get(folded("countries"))
    if value is None:
        return None
    if not isinstance(value, list) or not all(isinstance(each, str) for each in value):
        raise Unusable("countries is a list of texts.")
    return tuple(each.strip().upper() for each in value)


def _sender(provider: Line, given: Given, place: str) -> Iterator[Wish | Left]:
    name = provider.text("name")
    if name.lower() != CHANNEL:
        yield Left("sender", name or "no provider", "Only Clickatell's messages ever left it.", place)
        return
    filled = given.fill(_NAMES, {})
    if not filled.get("api_key"):
        yield Left("sender", CHANNEL, OTHER_API, place)
        return
    yield SenderWish(place, given.sender(CHANNEL, "Clickatell", filled))
