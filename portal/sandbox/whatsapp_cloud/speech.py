"""What customers say, as Meta's webhooks word it: everything of a message but who, when and its id. Pure functions."""

import json
from collections.abc import Callable, Mapping
from typing import Any

Body = dict[str, Any]

FILES = ("image", "video", "audio", "voice", "document", "sticker")
# Kinds that speak of an earlier message.
REFERRING = ("reply", "reaction", "unreact", "edit", "delete", "tap", "flow")
CAPTIONED = ("image", "video", "document")
CATALOG = "700200000000009"


def said(kind: str, text: str, about: str, business: str) -> Body:
    """A message without a file. `about` is the id of the earlier message, `business` its sender's digits."""
    maker = _MAKERS.get(kind)
    if maker is None:
        raise ValueError(f"kind must be one of {', '.join(KINDS)}")
    context = {"context": {"from": business, "id": about}} if about and kind in ("reply", "flow") else {}
    return maker(text, about) | context


def file(kind: str, text: str, own: Mapping[str, Any], name: str) -> Body:
    """A message with a file; `own` is how the webhook names it."""
    told: Body = dict(own)
    if kind in CAPTIONED and text:
        told["caption"] = text
    if kind == "document":
        told["filename"] = name or "estimate.pdf"
    if kind in ("audio", "voice"):
        told["voice"] = kind == "voice"
    if kind == "sticker":
        told["animated"] = False
    word = "audio" if kind == "voice" else kind
    return {"type": word, word: told}


def tap(option: Mapping[str, str], about: str, business: str) -> Body:
    """A tap on something that was sent: `option` is `{id, title, kind, description}`."""
    context = {"context": {"from": business, "id": about}}
    own = {"id": option["id"], "title": option["title"]}
    if option["kind"] == "quick":
        return {"type": "button", **context, "button": {"payload": option["id"], "text": option["title"]}}
    if option["kind"] == "row":
        more = {"description": option["description"]} if option["description"] else {}
        return {"type": "interactive", **context, "interactive": {"type": "list_reply", "list_reply": own | more}}
    return {"type": "interactive", **context, "interactive": {"type": "button_reply", "button_reply": own}}


def _text(text: str, _: str) -> Body:
    return {"type": "text", "text": {"body": text}}


def _forwarded(text: str, about: str) -> Body:
    return _text(text, about) | {"context": {"forwarded": True}}


def _referral(text: str, about: str) -> Body:
    ad = {
        "source_url": "https://fb.me/mnlrepair",
        "source_id": "120200000000001",
        "source_type": "ad",
        "headline": "Roofs before the rain",
        "body": "Free check this week",
        "media_type": "image",
        "ctwa_clid": "ARAkLkA8rmlFeiCktEJQ",
    }
    return _text(text, about) | {"referral": ad}


def _reaction(text: str, about: str) -> Body:
    return {"type": "reaction", "reaction": {"message_id": about, "emoji": text or "👍"}}


def _unreact(_: str, about: str) -> Body:
    return {"type": "reaction", "reaction": {"message_id": about}}


def _edit(text: str, about: str) -> Body:
    return {"type": "edit", "edit": {"original_message_id": about, "message": _text(text, "")}}


def _delete(_: str, about: str) -> Body:
    return {"type": "revoke", "revoke": {"original_message_id": about}}


def _location(text: str, _: str) -> Body:
    own = {
        "latitude": 14.5995,
        "longitude": 120.9842,
        "name": text or "Rizal Park",
        "address": "Roxas Boulevard, Manila",
    }
    return {"type": "location", "location": own}


def _contact(text: str, _: str) -> Body:
    name = text or "Jose Reyes"
    phone = {"phone": "+63 918 555 0102", "wa_id": "639185550102", "type": "CELL"}
    card = {"name": {"formatted_name": name, "first_name": name.split(" ", 1)[0]}, "phones": [phone]}
    return {"type": "contacts", "contacts": [card]}


def _order(text: str, _: str) -> Body:
    items = [{"product_retailer_id": "GUTTER-5M", "quantity": 2, "item_price": 450, "currency": "PHP"}]
    return {"type": "order", "order": {"catalog_id": CATALOG, "text": text, "product_items": items}}


def _flow(text: str, _: str) -> Body:
    answers = json.dumps({"flow_token": "unused", "answer": text}, separators=(",", ":"))
    own = {"name": "flow", "body": "Sent", "response_json": answers}
    return {"type": "interactive", "interactive": {"type": "nfm_reply", "nfm_reply": own}}


def _unsupported(_: str, __: str) -> Body:
    fault = {"code": 131051, "title": "Message type unknown", "message": "Message type unknown"}
    details = {"error_data": {"details": "Message type is currently not supported."}}
    return {"type": "unsupported", "errors": [fault | details], "unsupported": {"type": "poll"}}


_MAKERS: Mapping[str, Callable[[str, str], Body]] = {
    "text": _text,
    "reply": _text,
    "forwarded": _forwarded,
    "referral": _referral,
    "reaction": _reaction,
    "unreact": _unreact,
    "edit": _edit,
    "delete": _delete,
    "location": _location,
    "contact": _contact,
    "order": _order,
    "flow": _flow,
    "unsupported": _unsupported,
}
KINDS = (*_MAKERS, *FILES, "tap")
