"""What the routes of whatapp-go look up: a user's sub-account, its WhatsApp sender, and its conversations."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

from portal import clock
from portal.channels.base import Family
from portal.errors import InvalidInput, NotFound
from portal.models import Location, Message, Part, Sender, SenderState, User
from portal.web.pages.queries import scope as scopes
from portal.web.pages.queries.scope import Scope

MOST = 500


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which messages of a conversation list: of a type ("" for all), since a moment, older than one's id."""

    kind: str = ""
    since: datetime | None = None
    before: int | None = None


def place(session: Session, scope: Scope, ghl_id: str) -> Location:
    """The sub-account that is named, or the only one in scope. Raises `NotFound`, `InvalidInput` without a name."""
    if ghl_id:
        found = scopes.location_by_ghl_id(session, scope, ghl_id[:128])
        if found is None:
            raise NotFound("There is no such sub-account, or it is not yours to see.")
        return found
    places = scopes.locations(session, scope, 2)
    if len(places) != 1:
        raise InvalidInput("Name the sub-account in location: you have none, or several.")
    return places[0]


def sender(session: Session, location: Location) -> Sender:
    """The WhatsApp sender that writes for it: its default, else the first. Raises `InvalidInput`."""
    own = Sender.location_id == location.id, Sender.family == Family.WHATSAPP, Sender.state != SenderState.REMOVED
    order = Sender.is_default.desc(), Sender.position, Sender.id
    found = session.scalar(select(Sender).where(*own).order_by(*order).limit(1))
    if found is None:
        raise InvalidInput("This sub-account has no WhatsApp sender: add one first.")
    return found


def cloud_sender(session: Session, location: Location) -> Sender | None:
    """The sub-account's own number at Meta, if it has one."""
    own = Sender.location_id == location.id, Sender.channel == "whatsapp_cloud", Sender.state != SenderState.REMOVED
    order = Sender.is_default.desc(), Sender.position, Sender.id
    return session.scalar(select(Sender).where(*own).order_by(*order).limit(1))


def uuid_of(session: Session, location: Location, sender: Sender, external_id: str) -> str:
    """Our id of a message that the provider calls so, sent or received. Raises `NotFound`."""
    named = external_id[:200]
    own = Message.location_id == location.id
    came = select(Message.uuid).where(own, Message.sender_id == sender.id, Message.external_id == named)
    went = select(Message.uuid).join(Part, Part.message_id == Message.id)
    went = went.where(own, Part.sender_id == sender.id, Part.external_id == named)
    found = session.scalar(came) or session.scalar(went.limit(1))
    if found is None:
        raise NotFound("There is no message with this id in this sub-account.")
    return found


def standing(session: Session, location: Location, uuid: str) -> tuple[str, str]:
    """A message's status, and why where there is a reason."""
    own = Message.location_id == location.id, Message.uuid == uuid
    row = session.execute(select(Message.status, Message.reason).where(*own)).one()
    return row[0], row[1]


def user(session: Session, scope: Scope, user_id: int) -> User:
    """A user of the agency in scope. Raises `NotFound`."""
    found = session.get(User, user_id)
    mine = found is not None and found.agency_id is not None and scope.agency_id in (None, found.agency_id)
    if found is None or not mine:
        raise NotFound("There is no such user, or it is not yours to see.")
    return found


def today(session: Session, scope: Scope) -> datetime:
    """When today began where the first of the sub-accounts is."""
    places = scopes.locations(session, scope, 1)
    try:
        zone = ZoneInfo(places[0].timezone if places else "UTC")
    except (ZoneInfoNotFoundError, ValueError):
        zone = ZoneInfo("UTC")
    return clock.now().astimezone(zone).replace(hour=0, minute=0, second=0, microsecond=0)


def conversations(session: Session, scope: Scope, wanted: Wanted) -> Sequence[tuple[Message, str]]:
    """Messages with their types, the newest first."""
    first = select(Part.kind).where(Part.message_id == Message.id, Part.number == 1).scalar_subquery()
    kind = func.coalesce(first, Message.kind)
    every: Any = select(Message, kind).join(Location, Location.id == Message.location_id)
    found = scope.narrow(every)
    if wanted.kind:
        found = found.where(kind.in_(_KINDS.get(wanted.kind, (wanted.kind,))))
    if wanted.since is not None:
        found = found.where(Message.created_at >= wanted.since)
    if wanted.before is not None:
        found = found.where(Message.id < wanted.before)
    found = found.order_by(Message.id.desc()).limit(MOST).options(joinedload(Message.sender), joinedload(Message.parts))
    return [(row[0], row[1]) for row in session.execute(found).unique()]


_KINDS = {"interactive": ("buttons", "list", "flow", "location_request", "tap"), "text": ("text", "link")}
INTERACTIVE = frozenset(_KINDS["interactive"])
