"""Credit holds: 32 threads on one wallet, exact."""

import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from sqlalchemy import select, text, update

from bench.dispatch import fresh
from portal.credits import ledger
from portal.installations.lifecycle import ensure_location
from portal.models import Wallet


def holds(database_url: str, count: int) -> tuple[float, bool]:
    """Holds a second, and whether exactly half of them found credit, as there was credit for half."""
    with tempfile.TemporaryDirectory() as folder:
        parts = fresh(database_url, Path(folder))
        with parts.database.write() as session:
            place = ensure_location(session, "bench").id
            wallet = ledger.wallet_of(session, place)
            session.execute(update(Wallet).where(Wallet.id == wallet).values(unlimited=False, available=count // 2))
            if not parts.database.sqlite:
                # The ledger alone is measured: its entries name messages that are not there.
                session.execute(text("ALTER TABLE ledger_entry DROP CONSTRAINT fk_ledger_entry_message_id_message"))
        if parts.database.sqlite:
            with parts.database.engine.connect() as connection:
                connection.exec_driver_sql("PRAGMA foreign_keys=OFF")

        def one(number: int) -> bool:
            with parts.database.write() as session:
                if parts.database.sqlite:
                    session.execute(text("PRAGMA defer_foreign_keys=ON"))
                return ledger.hold(session, place, number, 1)

        started = time.monotonic()
        with ThreadPoolExecutor(32) as pool:
            held = sum(pool.map(one, range(1, count + 1)))
        rate = count / (time.monotonic() - started)
        with parts.database.read() as session:
            exact = held == count // 2 == session.scalars(select(Wallet.held)).one()
        parts.database.engine.dispose()
        return rate, exact
