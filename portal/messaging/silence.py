"""Who must not be written to, in SQL: an address that opted out, and every other address of the same contact.

Asked whenever a message is queued or released, and again by the fence.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, bindparam, exists, false, or_, select, union_all
from sqlalchemy.orm import Session

from portal.models import Address, Conversation, Message, OptOut, Origin

# The contact's own word first: it says best what can be done.
_FIRST = {Origin.WORDS.value: 0, Origin.HIGHLEVEL.value: 2}
# Who has stopped marketing alone may be sent everything else: an opt-out of a family of its own.
MARKETING = "wa:marketing"
_NO_MARKETING = "The contact has stopped marketing messages: this one is marketing. Everything else may be sent."
_IN_HIGHLEVEL = "The contact has opted out: DND is on in HighLevel. Take it off there, and messages go out again."


def why(session: Session, location_id: int, family: str, address: str, contact_id: int | None) -> str:
    """The sentence for a message that an opt-out stops, with its evidence; "" when nothing stops it."""
    asked = {"location": location_id, "family": family, "address": address, "contact": contact_id}
    rows = session.connection().execute(_STANDING, asked).all()
    return _sentence(rows) if rows else ""


def why_no_marketing(session: Session, location_id: int, address: str, contact_id: int | None) -> str:
    """The same for a marketing message to somebody who has stopped marketing alone."""
    asked = {"location": location_id, "family": MARKETING, "address": address, "contact": contact_id}
    return _NO_MARKETING if session.connection().execute(_STANDING, asked).first() else ""


def _sentence(rows: Sequence[Any]) -> str:
    origin, source = min(rows, key=lambda row: _FIRST.get(row.origin, 1))
    if origin == Origin.WORDS:
        return "The contact has opted out: nothing is sent until they write START."
    return _IN_HIGHLEVEL if origin == Origin.HIGHLEVEL else f"The contact has opted out: {source}."


def of_person(location_id: int, family: str, address: str, contact_id: int | None) -> ColumnElement[bool]:
    """The opt-outs that stand for an address and whatever other address its contact has."""
    here = and_(OptOut.location_id == location_id, OptOut.family == family, OptOut.lifted_at.is_(None))
    row = select(OptOut.id)
    own = [row.where(here, OptOut.address == address)] if address else []
    if contact_id is not None:
        same = and_(Address.location_id == OptOut.location_id, Address.value == OptOut.address)
        own += [
            row.where(here, OptOut.contact_id == contact_id),
            row.join(Address, same).where(here, Address.contact_id == contact_id),
        ]
    # One question with OR would look at all of the location's.
    return OptOut.id.in_(union_all(*own)) if own else false()


# Three questions instead of one with OR: each has an index of its own. Built once: every message asks.
_row = select(OptOut.origin, OptOut.source)
_here = and_(
    OptOut.location_id == bindparam("location"), OptOut.family == bindparam("family"), OptOut.lifted_at.is_(None)
)
_STANDING = union_all(
    _row.where(_here, OptOut.address == bindparam("address"), OptOut.address != ""),
    _row.where(_here, OptOut.contact_id == bindparam("contact")),
    _row.join(Address, and_(Address.location_id == OptOut.location_id, Address.value == OptOut.address)).where(
        _here, Address.contact_id == bindparam("contact")
    ),
)

_lifted = OptOut.lifted_at.is_(None)
_there = and_(OptOut.location_id == Message.location_id, OptOut.family == Message.family, _lifted)
_marketing = and_(OptOut.location_id == Message.location_id, OptOut.family == MARKETING, _lifted)


def _nothing(there: ColumnElement[bool]) -> tuple[ColumnElement[bool], ...]:
    return (
        ~exists().where(there, OptOut.address == Message.address),
        ~exists().where(
            there, OptOut.contact_id == Conversation.contact_id, Conversation.id == Message.conversation_id
        ),
        ~exists().where(
            there,
            OptOut.address == Address.value,
            OptOut.location_id == Address.location_id,
            Address.contact_id == Conversation.contact_id,
            Conversation.id == Message.conversation_id,
        ),
    )


# For the fence: nothing stops the message that the statement speaks of.
NOTHING_STOPS: tuple[ColumnElement[bool], ...] = _nothing(_there)
# The same for one that is marketing; the others are not asked about.
NOTHING_STOPS_MARKETING: ColumnElement[bool] = or_(Message.marketing.is_(False), and_(*_nothing(_marketing)))
