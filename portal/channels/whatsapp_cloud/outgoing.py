"""From a part of a message to the body of its call. What Meta would refuse is refused here, before anything leaves."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.channels.base import Outgoing
from portal.channels.content import AddressKind, Content, Kind
from portal.channels.values import number
from portal.channels.whatsapp_cloud import cards, fields, files, flows, interactive
from portal.channels.whatsapp_cloud.addresses import recipient
from portal.channels.whatsapp_cloud.unfit import at_most, unfit

Details = Mapping[str, Any]
# A type of Meta's and the object that stands under its name.
Typed = tuple[str, dict[str, Any]]

# A template stands by itself, and a reaction names its message in its own way.
WITHOUT_CONTEXT = frozenset((Kind.TEMPLATE, Kind.REACTION))
# What may have a file above its text: `Outgoing.files` is that file as it was looked at, not another one.
HEADED = frozenset((Kind.TEMPLATE, Kind.BUTTONS, Kind.FLOW))
# All that groups take besides texts and files (Meta, "Group messaging").
IN_GROUPS = frozenset((Kind.TEMPLATE,))
_LINK = re.compile(r"https?://\S")


def order(part: Outgoing) -> dict[str, Any]:
    """The body of the call. Raises `ChannelError` for what cannot be sent; nothing has left then."""
    whom = recipient(part.to_kind, part.to)
    if not whom:
        raise unfit("The recipient is no WhatsApp address: correct it.", "recipient")
    kind, inner = _inner(part)
    body: dict[str, Any] = {"messaging_product": "whatsapp", **whom, "type": kind, kind: inner}
    if part.quotes and (part.content is None or part.content.kind not in WITHOUT_CONTEXT):
        body["context"] = {"message_id": part.quotes}
    if part.idempotency_key:
        body["biz_opaque_callback_data"] = part.idempotency_key[: fields.LONGEST_KEY]
    return body


def _inner(part: Outgoing) -> Typed:
    if part.content is not None:
        return _content(part, part.content)
    if part.files:
        return files.typed(part)
    if not part.text.strip():
        raise unfit("There is nothing to send: write a text or attach a file.", "empty")
    at_most(part.text, fields.LONGEST_TEXT, "The text")
    preview = {"preview_url": True} if _LINK.search(part.text) else {}
    return "text", {"body": part.text, **preview}


def _content(part: Outgoing, content: Content) -> Typed:
    maker = _MAKERS.get(content.kind)
    if maker is None or (part.files and content.kind not in HEADED):
        raise unfit(f"WhatsApp Cloud cannot send this ({content.kind.value}): send a text instead.", "kind")
    if part.to_kind is AddressKind.GROUP and content.kind not in IN_GROUPS:
        raise unfit("WhatsApp takes texts, files and templates in groups: send one of those.", "group")
    return maker(part, content.details)


def _location(part: Outgoing, said: Details) -> Typed:
    latitude, longitude = number(said.get("latitude")), number(said.get("longitude"))
    if latitude is None or longitude is None:
        raise unfit("A location needs a latitude and a longitude.", "location")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise unfit("A latitude lies between -90 and 90 degrees, a longitude between -180 and 180.", "location")
    named = {"name": said.get("name") or part.text, "address": said.get("address")}
    told = {name: str(value) for name, value in named.items() if value}
    # The address is only shown beneath a name.
    if "address" in told and "name" not in told:
        told["name"] = told["address"]
    return "location", {"latitude": latitude, "longitude": longitude, **told}


def _contacts(part: Outgoing, said: Details) -> Typed:
    given = said.get("contacts")
    people = [each for each in given if isinstance(each, Mapping)] if isinstance(given, Sequence) else []
    if not 0 < len(people) <= fields.MOST_CONTACTS:
        raise unfit(f"A message has one to {fields.MOST_CONTACTS} contacts.", "contact")
    # `contacts` is the only type whose object is a list.
    return "contacts", [cards.written(each) for each in people]  # type: ignore[return-value]


def _reaction(part: Outgoing, said: Details) -> Typed:
    if not part.quotes:
        raise unfit("A reaction needs the message that it is to.", "reaction")
    return "reaction", {"message_id": part.quotes, "emoji": part.text.strip()}


def _template(part: Outgoing, said: Details) -> Typed:
    name, language = str(said.get("name") or ""), str(said.get("language") or "")
    if not name or not language:
        raise unfit("A template needs its name and its language.", "template")
    if part.to_kind is AddressKind.BSUID and said.get("category") == "AUTHENTICATION":
        raise unfit("A template for authentication goes to phone numbers only: ask for the number.", "131062")
    given = said.get("components")
    components = [dict(each) for each in given if isinstance(each, Mapping)] if isinstance(given, Sequence) else []
    if part.files and part.files[0].handed:
        components = [_with_copy(each, part.files[0].handed) for each in components]
    filled = {"components": components} if components else {}
    return "template", {"name": name, "language": {"code": language}, **filled}


def _with_copy(component: dict[str, Any], handed: str) -> dict[str, Any]:
    """A header whose file is the copy that Meta has; every other component as it is."""
    if component.get("type") != "header":
        return component
    parameters = []
    for each in component.get("parameters") or ():
        said = each.get(each.get("type")) if isinstance(each, Mapping) else None
        if isinstance(said, Mapping) and "link" in said:
            rest = {name: value for name, value in said.items() if name != "link"}
            each = {**each, each["type"]: {"id": handed, **rest}}
        parameters.append(each)
    return {**component, "parameters": parameters}


_MAKERS: dict[Kind, Callable[[Outgoing, Details], Typed]] = {
    Kind.LOCATION: _location,
    Kind.CONTACT: _contacts,
    Kind.BUTTONS: interactive.buttons,
    Kind.LIST: interactive.choices,
    Kind.FLOW: flows.flow,
    Kind.LOCATION_REQUEST: flows.location_request,
    Kind.REACTION: _reaction,
    Kind.TEMPLATE: _template,
}
