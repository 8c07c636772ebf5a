"""A template that is sent from HighLevel, where only texts can be written: the whole message is a command.

    /template NAME [LANGUAGE]
    1: Ana
    first_name: Ana

It is read exactly or refused with a sentence. Nothing that begins so ever reaches a customer as it was typed, also not
with a capital letter, which phones write by themselves, or with a letter too many.
"""

import re

from sqlalchemy.orm import Session

from portal.channels.content import Kind
from portal.errors import InvalidInput
from portal.messaging import contacts, kinds, template_texts
from portal.messaging.template_forms import HEADER_URL, Form
from portal.messaging.template_sending import find, form_of
from portal.models import Conversation, Message, Sender

# What stands before it may be no more than what nobody sees (format characters, as pasting leaves them).
_WORD = re.compile(r"[\s\u00ad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]*/template", re.IGNORECASE)
# Meta: names are lower-case letters, digits and underscores, languages like en or pt_BR.
_FIRST = re.compile(r"/(?i:template) +([a-z0-9_]{1,512})(?: +([A-Za-z]{2,3}(?:_[A-Za-z0-9]{2,8})*))?")
_LINE = re.compile(r"([\w-]{1,80}) *: *(.*)")
HOW = "Write /template NAME, or /template NAME LANGUAGE, and below it each variable on a line of its own, like 1: Ana."


def is_command(text: str) -> bool:
    """Does the text begin with the command's word, or what only a slip makes another one?"""
    return _WORD.match(text) is not None


def read(text: str) -> tuple[str, str, dict[str, str]]:
    """Name, language ("" when it is not named) and values. Raises `InvalidInput` for whatever is not exactly so."""
    first, *lines = text.strip().splitlines()
    named = _FIRST.fullmatch(first.strip())
    if named is None:
        raise InvalidInput(f"This is no command for a template. {HOW}")
    values: dict[str, str] = {}
    for line in filter(str.strip, lines):
        found = _LINE.fullmatch(line.strip())
        if found is None or found[1] in values:
            raise InvalidInput(f"The line “{line.strip()[:40]}” is not understood, or stands there twice. {HOW}")
        values[found[1]] = found[2].strip()
    return named[1], named[2] or "", values


def take(session: Session, sender: Sender, message: Message) -> str:
    """Turns a new message of HighLevel that is a command into the template that it names, of its sender.

    Returns why it cannot be sent; "" when it is a template now, or was no command.
    """
    if message.ghl_message_id is None or message.kind != Kind.TEXT or not is_command(message.body):
        return ""
    try:
        name, language, values = read(message.body)
        form = form_of(find(session, sender, name, language))
        values |= _file(form, values, list(message.attachments))
        content = template_texts.content(form, values)
    except InvalidInput as error:
        return f"{error.message} Nothing was sent."
    message.kind, message.details = content.kind.value, dict(content.details)
    message.body, message.attachments = template_texts.preview(form, values).text, []
    message.marketing = kinds.is_marketing(content)
    conversation = session.get_one(Conversation, message.conversation_id)
    contacts.carry(conversation, message, conversation.last_message_at or message.created_at)
    return ""


def _file(form: Form, values: dict[str, str], attachments: list[str]) -> dict[str, str]:
    """One attachment is the file above the text, where the template has one."""
    if not attachments:
        return {}
    if len(attachments) > 1 or not form.media or HEADER_URL in values:
        raise InvalidInput(f"The template {form.name} takes no such file: send it in a message of its own.")
    return {HEADER_URL: attachments[0].strip()}
