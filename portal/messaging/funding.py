"""Credits come, or a limit is lifted: what waited for that goes out by itself, in order."""

from collections.abc import Iterator
from functools import cache, partial
from itertools import islice

from sqlalchemy import and_, func, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import buckets, grants, ledger, months, refusals, terms, watching
from portal.credits.grants import Credit
from portal.database import Database
from portal.messaging.releasing import HELD, may_go, release_conversations, release_held
from portal.models import Bucket, InstallState, Location, Message, Wallet

AT_ONCE = 200


def give(session: Session, location: Location, credit: Credit) -> bool:
    """Gives a sub-account credits and has what waits for them tried again; False when that was done before."""
    # Jobs before the wallet, here and below: a conversation that is being released takes them in this order too.
    release_held(session, location.id)
    return grants.give(session, location, credit)


def correct(
    session: Session, location: Location, amount: int, *, key: str, who: str, reason: str, entry_id: int | None = None
) -> bool:
    """Corrects a sub-account's credits (`grants.correct`)."""
    if amount > 0:
        release_held(session, location.id)
    return grants.correct(session, location, amount, key=key, who=who, reason=reason, entry_id=entry_id)


def set_limit(session: Session, location: Location, unlimited: bool, who: str, opening: int = 0) -> None:
    """Makes a wallet count, or not (`grants.set_limit`)."""
    release_held(session, location.id)
    grants.set_limit(session, location, unlimited, who, opening)


def set_policies(session: Session, location: Location, **values: object) -> None:
    """Sets `overdraft`, `day_cap`, `bulk_cap`, `fails_when_empty`, `settles_on_delivery`, `plan_id`."""
    release_held(session, location.id)
    wallet_id = ledger.known_wallet(session, location.id)
    if values:
        session.execute(
            update(Wallet).where(Wallet.id == wallet_id).values(**values),
            execution_options={"synchronize_session": False},
        )
    terms.forget(session)


def begin_months(database: Database) -> int:
    """Gives every sub-account whose month has begun its plan's credits; returns how many."""
    moment = clock.now()
    with database.read() as session:
        found = months.due(session, moment)
    done = 0
    for location_id in found:
        with database.write() as session:
            release_held(session, location_id)
            done += months.begin(session, location_id, moment)
    return done


def end_buckets(database: Database) -> int:
    """Takes credits that are over out of their wallets; returns of how many. Nobody could use them since."""
    moment = clock.now()
    with database.read() as session:
        over = select(Bucket.wallet_id).where(Bucket.closed_at.is_(None), Bucket.expires_at <= moment).distinct()
        found = sorted(session.scalars(over.limit(AT_ONCE)))
    for wallet_id in found:
        with database.write() as session:
            buckets.arrange(session, wallet_id, moment)
    return len(found)


def release_paid(database: Database) -> int:
    """What waits for credits, a new day or a higher limit, and need not any more; in how many conversations."""
    with database.read() as session:
        found = list(islice(_payable(session), AT_ONCE))
    for location_id, conversation_id in found:
        with database.write() as session:
            release_conversations(session, location_id, [conversation_id])
    return len(found)


def _payable(session: Session) -> Iterator[tuple[int, int]]:
    """Location and conversation of what need not wait any more, what has waited longest first.

    All are looked at: thousands that cannot go yet, of a campaign at its limit say, must not hide the one that can.
    """
    heads = (
        select(Message.conversation_id, func.min(Message.position).label("position"))
        .where(HELD)
        .group_by(Message.conversation_id)
        .subquery()
    )
    can = Wallet.ghl_stops.is_(False) & (Wallet.unlimited | (Wallet.available + Wallet.overdraft > 0))
    rows = session.execute(
        select(Message.location_id, Message.conversation_id, Message.credits, Message.bulk, Message.funded)
        .join(heads, and_(heads.c.conversation_id == Message.conversation_id, heads.c.position == Message.position))
        .join(Wallet, Wallet.location_id == Message.location_id)
        .join(Location, Location.id == Message.location_id)
        .where(HELD, Message.reason.in_(refusals.ALL), can, Location.install_state == InstallState.INSTALLED)
        .order_by(Message.position, Message.id)
    ).all()
    why = cache(partial(refusals.why, session))
    for row in rows:
        if (row.funded or not why(row.location_id, row.credits, row.bulk)) and may_go(session, row.conversation_id):
            yield row.location_id, row.conversation_id


def watch(session: Session) -> int:
    """How each day began, what runs out, what burns faster than usual."""
    moment = clock.now()
    watching.note_days(session, moment)
    return watching.look_for_crossings(session) + watching.look_for_burns(session, moment)
