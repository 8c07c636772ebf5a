"""What a step of a HighLevel workflow asks for, in the fields of the GREEN-API adapter's four actions.

`url` makes it a file, `button1Type` buttons that open, call or copy, `button1Text` buttons to answer with, and anything
else is a text. `instanceId` names the line; where it is left out the sub-account's routing chooses.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.models import Location, Sender, SenderState

MOST_BUTTONS = 3
KINDS = ("url", "call", "copy")
CHANNEL = "green_api"


@dataclass(frozen=True, slots=True)
class Action:
    """What to send, and through which sender; None leaves it to the routing."""

    text: str
    attachments: Sequence[str]
    content: Content | None
    sender_id: int | None


def read(session: Session, location: Location, data: Mapping[str, Any]) -> Action:
    """Raises `InvalidInput` for what cannot be sent, and for a line that is not the sub-account's."""
    sender_id = _line(session, location, _text(data, "instanceId"))
    url = _text(data, "url")
    if url:
        if not url.startswith(("https://", "http://")):
            raise InvalidInput("A file is named by its address: https://…")
        return Action(_text(data, "caption"), [url], None, sender_id)
    if _text(data, "button1Type"):
        return _buttons(data, _doing(data), sender_id)
    if _text(data, "button1Text"):
        return _buttons(data, _answering(data), sender_id)
    message = _text(data, "message")
    if not message:
        raise InvalidInput("Message is required.")
    return Action(message, [], None, sender_id)


def _line(session: Session, location: Location, instance: str) -> int | None:
    if not instance:
        return None
    standing = Sender.location_id == location.id, Sender.state != SenderState.REMOVED
    named = Sender.channel == CHANNEL, Sender.webhook_name == instance[:128]
    found = session.scalar(select(Sender.id).where(*standing, *named))
    if found is None:
        raise InvalidInput(f"Instance {instance[:40]} does not belong to location {location.ghl_id}.")
    return found


def _buttons(data: Mapping[str, Any], buttons: list[dict[str, str]], sender_id: int | None) -> Action:
    body = _text(data, "body")
    if not body:
        raise InvalidInput("Body is required for buttons.")
    if not buttons:
        raise InvalidInput("At least one button is required, with all of its fields.")
    around = {name: _text(data, name) for name in ("header", "footer") if _text(data, name)}
    return Action(body, [], Content(Kind.BUTTONS, {"buttons": buttons, **around}), sender_id)


def _doing(data: Mapping[str, Any]) -> list[dict[str, str]]:
    found = []
    for number in range(1, MOST_BUTTONS + 1):
        kind, text, value = (_text(data, f"button{number}{name}") for name in ("Type", "Text", "Value"))
        if not (kind and text and value):
            continue  # a place of the form that was left empty
        if kind not in KINDS:
            raise InvalidInput(f"A button is one of {', '.join(KINDS)}, and not “{kind[:20]}”.")
        found.append({"id": str(number), "text": text, "type": kind, "value": value})
    return found


def _answering(data: Mapping[str, Any]) -> list[dict[str, str]]:
    texts = [(number, _text(data, f"button{number}Text")) for number in range(1, MOST_BUTTONS + 1)]
    return [{"id": str(number), "text": text, "type": "reply", "value": ""} for number, text in texts if text]


def _text(data: Mapping[str, Any], name: str) -> str:
    value = data.get(name)
    return str(value).strip() if isinstance(value, str | int) and not isinstance(value, bool) else ""
