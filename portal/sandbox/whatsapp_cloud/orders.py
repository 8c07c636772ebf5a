"""What `/messages` takes and what it refuses, type by type. Pure functions that raise `GraphError`.

Limits of lengths and counts are those of Meta's reference; the wording of the details is not documented.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from portal.sandbox.whatsapp_cloud import templates
from portal.sandbox.whatsapp_cloud.errors import GraphError
from portal.sandbox.whatsapp_cloud.numbers import Option
from portal.sandbox.whatsapp_cloud.templates import Template

Body = Mapping[str, Any]

FILES = ("image", "video", "audio", "document", "sticker")
CAPTIONED = ("image", "video", "document")
LONGEST_TEXT, LONGEST_CAPTION, LONGEST_BODY, LONGEST_SMALL = 4096, 1024, 1024, 60
MOST_BUTTONS, MOST_ROWS, MOST_SECTIONS, MOST_CONTACTS = 3, 10, 10, 257
LONGEST_KEY = 512


@dataclass(frozen=True, slots=True)
class Order:
    """A message that can be sent: its type, how it reads, what can be tapped on it, its file by link or by id.

    `about` is the id of the message that a reaction is to; `template` the one that is sent.
    """

    kind: str
    text: str
    options: list[Option] = field(default_factory=list)
    link: str = ""
    file: str = ""
    about: str = ""
    template: Template | None = None


@dataclass(frozen=True, slots=True)
class Known:
    """What the sender's account has: its templates, and whether a media id is one of its own."""

    templates: Sequence[Template]
    has_media: Callable[[str], bool]


def read(body: Any, known: Known) -> Order:
    """The order in a body."""
    if not isinstance(body, dict):
        raise GraphError(100, "The request body is no JSON object")
    if body.get("messaging_product") != "whatsapp":
        raise GraphError(100, message="(#100) The parameter messaging_product is required.")
    if body.get("recipient_type", "individual") not in ("individual", "group"):
        raise GraphError(131009, "Param recipient_type must be one of {INDIVIDUAL, GROUP}")
    if len(str(body.get("biz_opaque_callback_data") or "")) > LONGEST_KEY:
        raise GraphError(131009, f"biz_opaque_callback_data must be at most {LONGEST_KEY} characters")
    context = body.get("context")
    if context is not None and not str(_part(body, "context").get("message_id") or "").startswith("wamid."):
        raise GraphError(131009, "context.message_id is not a valid message id")
    kind = str(body.get("type") or "text")
    reader = _READERS.get(kind)
    if body.get("recipient_type") == "group" and kind not in ("text", "template", *FILES):
        raise GraphError(131051, f"Message type {kind} is not supported in groups")
    if reader is None:
        raise GraphError(131051, f"Message type {kind} is not supported")
    return reader(kind, body, known)


def recipient(body: Body) -> str:
    """Whom it is for: digits, a business-scoped id, or a group's id."""
    to, other = str(body.get("to") or ""), str(body.get("recipient") or "")
    if to and body.get("recipient_type") == "group":
        return to
    if to:
        number = "".join(character for character in to if character.isdigit())
        if not 6 <= len(number) <= 15 or not set(to) <= set("+0123456789 -()"):
            raise GraphError(131009, f"'{to}' is not a valid phone number")
        return number
    country, _, rest = other.partition(".")
    if len(country) == 2 and country.isalpha() and 0 < len(rest) <= 128 and rest.isalnum():
        return other
    if other:
        raise GraphError(131009, "recipient is not a valid business-scoped user id")
    raise GraphError(100, message="(#100) The parameter to is required.")


def _part(body: Body, name: str) -> Body:
    found = body.get(name)
    if not isinstance(found, dict):
        raise GraphError(131008, f"Parameter '{name}' is mandatory")
    return found


def _text_of(part: Body, name: str, most: int, *, needed: bool = True) -> str:
    text = part.get(name)
    if needed and (not isinstance(text, str) or not text.strip()):
        raise GraphError(131008, f"Parameter '{name}' is mandatory")
    if text is not None and len(str(text)) > most:
        raise GraphError(131009, f"Param {name} must be at most {most} characters long.")
    return str(text or "")


def _text(kind: str, body: Body, known: Known) -> Order:
    return Order(kind, _text_of(_part(body, "text"), "body", LONGEST_TEXT))


