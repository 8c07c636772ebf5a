"""How many requests a key makes in a minute, over all processes, and when it was used last.

A process takes a share of the minute's budget with one write and spends it in memory. So the limit is never passed,
and few requests write; what a process took and did not spend is lost to the others until the minute is over.
"""

import math
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import update
from sqlalchemy.orm import Session

from portal import clock
from portal.database import Database, insert_new
from portal.models import ApiKey, ApiUse

WINDOW = timedelta(minutes=1)
# Requests of a minute's budget that are taken at a time: one write for so many.
SHARES = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """A key's minute: the limit, what is left of it as far as this process knows, and the seconds until the next."""

    limit: int
    left: int
    resets_in: int
    allowed: bool = True


@dataclass(slots=True)
class _Taken:
    """What this process has of a minute. `beyond` is what nobody had taken when it looked last."""

    begins: datetime
    mine: int
    beyond: int


class ApiUses:
    """The counts of one process. Safe between threads and after a fork."""

    def __init__(self) -> None:
        self._taken: dict[int, _Taken] = {}
        self._lock = threading.Lock()

    def spend(self, database: Database, key: ApiKey) -> Standing:
        """Counts one request of the key. Not `allowed`: its minute is used up, and nothing was counted."""
        moment = clock.now()
        begins = moment.replace(second=0, microsecond=0)
        resets = max(math.ceil((begins + WINDOW - moment).total_seconds()), 1)
        with self._lock:
            if (found := self._spend(key.id, begins)) is not None:
                return Standing(key.per_minute, found, resets)
        # Not under the lock: a transaction may wait.
        taken, beyond = database.patiently(lambda session: _take(session, key, begins))
        with self._lock:
            known = self._taken.get(key.id)
            mine = known.mine if known is not None and known.begins == begins else 0
            self._taken[key.id] = _Taken(begins, mine + taken, beyond)
            left = self._spend(key.id, begins)
        return Standing(key.per_minute, left or 0, resets, allowed=left is not None)

    def _spend(self, key_id: int, begins: datetime) -> int | None:
        taken = self._taken.get(key_id)
        if taken is None or taken.begins != begins or taken.mine <= 0:
            return None
        taken.mine -= 1
        return taken.mine + taken.beyond


def _take(session: Session, key: ApiKey, begins: datetime) -> tuple[int, int]:
    """Takes a share of the minute; returns it, and what is left to all. Writes the last use down along with it."""
    insert_new(session, ApiUse, {"key_id": key.id, "begins": begins, "used": 0})
    row = session.get_one(ApiUse, key.id, with_for_update=True, populate_existing=True)
    if row.begins < begins:
        row.begins, row.used = begins, 0
    share = max(min(math.ceil(key.per_minute / SHARES), key.per_minute - row.used), 0)
    row.used += share
    stale = ApiKey.id == key.id, (ApiKey.last_used_at.is_(None)) | (ApiKey.last_used_at < begins)
    session.execute(update(ApiKey).where(*stale).values(last_used_at=clock.now()))
    return share, key.per_minute - row.used
