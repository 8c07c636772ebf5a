"""The ledger: every movement of credits is one appended entry, and the wallet moves in the same transaction.

An entry moves credits between four accounts and adds up to zero: what is `available`, `held` and `spent` of a
location's, and the `outside`, where they come from and go to. Rows are never changed and never removed; the database
refuses it. An entry's key makes it happen once: writing it again changes nothing. Lock order everywhere: message, then
wallet; wallets move at the end (`portal.credits.totals`).
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from weakref import WeakKeyDictionary

from sqlalchemy import Engine, select
from sqlalchemy.orm import Session

from portal import clock
from portal.credits import at_once, campaigns, charging, totals
from portal.credits.proof import prove as prove
from portal.database import insert, insert_unless_there
from portal.models import EntryKind, LedgerEntry, Wallet


@dataclass(frozen=True, slots=True)
class Movement:
    """One entry to be: how `available`, `held` and `spent` change. Only grants, expiries and corrections move the
    outside; the others add up to zero. `hold` is whose credits come back, `bucket_id` where those of a hold lay."""

    wallet_id: int
    key: str
    kind: EntryKind
    message_id: int | None
    available: int = 0
    held: int = 0
    spent: int = 0
    note: str = ""
    hold: totals.Hold | None = None
    bucket_id: int | None = None
    corrects_id: int | None = None
    who: str = ""

    @property
    def outside(self) -> int:
        """The other side of what comes in and what goes for good."""
        return -(self.available + self.held + self.spent) if self.kind in _OUTSIDE else 0


_OUTSIDE = (EntryKind.GRANT, EntryKind.EXPIRY, EntryKind.CORRECTION)


LONGEST_KEY = 80


def key_of(name: str) -> str:
    """The name as a key has room for it. A long one ends in its digest: names that only begin alike are two keys."""
    if len(name) <= LONGEST_KEY:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:40]
    return f"{name[: LONGEST_KEY - 41]}:{digest}"


def wallet_of(session: Session, location_id: int) -> int:
    """The id of the location's wallet, made on first use."""
    found = session.scalar(select(Wallet.id).where(Wallet.location_id == location_id))
    if found is not None:
        return found
    values = {"location_id": location_id, "unlimited": True, "available": 0, "held": 0, "spent": 0}
    session.execute(insert(session, Wallet).values(**values).on_conflict_do_nothing(index_elements=["location_id"]))
    session.info.setdefault("new_wallets", set()).add(location_id)
    return session.scalars(select(Wallet.id).where(Wallet.location_id == location_id)).one()


def hold(session: Session, location_id: int, message_id: int, amount: int, bulk: str = "") -> bool:
    """Sets credits aside for a message; False, and nothing written, when it may not be. Holding twice is once.

    `bulk` is the campaign that the message belongs to. Where nothing can refuse, the entry's key alone decides whether
    the wallet moves; else the wallet is asked first, and what it gave for a hold that was there goes back.
    """
    if amount == 0:
        return True
    wallet = known_wallet(session, location_id)
    key = f"{EntryKind.HOLD}:{message_id}"
    known = totals.limits(session, wallet)
    capped = bulk and known.bulk_cap is not None
    if not known.asks and not capped:
        if _append(session, _held(wallet, key, message_id, amount, None)):
            totals.move(session, wallet, available=-amount, held=amount)
        return True
    if not capped and at_once.hold(session, wallet, key, message_id, amount, clock.now()):
        return True
    taken = _take(session, wallet, amount, bulk)
    if taken is None:
        return session.scalar(select(LedgerEntry.id).where(LedgerEntry.key == key)) is not None
    if not _append(session, _held(wallet, key, message_id, amount, taken.bucket)):
        totals.move(session, wallet, available=amount, held=-amount, hold=taken)
        campaigns.give_back(session, bulk, amount)
    return True


def _take(session: Session, wallet: int, amount: int, bulk: str) -> totals.Hold | None:
    if not campaigns.take(session, wallet, bulk, amount):
        return None
    taken = totals.take(session, wallet, amount)
    if taken is None:
        campaigns.give_back(session, bulk, amount)
    return taken


def _held(wallet: int, key: str, message_id: int, amount: int, bucket: int | None) -> Movement:
    return Movement(wallet, key, EntryKind.HOLD, message_id, available=-amount, held=amount, bucket_id=bucket)


def _append(session: Session, each: Movement) -> bool:
    """Writes the entry unless it is there; True when it was not."""
    # By what it returns: the row count of such an INSERT is not to be had on every driver.
    statement = insert_unless_there(session, LedgerEntry, "key").returning(LedgerEntry.key)
    return session.connection().scalar(statement, _row(each, clock.now())) is not None


def _key(kind: EntryKind, message_id: int, part: int, turn: int) -> str:
    """`<kind>:<message>:<part>`, with a number from the second time on: a part may be freed and charged again."""
    return f"{kind}:{message_id}:{part}" + (f":{turn}" if turn > 1 else "")