def _file(kind: str, body: Body, known: Known) -> Order:
    part = _part(body, kind)
    file, link = str(part.get("id") or ""), str(part.get("link") or "")
    if bool(file) == bool(link):
        raise GraphError(131008, f"Exactly one of 'id' and 'link' is mandatory for type '{kind}'")
    if link and not link.startswith(("http://", "https://")):
        raise GraphError(131009, "link is not a valid URI")
    if file and not known.has_media(file):
        raise GraphError(131009, f"{file} is not a valid media id of this account")
    caption = _text_of(part, "caption", LONGEST_CAPTION, needed=False)
    if caption and kind not in CAPTIONED:
        raise GraphError(131009, f"caption is not allowed for type '{kind}'")
    return Order(kind, caption or str(part.get("filename") or ""), link=link, file=file)


def _reaction(kind: str, body: Body, known: Known) -> Order:
    part = _part(body, "reaction")
    about = str(part.get("message_id") or "")
    if not about.startswith("wamid."):
        raise GraphError(131009, "reaction.message_id is not a valid message id")
    if not isinstance(part.get("emoji"), str):
        raise GraphError(131008, "Parameter 'emoji' is mandatory")
    return Order(kind, str(part["emoji"]), about=about)


def _location(kind: str, body: Body, known: Known) -> Order:
    part = _part(body, "location")
    try:
        good = abs(float(part["latitude"])) <= 90 and abs(float(part["longitude"])) <= 180
    except (KeyError, TypeError, ValueError):
        raise GraphError(131008, "Parameters 'latitude' and 'longitude' are mandatory") from None
    if not good:
        raise GraphError(131009, "latitude or longitude is out of range")
    return Order(kind, ", ".join(str(part[name]) for name in ("name", "address") if part.get(name)) or "a place")


def _contacts(kind: str, body: Body, known: Known) -> Order:
    cards = body.get("contacts")
    if not isinstance(cards, list) or not 0 < len(cards) <= MOST_CONTACTS:
        raise GraphError(131009, f"contacts must be 1 to {MOST_CONTACTS} contacts")
    names = [_part(card, "name") if isinstance(card, dict) else {} for card in cards]
    if not all(name.get("formatted_name") for name in names):
        raise GraphError(131008, "Parameter 'name.formatted_name' is mandatory")
    if not all(len(name) > 1 for name in names):
        raise GraphError(131009, "At least one of the name's parts must be given beside formatted_name")
    return Order(kind, ", ".join(str(name["formatted_name"]) for name in names))


def _interactive(kind: str, body: Body, known: Known) -> Order:
    part = _part(body, "interactive")
    reader = _INTERACTIVE.get(str(part.get("type")))
    if reader is None:
        raise GraphError(131009, "interactive.type is not one of those that can be sent")
    text = _text_of(_part(part, "body"), "text", LONGEST_TEXT if part["type"] == "list" else LONGEST_BODY)
    if "footer" in part:
        text += "\n" + _text_of(_part(part, "footer"), "text", LONGEST_SMALL)
    link = file = ""
    if "header" in part:
        text, link, file = _header(_part(part, "header"), text, known)
    return Order(kind, text, reader(_part(part, "action")), link, file)


def _header(header: Body, text: str, known: Known) -> tuple[str, str, str]:
    kind = str(header.get("type"))
    if kind == "text":
        return f"{_text_of(header, 'text', LONGEST_SMALL)}\n{text}", "", ""
    if kind not in CAPTIONED:
        raise GraphError(131009, "header.type must be text, image, video or document")
    order = _file(kind, header, known)
    return text, order.link, order.file


def _buttons(action: Body) -> list[Option]:
    given = action.get("buttons")
    replies = [each.get("reply") for each in given if isinstance(each, dict)] if isinstance(given, list) else []
    found = [Option(str(one.get("id") or ""), str(one.get("title") or "")) for one in replies if isinstance(one, dict)]
    if not 0 < len(found) <= MOST_BUTTONS or len(found) != len(replies):
        raise GraphError(131009, f"action.buttons must be 1 to {MOST_BUTTONS} reply buttons")
    if not all(0 < len(one.id) <= 256 and 0 < len(one.title) <= 20 for one in found):
        raise GraphError(131009, "Button title length invalid. Min length: 1, Max length: 20")
    if len({one.id for one in found}) < len(found) or len({one.title for one in found}) < len(found):
        raise GraphError(131009, "Duplicated title or id of buttons")
    return found


