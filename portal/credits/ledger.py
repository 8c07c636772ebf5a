"""The ledger: every movement of credits is one appended entry, and the wallet moves in the same transaction.

An entry's key makes it happen once: writing it again changes nothing. Lock order everywhere: message, then wallet;
wallets move at the end (`portal.credits.totals`).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, bindparam, case, delete, func, or_, select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import totals
from portal.database import insert, insert_unless_there
from portal.models import EntryKind, LedgerEntry, Wallet


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry to be: how `available`, `held` and `spent` change. Together they always add up to zero or a grant."""

    wallet_id: int
    key: str
    kind: EntryKind
    message_id: int | None
    available: int = 0
    held: int = 0
    spent: int = 0
    note: str = ""


def wallet_of(session: Session, location_id: int) -> int:
    """The id of the location's wallet, made on first use."""
    found = session.scalar(select(Wallet.id).where(Wallet.location_id == location_id))
    if found is not None:
        return found
    values = {"location_id": location_id, "unlimited": True, "available": 0, "held": 0, "spent": 0}
    session.execute(insert(session, Wallet).values(**values).on_conflict_do_nothing(index_elements=["location_id"]))
    session.info.setdefault("new_wallets", set()).add(location_id)
    return session.scalars(select(Wallet.id).where(Wallet.location_id == location_id)).one()


def hold(session: Session, location_id: int, message_id: int, amount: int) -> bool:
    """Sets credits aside for a message; False, and nothing written, when there are not enough. Holding twice is once.

    The entry comes first: its key decides whether the wallet moves. The wallet's own row decides whether it may.
    """
    if amount == 0:
        return True
    wallet = known_wallet(session, location_id)
    connection = session.connection()
    key = f"{EntryKind.HOLD}:{message_id}"
    held = Movement(wallet, key, EntryKind.HOLD, message_id, available=-amount, held=amount)
    # By what it returns: the row count of such an INSERT is not to be had on every driver.
    statement = insert_unless_there(session, LedgerEntry, "key").returning(LedgerEntry.key)
    if connection.scalar(statement, _row(held, clock.now())) is None:
        return True
    if totals.take(session, wallet, amount):
        return True
    connection.execute(_UNDO_HOLD, {"b_key": key})
    return False


def _key(kind: EntryKind, message_id: int, part: int, turn: int) -> str:
    """`<kind>:<message>:<part>`, with a number from the second time on: a part may be freed and charged again."""
    return f"{kind}:{message_id}:{part}" + (f":{turn}" if turn > 1 else "")


def hold_again(session: Session, location_id: int, message_id: int, part: int, amount: int) -> bool:
    """Sets credits aside for a part whose hold was given back; False when there are not enough."""
    account = account_of(session, message_id, part, amount)
    if account.held or amount == 0:
        return True
    wallet = known_wallet(session, location_id)
    if not totals.take(session, wallet, amount):
        return False
    key = _key(EntryKind.HOLD, message_id, part, account.round + 1)
    held = Movement(wallet, key, EntryKind.HOLD, message_id, available=-amount, held=amount)
    session.connection().execute(_APPEND, _row(held, clock.now()))
    return True


def affordable(session: Session, location_id: int, amount: int) -> bool:
    """Could so much be held now? Only looks: another message may be quicker."""
    enough = or_(Wallet.unlimited, Wallet.available >= amount)
    return session.scalar(select(Wallet.id).where(Wallet.location_id == location_id, enough)) is not None


def hold_difference(session: Session, location_id: int, message_id: int, difference: int) -> bool:
    """Sets more aside for a message whose price has changed, or frees what it no longer needs.

    False, and nothing written, when there are not enough. Booked on part 0: the parts' own shares are their prices.
    """
    if difference == 0:
        return True
    wallet = known_wallet(session, location_id)
    turn = account_of(session, message_id, 0, 0).round
    if difference < 0:
        write(session, [give_back(wallet, message_id, 0, -difference, "it was cut anew", turn)])
        return True
    if not totals.take(session, wallet, difference):
        return False
    key = _key(EntryKind.HOLD, message_id, 0, turn)
    held = Movement(wallet, key, EntryKind.HOLD, message_id, available=-difference, held=difference)
    session.connection().execute(_APPEND, _row(held, clock.now()))
    return True


def settle(wallet_id: int, message_id: int, part: int, amount: int, turn: int = 1) -> Movement:
    """The part was accepted: its share of the hold is spent."""
    key = _key(EntryKind.SETTLE, message_id, part, turn)
    return Movement(wallet_id, key, EntryKind.SETTLE, message_id, held=-amount, spent=amount)


def give_back(wallet_id: int, message_id: int, part: int, amount: int, reason: str, turn: int = 1) -> Movement:
    """The part failed before it was accepted: its share of the hold is free again."""
    key = _key(EntryKind.RELEASE, message_id, part, turn)
    return Movement(wallet_id, key, EntryKind.RELEASE, message_id, available=amount, held=-amount, note=reason[:200])


def refund(wallet_id: int, message_id: int, part: int, amount: int, reason: str, turn: int = 1) -> Movement:
    """The part failed after it was accepted: failed is free."""
    key = _key(EntryKind.REFUND, message_id, part, turn)
    return Movement(wallet_id, key, EntryKind.REFUND, message_id, available=amount, spent=-amount, note=reason[:200])


