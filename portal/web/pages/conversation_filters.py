"""The filters of the list of conversations, as an address carries them and as its form offers them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.channels.base import Channel
from portal.channels.content import Kind
from portal.errors import NotFound
from portal.messaging.storable import storable
from portal.models import Direction, Location, Sender, SenderState, Status
from portal.web.pages import names, words
from portal.web.pages.queries import scope
from portal.web.pages.queries.conversations import Wanted
from portal.web.pages.queries.keyset import Key
from portal.web.pages.queries.scope import Scope
from portal.wording import noted

# A longer list is no help to choose from: an address with `location=` or `sender=` works for all.
MOST_CHOICES = 500
LONGEST_TEXT = 200
NAMES = ("location", "sender", "channel", "direction", "type", "status", "since", "until", "unread", "q")
_NOT_THERE = "There is no such list of conversations, or it is not yours to see."


@dataclass(frozen=True, slots=True)
class Choices:
    """What the form offers. What was chosen is among it."""

    places: Sequence[Location]
    senders: Sequence[Sender]
    channels: Sequence[Channel]

    @property
    def channel_pairs(self) -> list[tuple[str, str]]:
        """Each channel with its name."""
        return [(each.kind, each.name) for each in self.channels]

    @property
    def kind_pairs(self) -> list[tuple[str, str]]:
        """What a message can be, in words."""
        return [(each.value, words.in_words(each.value, "kind") or noted("text")) for each in Kind]

    @property
    def status_pairs(self) -> list[tuple[str, str]]:
        """Where a message can be."""
        return list(names.STATUS.items())


def read(session: Session, mine: Scope, args: Mapping[str, str]) -> Wanted:
    """The filters of an address. Raises `NotFound` for what does not exist or is somebody else's."""
    ghl_id, text = args.get("location", ""), storable(args.get("q", "")).strip()
    location = scope.location_by_ghl_id(session, mine, ghl_id) if ghl_id else None
    sender = _sender(session, mine, args.get("sender", ""))
    channel, direction = args.get("channel", ""), args.get("direction", "")
    kind, status = args.get("type", ""), args.get("status", "")
    known = channel in ("", *(each.kind for each in registry.all())) and direction in ("", *Direction)
    known = known and kind in ("", *Kind) and status in ("", *Status) and len(text) <= LONGEST_TEXT
    if (ghl_id and location is None) or (args.get("sender") and sender is None) or not known:
        raise NotFound(_NOT_THERE)
    if location is not None and sender is not None and sender.location_id != location.id:
        sender = None  # another sub-account was chosen since
    return Wanted(
        location=location,
        sender=sender,
        channel=channel,
        direction=direction,
        kind=kind,
        status=status,
        since=_day(args.get("since", "")),
        until=_day(args.get("until", ""), timedelta(days=1)),
        unread=bool(args.get("unread")),
        text=text,
        before=Key.read(args.get("before", "")),
    )


def chosen(wanted: Wanted) -> dict[str, str]:
    """The filters as an address carries them; its page is left out."""
    filters = {
        "location": wanted.location.ghl_id if wanted.location else "",
        "sender": str(wanted.sender.id) if wanted.sender else "",
        "channel": wanted.channel,
        "direction": wanted.direction,
        "type": wanted.kind,
        "status": wanted.status,
        "since": f"{wanted.since:%Y-%m-%d}" if wanted.since else "",
        "until": f"{wanted.until - timedelta(days=1):%Y-%m-%d}" if wanted.until else "",
        "unread": "1" if wanted.unread else "",
        "q": wanted.text,
    }
    return {name: value for name, value in filters.items() if value}


def choices(session: Session, mine: Scope, wanted: Wanted) -> Choices:
    """What may be chosen from. Senders are those of the chosen sub-account, or of all."""
    places = list(scope.locations(session, mine, MOST_CHOICES))
    if wanted.location is not None and wanted.location.id not in {each.id for each in places}:
        places.insert(0, wanted.location)
    own = select(Sender).join(Location, Location.id == Sender.location_id).where(Sender.state != SenderState.REMOVED)
    if wanted.location is not None:
        own = own.where(Sender.location_id == wanted.location.id)
    senders = list(session.scalars(mine.narrow(own).order_by(Sender.name, Sender.id).limit(MOST_CHOICES)))
    if wanted.sender is not None and wanted.sender.id not in {each.id for each in senders}:
        senders.insert(0, wanted.sender)
    used = {each.channel for each in senders} | {wanted.channel}
    return Choices(places, senders, [each for each in registry.all() if each.kind in used])


def _sender(session: Session, mine: Scope, raw: str) -> Sender | None:
    """A sender in scope; one that was removed has conversations still."""
    if not (raw.isascii() and raw.isdigit() and len(raw) < 19):
        return None
    own = select(Sender).join(Location, Location.id == Sender.location_id).where(Sender.id == int(raw))
    found: Sender | None = session.scalar(mine.narrow(own))
    return found


def _day(raw: str, later: timedelta = timedelta()) -> datetime | None:
    """A day's beginning in UTC, or so much later. Raises `NotFound` for what is no day."""
    if not raw:
        return None
    try:
        return datetime.combine(date.fromisoformat(raw), time(), UTC) + later
    except (ValueError, OverflowError):
        raise NotFound(_NOT_THERE) from None
