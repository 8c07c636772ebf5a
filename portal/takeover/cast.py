"""The Cast plugin's store of installations (MongoDB, one document a sub-account): its sender id.

The key of the account at Cast stands in its environment, not there. OAuth tokens are left behind: HighLevel's refresh
tokens work once, and the plugin may still run.
"""

from collections.abc import Iterator

from portal.channels.cast.fields import FIELDS
from portal.takeover.exports import Line, Unusable
from portal.takeover.wishes import Given, Left, SenderWish, Wish

CHANNEL = "cast"
_NAMES = frozenset(field.name for field in FIELDS)
NO_KEY = "Its key at Cast is not in the export: give --set api_key=…, or set CAST_API_KEY."


def wishes(line: Line, given: Given) -> Iterator[Wish | Left]:
    """Its sender. Raises `Unusable`."""
    known = {
        "api_key": line.text("castApiKey", "apiKey"),
        "sender_id": line.text("senderId", "castSenderId"),
    }
    filled = given.fill(_NAMES, known)
    if not filled.get("api_key"):
        raise Unusable(NO_KEY)
    name = line.text("name", "locationName") or f"Cast {filled.get('sender_id', '')}".strip()
    place = line.place(given.location, "location", "locationId")
    yield SenderWish(place, given.sender(CHANNEL, name, filled))
