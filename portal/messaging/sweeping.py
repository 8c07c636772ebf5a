"""Sweeps over messages: what is overdue ends, what lost its job gets it back, old holds are freed.

Each finds its rows without a lock, then looks at every one again under its lock, in a transaction of its own.
"""

import logging
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy import String, and_, cast, exists, false, func, or_, select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import InstrumentedAttribute, Session

from portal import clock
from portal.credits import ledger
from portal.database import Database, is_away
from portal.messaging import hints
from portal.messaging.bulk import KIND as BULK
from portal.messaging.charges import give_back
from portal.messaging.held import let_go
from portal.messaging.locks import lock_whole
from portal.messaging.outbound import place, push_status
from portal.messaging.receipts import RECEIPT_WAIT, lock_part, match_by_key, match_early_receipts, waiting_by_key
from portal.messaging.releasing import HELD, may_go, release_conversations
from portal.messaging.results import end_message
from portal.messaging.statuses import follow_parts, move_message, move_part
from portal.models import Direction, Job, LedgerEntry, Message, Part, ReceiptRow, Status, Wallet
from portal.queue.jobs import without_job

log = logging.getLogger(__name__)

WHO = "portal"
UNDERWAY = (Status.ACCEPTED, Status.SENT)
AT_ONCE = 200
# Longer than a lease and the longest call together: whoever began the call cannot be at it any more.
LOST_AFTER = timedelta(minutes=3)
FORGOTTEN_AFTER = timedelta(minutes=2)
YOUNGEST = timedelta(seconds=30)
# What was held when its cause went away is found within this.
LOOK_BACK = timedelta(minutes=10)
# The sweeps that look for what should not be there look at so many of the newest rows.
RECENT_ROWS = 200_000


def end_overdue(database: Database) -> int:
    """Ends messages whose time-to-live is over while they are queued or held, and tells HighLevel."""
    moment = clock.now()
    held = select(Message.id).where(HELD, Message.expires_at < moment).limit(AT_ONCE)
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
    with database.read() as session:
        found = {*session.scalars(held), *session.scalars(queued)}
    return _each(database, sorted(found), _end_overdue)


def _end_overdue(session: Session, message_id: int) -> bool:
    _, message = lock_whole(session, message_id)
    late = message.expires_at is not None and message.expires_at < clock.now()
    if message.status not in (Status.HELD, Status.QUEUED) or not late:
        return False
    detail = f"It could not go out in time. {message.reason}".strip()
    if message.parts:
        end_message(session, message.parts[0], Status.EXPIRED, WHO, "expired", detail)
    if message.status in (Status.HELD, Status.QUEUED):
        move_message(session, message, Status.EXPIRED, who=WHO, code="expired", detail=detail)
        push_status(session, message)
    session.flush()
    let_go(session, message.conversation_id)
    return True


def enqueue_forgotten(database: Database) -> int:
    """Queued messages without a job get one. There should be none: a message and its job are written together."""
    with database.read() as session:
        forgotten = session.scalars(
            select(Message.id)
            .join(Part, Part.message_id == Message.id)
            .where(
                Message.id > _recent(session, Message.id),
                Message.status == Status.QUEUED,
                Message.direction == Direction.OUT,
                Message.status_at < clock.now() - FORGOTTEN_AFTER,
                Part.status == Status.QUEUED,
                Part.bulk_call_id.is_(None),
                without_job(Part.id, "send"),
            )
            .order_by(Message.id)
            .distinct()
            .limit(AT_ONCE)
        ).all()
    return _each(database, forgotten, _enqueue_forgotten)


def _enqueue_forgotten(session: Session, message_id: int) -> bool:
    conversation, message = lock_whole(session, message_id)
    if message.status != Status.QUEUED:
        return False
    place(session, message.location, conversation, message)
    return True


def _recent(session: Session, column: InstrumentedAttribute[int]) -> int:
    return max((session.scalar(select(func.max(column))) or 0) - RECENT_ROWS, 0)


def settle_lost_calls(database: Database) -> int:
    """Calls whose process is gone and whose job is too: only a receipt or a person can say what became of them."""
    with database.read() as session:
        lost = session.scalars(
            select(Part.id)
            .where(
                Part.id > _recent(session, Part.id),
                Part.status == Status.SENDING,
                Part.sending_at < clock.now() - LOST_AFTER,
                without_job(Part.id, "send"),
            )
            .limit(AT_ONCE)
        ).all()
    return _each(database, lost, _settle_lost_call)


def _settle_lost_call(session: Session, part_id: int) -> bool:
    part = lock_part_alone(session, part_id)
    if part.sending_at is None or part.sending_at >= clock.now() - LOST_AFTER:
        return False
    detail = "The portal stopped during the call to the provider: it may have gone out."
    if part.status != Status.SENDING or not move_part(session, part, Status.UNKNOWN, who=WHO, detail=detail):
        return False
    follow_parts(session, part.message, who=WHO, detail=detail)
    match_by_key(session, part)
    return True


