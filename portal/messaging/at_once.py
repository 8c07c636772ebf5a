"""On PostgreSQL: what a group of accepted calls comes to, in one round trip.

Round trips are what a commit costs there. The statement does for all rows what `portal.messaging.accepting` does in
several statements on SQLite; rows that are not as expected are left alone and looked at one by one.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import text
from sqlalchemy.orm import Session

_COLUMNS = {
    "part": "bigint",
    "message": "bigint",
    "job": "bigint",
    "attempt": "integer",
    "external_id": "varchar",
    "code": "varchar",
    "segments": "integer",
    "next_poll_at": "timestamptz",
    "who": "varchar",
    "sender": "bigint",
    "idempotency_key": "varchar",
    "started_at": "timestamptz",
    "request": "text",
    "response": "text",
    "wallet": "bigint",
    "ledger_key": "varchar",
    "price": "bigint",
}
_ARRAYS = ", ".join(f"CAST(:{name} AS {kind}[])" for name, kind in _COLUMNS.items())

_ACCEPT = text(
    f"""
    WITH given AS MATERIALIZED (
        SELECT * FROM unnest({_ARRAYS}) AS given({", ".join(_COLUMNS)}) ORDER BY message
    ), held AS MATERIALIZED (
        SELECT message.id FROM message WHERE message.id = ANY(CAST(:message AS bigint[]))
        AND status = 'sending' ORDER BY message.id FOR UPDATE
    ), moved AS (
        UPDATE part SET status = 'accepted', external_id = given.external_id, accepted_at = :moment,
            code = given.code, segments = given.segments, next_poll_at = given.next_poll_at, detail = ''
        FROM given JOIN held ON held.id = given.message
        WHERE part.id = given.part AND part.attempt = given.attempt AND part.status = 'sending'
        RETURNING part.id
    ), done AS MATERIALIZED (
        SELECT given.* FROM given JOIN moved ON moved.id = given.part
    ), messages AS (
        UPDATE message SET status = 'accepted', status_at = :moment, reason = '', error_code = ''
        FROM done WHERE message.id = done.message
    ), history AS (
        INSERT INTO status_change (message_id, before, after, who, code, detail, at)
        SELECT message, 'sending', 'accepted', who, code, '', :moment FROM done
    ), attempts AS (
        INSERT INTO attempt (part_id, number, sender_id, idempotency_key, started_at, ended_at, outcome, code, detail,
            request, response)
        SELECT part, attempt, sender, idempotency_key, started_at, :moment, 'accepted', code, '', request, response
        FROM done
        ON CONFLICT DO NOTHING
    ), spent AS (
        INSERT INTO ledger_entry (wallet_id, key, kind, message_id, available, held, spent, note, at)
        SELECT wallet, ledger_key, 'settle', message, 0, -price, price, '', :moment FROM done WHERE price > 0
    ), jobs AS (
        DELETE FROM job USING done WHERE job.id = done.job
    )
    SELECT id FROM moved
    """  # noqa: S608 - constants of this module
)


def accept(session: Session, rows: Sequence[Mapping[str, Any]], moment: Any) -> set[int]:
    """Accepts the parts that are as expected and returns their ids. `rows` have the keys of `_COLUMNS`.

    Their settlements stand in the ledger then; the wallets are left to the caller.
    Raises `IntegrityError` when a provider gave one id twice or a part was settled before; nothing is written then.
    """
    columns = {name: [row[name] for row in rows] for name in _COLUMNS}
    return set(session.connection().scalars(_ACCEPT, columns | {"moment": moment}))
