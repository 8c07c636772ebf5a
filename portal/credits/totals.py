"""Wallets move at the very end of a transaction, because theirs are the rows that everybody waits for.

An entry of the ledger is written together with its cause. What a transaction's entries add up to reaches the wallets
right before its commit, in the order of their ids: so nobody waits for a wallet longer than a commit takes. Only a
wallet that may run out is asked, and locked, at once. Its buckets are looked at where one of them comes to an end, and
cost nothing before.
"""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import bindparam, case, null, or_, select, update
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import buckets, days
from portal.database import at_end
from portal.models import Wallet

_MOVES, _LIMITS = "wallet_moves", "wallet_limits"


@dataclass(frozen=True, slots=True)
class Hold:
    """Where the credits of a hold came from, and when. `bucket` is None where they lay loose; `at` None is no hold:
    what comes was never set aside, and frees nothing of a day."""

    bucket: int | None
    at: datetime | None


@dataclass(frozen=True, slots=True)
class Limits:
    """What bounds a wallet; None is no bound. `stopped`: nothing more is sent before HighLevel's wallet has funds."""

    unlimited: bool
    day_cap: int | None
    bulk_cap: int | None
    stopped: bool = False

    @property
    def asks(self) -> bool:
        """May it refuse a message, so that it has to be asked before?"""
        return not self.unlimited or self.day_cap is not None or self.stopped


@dataclass(slots=True)
class _Move:
    available: int = 0
    held: int = 0
    spent: int = 0
    back: list[tuple[Hold, int]] = field(default_factory=list)


def move(
    session: Session, wallet_id: int, *, available: int = 0, held: int = 0, spent: int = 0, hold: Hold | None = None
) -> None:
    """Adds to what the wallet moves by at the end of the transaction. `hold` is whose credits come back."""
    moves: dict[int, _Move] = session.info.setdefault(_MOVES, {})
    if not moves:
        at_end(session, _move_all)
    totals = moves.setdefault(wallet_id, _Move())
    totals.available += available
    totals.held += held
    totals.spent += spent
    if hold is not None and available > 0:
        totals.back.append((hold, available))


def take(session: Session, wallet_id: int, amount: int) -> Hold | None:
    """Moves credits from available to held, and says out of which bucket; None when there are not enough."""
    moment, known = clock.now(), limits(session, wallet_id)
    if not known.asks:
        move(session, wallet_id, available=-amount, held=amount)
        return Hold(None, moment)
    if known.stopped:
        return None
    earlier: _Move | None = session.info.get(_MOVES, {}).pop(wallet_id, None)
    if earlier is not None:
        _move(session, wallet_id, earlier)  # what was given back in this transaction may be taken in it
    values = {"b_wallet": wallet_id, "b_amount": amount, "b_moment": moment}
    statement = _TAKE
    if known.day_cap is not None:
        statement, values["b_today"] = _TAKE_OF_DAY, days.today(session, wallet_id, moment)
    taken = session.connection().execute(statement, values).first()
    if taken is None and buckets.end_due(session, wallet_id, moment):
        taken = session.connection().execute(statement, values).first()
    if taken is None:
        return None
    if _out_of_order(taken):
        return Hold(buckets.arrange(session, wallet_id, moment), moment)
    return Hold(taken.bucket_id, moment)


def is_moving(session: Session, wallet_id: int) -> bool:
    """Has this transaction something for the wallet that has not reached it yet?"""
    return wallet_id in session.info.get(_MOVES, {})


def limits(session: Session, wallet_id: int) -> Limits:
    """Looked up once in a transaction. One that is given a limit meanwhile counts as limited from the next one on."""
    known: dict[int, Limits] = session.info.setdefault(_LIMITS, {})
    if wallet_id not in known:
        row = session.connection().execute(_LOOK, {"b_wallet": wallet_id}).one()
        known[wallet_id] = Limits(row.unlimited, row.day_cap, row.bulk_cap, row.ghl_stops)
    return known[wallet_id]


