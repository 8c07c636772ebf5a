"""From a part of a message to the method and the body of its call. What GREEN-API would refuse is refused here."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from portal.channels.base import ChannelError, Outgoing
from portal.channels.content import AddressKind, Content, Kind
from portal.channels.files import fetchable, outgoing_name
from portal.channels.green_api import fields
from portal.channels.green_api.chats import chat_id

BY_URL, BY_UPLOAD = "sendFileByUrl", "sendFileByUpload"

# Their pages name no quotedMessageId, and a field that is not named is refused.
WITHOUT_QUOTES = frozenset(("sendInteractiveButtons", "sendInteractiveButtonsReply"))

Call = tuple[str, dict[str, Any]]


def order(part: Outgoing) -> Call:
    """The method and its body. Raises `ChannelError` for what cannot be sent; nothing has left then."""
    chat = chat_id(part.to_kind, part.to)
    if not chat:
        raise _unfit("The recipient is no WhatsApp address: correct it.", "recipient")
    method, body = _inner(part)
    body = {"chatId": chat, **body}
    if part.quotes and method not in WITHOUT_QUOTES:
        body["quotedMessageId"] = part.quotes
    return method, body


def _inner(part: Outgoing) -> Call:
    if part.content is not None:
        return _content(part, part.content)
    if part.files:
        return _file(part)
    if not part.text.strip():
        raise _unfit("There is nothing to send: write a text or attach a file.", "empty")
    _at_most(part.text, fields.LONGEST_TEXT, "The text")
    return "sendMessage", {"message": part.text}


def _file(part: Outgoing) -> Call:
    if len(part.files) > 1:
        raise _unfit("GREEN-API sends one file at a time.", "files")
    file = part.files[0]
    if not file.url:
        raise _unfit(file.fault or "The file has no address: attach it anew.", "file")
    if file.size is not None and file.size > fields.LARGEST_FILE:
        raise _unfit("GREEN-API takes files of at most 100 MB: send a smaller one, or a link.", "too_large")
    _at_most(part.text, fields.LONGEST_CAPTION, "A file's caption")
    body = {"urlFile": fetchable(file.url), "fileName": outgoing_name(file)}
    return BY_URL, body | ({"caption": part.text} if part.text else {})


def _content(part: Outgoing, content: Content) -> Call:
    maker = _MAKERS.get(content.kind)
    if maker is None or part.files:
        raise _unfit(f"GREEN-API cannot send this ({content.kind.value}): send a text instead.", "kind")
    return maker(part, content.details)


def _location(part: Outgoing, said: Mapping[str, Any]) -> Call:
    try:
        latitude, longitude = float(said["latitude"]), float(said["longitude"])
    except (KeyError, TypeError, ValueError):
        raise _unfit("A location needs a latitude and a longitude.", "location") from None
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise _unfit("A latitude lies between -90 and 90 degrees, a longitude between -180 and 180.", "location")
    named = {"nameLocation": said.get("name") or part.text, "address": said.get("address")}
    return "sendLocation", {"latitude": latitude, "longitude": longitude, **{k: str(v) for k, v in named.items() if v}}


def _contact(part: Outgoing, said: Mapping[str, Any]) -> Call:
    contacts = said.get("contacts")
    if not isinstance(contacts, Sequence) or len(contacts) != 1 or not isinstance(contacts[0], Mapping):
        raise _unfit("GREEN-API sends one contact at a time.", "contact")
    contact = contacts[0]
    phones = contact.get("phones") or [""]
    digits = "".join(character for character in str(phones[0]) if character in "0123456789")
    if not 0 < len(digits) <= fields.LONGEST_NUMBER:
        raise _unfit(f"A contact needs a phone number, of at most {fields.LONGEST_NUMBER} digits.", "contact")
    first, _, last = str(contact.get("name") or "").strip().partition(" ")
    named = {"firstName": first or f"+{digits}", "lastName": last.strip(), "company": contact.get("organisation")}
    return "sendContact", {"contact": {"phoneContact": int(digits), **{k: str(v) for k, v in named.items() if v}}}


def _poll(part: Outgoing, said: Mapping[str, Any]) -> Call:
    question = str(said.get("question") or part.text)
    options = [str(option) for option in said.get("options") or ()]
    _at_most(question, fields.LONGEST_QUESTION, "A poll's question")
    if not question or not fields.FEWEST_OPTIONS <= len(options) <= fields.MOST_OPTIONS:
        raise _unfit("A poll needs a question and 2 to 12 options.", "poll")
    if len(set(options)) != len(options) or not all(options):
        raise _unfit("The options of a poll must differ from one another.", "poll")
    for option in options:
        _at_most(option, fields.LONGEST_OPTION, "An option of a poll")
    chosen = {"multipleAnswers": bool(said.get("multiple"))}
    return "sendPoll", {"message": question, "options": [{"optionName": option} for option in options], **chosen}


def _buttons(part: Outgoing, said: Mapping[str, Any]) -> Call:
    """Reply buttons and buttons that do something are two methods, and one message cannot have both."""
    if part.to_kind is AddressKind.GROUP:
        raise _unfit("WhatsApp shows no buttons in groups: send a text instead.", "buttons")
    given = said.get("buttons")
    buttons = [each for each in given if isinstance(each, Mapping)] if isinstance(given, Sequence) else []
    if not part.text.strip() or not 1 <= len(buttons) <= fields.MOST_BUTTONS:
        raise _unfit("Buttons need a text above them, and are one to three.", "buttons")
    _at_most(part.text, fields.LONGEST_TEXT, "The text")
    replies = [each.get("type", "reply") == "reply" for each in buttons]
    if any(replies) and not all(replies):
        raise _unfit("Reply buttons cannot stand beside buttons that call, copy or open something.", "buttons")
    around = {name: str(said[name]) for name in ("header", "footer") if said.get(name)}
    shown = [_button(number, each) for number, each in enumerate(buttons, 1)]
    method = "sendInteractiveButtonsReply" if all(replies) else "sendInteractiveButtons"
    return method, {"body": part.text, "buttons": shown, **around}


_VALUES = {"url": "url", "call": "phoneNumber", "copy": "copyCode"}


def _button(number: int, said: Mapping[str, Any]) -> dict[str, Any]:
    text, kind = str(said.get("text") or ""), str(said.get("type") or "reply")
    if not text:
        raise _unfit("Every button needs a text.", "buttons")
    _at_most(text, fields.LONGEST_BUTTON, "A button's text")
    button = {"buttonId": str(said.get("id") or number), "buttonText": text}
    if kind == "reply":
        return button
    value = str(said.get("value") or "")
    if kind not in _VALUES or not value:
        raise _unfit("A button opens an address, calls a number or copies a code: say which.", "buttons")
    return {"type": kind, **button, _VALUES[kind]: value.lstrip("+") if kind == "call" else value}


_MAKERS: dict[Kind, Callable[[Outgoing, Mapping[str, Any]], Call]] = {
    Kind.LOCATION: _location,
    Kind.CONTACT: _contact,
    Kind.POLL: _poll,
    Kind.BUTTONS: _buttons,
}


def _at_most(text: str, limit: int, what: str) -> None:
    if len(text) > limit:
        raise _unfit(f"{what} may have {limit} characters, and this has {len(text)}: shorten it.", "too_long")


def _unfit(sentence: str, code: str) -> ChannelError:
    return ChannelError(sentence, code=code)
