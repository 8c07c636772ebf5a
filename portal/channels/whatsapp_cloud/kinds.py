"""The kinds of messages that Meta tells of (`type`), each read by a function of its own."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from portal.channels.content import About, File, Kind, Relation
from portal.channels.values import block, blocks, identifier, number, text
from portal.channels.whatsapp_cloud import beside, cards, codes, media
from portal.channels.whatsapp_cloud.addresses import bsuid, phone

LONGEST_TYPE = 80
MOST_ANSWERS = 200

Data = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Read:
    """The kind, text, files and details as in `Inbound`, and what the message refers to."""

    kind: Kind
    text: str = ""
    files: Sequence[File] = ()
    details: Mapping[str, Any] = field(default_factory=dict)
    about: About | None = None
    code: str = ""


def read(message: Data) -> Read:
    """A message's own content, whoever wrote it."""
    kind = text(message.get("type"))
    reader = _READERS.get(kind)
    if reader is None:
        found = _unsupported(message)
    elif kind not in message and message.get("errors"):
        found = _unreadable(message)
    else:
        found = reader(message)
    if found.about is None:
        found = replace(found, about=_about(Relation.REPLY, block(message.get("context")).get("id")))
    return replace(found, details={**found.details, **beside.around(message)})


def _text(message: Data) -> Read:
    return Read(Kind.TEXT, text(block(message.get("text")).get("body")))


def _media(message: Data) -> Read:
    """The file, with the caption as the text."""
    kind = media.KINDS[text(message.get("type"))]
    own = block(message.get(text(message.get("type"))))
    marks = {name: True for name in ("voice", "animated") if own.get(name) is True}
    return Read(kind, text(own.get("caption")), (media.file(kind, own),), marks)


def _location(message: Data) -> Read:
    own = block(message.get("location"))
    latitude, longitude = number(own.get("latitude")), number(own.get("longitude"))
    known = latitude is not None and longitude is not None
    place = {"latitude": latitude, "longitude": longitude} if known else {}
    return Read(Kind.LOCATION, details=place | {name: text(own.get(name)) for name in ("name", "address", "url")})


def _contacts(message: Data) -> Read:
    given = message.get("contacts")
    return Read(Kind.CONTACT, details={"contacts": [cards.read(each) for each in blocks(given)]})


def _interactive(message: Data) -> Read:
    """A tap on a button or on a list's row, or a Flow that was filled in."""
    own = block(message.get("interactive"))
    kind = text(own.get("type"))
    if kind == "nfm_reply":
        return _form(block(own.get(kind)))
    if kind in ("button_reply", "list_reply"):
        said = block(own.get(kind))
        return _tap(message, said.get("id"), said.get("title"), said.get("description"))
    return Read(Kind.UNSUPPORTED, details={"type": f"interactive {kind}".strip()[:LONGEST_TYPE]})


def _button(message: Data) -> Read:
    """A tap on a button of a template."""
    own = block(message.get("button"))
    return _tap(message, own.get("payload"), own.get("text"), "")


def _tap(message: Data, chosen: object, label: object, description: object) -> Read:
    """The text is the button's own: a tap on STOP says STOP."""
    details = {"id": text(chosen), "text": text(label), "description": text(description)}
    told = _about(Relation.ANSWER, block(message.get("context")).get("id"))
    return Read(Kind.TAP, details["text"], details=details, about=told)


def _form(said: Data) -> Read:
    """The answers come as JSON in a text. What cannot be read of it is kept under one name."""
    raw = text(said.get("response_json"))
    try:
        answers = json.loads(raw)
    except (ValueError, RecursionError):
        answers = {"answer": raw} if raw else {}
    if not isinstance(answers, dict):
        answers = {"answer": answers}
    told = {text(name): _plain(value) for name, value in list(answers.items())[:MOST_ANSWERS]}
    return Read(Kind.FORM, text(said.get("body")), details={"name": text(said.get("name")), "answers": told})


