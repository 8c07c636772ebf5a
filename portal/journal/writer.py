"""The journal: `append` returns when the request is on disk, in the database or in the spool, and not before."""

import logging
from collections.abc import Sequence

from portal.database import Database, in_short, is_away, is_conflict
from portal.errors import Overloaded
from portal.group_commit import GroupCommit
from portal.journal.entry import Entry
from portal.journal.spool import Spool
from portal.journal.store import Kept, store
from portal.writer_lock import Door

log = logging.getLogger(__name__)


class Journal:
    """Takes webhook requests of all threads and commits them together."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self.database = database
        self.spool = spool
        self._group: GroupCommit[Entry, Kept | Exception] = GroupCommit(self._commit)

    def append(self, entry: Entry) -> Kept:
        """Keeps one request. Raises `Overloaded` when neither the database nor the spool can take it."""
        kept = self._group.submit(entry)
        if isinstance(kept, Exception):
            raise kept
        return kept

    def append_all(self, entries: Sequence[Entry]) -> None:
        """Keeps what one request was cut into, in this order. Raises like `append`, some of it being kept by then."""
        for kept in self._group.submit_all(entries):
            if isinstance(kept, Exception):
                raise kept

    def _commit(self, entries: Sequence[Entry]) -> Sequence[Kept | Exception]:
        # Asked after the batch was taken: an entry that follows one already answered from the spool must find it here.
        if self.spool.in_use() and self.spool.append(entries, only_if_in_use=True):
            return [Kept.SPOOLED] * len(entries)
        try:
            return self._store(entries)
        except Exception as error:
            if is_away(error) and not is_conflict(error):
                self._spool(entries, error)
                return [Kept.SPOOLED] * len(entries)
            return [self._one_by_one(entry) for entry in entries]

    def _store(self, entries: Sequence[Entry]) -> list[Kept]:
        with self.database.write(door=Door.WEBHOOK) as session:
            return store(session, entries)

    def _one_by_one(self, entry: Entry) -> Kept | Exception:
        try:
            return self._store([entry])[0]
        except Exception as error:
            try:
                # What the database refuses is on disk there; the replay finds out whether it is this entry's fault.
                self._spool([entry], error)
            except Overloaded as full:
                return full
            return Kept.SPOOLED

    def _spool(self, entries: Sequence[Entry], error: Exception) -> None:
        log.warning("webhooks go to the spool", extra={"entries": len(entries), "error": in_short(error)})
        self.spool.append(entries)
