"""Sending a template: found among those of its sender, filled in, and looked at again when its message is queued."""

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Select, select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.capabilities import HasTemplates
from portal.channels.content import Content, Kind
from portal.errors import InvalidInput
from portal.messaging import template_forms, template_texts
from portal.messaging.storable import storable
from portal.messaging.template_forms import Form
from portal.messaging.templates import APPROVED, reason
from portal.models import Message, Sender, SenderState, TemplateRow
from portal.wording import noted

# What each status means, to go on after "It is". Others stand for themselves.
STATUS: Mapping[str, str] = {
    APPROVED: "approved",
    "PENDING": "being reviewed",
    "IN_APPEAL": "being reviewed once more",
    "REJECTED": "rejected by WhatsApp",
    "PAUSED": "paused by WhatsApp",
    "DISABLED": "disabled by WhatsApp",
    "FLAGGED": "about to be disabled",
    "LIMIT_EXCEEDED": "above the account's limit",
    "PENDING_DELETION": "being deleted",
    "DELETED": "deleted",
    "ARCHIVED": "archived",
}
GONE = noted("not listed any more")


def form_of(row: TemplateRow) -> Form:
    """A template's row as a form."""
    return template_forms.form(row.name, row.language, row.category, row.status, row.components)


def standing(row: TemplateRow) -> str:
    """How it stands, in words that go on after "It is"."""
    return GONE if row.gone_at is not None else STATUS.get(row.status, row.status.lower().replace("_", " "))


def why_not(row: TemplateRow) -> str:
    """Why it cannot be sent now; "" when it can, as far as is known."""
    if row.gone_at is not None or row.status != APPROVED:
        told = reason(row) if row.gone_at is None else ""
        return f"The template {row.name} ({row.language}) is {standing(row)}. {told}".strip()
    obstacle = form_of(row).obstacle
    return f"The template {row.name} ({row.language}) cannot be sent. {obstacle}" if obstacle else ""


def choices(session: Session, sender_id: int) -> list[TemplateRow]:
    """The templates that can be sent now, by name and language."""
    approved = _of(sender_id).where(TemplateRow.status == APPROVED, TemplateRow.gone_at.is_(None))
    return [row for row in session.scalars(approved) if not form_of(row).obstacle]


def find(session: Session, sender: Sender, name: str, language: str = "") -> TemplateRow:
    """The sender's template of this name; the language may be left out where there is only one.

    Raises `InvalidInput` with what is wrong: there is none, there are several, or it cannot be sent.
    """
    if not isinstance(registry.get(sender.channel), HasTemplates):
        raise InvalidInput(f"{sender.name} ({registry.get(sender.channel).name}) knows no templates.")
    rows = list(session.scalars(_of(sender.id).where(TemplateRow.name == name)))
    fit = [row for row in rows if row.language == language] if language else rows
    usable = [row for row in fit if not why_not(row)] or fit
    if not usable:
        raise InvalidInput(_none(sender, name, language, [row.language for row in rows]))
    if len(usable) > 1:
        several = ", ".join(row.language for row in usable)
        raise InvalidInput(f"The template {name[:80]} exists in several languages: {several}. Name one.")
    found: TemplateRow = usable[0]
    if why := why_not(found):
        raise InvalidInput(why)
    return found


def _of(sender_id: int) -> Select[Any]:
    return (
        select(TemplateRow)
        .where(TemplateRow.sender_id == sender_id)
        .order_by(TemplateRow.name, TemplateRow.language, TemplateRow.id)
    )


def _none(sender: Sender, name: str, language: str, languages: list[str]) -> str:
    if languages:
        return f"{sender.name} has no template {name[:80]} in {language[:32]}: there is {', '.join(languages)}."
    if sender.templates_at is None:
        why = sender.templates_failure or "its provider has not been asked for them yet."
        return f"The templates of {sender.name} are not known: {why}"
    return f"{sender.name} has no template {name[:80]}. New ones are known after its templates are asked for again."


def holder(session: Session, location_id: int, name: str, language: str = "") -> Sender:
    """The one sender of a location that can send this template, for a message that names none."""
    present = Sender.location_id == location_id, Sender.state != SenderState.REMOVED
    senders = session.scalars(select(Sender).where(*present).order_by(Sender.position, Sender.id)).all()
    able = [each for each in senders if isinstance(registry.get(each.channel), HasTemplates)]
    if not able:
        raise InvalidInput("No sender of this sub-account knows templates.")
    if len(able) == 1:
        return able[0]
    named = TemplateRow.sender_id.in_([each.id for each in able]), TemplateRow.name == name
    rows = session.scalars(select(TemplateRow).where(*named)).all()
    good = {row.sender_id for row in rows if language in ("", row.language) and not why_not(row)}
    fit = [each for each in able if each.id in good]
    if len(fit) == 1:
        return fit[0]
    which = ", ".join(f"{each.id} ({each.name})" for each in fit or able)
    raise InvalidInput(f"Several senders could send the template {name[:80]}: name one of {which}.")


def settled(session: Session, sender: Sender, content: Content) -> tuple[Content, str]:
    """A template's content as it will be sent, and the text that the customer will read.

    Raises `InvalidInput` when the sender has no such template, or cannot send it, or it is not filled in.
    """
    said = content.details
    row = find(session, sender, str(said.get("name") or ""), str(said.get("language") or ""))
    form = form_of(row)
    values = template_texts.values_of(form, said.get("components") or [])
    return template_texts.content(form, values), template_texts.preview(form, values).text


def refusal(session: Session, sender: Sender, message: Message) -> str:
    """Why this sender cannot send a message that was written for another one, or some time ago; "" when it can.

    A template is its sender's own: another's of that name, or this one after it was edited, may say something else than
    what was agreed to, and is shown. A reaction belongs to a message on one line.
    """
    if message.kind == Kind.REACTION and not message.about_external_id:
        return f"{sender.name} does not have the message that is reacted to: only the line that has it can do so."
    if message.kind != Kind.TEMPLATE:
        return ""
    try:
        _, text = settled(session, sender, Content(Kind.TEMPLATE, message.details))
    except InvalidInput as error:
        return error.message
    if storable(text) == message.body:
        return ""
    name = f"{message.details['name']} ({message.details['language']})"
    return f"The template {name} of {sender.name} says something else than what was written here: write it anew."
