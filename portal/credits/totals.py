"""Wallets move at the very end of a transaction, because theirs are the rows that everybody waits for.

An entry of the ledger is written together with its cause. What a transaction's entries add up to reaches the wallets
right before its commit, in the order of their ids: so nobody waits for a wallet longer than a commit takes. Only a
wallet that may run out is asked, and locked, at once.
"""

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from portal.database import at_end
from portal.models import Wallet

_MOVES, _UNLIMITED = "wallet_moves", "unlimited_wallets"


def move(session: Session, wallet_id: int, *, available: int = 0, held: int = 0, spent: int = 0) -> None:
    """Adds to what the wallet moves by at the end of the transaction."""
    moves: dict[int, list[int]] = session.info.setdefault(_MOVES, {})
    if not moves:
        at_end(session, _move_all)
    totals = moves.setdefault(wallet_id, [0, 0, 0])
    for place, change in enumerate((available, held, spent)):
        totals[place] += change


def take(session: Session, wallet_id: int, amount: int) -> bool:
    """Moves credits from available to held; False when there are not enough."""
    if _is_unlimited(session, wallet_id):
        move(session, wallet_id, available=-amount, held=amount)
        return True
    earlier = session.info.get(_MOVES, {}).pop(wallet_id, None)
    if earlier is not None:
        _move(session, wallet_id, earlier)  # what was given back in this transaction may be taken in it
    return bool(session.connection().execute(_TAKE, {"b_wallet": wallet_id, "b_amount": amount}).rowcount)


def _is_unlimited(session: Session, wallet_id: int) -> bool:
    """Looked up once in a transaction. One that is given a limit meanwhile counts as limited from the next one on."""
    known: dict[int, bool] = session.info.setdefault(_UNLIMITED, {})
    if wallet_id not in known:
        known[wallet_id] = bool(session.connection().scalar(_LOOK, {"b_wallet": wallet_id}))
    return known[wallet_id]


def _move_all(session: Session) -> None:
    moves: dict[int, list[int]] = session.info.pop(_MOVES, {})
    for wallet_id in sorted(moves):
        _move(session, wallet_id, moves[wallet_id])


def _move(session: Session, wallet_id: int, totals: list[int]) -> None:
    available, held, spent = totals
    if available or held or spent:
        values = {"b_wallet": wallet_id, "b_available": available, "b_held": held, "b_spent": spent}
        session.connection().execute(_MOVE, values)


_LOOK = select(Wallet.unlimited).where(Wallet.id == bindparam("b_wallet"))
_MOVE = (
    update(Wallet.__table__)  # type: ignore[arg-type]
    .where(Wallet.id == bindparam("b_wallet"))
    .values(
        available=Wallet.available + bindparam("b_available"),
        held=Wallet.held + bindparam("b_held"),
        spent=Wallet.spent + bindparam("b_spent"),
    )
)
_TAKE = (
    update(Wallet.__table__)  # type: ignore[arg-type]
    .where(Wallet.id == bindparam("b_wallet"), Wallet.unlimited | (Wallet.available >= bindparam("b_amount")))
    .values(available=Wallet.available - bindparam("b_amount"), held=Wallet.held + bindparam("b_amount"))
)
