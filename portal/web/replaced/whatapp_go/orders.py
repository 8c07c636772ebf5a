"""A message in the shape of Meta's Cloud API, as whatapp-go passed it on, read as a text, a file or a content. Pure.

https://developers.facebook.com/docs/whatsapp/cloud-api/reference/messages
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.web.replaced.whatapp_go.bodies import object_of, objects_of, text_of

FILES = ("image", "video", "audio", "document")
Said = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Order:
    """What to send. `about` is the provider's id of the message that it reacts to or answers."""

    text: str
    files: tuple[str, ...] = ()
    content: Content | None = None
    about: str = ""


def read(said: Said) -> Order:
    """Raises `InvalidInput` for a type that cannot be sent, and for one without what it needs."""
    kind = text_of(said, "type") or "text"
    own, about = object_of(said, kind), text_of(object_of(said, "context"), "message_id")
    if kind in FILES:
        return Order(text_of(own, "caption"), (_link(own),), None, about)
    if kind not in _READERS:
        raise InvalidInput(f"A message of the type {kind[:40]} cannot be sent here: {', '.join((*FILES, *_READERS))}.")
    order = _READERS[kind](own)
    return order if order.about else Order(order.text, order.files, order.content, about)


def _text(own: Said) -> Order:
    body = own.get("body")
    return Order(body if isinstance(body, str) else "")


def _reaction(own: Said) -> Order:
    about = text_of(own, "message_id")
    if not about:
        raise InvalidInput("A reaction needs the message_id of the message that it is to.")
    return Order(text_of(own, "emoji"), (), Content(Kind.REACTION), about)


def _location(own: Said) -> Order:
    try:
        place: dict[str, Any] = {name: float(own.get(name) or "") for name in ("latitude", "longitude")}
    except (TypeError, ValueError):
        raise InvalidInput("A location needs its latitude and longitude, in degrees.") from None
    named = {name: text_of(own, name) for name in ("name", "address")}
    return Order("", (), Content(Kind.LOCATION, place | named))


def _interactive(own: Said) -> Order:
    kind, action = text_of(own, "type"), object_of(own, "action")
    text = text_of(object_of(own, "body"), "text")
    around = {name: text_of(object_of(own, name), "text") for name in ("header", "footer")}
    around = {name: value for name, value in around.items() if value}
    media = object_of(own, "header")
    above = text_of(media, "type")
    if above in ("image", "video", "document"):
        around["media"] = {"kind": above, "url": _link(object_of(media, above))}  # type: ignore[assignment]
    if kind == "button":
        replies = [object_of(each, "reply") for each in objects_of(action, "buttons")]
        shown = [{"id": text_of(each, "id"), "text": text_of(each, "title"), "type": "reply"} for each in replies]
        return Order(text, (), Content(Kind.BUTTONS, {"buttons": shown, **around}))
    if kind == "cta_url":
        own_link = object_of(action, "parameters")
        link = {"id": "1", "text": text_of(own_link, "display_text"), "type": "url", "value": text_of(own_link, "url")}
        return Order(text, (), Content(Kind.BUTTONS, {"buttons": [link], **around}))
    if kind == "list":
        title = around.pop("header", "")
        opener = text_of(action, "button")
        named = {"title": title, "button": opener} if title else {"title": opener}
        sections = [_section(each) for each in objects_of(action, "sections")]
        return Order(text, (), Content(Kind.LIST, {**named, **around, "sections": sections}))
    if kind == "location_request_message":
        return Order(text, (), Content(Kind.LOCATION_REQUEST))
    raise InvalidInput("An interactive message is a button, cta_url, list or location_request_message.")


def _section(own: Said) -> dict[str, Any]:
    rows = [
        {"id": text_of(row, "id"), "text": text_of(row, "title"), "description": text_of(row, "description")}
        for row in objects_of(own, "rows")
    ]
    return {"title": text_of(own, "title"), "rows": rows}


def _link(own: Said) -> str:
    link = text_of(own, "link")
    if not link.startswith(("https://", "http://")):
        raise InvalidInput("A file is named by its link, https://…; ids of files at Meta are not taken.")
    return link


_READERS: Mapping[str, Callable[[Said], Order]] = {
    "text": _text,
    "interactive": _interactive,
    "location": _location,
    "reaction": _reaction,
}