def charge_late(wallet_id: int, message_id: int, part: int, amount: int, reason: str, turn: int = 1) -> Movement:
    """The part proves to have gone out after its hold was given back."""
    key = _key(EntryKind.CHARGE_LATE, message_id, part, turn)
    note = reason[:200]
    return Movement(wallet_id, key, EntryKind.CHARGE_LATE, message_id, available=-amount, spent=amount, note=note)


def inbound(wallet_id: int, message_id: int, amount: int) -> Movement:
    """A message came in: charged by the same table, never refused."""
    key = f"{EntryKind.INBOUND}:{message_id}"
    return Movement(wallet_id, key, EntryKind.INBOUND, message_id, available=-amount, spent=amount)


def write(session: Session, movements: Sequence[Movement]) -> None:
    """Appends the entries that are new; their wallets move at the end of the transaction."""
    moving = [each for each in movements if each.available or each.held or each.spent]
    if not moving:
        return
    moment = clock.now()
    rows = [_row(each, moment) for each in moving]
    statement = insert_unless_there(session, LedgerEntry, "key").returning(LedgerEntry.key)
    written = set(session.connection().scalars(statement, rows))
    for each in moving:
        if each.key in written:
            totals.move(session, each.wallet_id, available=each.available, held=each.held, spent=each.spent)


def _row(each: Movement, moment: datetime) -> dict[str, object]:
    return {
        "wallet_id": each.wallet_id,
        "key": each.key,
        "kind": each.kind.value,
        "message_id": each.message_id,
        "available": each.available,
        "held": each.held,
        "spent": each.spent,
        "note": each.note,
        "at": moment,
    }


@dataclass(frozen=True, slots=True)
class Settlement:
    """A part that was accepted just now, in this transaction."""

    message_id: int
    part: int
    amount: int


def settle_new(session: Session, settlements: Sequence[tuple[int, Settlement]]) -> None:
    """Settles parts by location id, in few statements. Raises `IntegrityError` when one was settled before."""
    moment = clock.now()
    rows: list[dict[str, object]] = []
    for location_id, each in settlements:
        if each.amount:
            wallet = known_wallet(session, location_id)
            rows.append(_row(settle(wallet, each.message_id, each.part, each.amount), moment))
            totals.move(session, wallet, held=-each.amount, spent=each.amount)
    if rows:
        session.connection().execute(_APPEND, rows)


_APPEND = LedgerEntry.__table__.insert()  # type: ignore[attr-defined]
# Written in this very transaction, which nobody else has seen.
_UNDO_HOLD = delete(LedgerEntry.__table__).where(LedgerEntry.key == bindparam("b_key"))  # type: ignore[arg-type]

# A wallet's id never changes. By engine, because a process of tests may have several databases.
_wallets: WeakKeyDictionary[Engine, dict[int, int]] = WeakKeyDictionary()


def known_wallet(session: Session, location_id: int) -> int:
    """The id of the location's wallet, remembered by the process: it never changes."""
    known = _wallets.setdefault(session.connection().engine, {})
    if location_id in known:
        return known[location_id]
    found = session.scalar(select(Wallet.id).where(Wallet.location_id == location_id))
    if found is None:
        return wallet_of(session, location_id)  # not remembered: this transaction may yet be rolled back
    # One that this transaction made may yet be rolled back, and its number then go to another location's.
    if location_id not in session.info.get("new_wallets", ()):
        known[location_id] = found
    return found


@dataclass(frozen=True, slots=True)
class PartAccount:
    """What of a part's price is held and spent now. `round` numbers the entries that come next."""

    held: int
    spent: int
    round: int


def account_of(session: Session, message_id: int, part: int, price: int) -> PartAccount:
    """A part's share of its message's hold, and what its own entries made of it."""
    entries = session.scalars(select(LedgerEntry).where(LedgerEntry.message_id == message_id)).all()
    whole = any(entry.key == f"{EntryKind.HOLD}:{message_id}" for entry in entries)
    own = [entry for entry in entries if entry.key.split(":")[1:3] == [str(message_id), str(part)]]
    kinds = [entry.kind for entry in own]
    again = max((kinds.count(kind) for kind in set(kinds)), default=0)
    held = (price if whole else 0) + sum(entry.held for entry in own)
    return PartAccount(held, sum(entry.spent for entry in own), again + 1)


@dataclass(frozen=True, slots=True)
class Proof:
    """A wallet whose columns are not what its entries add up to."""

    wallet_id: int
    wallet: tuple[int, int, int]
    entries: tuple[int, int, int]


def prove(session: Session) -> tuple[int, list[Proof]]:
    """Adds every wallet's entries up again: how many wallets were looked at, and those that disagree."""
    total = func.coalesce
    sums = (
        select(
            Wallet.id,
            Wallet.available,
            Wallet.held,
            Wallet.spent,
            total(func.sum(LedgerEntry.available), 0),
            total(func.sum(LedgerEntry.held), 0),
            total(func.sum(LedgerEntry.spent), 0),
            func.sum(case((LedgerEntry.id.is_(None), 0), else_=1)),
        )
        .outerjoin(LedgerEntry, LedgerEntry.wallet_id == Wallet.id)
        .group_by(Wallet.id, Wallet.available, Wallet.held, Wallet.spent)
    )
    rows = session.execute(sums).all()
    wrong = [
        Proof(row[0], (row[1], row[2], row[3]), (int(row[4]), int(row[5]), int(row[6])))
        for row in rows
        if (row[1], row[2], row[3]) != (int(row[4]), int(row[5]), int(row[6]))
    ]
    return len(rows), wrong
