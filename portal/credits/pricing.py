"""What a message costs, in whole credits: the default price list (text 1, image or video 2, document 2, …)."""

from collections.abc import Mapping
from types import MappingProxyType

from portal.channels.base import Family

PRICES: Mapping[str, int] = MappingProxyType(
    {
        "text": 1,
        "image": 2,
        "video": 2,
        "document": 2,
        "interactive": 1,
        "template": 1,
        "sticker": 1,
        "audio": 1,
        "reaction": 0,
        # These change or announce another message, or say nothing that could be read.
        "edit": 0,
        "deletion": 0,
        "call": 0,
        "vote": 0,
        "system": 0,
        "unreadable": 0,
        "unsupported": 0,
    }
)
# A type that the list does not name is priced like a text.
UNLISTED = 1
INBOUND_A_DAY = 20


def price(family: str, kind: str, segments: int) -> int:
    """Credits for one part: SMS by its segments, everything else by its kind."""
    unit = PRICES.get(kind, UNLISTED)
    return unit * max(segments, 1) if family == Family.SMS else unit
