"""Events and their apply jobs, written in one transaction: the only place that inserts into the journal."""

import json
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

from portal import clock
from portal.database import insert, wakes
from portal.journal.entry import Entry
from portal.models import Event, EventState
from portal.queue.jobs import APPLY, enqueue, job


class Kept(StrEnum):
    """What became of an entry: each of them is on disk."""

    STORED = "stored"
    DUPLICATE = "duplicate"
    SPOOLED = "spooled"


def store(session: Session, entries: Sequence[Entry]) -> list[Kept]:
    """Inserts the entries that are new, each with its apply job in its lane. Repeats change nothing."""
    rows = [entry.row(EventState.PENDING) for entry in entries]
    stored = _store_at_once(session, rows) if session.get_bind().dialect.name == "postgresql" else _store(session, rows)
    return [Kept.STORED if row["uuid"] in stored else Kept.DUPLICATE for row in rows]


def _store(session: Session, rows: list[dict[str, Any]]) -> set[str]:
    statement = insert(session, Event).on_conflict_do_nothing().returning(Event.id, Event.uuid)
    stored = {uuid: id_ for id_, uuid in session.connection().execute(statement, rows)}
    new = [row for row in rows if row["uuid"] in stored]
    enqueue(session, [job(APPLY, "apply", stored[row["uuid"]], row["lane"], priority=0) for row in new])
    return set(stored)


_COLUMNS = {
    "uuid": "varchar",
    "source": "varchar",
    "action": "varchar",
    "sender_key": "varchar",
    "dedupe_key": "varchar",
    "lane": "varchar",
    "received_at": "timestamptz",
    "verified": "boolean",
    "headers": "json",
    "query": "text",
    "body": "bytea",
    "state": "varchar",
    "note": "text",
}
# One round trip whatever the number of rows, and one text, so that the server plans it once. On PostgreSQL the round
# trips are what a commit costs; the same in two statements took half as many webhooks a second.
_AT_ONCE = text(
    f"""
    WITH new AS (
        INSERT INTO event ({", ".join(_COLUMNS)})
        SELECT {", ".join(_COLUMNS)}
        FROM unnest({", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())})
            WITH ORDINALITY AS given({", ".join(_COLUMNS)}, place)
        ORDER BY place
        ON CONFLICT DO NOTHING
        RETURNING id, uuid, lane
    ), queued AS (
        INSERT INTO job (pool, kind, subject, lane, gate, priority, run_at, attempts, lease_owner, note, created_at)
        SELECT '{APPLY}', 'apply', id, lane, '', 0, :moment, 0, '', '', :moment FROM new ORDER BY id
        ON CONFLICT DO NOTHING
    )
    SELECT uuid FROM new
    """  # noqa: S608 - constants of this module
)


def _store_at_once(session: Session, rows: list[dict[str, Any]]) -> set[str]:
    values: dict[str, Any] = {name: [row[name] for row in rows] for name in _COLUMNS}
    values["headers"] = [json.dumps(headers) for headers in values["headers"]]
    stored = set(session.connection().scalars(_AT_ONCE, values | {"moment": clock.now()}))
    if stored:
        wakes(session, APPLY)
    return stored
