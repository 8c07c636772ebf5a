"""What `flask send` sends besides texts and files: a place, a contact, a poll, buttons."""

from collections.abc import Sequence

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import numbers
from portal.models import Location


def content(
    location: Location,
    place: str,
    contact: str,
    poll: str,
    options: Sequence[str],
    multiple: bool,
    buttons: Sequence[str],
) -> Content | None:
    """The content that the options name, None when they name none. Raises `InvalidInput` for several or half of one."""
    if sum(map(bool, (place, contact, poll, buttons))) > 1:
        raise InvalidInput("One message is one thing: a place, a contact, a poll or buttons.")
    if (options or multiple) and not poll:
        raise InvalidInput("Options belong to a poll: name its question with --poll.")
    if place:
        return Content(Kind.LOCATION, _place(place))
    if contact:
        return Content(Kind.CONTACT, {"contacts": [_contact(location, contact)]})
    if poll:
        return Content(Kind.POLL, {"question": poll, "options": list(options), "multiple": multiple})
    if buttons:
        named = [{"id": str(number), "text": text, "type": "reply"} for number, text in enumerate(buttons, start=1)]
        return Content(Kind.BUTTONS, {"buttons": named})
    return None


def _place(text: str) -> dict[str, object]:
    latitude, longitude, name, address = [each.strip() for each in (*text.split(",", 3), "", "", "")][:4]
    try:
        return {"latitude": float(latitude), "longitude": float(longitude), "name": name, "address": address}
    except ValueError:
        raise InvalidInput("A place is read like 52.5186,13.4081,Reichstag,Platz der Republik 1.") from None


def _contact(location: Location, text: str) -> dict[str, object]:
    name, _, phone = text.rpartition(",")
    number = numbers.normalise(phone, location.country or None, mobile_only=False)
    if isinstance(number, numbers.Rejection):
        raise InvalidInput(f"A contact is read like Anna Berg,+4915112345678. {number.sentence}")
    return {"name": name.strip(), "phones": [number.e164], "organisation": ""}
