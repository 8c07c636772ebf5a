"""Links with which a customer of the agency links their phone on a device of their own, without signing in.

A link is for one sender, works for half an hour on the first device that opens it, and ends with the linked phone.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.capabilities import LinksPhone
from portal.crypto import fingerprint
from portal.errors import InvalidInput
from portal.models import ClientLink, Location, Sender, SenderState
from portal.models.tenants import HERE

LIFETIME = timedelta(minutes=30)
_KEPT = timedelta(days=30)
_LONGEST_NAME = 128
NO_PHONE = "This sender has no phone to link."


class End(StrEnum):
    """Why a link is over before its time."""

    LINKED = "linked"
    REVOKED = "revoked"
    REPLACED = "replaced"


@dataclass(frozen=True, slots=True)
class Found:
    """A link that exists, with what it is for. `good`: a phone may still be linked by it."""

    link: ClientLink
    sender: Sender
    location: Location
    good: bool


def make(session: Session, sender: Sender, made_by: str) -> str:
    """A new link's secret, told once. The sender's earlier ones end. Raises `InvalidInput`."""
    location = session.get_one(Location, sender.location_id)
    if not isinstance(registry.get(sender.channel), LinksPhone) or not _is_there(sender, location):
        raise InvalidInput(NO_PHONE)
    secret, moment = secrets.token_urlsafe(32), clock.now()
    end(session, sender.id, End.REPLACED)
    session.execute(delete(ClientLink).where(ClientLink.sender_id == sender.id, ClientLink.expires_at < moment - _KEPT))
    session.add(
        ClientLink(
            token_hash=fingerprint(secret),
            sender_id=sender.id,
            made_by=made_by[:_LONGEST_NAME],
            created_at=moment,
            expires_at=moment + LIFETIME,
        )
    )
    return secret


def newest(session: Session, sender_id: int) -> ClientLink | None:
    """The sender's last link, whatever became of it."""
    query = select(ClientLink).where(ClientLink.sender_id == sender_id).order_by(ClientLink.id.desc()).limit(1)
    return session.scalar(query)


def end(session: Session, sender_id: int, why: End) -> None:
    """Ends what is open for the sender."""
    open_ = ClientLink.sender_id == sender_id, ClientLink.ended_at.is_(None)
    session.execute(update(ClientLink).where(*open_).values(ended_at=clock.now(), end=why.value))


def find(session: Session, secret: str) -> Found | None:
    """The link of this secret, also one that is over."""
    query = (
        select(ClientLink, Sender, Location)
        .join(Sender, Sender.id == ClientLink.sender_id)
        .join(Location, Location.id == Sender.location_id)
    )
    row = session.execute(query.where(ClientLink.token_hash == fingerprint(secret))).one_or_none()
    if row is None:
        return None
    link, sender, location = row
    return Found(link, sender, location, is_open(link) and _is_there(sender, location))


def is_open(link: ClientLink) -> bool:
    """Does the link itself still work?"""
    return link.ended_at is None and clock.now() < link.expires_at


def bind(session: Session, link: ClientLink, device: str) -> bool:
    """Makes it the link of this device; False when another one was first."""
    mine = fingerprint(device)
    free = ClientLink.id == link.id, ClientLink.device_hash == ""
    session.execute(update(ClientLink).where(*free).values(device_hash=mine, opened_at=clock.now()))
    return session.scalar(select(ClientLink.device_hash).where(ClientLink.id == link.id)) == mine


def is_device(link: ClientLink, device: str) -> bool:
    """Is it the device that the link was opened on?"""
    return bool(device) and secrets.compare_digest(link.device_hash, fingerprint(device))


def _is_there(sender: Sender, location: Location) -> bool:
    return sender.state != SenderState.REMOVED and location.install_state in HERE
