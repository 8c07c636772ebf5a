"""Messages that are more than a text or a file: what they must have, and whether a sender can send them. Pure.

The numbers are WhatsApp's own, as GREEN-API's documentation of SendPoll and SendInteractiveButtons, and Meta's of
interactive lists and Flows, give them. Where one provider takes less than another, its `Limits` say so.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from portal.channels.base import Channel
from portal.channels.capabilities import kinds_of, limits_of
from portal.channels.content import Content, Kind
from portal.errors import InvalidInput

MOST_QUESTION, MOST_OPTION, FEWEST_OPTIONS, MOST_OPTIONS = 255, 100, 2, 12
MOST_BUTTONS, MOST_BUTTON = 3, 25
MOST_OPENER, MOST_ROWS, MOST_ROW, MOST_ROW_TEXT = 20, 10, 24, 72
MOST_NAME = 200
MOST_ADDRESS = 2000
MEDIA = ("image", "video", "document")
# A family of four with skin tones takes eleven.
MOST_EMOJI = 16
MOST_FLOW, MOST_SCREEN = 200, 200
NO_DETAILS: Mapping[str, Any] = MappingProxyType({})
WORDS: Mapping[str, str] = MappingProxyType(
    {
        Kind.LOCATION: "a location",
        Kind.CONTACT: "a contact",
        Kind.POLL: "a poll",
        Kind.BUTTONS: "buttons",
        Kind.LIST: "a list",
        Kind.FLOW: "a form",
        Kind.LOCATION_REQUEST: "a question for the place",
        Kind.TEMPLATE: "a template",
        Kind.REACTION: "a reaction",
    }
)


def check(content: Content, text: str, attachments: Sequence[str]) -> None:
    """Raises `InvalidInput` with a sentence when it could not be sent by anybody."""
    if content.kind not in WORDS:
        raise InvalidInput(f"{content.kind.value.capitalize()} is nothing that can be written here.")
    if attachments:
        raise InvalidInput(f"Files go in a message of their own, not beside {WORDS[content.kind]}.")
    try:
        _CHECKS[content.kind](content.details, text)
    except (AttributeError, LookupError, TypeError, ValueError):
        raise InvalidInput(
            f"The details of {WORDS[content.kind]} are not of the shape that they should have."
        ) from None


def content_of(kind: str, details: Mapping[str, Any]) -> Content | None:
    """What a message or part of this kind carries besides text and files; None for all others."""
    return Content(Kind(kind), details) if kind in WORDS else None


def is_marketing(content: Content) -> bool:
    """Is it for those alone who have not stopped marketing? Meta charges and limits it as such."""
    return content.kind is Kind.TEMPLATE and str(content.details.get("category") or "").upper() == "MARKETING"


def unfit(channel: Channel, name: str, kind: str, text: str, details: Mapping[str, Any] = NO_DETAILS) -> str:
    """Why the sender called `name` cannot send it, with what to do; "" when it can."""
    if kind in WORDS and kind not in kinds_of(channel):
        return f"{name} ({channel.name}) cannot send {WORDS[kind]}: choose another sender, or write it as a text."
    most = limits_of(channel).text
    # The text of a template is what it will say, and not sent.
    if most and len(text) > most and kind != Kind.TEMPLATE:
        return f"The message has {len(text)} characters, and {channel.name} takes at most {most}: shorten it."
    return _unfit_buttons(channel, name, kind, details)


def _unfit_buttons(channel: Channel, name: str, kind: str, details: Mapping[str, Any]) -> str:
    """The same of what stands around a text."""
    limits, media = limits_of(channel), details.get("media")
    if kind == Kind.BUTTONS and limits.button:
        for each in details.get("buttons") or ():
            if len(str(each.get("text") or "")) > limits.button:
                return (
                    f"A button has at most {limits.button} characters at {channel.name}: shorten “{each['text'][:40]}”."
                )
    if kind in (Kind.BUTTONS, Kind.FLOW) and media and media.get("kind") not in limits.above:
        return f"{name} ({channel.name}) puts no such file above a text: send it in a message of its own."
    return ""


def _check_location(details: Mapping[str, Any], _text: str) -> None:
    latitude, longitude = details.get("latitude"), details.get("longitude")
    if not isinstance(latitude, float | int) or not isinstance(longitude, float | int):
        raise InvalidInput("A location needs its latitude and longitude, in degrees: 52.5186,13.4081.")
    if not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        raise InvalidInput("A latitude is from -90 to 90 degrees, a longitude from -180 to 180.")
    if any(len(str(details.get(name, ""))) > MOST_NAME for name in ("name", "address")):
        raise InvalidInput(f"The name and the address of a location have at most {MOST_NAME} characters.")


def _check_contact(details: Mapping[str, Any], _text: str) -> None:
    people = details.get("contacts") or []
    if not people or any(not each.get("name", "").strip() or not each.get("phones") for each in people):
        raise InvalidInput("A contact needs a name and a phone number.")
    if any(len(each["name"]) > MOST_NAME for each in people):
        raise InvalidInput(f"The name of a contact has at most {MOST_NAME} characters.")


def _check_poll(details: Mapping[str, Any], _text: str) -> None:
    question, options = details.get("question", ""), list(details.get("options") or [])
    if not 1 <= len(question.strip()) <= MOST_QUESTION:
        raise InvalidInput(f"A poll needs a question of at most {MOST_QUESTION} characters.")
    if not FEWEST_OPTIONS <= len(options) <= MOST_OPTIONS or len(set(options)) < len(options):
        raise InvalidInput(f"A poll needs {FEWEST_OPTIONS} to {MOST_OPTIONS} options, each different.")
    if any(not 1 <= len(each.strip()) <= MOST_OPTION for each in options):
        raise InvalidInput(f"An option of a poll has 1 to {MOST_OPTION} characters.")


def _check_buttons(details: Mapping[str, Any], text: str) -> None:
    buttons = list(details.get("buttons") or [])
    names = [each.get("text", "") for each in buttons]
    if not text.strip():
        raise InvalidInput("Buttons need a text above them.")
    if not 1 <= len(names) <= MOST_BUTTONS or len(set(names)) < len(names):
        raise InvalidInput(f"A message takes 1 to {MOST_BUTTONS} buttons, each different.")
    if any(not 1 <= len(each.strip()) <= MOST_BUTTON for each in names):
        raise InvalidInput(f"A button has 1 to {MOST_BUTTON} characters.")
    opening = [each for each in buttons if each.get("type") == "url"]
    if any(not _is_address(each.get("value")) for each in opening):
        raise InvalidInput("A button that opens a page needs its address: https://…")
    if opening and any(each.get("type", "reply") == "reply" for each in buttons):
        raise InvalidInput("A button that opens a page cannot stand beside buttons to answer with.")
    _check_media(details)


def _check_media(details: Mapping[str, Any]) -> None:
    """The file in the place of a header."""
    said = details.get("media")
    if not said:
        return
    if not isinstance(said, Mapping) or said.get("kind") not in MEDIA or not _is_address(said.get("url")):
        raise InvalidInput("What stands above the text is a picture, a video or a document, at its address: https://…")
    if details.get("header"):
        raise InvalidInput("A header is a text or a file, not both.")


def _is_address(value: object) -> bool:
    text = str(value or "")
    return text.startswith(("https://", "http://")) and len(text) <= MOST_ADDRESS and not set(text) & set(" \n\t")


def _check_list(details: Mapping[str, Any], text: str) -> None:
    if not text.strip():
        raise InvalidInput("A list needs a text above it.")
    if not 1 <= len(str(details.get("title") or "").strip()) <= MOST_OPENER:
        raise InvalidInput(f"A list needs the word that opens it, of at most {MOST_OPENER} characters.")
    rows = [row for section in details.get("sections") or [] for row in section.get("rows") or []]
    names = [str(row.get("text") or "").strip() for row in rows]
    if not 1 <= len(rows) <= MOST_ROWS or len({row.get("id") for row in rows}) < len(rows):
        raise InvalidInput(f"A list takes 1 to {MOST_ROWS} rows, each with an id of its own.")
    if any(not 1 <= len(each) <= MOST_ROW for each in names):
        raise InvalidInput(f"A row of a list has 1 to {MOST_ROW} characters.")
    if any(len(str(row.get("description") or "")) > MOST_ROW_TEXT for row in rows):
        raise InvalidInput(f"What stands below a row of a list has at most {MOST_ROW_TEXT} characters.")


def _check_flow(details: Mapping[str, Any], text: str) -> None:
    if not text.strip():
        raise InvalidInput("A form needs a text above it.")
    if not 1 <= len(str(details.get("flow") or "").strip()) <= MOST_FLOW:
        raise InvalidInput("A form needs the ID or the name of its Flow, from Meta's WhatsApp manager.")
    if not 1 <= len(str(details.get("button") or "").strip()) <= MOST_OPENER:
        raise InvalidInput(f"A form needs a word that opens it, of at most {MOST_OPENER} characters.")
    if not isinstance(details.get("data") or {}, Mapping):
        raise InvalidInput("What a form is filled with beforehand is one object: field and value.")
    if len(str(details.get("screen") or "")) > MOST_SCREEN:
        raise InvalidInput(f"The name of a form's screen has at most {MOST_SCREEN} characters.")
    _check_media(details)


def _check_location_request(_details: Mapping[str, Any], text: str) -> None:
    if not text.strip():
        raise InvalidInput("A question for the place needs a text: what the place is wanted for.")


def _check_template(details: Mapping[str, Any], _text: str) -> None:
    """Whether it fits a template of its sender is `template_sending`'s to say."""
    if not details.get("name"):
        raise InvalidInput("A template is sent by its name.")


def _check_reaction(_details: Mapping[str, Any], text: str) -> None:
    """One emoji, however many characters it takes; none takes the reaction back."""
    if text and (len(text) > MOST_EMOJI or text.isascii() or any(each.isalpha() or each.isspace() for each in text)):
        raise InvalidInput("A reaction is one emoji, or nothing to take it back.")


_CHECKS = {
    Kind.LOCATION: _check_location,
    Kind.CONTACT: _check_contact,
    Kind.POLL: _check_poll,
    Kind.BUTTONS: _check_buttons,
    Kind.LIST: _check_list,
    Kind.FLOW: _check_flow,
    Kind.LOCATION_REQUEST: _check_location_request,
    Kind.TEMPLATE: _check_template,
    Kind.REACTION: _check_reaction,
}