def hold_again(session: Session, location_id: int, message_id: int, part: int, amount: int, bulk: str = "") -> bool:
    """Sets credits aside for a part whose hold was given back; False when it may not be."""
    account = account_of(session, message_id, part, amount)
    if account.held or amount == 0:
        return True
    wallet = known_wallet(session, location_id)
    if (taken := _take(session, wallet, amount, bulk)) is None:
        return False
    key = _key(EntryKind.HOLD, message_id, part, account.round + 1)
    session.connection().execute(_APPEND, _row(_held(wallet, key, message_id, amount, taken.bucket), clock.now()))
    return True


def hold_difference(session: Session, location_id: int, message_id: int, difference: int, bulk: str = "") -> bool:
    """Sets more aside for a message whose price has changed, or frees what it no longer needs.

    False, and nothing written, when there are not enough. Booked on part 0: the parts' own shares are their prices.
    """
    if difference == 0:
        return True
    wallet = known_wallet(session, location_id)
    account = account_of(session, message_id, 0, 0)
    if difference < 0:
        freed = give_back(wallet, message_id, 0, -difference, "it was cut anew", account.round, account.hold)
        write(session, [freed])
        campaigns.give_back(session, bulk, -difference)
        return True
    if (taken := _take(session, wallet, difference, bulk)) is None:
        return False
    # One that was free so far has no hold yet: this is the message's own, or it would be held for once more.
    first = account.hold is None
    key = f"{EntryKind.HOLD}:{message_id}" if first else _key(EntryKind.HOLD, message_id, 0, account.round)
    session.connection().execute(_APPEND, _row(_held(wallet, key, message_id, difference, taken.bucket), clock.now()))
    return True


def settle(wallet_id: int, message_id: int, part: int, amount: int, turn: int = 1) -> Movement:
    """The part was accepted: its share of the hold is spent."""
    key = _key(EntryKind.SETTLE, message_id, part, turn)
    return Movement(wallet_id, key, EntryKind.SETTLE, message_id, held=-amount, spent=amount)


def give_back(
    wallet_id: int,
    message_id: int,
    part: int,
    amount: int,
    reason: str,
    turn: int = 1,
    hold: totals.Hold | None = None,
) -> Movement:
    """The part failed before it was accepted: its share of the hold is free again."""
    key, note = _key(EntryKind.RELEASE, message_id, part, turn), reason[:200]
    return Movement(wallet_id, key, EntryKind.RELEASE, message_id, available=amount, held=-amount, note=note, hold=hold)


def refund(
    wallet_id: int,
    message_id: int,
    part: int,
    amount: int,
    reason: str,
    turn: int = 1,
    hold: totals.Hold | None = None,
) -> Movement:
    """The part failed after it was accepted: failed is free."""
    key, note = _key(EntryKind.REFUND, message_id, part, turn), reason[:200]
    return Movement(wallet_id, key, EntryKind.REFUND, message_id, available=amount, spent=-amount, note=note, hold=hold)


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
    moving = list({each.key: each for each in movements if each.available or each.held or each.spent}.values())
    if not moving:
        return
    moment = clock.now()
    rows = [_row(each, moment) for each in moving]
    statement = insert_unless_there(session, LedgerEntry, "key").returning(LedgerEntry.key)
    written = set(session.connection().scalars(statement, rows))
    charging.follow(session, [row for row in rows if row["key"] in written])
    for each in moving:
        if each.key in written:
            totals.move(
                session, each.wallet_id, available=each.available, held=each.held, spent=each.spent, hold=each.hold
            )


def _row(each: Movement, moment: datetime) -> dict[str, object]:
    return {
        "wallet_id": each.wallet_id,
        "key": each.key,
        "kind": each.kind.value,
        "message_id": each.message_id,
        "available": each.available,
        "held": each.held,
        "spent": each.spent,
        "outside": each.outside,
        "bucket_id": each.bucket_id,
        "corrects_id": each.corrects_id,
        "who": each.who,
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
        charging.follow(session, rows)


_APPEND = LedgerEntry.__table__.insert()  # type: ignore[attr-defined]

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
    """What of a part's price is held and spent now, and by which hold. `round` numbers the entries that come next."""

    held: int
    spent: int
    round: int
    hold: totals.Hold | None = None


def account_of(session: Session, message_id: int, part: int, price: int) -> PartAccount:
    """A part's share of its message's hold, and what its own entries made of it."""
    wanted = select(LedgerEntry).where(LedgerEntry.message_id == message_id).order_by(LedgerEntry.id)
    entries = session.scalars(wanted).all()
    whole = [entry for entry in entries if entry.key == f"{EntryKind.HOLD}:{message_id}"]
    own = [entry for entry in entries if entry.key.split(":")[1:3] == [str(message_id), str(part)]]
    # Above every number that was used: a charge, its refund and another charge are three entries.
    again = max((int((*entry.key.split(":"), "1")[3]) for entry in own), default=0)
    held = (price if whole else 0) + sum(entry.held for entry in own)
    holds = [*whole, *(entry for entry in own if entry.kind == EntryKind.HOLD)]
    hold = totals.Hold(holds[-1].bucket_id, holds[-1].at) if holds else None
    return PartAccount(held, sum(entry.spent for entry in own), again + 1, hold)