def release_forgotten(database: Database) -> int:
    """Conversations held at the very moment when their cause went away, so that neither noticed the other.

    Looks at what was held a little while ago; what has a cause still is left alone.
    """
    with database.read() as session:
        rows = session.execute(
            select(Message.location_id, Message.conversation_id)
            .where(HELD, Message.status_at > clock.now() - LOOK_BACK)
            .distinct()
            .limit(AT_ONCE)
        ).all()
        found = [row for row in rows if may_go(session, row.conversation_id)]
    if found:
        with database.write() as session:
            for row in found:
                release_conversations(session, row.location_id, [row.conversation_id])
    return len(found)


def release_old_holds(database: Database, *, everywhere: bool = False) -> int:
    """After 72 hours an unknown outcome frees its credits, and so does what nobody says has arrived where only that
    is paid for; a later receipt charges them."""
    # The part's own entries: `<kind>:<message>:<part>`, and from the second turn on a number more.
    key = LedgerEntry.kind + ":" + cast(Part.message_id, String) + ":" + cast(Part.number, String)
    own = or_(LedgerEntry.key == key, LedgerEntry.key.like(key + ":%"))
    freed = select(func.coalesce(func.sum(LedgerEntry.held), 0)).where(LedgerEntry.message_id == Part.message_id, own)
    overdue = Part.price > 0, Part.sending_at < clock.now() - RECEIPT_WAIT, freed.scalar_subquery() >= 0
    with database.read() as session:
        recent = Part.id > _recent(session, Part.id)
        whose = Wallet.held > 0 if everywhere else Wallet.settles_on_delivery
        any_place = session.scalar(select(Wallet.id).where(whose).limit(1)) is not None
        theirs = exists().where(Message.id == Part.message_id, Wallet.location_id == Message.location_id, whose)
        on_delivery = and_(recent, Part.status.in_(UNDERWAY), theirs if any_place else false())
        unknown = Part.status == Status.UNKNOWN if everywhere else and_(recent, Part.status == Status.UNKNOWN)
        old = session.scalars(select(Part.id).where(or_(unknown, on_delivery), *overdue).limit(AT_ONCE)).all()
    return _each(database, old, _release_old_hold)


def release_oldest_holds(database: Database) -> int:
    """The same for what that one does not look at: where 72 hours bring more than the newest rows, and what was taken
    when only arrival was paid for, by a policy that has changed since. It reads far more, so it runs seldom."""
    done = 0
    while some := release_old_holds(database, everywhere=True):
        done += some
    return done


def _release_old_hold(session: Session, part_id: int) -> bool:
    part = lock_part_alone(session, part_id)
    account = ledger.account_of(session, part.message_id, part.number, part.price)
    overdue = part.sending_at is not None and part.sending_at < clock.now() - RECEIPT_WAIT
    if part.status not in (Status.UNKNOWN, *UNDERWAY) or not overdue or not account.held or not part.message.funded:
        return False
    said = "no word" if part.status == Status.UNKNOWN else "no word that it arrived"
    give_back(session, part, f"the provider gave {said} within 72 hours")
    return True


def match_orphans(database: Database) -> int:
    """Receipts whose part has become known without either noticing the other: both were written at the same time."""
    with database.read() as session:
        found = session.scalars(
            select(Part.id)
            .join(ReceiptRow, and_(Part.sender_id == ReceiptRow.sender_id, Part.external_id == ReceiptRow.external_id))
            .where(ReceiptRow.part_id.is_(None))
            .distinct()
            .limit(AT_ONCE)
        ).all()
        keyed = session.scalars(waiting_by_key().limit(AT_ONCE)).all()
    return _each(database, found, _match_orphans) + _each(database, keyed, _match_keyed)


def _match_keyed(session: Session, part_id: int) -> bool:
    part = lock_part_alone(session, part_id)
    return not hints.are_fresh(session, part) and match_by_key(session, part)


def _match_orphans(session: Session, part_id: int) -> bool:
    part = lock_part_alone(session, part_id)
    if hints.are_fresh(session, part):
        return False
    match_early_receipts(session, part, "late match")
    return True


def lock_part_alone(session: Session, part_id: int) -> Part:
    """The part, read afresh under its message's row lock."""
    message_id = session.scalars(select(Part.message_id).where(Part.id == part_id)).one()
    return lock_part(session, message_id, part_id)


def _each(database: Database, ids: Sequence[int], work: Callable[[Session, int], bool]) -> int:
    """Does the work for each row in a transaction of its own; how many it was done for.

    One that fails is left for the next time, and keeps none of the others from being done.
    """
    done = 0
    for id_ in ids:
        try:
            with database.write() as session:
                done += work(session, id_)
        except Exception as error:
            if isinstance(error, SQLAlchemyError | TimeoutError) and is_away(error):
                raise
            log.exception("sweep failed on a row", extra={"sweep": work.__name__, "row": id_})
    return done
