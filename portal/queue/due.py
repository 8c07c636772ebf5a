"""What is due in a pool, read gate by gate: what waits behind a gate that is shut is never read, however much it is."""

import json
from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Row, TextClause, bindparam, text
from sqlalchemy.orm import Session

from portal.models.base import UtcDateTime
from portal.queue.jobs import PRIORITIES

# Jobs of a gate that are looked at, however many gates there are.
FEWEST = 4


def waiting_gates(session: Session, pool: str, moment: datetime) -> Sequence[Row[Any]]:
    """Every gate that jobs of the pool name: its name, `blocked_until`, `next_at`, `failures` (None: no row).

    With each of them the pool's `next_run`: the earliest time after `moment` at which a job is due by its own clock.
    """
    return session.connection().execute(_GATES, {"pool": pool, "moment": moment}).all()


def due_lanes(
    session: Session,
    pool: str,
    gates: Sequence[str],
    seen: Collection[str],
    moment: datetime,
    most: int,
    *,
    open_heads: bool = False,
) -> tuple[dict[str, str], bool]:
    """Lanes with something due and nothing leased, with the gate that lets them in: most urgent first, none of `seen`.

    `most` is the number of jobs that are looked at; every gate has its share of it. With the lanes: may there be more?
    `open_heads` leaves out lanes whose head waits at another gate than `gates`; that asks more of the database.
    """
    if not gates:
        return {}, False
    each = max(FEWEST, most // len(gates))
    lists = {"gates": list(gates), "priorities": list(PRIORITIES), "seen": list(seen)}
    sqlite = session.get_bind().dialect.name == "sqlite"
    given = {name: json.dumps(values) for name, values in lists.items()} if sqlite else lists
    rows = session.connection().execute(
        (_DUE_ON_SQLITE if sqlite else _DUE)[open_heads], {"pool": pool, "moment": moment, "most": each, **given}
    )
    found = rows.all()
    return {row.lane: row.gate for row in found}, len(found) >= each


def heads(session: Session, lanes: Sequence[str], most: int) -> dict[str, list[Row[Any]]]:
    """The first jobs of each lane in order, at most so many: deep lanes are not read to their end."""
    sqlite = session.get_bind().dialect.name == "sqlite"
    wanted = {"lanes": json.dumps(lanes) if sqlite else list(lanes), "most": most}
    found: dict[str, list[Row[Any]]] = {}
    for row in session.connection().execute(_HEADS_ON_SQLITE if sqlite else _HEADS, wanted):
        found.setdefault(row.lane, []).append(row)
    return found


# Neither engine finds the few different values of a column in an index by itself: this steps from one to the next.
_GATES = text(
    "WITH RECURSIVE waiting(name) AS ("
    "SELECT min(job.gate) FROM job WHERE job.pool = :pool UNION ALL "
    "SELECT (SELECT min(job.gate) FROM job WHERE job.pool = :pool AND job.gate > waiting.name)"
    " FROM waiting WHERE waiting.name IS NOT NULL) "
    "SELECT waiting.name, gate.blocked_until, gate.next_at, gate.failures, ("
    "SELECT min(job.run_at) FROM job WHERE job.pool = :pool AND job.run_at > :moment"
    " AND (job.lease_until IS NULL OR job.lease_until < :moment)) AS next_run "
    "FROM waiting LEFT JOIN gate ON gate.key = waiting.name WHERE waiting.name IS NOT NULL"
).columns(blocked_until=UtcDateTime(), next_at=UtcDateTime(), next_run=UtcDateTime())
_GATES = _GATES.bindparams(bindparam("moment", type_=UtcDateTime()))

_MAY_START = (
    " AND run_at <= :moment AND (lease_until IS NULL OR lease_until < :moment)"
    " AND lane NOT IN (SELECT leased.lane FROM job AS leased WHERE leased.lease_until >= :moment)"
)
_moment = bindparam("moment", type_=UtcDateTime())
# LATERAL stops after the first rows of each gate, however much waits there.
_FIRST = f"""
    SELECT lane, gate, priority, run_at, id FROM job
    WHERE pool = :pool AND gate = open.gate AND priority = ranked.priority {_MAY_START}
    AND lane <> ALL (CAST(:seen AS varchar[])) ORDER BY run_at, id
    """  # noqa: S608 - constants of this module
_FIRST_ON_SQLITE = f"""
    SELECT id, lane FROM job
    WHERE pool = :pool AND gate = open.value AND priority = ranked.value {_MAY_START}
    AND lane NOT IN (SELECT value FROM json_each(:seen)) ORDER BY run_at, id
    """  # noqa: S608 - constants of this module
# Lanes whose head waits at a gate that is shut would fill the list of another gate, and keep its other lanes waiting.
_HEAD_GATE = "(SELECT head.gate FROM job AS head WHERE head.lane = one.lane ORDER BY head.id LIMIT 1)"
# OFFSET has the rows looked at in the order of the index, so that LIMIT stops here too.
_OPEN = f"SELECT * FROM ({_FIRST} OFFSET 0) AS one WHERE {_HEAD_GATE} = ANY (CAST(:gates AS varchar[]))"  # noqa: S608
_OPEN_ON_SQLITE = (
    f"SELECT * FROM ({_FIRST_ON_SQLITE}) AS one WHERE {_HEAD_GATE} IN (SELECT value FROM json_each(:gates))"  # noqa: S608
)


def _due(first: str) -> TextClause:
    return text(
        f"""
        SELECT due.lane, due.gate FROM unnest(CAST(:gates AS varchar[])) AS open(gate)
        CROSS JOIN unnest(CAST(:priorities AS integer[])) AS ranked(priority)
        CROSS JOIN LATERAL ({first} LIMIT :most) AS due ORDER BY due.priority, due.run_at, due.id
        """  # noqa: S608 - constants of this module
    ).bindparams(_moment)


def _due_on_sqlite(first: str) -> TextClause:
    return text(
        f"""
        SELECT job.lane, job.gate FROM json_each(:gates) AS open JOIN json_each(:priorities) AS ranked
        JOIN job ON job.id IN (SELECT id FROM ({first} LIMIT :most) AS some)
        ORDER BY job.priority, job.run_at, job.id
        """  # noqa: S608 - constants of this module
    ).bindparams(_moment)


_DUE = {False: _due(_FIRST), True: _due(_OPEN)}
_DUE_ON_SQLITE = {False: _due_on_sqlite(_FIRST_ON_SQLITE), True: _due_on_sqlite(_OPEN_ON_SQLITE)}
_HEADS = text(
    "SELECT head.* FROM unnest(CAST(:lanes AS varchar[])) AS wanted(name) CROSS JOIN LATERAL ("
    "SELECT * FROM job WHERE job.lane = wanted.name ORDER BY job.id LIMIT :most) AS head ORDER BY head.lane, head.id"
)
_HEADS_ON_SQLITE = text(
    "SELECT job.* FROM json_each(:lanes) AS wanted JOIN job ON job.id IN ("
    "SELECT head.id FROM job AS head WHERE head.lane = wanted.value ORDER BY head.id LIMIT :most) ORDER BY lane, id"
).columns(run_at=UtcDateTime(), created_at=UtcDateTime(), lease_until=UtcDateTime())