def flush(session: Session, wallet_id: int) -> None:
    """Moves the wallet now, for whoever locks it and reckons with what it says."""
    moves: dict[int, _Move] = session.info.get(_MOVES, {})
    if wallet_id in moves:
        _move(session, wallet_id, moves.pop(wallet_id))


def _move_all(session: Session) -> None:
    moves: dict[int, _Move] = session.info.pop(_MOVES, {})
    for wallet_id in sorted(moves):
        _move(session, wallet_id, moves[wallet_id])


def _move(session: Session, wallet_id: int, totals: _Move) -> None:
    if not (totals.available or totals.held or totals.spent or totals.back):
        return
    values = {
        "b_wallet": wallet_id,
        "b_available": totals.available,
        "b_held": totals.held,
        "b_spent": totals.spent,
    }
    if not totals.available and not totals.back:
        session.connection().execute(_MOVE, values)
        return
    moved = session.connection().execute(_MOVE_AND_TELL, values).one()
    if moved.day_cap is not None:
        _free_day(session, wallet_id, moved, totals)
    if moved.unlimited:
        return
    back: dict[int | None, int] = {}
    for hold, amount in totals.back:
        back[hold.bucket] = back.get(hold.bucket, 0) + amount
    if _out_of_order(moved) or any(bucket != moved.bucket_id for bucket in back):
        buckets.arrange(session, wallet_id, clock.now(), back)


def _out_of_order(row: Any) -> bool:
    """Is the bucket that is burned used up, while another is not?"""
    return bool(not row.unlimited and row.available < row.later)


def _free_day(session: Session, wallet_id: int, moved: Any, totals: _Move) -> None:
    """What was set aside today and came back does not count against the day: failed is free."""
    zone = days.zone_of(session, wallet_id)
    held = ((hold.at, amount) for hold, amount in totals.back)
    back = sum(amount for at, amount in held if at is not None and days.day_in(zone, at) == moved.day)
    if back:
        session.connection().execute(_FREE_DAY, {"b_wallet": wallet_id, "b_back": back})


_THIS = Wallet.id == bindparam("b_wallet")
_LOOK = select(Wallet.unlimited, Wallet.day_cap, Wallet.bulk_cap, Wallet.ghl_stops).where(_THIS)
_MOVE = (
    update(Wallet.__table__)  # type: ignore[arg-type]
    .where(_THIS)
    .values(
        available=Wallet.available + bindparam("b_available"),
        held=Wallet.held + bindparam("b_held"),
        spent=Wallet.spent + bindparam("b_spent"),
    )
)
_STATE = (Wallet.unlimited, Wallet.available, Wallet.later, Wallet.bucket_id, Wallet.day_cap, Wallet.day)
_MOVE_AND_TELL = _MOVE.returning(*_STATE)
_TAKE = (
    update(Wallet.__table__)  # type: ignore[arg-type]
    .where(
        _THIS,
        Wallet.unlimited | (Wallet.available + Wallet.overdraft >= bindparam("b_amount")),
        # Credits that are over are not taken, however late their expiry is written.
        Wallet.unlimited | or_(Wallet.bucket_until == null(), Wallet.bucket_until > bindparam("b_moment")),
    )
    .values(available=Wallet.available - bindparam("b_amount"), held=Wallet.held + bindparam("b_amount"))
    .returning(*_STATE)
)
_USED = case((Wallet.day == bindparam("b_today"), Wallet.day_used), else_=0) + bindparam("b_amount")
_TAKE_OF_DAY = _TAKE.where(Wallet.day_cap >= _USED).values(day=bindparam("b_today"), day_used=_USED)
_FREE_DAY = (
    update(Wallet.__table__)  # type: ignore[arg-type]
    .where(_THIS)
    .values(day_used=case((Wallet.day_used > bindparam("b_back"), Wallet.day_used - bindparam("b_back")), else_=0))
)
