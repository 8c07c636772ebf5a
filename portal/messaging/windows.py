"""The customer-service window: how long after a customer's own message they may be written to freely.

WhatsApp opens it with whatever a customer does, a message, a reaction or a call, for 24 hours each time
(https://developers.facebook.com/docs/whatsapp/cloud-api/guides/send-messages, Customer service windows). It counts
also what we could not read: the customer has written all the same. What WhatsApp itself says (a number was changed)
does not. Where we are in doubt the window counts as open: the provider then decides, and its refusal is taken to heart.
A group has a window of its own, which whoever writes there opens; that nobody is known to have says nothing there.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.channels import registry
from portal.channels.capabilities import HasWindow
from portal.channels.content import AddressKind, Kind
from portal.database import insert
from portal.models import Address, Message, Part, Sender, ServiceWindow

# Of a message that we did not send, for the window was known to be closed, and of one that the provider refused so.
CODE = "window_closed"
REFUSED_CODES = ("131047",)
CODES = (CODE, *REFUSED_CODES)
# The provider's clock and ours, and the time of a call.
MARGIN = timedelta(minutes=1)
_OPENS_FOR = (AddressKind.PHONE, AddressKind.LID, AddressKind.BSUID)
_SILENT = (Kind.SYSTEM,)


def listened(session: Session, sender: Sender) -> None:
    """The provider's webhooks reach us: after as long as a window is open, silence is a customer's silence."""
    channel = registry.get(sender.channel)
    if sender.windowed and sender.window_known_from is None and isinstance(channel, HasWindow):
        sender.window_known_from = clock.now() + channel.window


def doubt(session: Session, sender_id: int | None = None) -> None:
    """We may have missed what customers wrote, to one sender or to all: nothing is known to be closed any more."""
    rows, senders = delete(ServiceWindow), update(Sender).where(Sender.window_known_from.is_not(None))
    if sender_id is not None:
        rows, senders = rows.where(ServiceWindow.sender_id == sender_id), senders.where(Sender.id == sender_id)
    session.execute(rows)
    session.execute(senders.values(window_known_from=None))


def open_for(session: Session, sender: Sender, message: Message, contact_id: int) -> None:
    """A customer has written: they may be written to over all their addresses."""
    channel = registry.get(sender.channel)
    known = message.address_kind in (*_OPENS_FOR, AddressKind.GROUP)
    if not sender.windowed or not isinstance(channel, HasWindow) or not known or message.kind in _SILENT:
        return
    at = message.provider_at or message.created_at
    mine = select(Address.kind, Address.value).where(Address.contact_id == contact_id, Address.kind.in_(_OPENS_FOR))
    addresses = {(message.address_kind, message.address), *(tuple(row) for row in session.execute(mine))}
    _open(session, sender.id, sorted(addresses), at, at + channel.window)


def joined(session: Session, contact_id: int) -> None:
    """The contact's addresses have proved to be one person's: what is open to one of them is open to all."""
    mine = Address.contact_id == contact_id, Address.kind.in_(_OPENS_FOR)
    addresses = [tuple(row) for row in session.execute(select(Address.kind, Address.value).where(*mine))]
    if len(addresses) < 2:
        return
    here = and_(Address.location_id == Sender.location_id, Address.kind == ServiceWindow.kind)
    known = (
        select(ServiceWindow.sender_id, func.max(ServiceWindow.opened_at), func.max(ServiceWindow.closes_at))
        .join(Sender, Sender.id == ServiceWindow.sender_id)
        .join(Address, and_(here, Address.value == ServiceWindow.value))
        .where(*mine, ServiceWindow.refused_at.is_(None))
        .group_by(ServiceWindow.sender_id)
        .order_by(ServiceWindow.sender_id)
    )
    for sender_id, at, until in session.execute(known).all():
        if at is not None:
            _open(session, sender_id, sorted(addresses), at, until)


def _open(
    session: Session, sender_id: int, addresses: Sequence[tuple[str, ...]], at: datetime, until: datetime
) -> None:
    """Forward only, in whatever order the messages are heard."""
    for kind, value in addresses:
        row = insert(session, ServiceWindow).values(
            sender_id=sender_id, kind=kind, value=value, opened_at=at, closes_at=until, refused_at=None
        )
        newer = and_(
            or_(ServiceWindow.opened_at.is_(None), ServiceWindow.opened_at < row.excluded.opened_at),
            or_(ServiceWindow.refused_at.is_(None), ServiceWindow.refused_at < row.excluded.opened_at),
        )
        forward = {"opened_at": row.excluded.opened_at, "closes_at": row.excluded.closes_at, "refused_at": None}
        keys = ["sender_id", "kind", "value"]
        session.execute(row.on_conflict_do_update(index_elements=keys, set_=forward, where=newer))


def refused(session: Session, part: Part, code: str) -> None:
    """The provider says of a part that the window was closed when it was handed over. Other codes change nothing."""
    message = part.message
    if code not in REFUSED_CODES or part.sender_id is None:
        return
    at = (part.sending_at or clock.now()) - MARGIN
    values = {"sender_id": part.sender_id, "kind": message.address_kind, "value": message.address}
    row = insert(session, ServiceWindow).values(**values, opened_at=None, closes_at=at, refused_at=at)
    # Who has written since may be written to, whatever an earlier call came to.
    older = or_(ServiceWindow.opened_at.is_(None), ServiceWindow.opened_at < at)
    closed = {"closes_at": row.excluded.closes_at, "refused_at": row.excluded.refused_at}
    session.execute(row.on_conflict_do_update(index_elements=list(values), set_=closed, where=older))


def why_closed(session: Session, message: Message, sender: Sender, address: str, kind: str) -> str:
    """The sentence for what cannot go out because the window is known to be closed; "" when it may be open.

    What is to go out later is judged when it goes.
    """
    if not sender.windowed or message.kind == Kind.TEMPLATE:
        return ""
    if message.scheduled_at is not None and message.scheduled_at > clock.now():
        return ""
    same = ServiceWindow.sender_id == sender.id, ServiceWindow.kind == kind, ServiceWindow.value == address
    row = session.scalar(select(ServiceWindow).where(*same).execution_options(populate_existing=True))
    moment = clock.now()
    if row is None:
        heard = sender.window_known_from is not None and sender.window_known_from <= moment
        return _NEVER if heard and kind != AddressKind.GROUP else ""
    if row.closes_at > moment:
        return ""
    told = row.opened_at if row.refused_at is None else None
    return _LAST.format(f"{told:%-d %b %Y %H:%M} UTC") if told is not None else _NEVER


def look(session: Session, message: Message) -> datetime | None:
    """Until when the message's recipient may be written to freely, None when that is not known."""
    same = ServiceWindow.kind == message.address_kind, ServiceWindow.value == message.address
    return session.scalar(select(ServiceWindow.closes_at).where(ServiceWindow.sender_id == message.sender_id, *same))


_REMEDY = (
    "more than 24 hours ago: WhatsApp takes only an approved template now. "
    "Send one (here or, in HighLevel, by /template NAME), or wait until they write."
)
_LAST = "The customer last wrote on {}, " + _REMEDY
_NEVER = "The customer has not written to this number within the last 24 hours: " + _REMEDY.partition(": ")[2]


def may_go(moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    """For the fence: is the window of its statement's message and sender not known to be closed?"""
    known = and_(
        ServiceWindow.sender_id == Sender.id,
        ServiceWindow.kind == Message.address_kind,
        ServiceWindow.value == Message.address,
    )
    in_group = Message.address_kind == AddressKind.GROUP.value
    silence = or_(Sender.window_known_from.is_(None), Sender.window_known_from > moment, in_group)
    return or_(
        Message.kind == Kind.TEMPLATE.value,
        exists().where(known, ServiceWindow.closes_at > moment),
        and_(~exists().where(known), silence),
    )
