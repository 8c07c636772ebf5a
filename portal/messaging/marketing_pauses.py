"""Persons from whom a provider withholds marketing for a time: they are not tried before it is over.

WhatsApp counts the marketing that a person gets from all businesses together, and leaves some of them out of it for an
experiment; what is tried again within a day is withheld again (https://developers.facebook.com/docs/whatsapp/
cloud-api/guides/send-message-templates, Per-user marketing template message limits). Everything else still goes out.
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, delete, exists, func, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.channels.content import AddressKind
from portal.database import insert
from portal.models import Address, Conversation, MarketingPause, Message

# Of a message that we did not send, because its recipient gets no marketing now.
CODE = "marketing_paused"
_PERSONAL = (AddressKind.PHONE, AddressKind.LID, AddressKind.BSUID)
_SENTENCE = (
    "WhatsApp delivers no marketing to this customer until {} UTC: send it after that. Everything else may be sent now."
)


def begin(session: Session, message: Message, seconds: float, code: str) -> None:
    """The provider has withheld this message: its recipient gets no marketing, over any of their addresses."""
    contact = session.get_one(Conversation, message.conversation_id).contact_id
    until = clock.now() + timedelta(seconds=seconds)
    named = {(message.address_kind, message.address)} if message.address_kind in _PERSONAL else set()
    _pause(session, message.location_id, named | _addresses(session, contact), until, code)


def joined(session: Session, contact_id: int) -> None:
    """The contact's addresses have proved to be one person's: what is withheld from one of them is from all."""
    here = and_(Address.location_id == MarketingPause.location_id, Address.kind == MarketingPause.kind)
    mine = select(MarketingPause).join(Address, and_(here, Address.value == MarketingPause.value))
    now = Address.contact_id == contact_id, MarketingPause.until > clock.now()
    longest = session.scalar(mine.where(*now).order_by(MarketingPause.until.desc()).limit(1))
    if longest is not None:
        _pause(session, longest.location_id, _addresses(session, contact_id), longest.until, longest.code)


def _addresses(session: Session, contact_id: int) -> set[tuple[str, str]]:
    mine = select(Address.kind, Address.value).where(Address.contact_id == contact_id, Address.kind.in_(_PERSONAL))
    return {(row.kind, row.value) for row in session.execute(mine)}


def _pause(session: Session, location_id: int, addresses: set[tuple[str, str]], until: datetime, code: str) -> None:
    for kind, value in sorted(addresses):
        row = insert(session, MarketingPause).values(
            location_id=location_id, kind=kind, value=value, until=until, code=code[:64]
        )
        later = {"until": row.excluded.until, "code": row.excluded.code}
        keys = ["location_id", "kind", "value"]
        session.execute(
            row.on_conflict_do_update(index_elements=keys, set_=later, where=MarketingPause.until < row.excluded.until)
        )


def why(session: Session, message: Message, address: str, kind: str) -> str:
    """The sentence for a marketing message that is not tried now; "" when it may go. A later one is judged then."""
    moment = clock.now()
    if not message.marketing or (message.scheduled_at is not None and message.scheduled_at > moment):
        return ""
    mine = MarketingPause.location_id == message.location_id, MarketingPause.kind == kind
    until = session.scalar(select(func.max(MarketingPause.until)).where(*mine, MarketingPause.value == address))
    return _SENTENCE.format(f"{until:%-d %b %Y %H:%M}") if until is not None and until > moment else ""


def look(session: Session, message: Message) -> datetime | None:
    """Until when the message's recipient gets no marketing; None when nothing withholds it."""
    mine = MarketingPause.location_id == message.location_id, MarketingPause.kind == message.address_kind
    here = MarketingPause.value == message.address, MarketingPause.until > clock.now()
    return session.scalar(select(MarketingPause.until).where(*mine, *here))


def may_go(moment: ColumnElement[datetime]) -> ColumnElement[bool]:
    """For the fence: does nothing withhold the message of its statement?"""
    paused = and_(
        MarketingPause.location_id == Message.location_id,
        MarketingPause.kind == Message.address_kind,
        MarketingPause.value == Message.address,
        MarketingPause.until > moment,
    )
    return or_(Message.marketing.is_(False), ~exists().where(paused))


def forget(session: Session) -> int:
    """Deletes what is over; returns how many rows."""
    over = session.execute(delete(MarketingPause).where(MarketingPause.until <= clock.now()))
    return int(over.rowcount)  # type: ignore[attr-defined]
