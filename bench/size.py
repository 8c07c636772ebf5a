"""`python -m bench.size [COUNT]`: what one delivered message takes in PostgreSQL, rows, indexes and dead rows together.

Some hundred messages take the whole way: a webhook of 0.5 KB in the journal, applied, sent, accepted, its receipt, its
status told to HighLevel, twenty to a contact. Their rows are then copied, under new ids, until there are enough; the
copies are updated once as the real rows were, and weighed as they are, without a VACUUM FULL that nobody runs.
"""

import json
import sys
import tempfile
import time
from pathlib import Path

from sqlalchemy import func, select, text

from bench.dispatch import fresh, provider
from bench.world import environment
from portal.channels.base import Outcome, Receipt
from portal.database import Database
from portal.ghl.peek import peek
from portal.installations.lifecycle import ensure_location
from portal.journal.entry import Entry
from portal.journal.store import store
from portal.messaging import senders
from portal.messaging.receipts import take_receipt
from portal.models import InstallState, Job, Part, Sender, Status
from portal.services import Services
from portal.worker.process import WorkerProcess
from tests import postgres

TEXT = "Hello {name}, your appointment is tomorrow at 10:30. Answer C to confirm or call us to move it. Your clinic."
SEEDS, CONTACTS, AT_ONCE = 500, 25, 500
SHIFT = 1_000_000
# In the order of their foreign keys. These columns follow their row's copy; all others name what is not copied.
TABLES = ("contact", "conversation", "address", "event", "message", "part", "status_change", "attempt", "receipt")
FOLLOWING = ("id", "contact_id", "conversation_id", "event_id", "message_id", "part_id", "position", "last_message_id")
UNIQUE = (
    "uuid",
    "dedupe_key",
    "ghl_message_id",
    "ghl_contact_id",
    "ghl_conversation_id",
    "external_id",
    "value",
    "lane",
)
RELATIONS = text(
    "SELECT relname, n_live_tup, pg_table_size(relid), pg_indexes_size(relid) FROM pg_stat_user_tables"
    " ORDER BY pg_total_relation_size(relid) DESC"
)


def main() -> None:
    """Fills a database of its own and prints its tables."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with postgres.server() as server, tempfile.TemporaryDirectory() as folder:
        process, port = provider()
        try:
            parts = fresh(environment(Path(folder), 1, server.create_database("size")))
            fill(parts, SEEDS, port)
            for copy in range(1, count // SEEDS):
                copy_rows(parts.database, copy)
            weigh(parts.database, count)
            parts.database.engine.dispose()
        finally:
            process.terminate()
            process.wait()


def fill(parts: Services, count: int, port: int) -> None:
    """So many messages on their whole way."""
    with parts.database.write() as session:
        place = ensure_location(session, "GKAWb4yu7A4LSc0skQ6g")
        place.install_state, place.country = InstallState.INSTALLED, "PH"
        wanted = senders.NewSender(
            "cast", "size", {"api_key": "k", "sender_id": "SIZE"}, f"http://127.0.0.1:{port}", operator=True
        )
        sender_id = senders.add(session, parts.vault, place, wanted).id
    # HighLevel takes every status at once.
    parts.into_ghl._call = lambda due, location, call, then: then("")  # type: ignore[method-assign,assignment]
    worker = WorkerProcess(parts)
    worker._clockwork.start = lambda **_: None  # type: ignore[method-assign]
    worker.start()
    for start in range(0, count, AT_ONCE):
        with parts.database.write() as session:
            store(session, [_entry(number) for number in range(start, start + AT_ONCE)])
        while _jobs(parts.database) > 4 * AT_ONCE:
            _receive(parts, sender_id)
    while _jobs(parts.database) or _receive(parts, sender_id):
        time.sleep(0.1)
    worker.stop()


def copy_rows(database: Database, copy: int) -> None:
    """Everything that hangs on the first messages once more."""
    with database.write() as session:
        for table in (*TABLES, "ledger_entry"):
            columns = list(session.scalars(_COLUMNS, {"table": table}))
            chosen = ", ".join(_copied(table, column, copy) for column in columns)
            names = ", ".join(f'"{column}"' for column in columns)
            session.execute(text(f"INSERT INTO {table} ({names}) SELECT {chosen} FROM {table} WHERE id < {SHIFT}"))
        mine = f"id >= {copy * SHIFT} AND id < {(copy + 1) * SHIFT}"
        session.execute(text(f"UPDATE event SET state = 'applied', applied_at = received_at WHERE {mine}"))
        for status in ("sending", "accepted", "delivered"):
            session.execute(text(f"UPDATE part SET status = '{status}' WHERE {mine}"))
            session.execute(text(f"UPDATE message SET status = '{status}' WHERE {mine}"))
    if copy % 10 == 0:
        with database.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(text("VACUUM"))  # as autovacuum does by itself


_COLUMNS = text(
    "SELECT column_name FROM information_schema.columns WHERE table_name = :table ORDER BY ordinal_position"
)


def _copied(table: str, column: str, copy: int) -> str:
    """The column as the copy has it: of the same length and kind, and nobody else's."""
    if column in FOLLOWING:
        return f'"{column}" + {copy * SHIFT}'
    if column in ("uuid", "idempotency_key"):
        return f"overlay(\"{column}\" placing lpad('{copy}', 8, '0') from 1 for 8)"
    if column in UNIQUE:
        return f"regexp_replace(\"{column}\", '[0-9]{{6}}([0-9]*)$', lpad('{copy}', 6, '0') || '\\1') || '-{copy}'"
    if table == "ledger_entry" and column == "key":
        return f"regexp_replace(key, '^([a-z_]+):[0-9]+', '\\1:' || (message_id + {copy * SHIFT}))"
    if table == "event" and column in ("state", "applied_at"):
        return "'pending'" if column == "state" else "NULL"
    return f'"{column}"'


