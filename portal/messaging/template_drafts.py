"""A template as somebody asks for it by name, with its variables, made the content of a draft."""

from collections.abc import Mapping

from sqlalchemy.orm import Session

from portal.channels.content import Content
from portal.messaging import answering, template_sending, template_texts
from portal.messaging.template_forms import HEADER_URL
from portal.models import Location


def content(
    session: Session,
    location: Location,
    sender_id: int | None,
    about: str,
    name: str,
    language: str,
    values: Mapping[str, str],
    header_url: str = "",
) -> Content:
    """The template, filled in, from the sender that is named, that has the message `about`, or that alone has it.

    Raises `InvalidInput` with what is wrong, `NotFound` for a message that is not the sub-account's.
    """
    given = {**values, **({HEADER_URL: header_url} if header_url else {})}
    if about and sender_id is None:
        sender_id = answering.target_of(session, location, about).sender_id
    if sender_id is None:
        sender = template_sending.holder(session, location.id, name, language)
    else:
        sender = answering.own_sender(session, location.id, sender_id)
    form = template_sending.form_of(template_sending.find(session, sender, name, language))
    return template_texts.content(form, given)
