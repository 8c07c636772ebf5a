"""What `flask send` sends besides texts and files: a place, a contact, a poll, buttons, a list, a form, a template …"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import kinds, numbers
from portal.messaging.parts import kind_of
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
    flow: str = ""
    screen: str = ""
    ask_location: bool = False
    whole: str = ""


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
    if said.whole:
        return _whole(said.whole)
    if said.ask_location:
        return Content(Kind.LOCATION_REQUEST)
    return _with_buttons(said)


def _with_buttons(said: Options) -> Content | None:
    """What may have a file above its text."""
    above = {"media": {"kind": kind_of(said.header_url), "url": said.header_url}} if said.header_url else {}
    if said.flow:
        told = {"flow": said.flow, "named": not said.flow.isdecimal(), "screen": said.screen}
        return Content(Kind.FLOW, {**told, "button": said.buttons[0], **above})
    if said.link:
        return Content(Kind.BUTTONS, {"buttons": [_link(said.link)], **above})
    if said.buttons:
        named = [{"id": str(number), "text": text, "type": "reply"} for number, text in enumerate(said.buttons, 1)]
        return Content(Kind.BUTTONS, {"buttons": named, **above})
    return None


def _whole(text: str) -> Content:
    """A content as JSON: its `kind`, and beside it the details, in the shapes that `channels.content.Kind` gives."""
    try:
        said: Any = json.loads(text)
        kind = Kind(said.pop("kind"))
    except (ValueError, AttributeError, KeyError, TypeError, RecursionError):
        able = ", ".join(kinds.WORDS)
        raise InvalidInput(f'A content is one JSON object with its "kind": {able}. The rest are its details.') from None
    if kind is Kind.REACTION:
        raise InvalidInput("A reaction is --react MESSAGE_ID --emoji EMOJI; an empty emoji takes it back.")
    return Content(kind, said)


def _check(said: Options) -> None:
    buttons = said.buttons and not said.flow
    things = (said.place, said.contact, said.poll, buttons, said.link, said.menu, said.template, said.react)
    if sum(map(bool, (*things, said.flow, said.ask_location, said.whole))) > 1:
        raise InvalidInput(
            "One message is one thing: a place, a contact, a poll, buttons, a link, a list, a form, a question for the "
            "place, a template, a reaction or a content."
        )
    if said.flow and len(said.buttons) != 1:
        raise InvalidInput("A form needs one --button: the word that opens it.")
    if said.screen and not said.flow:
        raise InvalidInput("A screen belongs to a form: name its Flow with --flow.")
    if (said.options or said.multiple) and not said.poll:
        raise InvalidInput("Options belong to a poll: name its question with --poll.")
    if said.rows and not said.menu:
        raise InvalidInput("Rows belong to a list: name the word that opens it with --list.")
    if (said.language or said.values) and not said.template:
        raise InvalidInput("A language and variables belong to a template: name it with --template.")
    if said.header_url and not (said.template or said.buttons or said.link):
        raise InvalidInput("A header belongs to a template, to buttons, a link or a form.")
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
