"""Buttons, lists, forms and questions for a place, sent from HighLevel, where only texts can be written.

    /buttons                    /list Choose               /flow 1234567890 DAYS        /ask-location
    Are you coming?             Which roof?                Choose your day              Where shall we come?
    - Yes                       - Tin | 450 a metre        - Book now
    - No                        - Tile

The lines that begin with a dash are what can be tapped; `- Pay: https://…` opens a page. One attachment is the file
above the text. As with `/template`, what is not exactly so is refused with a sentence, and never sent as it was typed.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy.orm import Session

from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import contacts, kinds
from portal.messaging.parts import kind_of
from portal.models import Conversation, Message

# What stands before it may be no more than what nobody sees (format characters, as pasting leaves them).
_UNSEEN = r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*"
_WORD = re.compile(_UNSEEN + r"/(buttons?|lists?|flows?|ask-?location)(?=\s|$)", re.IGNORECASE)
_CHOICE = re.compile(r"\s*[-–—•]\s+(.*\S)\s*")
_OPENS = re.compile(r"(.*\S)\s*:\s*(https?://\S+)")
_FLOW = re.compile(r"(\S{1,200})(?:\s+(\S{1,200}))?")
HOW = {
    "buttons": "Write /buttons, below it the text, and below that each button on a line of its own, like - Yes.",
    "list": "Write /list and the word that opens it, below it the text, and then each row, like - Tin | 450 a metre.",
    "flow": "Write /flow and the Flow's ID, and its first screen if there is one; below it the text, then - Book now.",
    "ask-location": "Write /ask-location, and below it what the place is wanted for.",
}


@dataclass(frozen=True, slots=True)
class Command:
    """A command as it stands there: what follows its word, the text below, and the lines with a dash at its end."""

    name: str
    rest: str
    text: str
    choices: Sequence[str]


def read(text: str) -> Command | None:
    """The command that a text is, None for any other text."""
    found = _WORD.match(text)
    if found is None:
        return None
    name = next(each for each in HOW if found[1].lower().startswith(each[:3]))
    first, _, below = text[found.end() :].partition("\n")
    lines = below.rstrip().splitlines()
    choices: list[str] = []
    while lines and (choice := _CHOICE.fullmatch(lines[-1])):
        choices.insert(0, choice[1])
        lines.pop()
    return Command(name, first.strip(), "\n".join(lines).strip(), choices)


def content(command: Command, attachments: Sequence[str]) -> Content:
    """What it sends. Raises `InvalidInput` for whatever is not exactly so."""
    made = _MAKERS[command.name](command)
    if attachments:
        made = Content(made.kind, {**made.details, "media": _media(made.kind, attachments)})
    try:
        kinds.check(made, command.text, [])
    except InvalidInput as error:
        raise InvalidInput(f"{error.message} {HOW[command.name]}") from None
    return made


def take(session: Session, message: Message) -> str:
    """Turns a new message of HighLevel that is a command into what it asks for.

    Returns why it cannot be sent; "" when it is that now, or was no command.
    """
    if message.ghl_message_id is None or message.kind != Kind.TEXT:
        return ""
    command = read(message.body)
    if command is None:
        return ""
    try:
        made = content(command, [each.strip() for each in message.attachments])
    except InvalidInput as error:
        return f"{error.message} Nothing was sent."
    message.kind, message.details, message.body = made.kind.value, dict(made.details), command.text
    message.attachments = []
    conversation = session.get_one(Conversation, message.conversation_id)
    contacts.carry(conversation, message, conversation.last_message_at or message.created_at)
    return ""


def _media(kind: Kind, attachments: Sequence[str]) -> dict[str, str]:
    if len(attachments) > 1 or kind not in (Kind.BUTTONS, Kind.FLOW):
        raise InvalidInput("There is no place for these files: send them in a message of their own.")
    return {"kind": kind_of(attachments[0]), "url": attachments[0]}


def _buttons(command: Command) -> Content:
    _bare(command)
    links = [_OPENS.fullmatch(each) for each in command.choices]
    buttons: list[dict[str, Any]] = []
    for number, (text, link) in enumerate(zip(command.choices, links, strict=True), start=1):
        more = {"text": link[1], "type": "url", "value": link[2]} if link else {"text": text, "type": "reply"}
        buttons.append({"id": str(number), **more})
    return Content(Kind.BUTTONS, {"buttons": buttons})


def _list(command: Command) -> Content:
    rows = []
    for number, choice in enumerate(command.choices, start=1):
        shown, _, more = choice.partition("|")
        rows.append({"id": str(number), "text": shown.strip(), "description": more.strip()})
    return Content(Kind.LIST, {"title": command.rest, "footer": "", "sections": [{"title": "", "rows": rows}]})


def _flow(command: Command) -> Content:
    named = _FLOW.fullmatch(command.rest)
    if named is None or len(command.choices) != 1:
        raise InvalidInput(f"This is no command for a form. {HOW['flow']}")
    flow, screen = named[1], named[2] or ""
    told = {"flow": flow, "named": not flow.isdecimal(), "screen": screen, "button": command.choices[0]}
    return Content(Kind.FLOW, told)


def _ask_location(command: Command) -> Content:
    _bare(command)
    if command.choices:
        raise InvalidInput(f"This has a button of its own already. {HOW['ask-location']}")
    return Content(Kind.LOCATION_REQUEST)


def _bare(command: Command) -> None:
    """Nothing follows the word on its line: it would be lost."""
    if command.rest:
        raise InvalidInput(f"“{command.rest[:40]}” stands in the wrong place. {HOW[command.name]}")


_MAKERS: dict[str, Callable[[Command], Content]] = {
    "buttons": _buttons,
    "list": _list,
    "flow": _flow,
    "ask-location": _ask_location,
}
