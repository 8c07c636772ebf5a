"""From what a request asks for to a draft, as `composing` takes it."""

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.callbacks import subscriptions
from portal.callbacks.signing import derived_secret
from portal.channels.content import AddressKind, Content, Kind, Relation
from portal.errors import InvalidInput, NotFound
from portal.messaging import template_drafts
from portal.messaging.composing import Draft
from portal.models import Address, Contact, Location
from portal.web.api.blueprint import InvalidField
from portal.web.api.callers import Caller
from portal.web.api.shapes.sending import Interactive, SendBulk, Sending, SendMessage


def of_message(caller: Caller, said: SendMessage) -> tuple[Location, Draft]:
    """The draft of a message to one recipient, with its location. Raises `InvalidInput`, `NotFound`."""
    if sum(map(bool, (said.to, said.contact, said.reply_to))) != 1:
        raise InvalidField("to", "Name one recipient: to, contact or reply_to.")
    with caller.parts.database.read() as session:
        location = caller.location(session, said.location)
        to = [said.to] if said.to else []
        if said.contact is not None:
            to = [_phone(session, location, said.contact)]
        content = _content(session, location, said, said.reply_to)
    answers = said.reply_to and (content is None or content.kind not in (Kind.TEMPLATE, Kind.REACTION))
    relation = Relation.REPLY if answers else None
    return location, _draft(caller, said, to, content, about=said.reply_to, relation=relation)


def of_bulk(caller: Caller, said: SendBulk) -> tuple[Location, Draft]:
    """The draft of a message to many, with its location. Raises `InvalidInput`, `NotFound`."""
    with caller.parts.database.read() as session:
        location = caller.location(session, said.location)
        content = _content(session, location, said, "")
    if content is not None and content.kind is Kind.REACTION:
        raise InvalidField("interactive", "A reaction is to one message.")
    return location, _draft(caller, said, said.to, content, is_bulk=True)


def _draft(caller: Caller, said: Sending, to: list[str], content: Content | None, **more: Any) -> Draft:
    if said.template is not None and said.text:
        raise InvalidField("text", "A template has its own words: leave text out.")
    for field, url in _files(said):
        if not _names_a_host(url):
            raise InvalidField(field, "A file is named by its address: https://…")
    return Draft(
        to,
        said.text,
        caller.name,
        said.media,
        said.sender,
        said.send_at,
        content=content,
        gsm7=said.plain_letters,
        ttl_seconds=said.ttl,
        callback_id=_callback(caller, said.callback_url) if said.callback_url else None,
        **more,
    )


def _files(said: Sending) -> Iterator[tuple[str, str]]:
    """The addresses of files, each with the field that names it."""
    yield from (("media", url) for url in said.media)
    above = getattr(said.interactive, "media", None)
    if above is not None:
        yield "interactive", above.url
    if said.template is not None and said.template.header_url:
        yield "template", said.template.header_url


def _names_a_host(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("https", "http") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


def _callback(caller: Caller, url: str) -> int:
    parts, key = caller.parts, caller.key
    try:
        subscriptions.check_url(url, parts.settings.allow_private_hosts)
    except InvalidInput as error:
        raise InvalidField("callback_url", error.message) from None
    with parts.database.read() as session:
        if (known := subscriptions.named_before(session, key.id, url)) is not None:
            return known
    secret = derived_secret(parts.settings.secret_key, key.uuid)
    return parts.database.patiently(
        lambda session: subscriptions.for_requests(session, parts.vault, key.id, url, secret, test=key.test)
    )


def _content(session: Session, location: Location, said: Sending, about: str) -> Content | None:
    wanted = said.template
    if wanted is not None and said.interactive is not None:
        raise InvalidField("interactive", "A message is a template or something interactive, not both.")
    if wanted is not None:
        return template_drafts.content(
            session,
            location,
            said.sender,
            about,
            wanted.name,
            wanted.language,
            wanted.variables,
            wanted.header_url,
        )
    return interactive(said.interactive) if said.interactive is not None else None


def interactive(said: Interactive) -> Content:
    """The content, in the shape that `channels.content.Kind` gives; what has no id gets its place as one."""
    details: dict[str, Any] = msgspec.to_builtins(said)
    kind = Kind(details.pop("kind"))
    if details.get("media", ...) is None:
        del details["media"]
    _number(details.get("buttons", []))
    _number([row for section in details.get("sections", []) for row in section["rows"]])
    return Content(kind, details)


def _number(things: list[dict[str, Any]]) -> None:
    for place, each in enumerate(things, start=1):
        each["id"] = each["id"] or str(place)


def _phone(session: Session, location: Location, contact_id: int) -> str:
    """The newest number of a contact. Raises `NotFound`, `InvalidField` for one that has none."""
    mine = Contact.id == contact_id, Contact.location_id == location.id
    if session.scalar(select(Contact.id).where(*mine)) is None:
        raise NotFound("There is no such contact in this sub-account.")
    numbers = Address.contact_id == contact_id, Address.kind == AddressKind.PHONE
    found = session.scalar(select(Address.value).where(*numbers).order_by(Address.id.desc()).limit(1))
    if found is None:
        raise InvalidField("contact", "This contact has no number: answer a message of theirs, with reply_to.")
    return found
