"""Draining the spool: every machine's spooled webhooks go into the journal in the order in which they came in."""

import heapq
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from portal.alerts.notices import SPOOL_DAMAGED, raise_alert
from portal.database import Database, is_of_a_row
from portal.journal.entry import Entry
from portal.journal.spool import Spool, read_entries
from portal.journal.store import store

log = logging.getLogger(__name__)

_BATCH = 200
_SMALL_REST = 256 * 1024


def drain(database: Database, spool: Spool) -> int:
    """Moves everything that is spooled on this machine into the journal; returns how many entries.

    Does nothing when the spool is empty, another process drains it, or the database is still away. Safe to be killed
    at any moment: an entry that was replayed already is recognised by its own id.
    """
    if not (spool.in_use() or spool.size()) or not database.answers():
        return 0
    with spool.drain_alone() as alone:
        return _Replay(database, spool).run() if alone else 0


class _Replay:
    """One run of the drainer: how far each file is read, and which could not be read whole."""

    def __init__(self, database: Database, spool: Spool) -> None:
        self._database = database
        self._spool = spool
        self._offsets: dict[Path, int] = {}
        self._torn: set[Path] = set()
        self._moved = 0

    def run(self) -> int:
        """Returns how many entries were moved."""
        while self._unread() > _SMALL_REST:
            before = self._moved
            self._pass(time.time_ns())
            if self._moved == before:
                break
        with self._spool.closed_for_appends():
            # Nothing is appended now, so nothing is held back: a clock may have been set back meanwhile.
            self._pass(None)
            for path in self._torn:
                self._tell(
                    f"A file of spooled webhooks is damaged; what could be read of it is in the journal. The file"
                    f" is kept in SPOOL_DIR as {path.stem}.torn."
                )
            self._spool.clear(self._torn)
        log.info("spool drained", extra={"entries": self._moved})
        return self._moved

    def _unread(self) -> int:
        return sum(path.stat().st_size - self._offsets.get(path, 0) for path in self._spool.files())

    def _pass(self, cutoff: int | None) -> None:
        """Replays what was received up to `cutoff` (taken before the files are looked at), merged over all files.

        Without the cut-off an entry could be replayed before one of another file that its sender had been answered
        first.
        """
        streams = [self._stream(path, path.stat().st_size, cutoff) for path in self._spool.files()]
        merged = heapq.merge(*streams, key=lambda item: item[0].received_ns)
        while batch := list(islice(merged, _BATCH)):
            self._store([entry for entry, _, _ in batch])
            for _, path, offset in batch:
                self._offsets[path] = offset
            self._moved += len(batch)

    def _stream(self, path: Path, end: int, cutoff: int | None) -> Iterator[tuple[Entry, Path, int]]:
        for entry, after in read_entries(path, self._offsets.get(path, 0), end, to_the_end=cutoff is None):
            if entry is None:
                self._torn.add(path)
                continue
            if cutoff is not None and entry.received_ns > cutoff:
                return
            yield entry, path, after

    def _store(self, entries: Sequence[Entry]) -> None:
        try:
            with self._database.write() as session:
                store(session, entries)
        except Exception as error:
            if not is_of_a_row(error):
                raise
            if len(entries) > 1:
                for entry in entries:
                    self._store([entry])
                return
            # One entry that the database refuses must not hold back all that came after it.
            name = self._spool.set_aside(entries[0])
            self._tell(f"The database refuses a spooled webhook. It is kept in SPOOL_DIR as {name}.")

    def _tell(self, text: str) -> None:
        with self._database.write() as session:
            raise_alert(session, SPOOL_DAMAGED, "spool", text)
