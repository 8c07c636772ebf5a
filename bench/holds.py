"""Credit holds: 32 threads on one wallet, exact."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import func, insert, select, update
from sqlalchemy.orm import Session

from bench.dispatch import fresh
from bench.world import environment
from portal import clock
from portal.credits import ledger
from portal.installations.lifecycle import ensure_location
from portal.messaging import contacts
from portal.models import Direction, EntryKind, LedgerEntry, Message, Status, Wallet

THREADS = 32


def holds(database_url: str, count: int) -> tuple[float, bool]:
    """Holds a second, each a transaction of its own, and whether all is exact: half of them found credit, as there was
    credit for half, each of those has its one entry, and the entries add up to what the wallet says."""
    with tempfile.TemporaryDirectory() as folder:
        parts = fresh(environment(Path(folder), 1, database_url))
        with parts.database.write() as session:
            place = ensure_location(session, "bench").id
            wallet = ledger.wallet_of(session, place)
            given = ledger.Movement(wallet, "grant:bench", EntryKind.GRANT, None, available=count // 2)
            ledger.write(session, [given])
            session.execute(update(Wallet).where(Wallet.id == wallet).values(unlimited=False))
            _messages(session, place, count)

        def one(number: int) -> bool:
            with parts.database.write() as session:
                return ledger.hold(session, place, number, 1)

        started = time.monotonic()
        with ThreadPoolExecutor(THREADS) as pool:
            held = sum(pool.map(one, range(1, count + 1)))
        rate = count / (time.monotonic() - started)
        with parts.database.read() as session:
            wallet_row = session.execute(select(Wallet.available, Wallet.held)).one()
            entries = session.scalar(select(func.count()).where(LedgerEntry.kind == EntryKind.HOLD))
            whole = held == entries == wallet_row.held == count // 2 and wallet_row.available == 0
            exact = whole and ledger.prove(session)[1] == []
        parts.database.engine.dispose()
        return rate, exact


def _messages(session: Session, place: int, count: int) -> None:
    contact = contacts.for_ghl(session, place, "contact", "+639171234567")
    conversation = contacts.conversation(session, place, contact.id)
    moment = clock.now()
    shared = {
        "location_id": place,
        "conversation_id": conversation.id,
        "direction": Direction.OUT,
        "status": Status.QUEUED,
        "status_at": moment,
        "created_at": moment,
    }
    session.execute(insert(Message), [shared | {"position": number} for number in range(1, count + 1)])
