"""Draining the spool: every machine's spooled webhooks go into the journal in the order in which they came in."""

import heapq
import logging
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from sqlalchemy.exc import SQLAlchemyError

from portal.database import Database, is_away
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
    if not spool.in_use() or not database.answers():
        return 0
    with spool.drain_alone() as alone:
        if not alone:
            return 0
        offsets: dict[Path, int] = {}
        moved = 0
        while _unread(spool, offsets) > _SMALL_REST:
            before = moved
            moved += _pass(database, spool, offsets, time.time_ns())
            if moved == before:
                break
        with spool.closed_for_appends():
            # Nothing is appended now, so nothing is held back: a clock may have been set back meanwhile.
            moved += _pass(database, spool, offsets, None)
            spool.clear(offsets)
    log.info("spool drained", extra={"entries": moved})
    return moved


def _unread(spool: Spool, offsets: dict[Path, int]) -> int:
    return sum(path.stat().st_size - offsets.get(path, 0) for path in spool.files())


def _pass(database: Database, spool: Spool, offsets: dict[Path, int], cutoff: int | None) -> int:
    """Replays what was received up to `cutoff` (taken before the files are looked at), merged over all files.

    Without the cut-off an entry could be replayed before one of another file that its sender had been answered first.
    """
    streams = [_stream(path, offsets.get(path, 0), path.stat().st_size, cutoff) for path in spool.files()]
    merged = heapq.merge(*streams, key=lambda item: item[0].received_ns)
    moved = 0
    while batch := list(islice(merged, _BATCH)):
        _store(database, spool, [entry for entry, _, _ in batch])
        for _, path, offset in batch:
            offsets[path] = offset
        moved += len(batch)
    return moved


def _store(database: Database, spool: Spool, entries: Sequence[Entry]) -> None:
    try:
        with database.write() as session:
            store(session, entries)
    except SQLAlchemyError as error:
        if is_away(error):
            raise
        if len(entries) == 1:
            # One entry that the database refuses must not hold back all that came after it.
            spool.set_aside(entries[0])
            return
        for entry in entries:
            _store(database, spool, [entry])


def _stream(path: Path, offset: int, end: int, cutoff: int | None) -> Iterator[tuple[Entry, Path, int]]:
    for entry, after in read_entries(path, offset, end):
        if cutoff is not None and entry.received_ns > cutoff:
            return
        yield entry, path, after