def _entry(number: int) -> Entry:
    body = json.dumps(
        {
            "contactId": f"contact{number % CONTACTS:013d}",
            "locationId": "GKAWb4yu7A4LSc0skQ6g",
            "messageId": f"message{number:013d}",
            "type": "SMS",
            "phone": f"+63917{1_000_000 + number % CONTACTS}",
            "message": TEXT.format(name=f"Contact {number % CONTACTS}"),
            "attachments": [],
            "userId": "GK56r6wdJDrkUPd0xsmx",
            "conversationProviderId": "benchprovider",
        }
    ).encode()
    found = peek(body)
    headers = {"content-type": "application/json", "x-ghl-signature": "A" * 88, "x-forwarded-for": "34.120.10.20"}
    return Entry("ghl", found.lane, body, dedupe_key=found.dedupe_key, headers=headers)


def _jobs(database: Database) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).select_from(Job)) or 0


def _receive(parts: Services, sender_id: int) -> int:
    """A receipt for everything that was accepted."""
    with parts.database.write() as session:
        sender = session.get_one(Sender, sender_id)
        wanted = select(Part.external_id).where(Part.status == Status.ACCEPTED, Part.next_poll_at.is_not(None))
        ids = session.scalars(wanted.order_by(Part.message_id).limit(AT_ONCE)).all()
        for external_id in filter(None, ids):
            take_receipt(session, sender, Receipt(external_id, Outcome.DELIVERED, "delivered"), None)
    return len(ids)


def weigh(database: Database, count: int) -> None:
    """One line for each table."""
    with database.write() as session:
        session.execute(text("ANALYZE"))
    time.sleep(1)
    with database.read() as session:
        whole = 0
        print(f"{'table':<16}{'rows':>10}{'table MiB':>11}{'index MiB':>11}{'bytes a message':>17}")
        for name, rows, table, index in session.execute(RELATIONS):
            whole += table + index
            if table + index > count:
                each = (table + index) / count
                print(f"{name:<16}{rows:>10,}{table / 2**20:>11.1f}{index / 2**20:>11.1f}{each:>17,.0f}")
        print(f"{'all':<16}{'':>32}{whole / count:>17,.0f}")


if __name__ == "__main__":
    main()
