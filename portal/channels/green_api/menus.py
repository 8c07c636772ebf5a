"""Polls, buttons and lists, and what people choose from them."""

from collections.abc import Mapping
from typing import Any

from portal.channels.content import Kind, Relation
from portal.channels.green_api import chats, quotes
from portal.channels.green_api.content import Read
from portal.channels.values import block, blocks, text

Data = Mapping[str, Any]

# A tap comes in one of these blocks, each with its own names for the id and the words of what was chosen.
_TAPS = ("buttonsResponseMessage", "listResponseMessage", "templateButtonReplyMessage", "templateButtonsReplyMessage")
_IDS = ("selectedButtonId", "selectedId", "singleSelectReply")
_WORDS = ("selectedButtonText", "selectedDisplayText", "title")


def poll(data: Data) -> Read:
    """A poll, as it is told today and as in 2023, when 0 choosable options meant any number of them."""
    own = block(data.get("pollMessageData")) or block(data.get("pollCreationMessage"))
    options = [text(option.get("optionName")) for option in blocks(own.get("options"))]
    multiple = own.get("multipleAnswers") is True or own.get("selectableOptionsCount") == 0
    return Read(Kind.POLL, details={"question": text(own.get("name")), "options": options, "multiple": multiple})


def vote(data: Data) -> Read:
    """How a poll stands after somebody voted: every option with everybody who chose it."""
    own = block(data.get("pollMessageData"))
    question = text(own.get("name"))
    options = [
        {"text": text(each.get("optionName")), "voters": _voters(each.get("optionVoters"))}
        for each in blocks(own.get("votes"))
    ]
    told = quotes.about(Relation.ANSWER, {"stanzaId": own.get("stanzaId"), "textMessage": question})
    return Read(Kind.VOTE, details={"question": question, "options": options}, about=told)


def _voters(value: object) -> list[str]:
    return [chats.plain(each) for each in value if isinstance(each, str)] if isinstance(value, list) else []


def buttons(data: Data) -> Read:
    """A menu of buttons, whatever its block is called."""
    own = _own(data, ("interactiveButtons", "interactiveButtonsReply", "buttonsMessage"))
    shown = [_button(each) for each in blocks(own.get("buttons"))]
    return Read(Kind.BUTTONS, text(own.get("contentText")), details=_around(own) | {"buttons": shown})


def template(data: Data) -> Read:
    """A template: each of its buttons is in a block named by what the button does."""
    own = block(data.get("templateMessage"))
    shown = [_template_button(each) for each in blocks(own.get("buttons"))]
    return Read(Kind.TEMPLATE, text(own.get("contentText")), details=_around(own) | {"buttons": shown})


def choices(data: Data) -> Read:
    """A list to choose a row from."""
    own = block(data.get("listMessage"))
    sections = [
        {"title": text(section.get("title")), "rows": [_row(row) for row in blocks(section.get("rows"))]}
        for section in blocks(own.get("sections"))
    ]
    details = {"title": text(own.get("title")), "footer": text(own.get("footer")), "sections": sections}
    return Read(Kind.LIST, text(own.get("contentText")), details=details)


def tap(data: Data) -> Read:
    """What somebody tapped on. The text is the button's own: a tap on STOP says STOP."""
    own = _own(data, _TAPS)
    chosen = {"id": _first(own, _IDS), "text": _first(own, _WORDS), "description": text(own.get("description"))}
    told = quotes.about(Relation.ANSWER, {"stanzaId": own.get("stanzaId")})
    return Read(Kind.TAP, chosen["text"], details=chosen, about=told)


def _own(data: Data, names: tuple[str, ...]) -> Data:
    return next((found for name in names if (found := block(data.get(name)))), {})


def _first(own: Data, names: tuple[str, ...]) -> str:
    """The first that is there; the id of a list's row may stand in an object of its own."""
    for name in names:
        value = own.get(name)
        found = text(value) or text(block(value).get("selectedRowId"))
        if found:
            return found
    return ""


def _around(own: Data) -> dict[str, Any]:
    header = text(own.get("titleText")) or text(own.get("title"))
    return {"header": header, "footer": text(own.get("footerText")) or text(own.get("footer"))}


def _button(said: Data) -> dict[str, str]:
    kind = text(said.get("type")) or "reply"
    value = text(said.get({"url": "url", "call": "phoneNumber", "copy": "copyCode"}.get(kind, "")))
    return {"id": text(said.get("buttonId")), "text": text(said.get("buttonText")), "type": kind, "value": value}


def _template_button(said: Data) -> dict[str, str]:
    url, call, reply = (block(said.get(name)) for name in ("urlButton", "callButton", "quickReplyButton"))
    place = text(said.get("index"))
    if url:
        return {"id": place, "text": text(url.get("displayText")), "type": "url", "value": text(url.get("url"))}
    if call:
        return {
            "id": place,
            "text": text(call.get("displayText")),
            "type": "call",
            "value": text(call.get("phoneNumber")),
        }
    return {"id": text(reply.get("id")) or place, "text": text(reply.get("displayText")), "type": "reply", "value": ""}


def _row(said: Data) -> dict[str, str]:
    fields = {"id": "rowId", "text": "title", "description": "description"}
    return {name: text(said.get(field)) for name, field in fields.items()}