def _rows(action: Body) -> list[Option]:
    _text_of(action, "button", 20)
    sections = action.get("sections")
    if not isinstance(sections, list) or not 0 < len(sections) <= MOST_SECTIONS:
        raise GraphError(131009, f"action.sections must be 1 to {MOST_SECTIONS} sections")
    if len(sections) > 1 and not all(isinstance(one, dict) and one.get("title") for one in sections):
        raise GraphError(131009, "A section needs a title when there are several")
    if any(len(str(one.get("title") or "")) > 24 for one in sections if isinstance(one, dict)):
        raise GraphError(131009, "Section title length invalid. Max length: 24")
    rows = [row for one in sections if isinstance(one, dict) for row in one.get("rows") or [] if isinstance(row, dict)]
    found = [_row(row) for row in rows]
    if not 0 < len(found) <= MOST_ROWS or len({one.id for one in found}) < len(found):
        raise GraphError(131009, f"Total row count exceed max allowed count: {MOST_ROWS}, or a duplicated row id")
    return found


def _row(row: Body) -> Option:
    one = Option(str(row.get("id") or ""), str(row.get("title") or ""), "row", str(row.get("description") or ""))
    if not (0 < len(one.id) <= 200 and 0 < len(one.title) <= 24 and len(one.description) <= 72):
        raise GraphError(131009, "Row title length invalid. Min length: 1, Max length: 24")
    return one


def _cta(action: Body) -> list[Option]:
    part = _part(action, "parameters")
    if not str(part.get("url") or "").startswith(("http://", "https://")):
        raise GraphError(131009, "action.parameters.url is not a valid URI")
    return [Option(str(part["url"]), _text_of(part, "display_text", 20), "plain")]


def _flow(action: Body) -> list[Option]:
    part = _part(action, "parameters")
    if not (part.get("flow_id") or part.get("flow_name")):
        raise GraphError(131008, "Parameter 'flow_id' or 'flow_name' is mandatory")
    return [Option(str(part.get("flow_id") or part["flow_name"]), _text_of(part, "flow_cta", 20), "flow")]


def _place_asked(action: Body) -> list[Option]:
    if action.get("name") != "send_location":
        raise GraphError(131009, "action.name must be send_location")
    return [Option("send_location", "Send location", "plain")]


def _template(kind: str, body: Body, known: Known) -> Order:
    part = _part(body, "template")
    found = templates.find(known.templates, part)
    given = [one for one in part.get("components") or [] if isinstance(one, dict)]
    templates.check(found, given)
    options = [
        Option(templates.payload(given, number, str(button["text"])), str(button["text"]), "quick")
        if button["type"] == "QUICK_REPLY"
        else Option(str(button.get("url") or button.get("phone_number") or ""), str(button.get("text", "")), "plain")
        for number, button in enumerate(found.buttons)
    ]
    link, file = _header_file(given, known)
    return Order(kind, templates.filled(found, given), options, link, file, template=found)


def _header_file(given: Sequence[Body], known: Known) -> tuple[str, str]:
    """The picture, film or document above a template: its link and its media id."""
    header = next((one for one in given if str(one.get("type", "")).lower() == "header"), {})
    first = next((one for one in header.get("parameters") or [] if isinstance(one, dict)), {})
    own = first.get(str(first.get("type"))) if str(first.get("type")) in CAPTIONED else None
    if not isinstance(own, dict):
        return "", ""
    if own.get("id") and not known.has_media(str(own["id"])):
        raise GraphError(131009, f"{own['id']} is not a valid media id of this account")
    return str(own.get("link") or ""), str(own.get("id") or "")


_READERS: Mapping[str, Callable[[str, Body, Known], Order]] = {
    "text": _text,
    **dict.fromkeys(FILES, _file),
    "reaction": _reaction,
    "location": _location,
    "contacts": _contacts,
    "interactive": _interactive,
    "template": _template,
}
_INTERACTIVE: Mapping[str, Callable[[Body], list[Option]]] = {
    "button": _buttons,
    "list": _rows,
    "cta_url": _cta,
    "flow": _flow,
    "location_request_message": _place_asked,
}
