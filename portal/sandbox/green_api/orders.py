"""What each send method takes and what it refuses, by its page in the documentation. Pure functions."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

CHAT = re.compile(r"[0-9]{5,20}@(c\.us|lid)|[0-9]{5,40}(-[0-9]{1,20})?@g\.us")
ENDING = re.compile(r"\.[0-9A-Za-z]{1,8}$")
ENDINGS = {
    "imageMessage": ("png", "jpg", "jpeg"),
    "videoMessage": ("mp4", "3gp"),
    "audioMessage": ("mp3", "ogg", "oga"),
}
BUTTON_KINDS = {"copy": "copyCode", "call": "phoneNumber", "url": "url"}

Body = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Method:
    """What the journal calls the message, its text, and what is wrong with a body ("" for nothing)."""

    type_message: Callable[[Body], str]
    text: Callable[[Body], str]
    fault: Callable[[Body], str]


def fault_in(method: str, body: Any) -> str:
    """What GREEN-API says of a body that it does not take, "" for one that it takes."""
    if not isinstance(body, dict):
        return "bad request data"
    if not CHAT.fullmatch(str(body.get("chatId") or "")):
        return "Validation failed. Details: 'chatId' is not a valid chat id"
    if "quotedMessageId" in body and not body["quotedMessageId"]:
        return "Validation failed. Details: 'quotedMessageId' is not allowed to be empty"
    return METHODS[method].fault(body)


def _missing(name: str) -> str:
    return f"Validation failed. Details: '{name}' is required"


def _message(body: Body) -> str:
    text = body.get("message")
    if not isinstance(text, str) or not text:
        return _missing("message")
    return "Validation failed. Details: 'message' length must be at most 20000" if len(text) > 20_000 else ""


def _file(body: Body) -> str:
    if not str(body.get("urlFile") or "").startswith(("http://", "https://")):
        return _missing("urlFile")
    if not ENDING.search(str(body.get("fileName") or "")):
        return "Validation failed. Details: 'fileName' must have an extension"
    return "Validation failed. Details: 'urlFile' must not hold spaces" if " " in str(body["urlFile"]) else ""


def _upload(body: Body) -> str:
    """`file` is how many bytes came."""
    if not body.get("file"):
        return _missing("file")
    good = ENDING.search(str(body.get("fileName") or ""))
    return "" if good else "Validation failed. Details: 'fileName' must have an extension"


def _location(body: Body) -> str:
    numbers = [body.get("latitude"), body.get("longitude")]
    return "" if all(isinstance(each, int | float) for each in numbers) else _missing("latitude")


def _contact(body: Body) -> str:
    contact = body.get("contact")
    if not isinstance(contact, dict) or not isinstance(contact.get("phoneContact"), int):
        return _missing("contact")
    named = any(contact.get(name) for name in ("firstName", "middleName", "lastName", "company"))
    return "" if named else _missing("firstName")


def _poll(body: Body) -> str:
    options = body.get("options")
    names = [each.get("optionName") for each in options if isinstance(each, dict)] if isinstance(options, list) else []
    if not body.get("message") or len(str(body["message"])) > 255:
        return _missing("message")
    good = 2 <= len(names) <= 12 and len(set(names)) == len(names) and all(0 < len(str(each)) <= 100 for each in names)
    return "" if good else "Validation failed. Details: 'options' must be 2 to 12 different texts"


def _buttons(body: Body) -> str:
    return _fault_in_buttons(body, lambda each: bool(each.get(BUTTON_KINDS.get(str(each.get("type")), ""))))


def _replies(body: Body) -> str:
    return _fault_in_buttons(body, lambda each: True)


def _fault_in_buttons(body: Body, whole: Callable[[Body], bool]) -> str:
    buttons = body.get("buttons")
    if not isinstance(body.get("body"), str) or not body["body"]:
        return _missing("body")
    if str(body["chatId"]).endswith("@g.us"):
        return "Validation failed. Details: 'chatId' must be a personal chat"
    known = [each for each in buttons if isinstance(each, dict)] if isinstance(buttons, list) else []
    good = 1 <= len(known) <= 3 and all(
        each.get("buttonId") and 0 < len(str(each.get("buttonText") or "")) <= 25 and whole(each) for each in known
    )
    return "" if good else "Validation failed. Details: 'buttons' are not valid"


def _kind_of_file(body: Body) -> str:
    """Its ending decides what a file is."""
    ending = str(body["fileName"]).rsplit(".", 1)[-1].lower()
    return next((kind for kind, endings in ENDINGS.items() if ending in endings), "documentMessage")


def _body(body: Body) -> str:
    return str(body["body"])


METHODS: dict[str, Method] = {
    "sendMessage": Method(lambda _: "textMessage", lambda body: str(body["message"]), _message),
    "sendFileByUrl": Method(_kind_of_file, lambda body: str(body.get("caption") or body["fileName"]), _file),
    "sendFileByUpload": Method(_kind_of_file, lambda body: str(body.get("caption") or body["fileName"]), _upload),
    "sendLocation": Method(lambda _: "locationMessage", lambda body: str(body.get("nameLocation") or ""), _location),
    "sendContact": Method(lambda _: "contactMessage", lambda body: str(body["contact"].get("firstName")), _contact),
    "sendPoll": Method(lambda _: "pollMessage", lambda body: str(body["message"]), _poll),
    "sendInteractiveButtons": Method(lambda _: "interactiveButtons", _body, _buttons),
    "sendInteractiveButtonsReply": Method(lambda _: "interactiveButtonsReply", _body, _replies),
}
