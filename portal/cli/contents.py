"""What `flask send` sends besides texts and files: a place, a contact, a poll, buttons, a list, a template."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import numbers
from portal.models import Location

# Addresses have commas too: those of maps, for one.
_LINK = re.compile(r"(.*?),\s*(https?://.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Options:
    """What was named on the command line, each as it was typed; empty where it was not."""

    place: str = ""
    contact: str = ""
    poll: str = ""
    options: Sequence[str] = ()
    multiple: bool = False
    buttons: Sequence[str] = ()
    link: str = ""
    menu: str = ""
    rows: Sequence[str] = ()
    template: str = ""
    language: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    header_url: str = ""
    react: str = ""
    emoji: str | None = None


def content(location: Location, said: Options) -> Content | None:
    """The content that the options name, None when they name none (or a template, which its sender has to know).

    Raises `InvalidInput` for several or half of one.
    """
    _check(said)
    if said.react:
        return Content(Kind.REACTION)
    if said.place:
        return Content(Kind.LOCATION, _place(said.place))
    if said.contact:
        return Content(Kind.CONTACT, {"contacts": [_contact(location, said.contact)]})
    if said.poll:
        told = {"question": said.poll, "options": list(said.options), "multiple": said.multiple}
        return Content(Kind.POLL, told)
    if said.menu:
        rows = [_row(number, text) for number, text in enumerate(said.rows, start=1)]
        return Content(Kind.LIST, {"title": said.menu, "footer": "", "sections": [{"title": "", "rows": rows}]})
    if said.link:
        return Content(Kind.BUTTONS, {"buttons": [_link(said.link)]})
    if said.buttons:
        named = [{"id": str(number), "text": text, "type": "reply"} for number, text in enumerate(said.buttons, 1)]
        return Content(Kind.BUTTONS, {"buttons": named})
    return None


def _check(said: Options) -> None:
    things = (said.place, said.contact, said.poll, said.buttons, said.link, said.menu, said.template, said.react)
    if sum(map(bool, things)) > 1:
        raise InvalidInput(
            "One message is one thing: a place, a contact, a poll, buttons, a link, a list, a template or a reaction."
        )
    if (said.options or said.multiple) and not said.poll:
        raise InvalidInput("Options belong to a poll: name its question with --poll.")
    if said.rows and not said.menu:
        raise InvalidInput("Rows belong to a list: name the word that opens it with --list.")
    if (said.language or said.values or said.header_url) and not said.template:
        raise InvalidInput("A language, variables and a header belong to a template: name it with --template.")
    if bool(said.react) != (said.emoji is not None):
        raise InvalidInput("A reaction is --react MESSAGE_ID --emoji EMOJI; an empty emoji takes it back.")


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


def _row(number: int, text: str) -> dict[str, str]:
    shown, _, more = text.partition("|")
    return {"id": str(number), "text": shown.strip(), "description": more.strip()}


def _link(text: str) -> dict[str, str]:
    found = _LINK.fullmatch(text)
    shown, address = (found[1], found[2]) if found else (text, "")
    return {"id": "1", "text": shown.strip(), "type": "url", "value": address.strip()}