def _plain(value: Any, deeper: int = 5) -> Any:
    """A value as a database keeps it: JSON in a text may hold what JSON in a column may not (NUL, NaN)."""
    if isinstance(value, dict | list) and not deeper:
        return "…"
    if isinstance(value, dict):
        return {text(name): _plain(each, deeper - 1) for name, each in list(value.items())[:MOST_ANSWERS]}
    if isinstance(value, list):
        return [_plain(each, deeper - 1) for each in value[:MOST_ANSWERS]]
    if isinstance(value, float | int) and not isinstance(value, bool) and number(value) is None:
        return str(value)[:40]
    return text(value) if isinstance(value, str) else value


def _reaction(message: Data) -> Read:
    """An emoji to a message; none any more when it was taken back, which leaves the field out."""
    own = block(message.get("reaction"))
    return Read(Kind.REACTION, text(own.get("emoji")), about=_about(Relation.REACTION, own.get("message_id")))


def _order(message: Data) -> Read:
    own = block(message.get("order"))
    items = [
        {
            "sku": text(each.get("product_retailer_id")),
            "quantity": number(each.get("quantity")),
            "price": number(each.get("item_price")),
            "currency": text(each.get("currency")),
        }
        for each in blocks(own.get("product_items"))
    ]
    return Read(Kind.ORDER, text(own.get("text")), details={"catalog": text(own.get("catalog_id")), "items": items})


def _system(message: Data) -> Read:
    """The new number is `wa_id` (`new_wa_id` up to Graph 12), the new id `user_id`.

    `user_changed_user_id` comes for those whose number is not told (Meta's changelog of 11 August 2026).
    """
    own = block(message.get("system"))
    kind, body = text(own.get("type")), text(own.get("body"))
    new, user = phone(own.get("wa_id")) or phone(own.get("new_wa_id")), bsuid(own.get("user_id"))
    known = {"bsuid": user} if user else {}
    if kind in ("user_changed_number", "customer_changed_number") and new:
        return Read(Kind.SYSTEM, body, details={"type": "number_changed", "number": new, **known})
    if kind == "user_changed_user_id" and user:
        return Read(Kind.SYSTEM, body, details={"type": "id_changed", **known})
    return Read(Kind.SYSTEM, body, details={"type": kind[:LONGEST_TYPE]})


def _edit(message: Data) -> Read:
    own = block(message.get("edit"))
    new = block(own.get("message"))
    found = read(new) if text(new.get("type")) not in ("", "edit", "revoke") else Read(Kind.EDIT)
    return Read(Kind.EDIT, found.text, about=_about(Relation.EDIT, own.get("original_message_id")))


def _revoke(message: Data) -> Read:
    own = block(message.get("revoke"))
    return Read(Kind.DELETION, about=_about(Relation.DELETION, own.get("original_message_id")))


def _unsupported(message: Data) -> Read:
    """A kind that Meta does not pass on, or that nobody has described yet: named, with whatever text is in it."""
    kind = text(message.get("type"))
    first = next(iter(blocks(message.get("errors"))), {})
    own = block(message.get(kind))
    named = text(own.get("type")) if kind in ("unsupported", "unknown") else ""
    body = next(filter(None, (text(own.get(word)) for word in ("body", "text", "caption"))), "")
    return Read(
        Kind.UNSUPPORTED,
        body,
        details={"type": (named or kind or "unknown")[:LONGEST_TYPE]},
        code=text(first.get("code")),
    )


# The sentences of `codes` are on what we send.
_MISSING = {
    "131051": "WhatsApp passes messages of this kind on to no business: ask for it in words.",
    "131052": codes.REFUSALS["131052"].sentence,
}


def _unreadable(message: Data) -> Read:
    """Its content is missing, and an error stands in its place."""
    first = next(iter(blocks(message.get("errors"))), {})
    code, words = text(first.get("code")), codes.words(first)
    sentence = _MISSING.get(code, f"WhatsApp could not pass this on: {words}.")
    return Read(Kind.UNREADABLE, sentence, code=code or "error")


def _about(relation: Relation, told: object) -> About | None:
    found = identifier(told)
    return About(relation, found) if found else None


_READERS: dict[str, Callable[[Data], Read]] = {
    "text": _text,
    **dict.fromkeys(media.KINDS, _media),
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "button": _button,
    "reaction": _reaction,
    "order": _order,
    "system": _system,
    "edit": _edit,
    "revoke": _revoke,
}
