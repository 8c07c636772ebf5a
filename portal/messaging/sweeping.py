"""Sweeps over messages: what is overdue ends, what lost its job gets it back, old holds are freed."""

from datetime import timedelta

from sqlalchemy import and_, exists, func, or_, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal import clock
from portal.credits import ledger
from portal.messaging.bulk import KIND as BULK
from portal.messaging.outbound import NOT_INSTALLED_REASONS, let_go, place, push_status, release_held
from portal.messaging.receipts import RECEIPT_WAIT, lock_part
from portal.messaging.results import end_message
from portal.messaging.statuses import follow_parts, move_message, move_part
from portal.models import (
    Conversation,
    Direction,
    EntryKind,
    InstallState,
    Job,
    LedgerEntry,
    Location,
    Message,
    Part,
    Status,
)

WHO = "portal"
AT_ONCE = 200
# Longer than a lease and the longest call together: whoever began the call cannot be at it any more.
LOST_AFTER = timedelta(minutes=3)
FORGOTTEN_AFTER = timedelta(minutes=2)
YOUNGEST = timedelta(seconds=30)
# The sweeps that look for what should not be there look at so many of the newest rows.
RECENT_ROWS = 200_000


def end_overdue(session: Session) -> int:
    """Ends messages whose time-to-live is over while they are queued or held, and tells HighLevel."""
    moment = clock.now()
    held = select(Message.id).where(Message.held, Message.expires_at < moment).limit(AT_ONCE)
    # Queued messages are found by their jobs: those whose sender keeps them waiting.
    queued = (
        select(Message.id)
        .join(Part, Part.message_id == Message.id)
        .join(
            Job,
            or_(
                and_(Job.kind == "send", Job.subject == Part.id),
                and_(Job.kind == BULK, Job.subject == Part.bulk_call_id),
            ),
        )
        .where(Job.created_at < moment - YOUNGEST, Message.status == Status.QUEUED, Message.expires_at < moment)
        .limit(AT_ONCE)
    )
    found = {*session.scalars(held), *session.scalars(queued)}
    overdue = session.scalars(
        select(Message)
        .where(Message.id.in_(found), Message.status.in_((Status.HELD, Status.QUEUED)))
        .order_by(Message.id)
        .with_for_update(skip_locked=True)
    ).all()
    for message in overdue:
        detail = f"It could not go out in time. {message.reason}".strip()
        if message.parts:
            end_message(session, message.parts[0], Status.EXPIRED, WHO, "expired", detail)
        if message.status in (Status.HELD, Status.QUEUED):
            move_message(session, message, Status.EXPIRED, who=WHO, code="expired", detail=detail)
            push_status(session, message)
        session.flush()
        let_go(session, message.conversation_id)
    return len(overdue)


def enqueue_forgotten(session: Session) -> int:
    """Queued messages without a job get one. There should be none: a message and its job are written together."""
    before = clock.now() - FORGOTTEN_AFTER
    forgotten = session.scalars(
        select(Message)
        .join(Part, Part.message_id == Message.id)
        .where(
            Message.id > _recent(session, Message.id),
            Message.status == Status.QUEUED,
            Message.direction == Direction.OUT,
            Message.status_at < before,
            Part.status == Status.QUEUED,
            Part.bulk_call_id.is_(None),
            ~exists().where(Job.kind == "send", Job.subject == Part.id),
        )
        .limit(AT_ONCE)
        .with_for_update(of=Message, skip_locked=True)
    ).all()
    for message in forgotten:
        location = session.get_one(Location, message.location_id)
        conversation = session.get_one(Conversation, message.conversation_id, with_for_update=True)
        place(session, location, conversation, message)
    return len(forgotten)


def _recent(session: Session, column: InstrumentedAttribute[int]) -> int:
    return max((session.scalar(select(func.max(column))) or 0) - RECENT_ROWS, 0)


def settle_lost_calls(session: Session) -> int:
    """Calls whose process is gone and whose job is too: only a receipt or a person can say what became of them."""
    lost = session.execute(
        select(Part.id, Part.message_id)
        .where(
            Part.id > _recent(session, Part.id),
            Part.status == Status.SENDING,
            Part.sending_at < clock.now() - LOST_AFTER,
            ~exists().where(Job.kind == "send", Job.subject == Part.id),
        )
        .limit(AT_ONCE)
    ).all()
    for row in lost:
        part = lock_part(session, row.message_id, row.id)
        detail = "The portal stopped during the call to the provider: it may have gone out."
        if move_part(session, part, Status.UNKNOWN, who=WHO, detail=detail):
            follow_parts(session, part.message, who=WHO, detail=detail)
    return len(lost)


def release_forgotten(session: Session) -> int:
    """What was held for want of an installation that came at the same moment."""
    found = session.scalars(
        select(Message.location_id)
        .join(Location, Location.id == Message.location_id)
        .where(
            text("message.held"),
            Location.install_state == InstallState.INSTALLED,
            Message.reason.in_(NOT_INSTALLED_REASONS.values()),
        )
        .distinct()
        .limit(AT_ONCE)
    ).all()
    return sum(release_held(session, location_id) for location_id in found)


def release_old_holds(session: Session) -> int:
    """After 72 hours an unknown outcome frees its credits; a later receipt charges them."""
    before = clock.now() - RECEIPT_WAIT
    old = session.execute(
        select(Part.id, Part.message_id)
        .where(
            Part.id > _recent(session, Part.id),
            Part.status == Status.UNKNOWN,
            Part.price > 0,
            Part.sending_at < before,
            ~exists().where(LedgerEntry.message_id == Part.message_id, LedgerEntry.kind == EntryKind.RELEASE),
        )
        .limit(AT_ONCE)
    ).all()
    for row in old:
        part = lock_part(session, row.message_id, row.id)
        wallet = ledger.known_wallet(session, part.message.location_id)
        account = ledger.account_of(session, part.message_id, part.number, part.price)
        reason = "the provider gave no word within 72 hours"
        back = ledger.give_back(wallet, part.message_id, part.number, account.held, reason, account.round)
        ledger.write(session, [back])
    return len(old)
