"""The spool: where webhooks go while the database is away, one locked, checksummed, synced file per process.

While anything is spooled on a machine, all its processes spool, so that nothing overtakes what came before it. Appends
hold `gate` shared; the drainer takes it alone for the last records, and only then does the direct way open again.
"""

import fcntl
import logging
import os
import struct
import threading
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import BinaryIO

from portal.errors import Overloaded
from portal.journal.entry import Entry

log = logging.getLogger(__name__)

_FRAME = struct.Struct("<II")
_SUFFIX = ".spool"
# Meta's webhooks have up to 4 MiB, and base64 makes them a third larger.
_LARGEST = 8 * 1024 * 1024
# Every record begins so, and no other place in one can: bodies are base64, and quotes within texts are escaped.
_BEGINS = b'{"source":'


class Spool:
    """The spool of one process. Made after the fork; opens its file with the first append."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._active = folder / "active"
        self._path = folder
        self._file: int | None = None
        self._lock = threading.Lock()
        folder.mkdir(parents=True, exist_ok=True, mode=0o750)

    def in_use(self) -> bool:
        """True while any process of this machine has spooled entries that are not in the journal yet."""
        return self._active.exists()

    def size(self) -> int:
        """Bytes waiting in the spool files of this machine."""
        return sum(map(_size, self.files()))

    def own_size(self) -> int:
        """Bytes in this process's own file: what its bound is measured by."""
        return os.fstat(self._file).st_size if self._file is not None else 0

    def writable(self) -> bool:
        """Could an entry be written now? Not to a folder that is closed, or a disk with no room for the largest one."""
        try:
            disk = os.statvfs(self.folder)
        except OSError:
            return False
        return os.access(self.folder, os.W_OK | os.X_OK) and disk.f_bavail * disk.f_frsize > _LARGEST

    def append(self, entries: Sequence[Entry], *, only_if_in_use: bool = False) -> bool:
        """Puts the entries on disk, synced. Raises `Overloaded` when the spool is full or the disk takes no more.

        With `only_if_in_use`, returns False and writes nothing when the spool was drained meanwhile.
        """
        framed = b"".join(_frame(entry.dump()) for entry in entries)
        try:
            self.folder.mkdir(parents=True, exist_ok=True, mode=0o750)
            with self._lock, self._gate(fcntl.LOCK_SH):
                if only_if_in_use and not self.in_use():
                    return False
                self._write(framed)
        except OSError as error:
            log.critical("spool cannot be written", extra={"error": error.strerror})
            raise Overloaded("The spool cannot be written. Try again later.", retry_after=30) from error
        return True

    def _write(self, framed: bytes) -> None:
        file = self._open()
        before = os.fstat(file).st_size
        if before + len(framed) > self.max_bytes:
            raise Overloaded("The spool is full. Try again later.", retry_after=30)
        if not self.in_use():
            self._active.touch()
            _sync_folder(self.folder)
        try:
            written = 0
            while written < len(framed):
                written += os.write(file, framed[written:])
            os.fsync(file)
        except OSError:
            # A torn record would hide what is appended after it.
            os.ftruncate(file, before)
            raise

    def _open(self) -> int:
        if self._file is not None and not self._is_in_place(self._file):
            os.close(self._file)
            self._file = None
        if self._file is None:
            self._path = self.folder / f"{os.getpid()}-{os.urandom(4).hex()}{_SUFFIX}"
            self._file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o640)
            # Held for life: a spool file nobody holds is an orphan that any process may adopt.
            fcntl.flock(self._file, fcntl.LOCK_SH)
            _sync_folder(self.folder)
        return self._file

    def _is_in_place(self, file: int) -> bool:
        """What is written to a file that somebody has moved or deleted, no replay would find."""
        try:
            return os.path.samestat(os.fstat(file), self._path.stat())
        except FileNotFoundError:
            return False

    @contextmanager
    def _gate(self, how: int) -> Iterator[None]:
        with _locked(self.folder / "gate", how):
            yield

    @contextmanager
    def drain_alone(self) -> Iterator[bool]:
        """True when this caller is the machine's only drainer."""
        try:
            with _locked(self.folder / "drain", fcntl.LOCK_EX | fcntl.LOCK_NB):
                yield True
        except BlockingIOError:
            yield False

    @contextmanager
    def closed_for_appends(self) -> Iterator[None]:
        """Nothing is appended by any process of the machine inside this block."""
        with self._gate(fcntl.LOCK_EX):
            yield

    def set_aside(self, entry: Entry) -> str:
        """Keeps an entry that the database refuses, for a person. Returns the file's name; it is on disk then."""
        name = f"{entry.uuid}.refused"
        with (self.folder / name).open("wb") as file:
            file.write(entry.dump())
            file.flush()
            os.fsync(file.fileno())
        _sync_folder(self.folder)
        log.critical("spooled webhook refused by the database", extra={"kept_as": name})
        return name

    def files(self) -> list[Path]:
        """The spool files of all processes of this machine."""
        return sorted(self.folder.glob(f"*{_SUFFIX}"))

    def clear(self, torn: Collection[Path]) -> None:
        """Empties the spool. Only inside `closed_for_appends`; `torn` are files of which not all could be read.

        Those are kept as `.torn`, for a person: renamed, because a full disk takes no copy.
        """
        for path in self.files():
            if path in torn:
                path.rename(path.with_suffix(".torn"))
                log.critical("spool file torn", extra={"file": path.name, "kept_as": f"{path.stem}.torn"})
            else:
                _remove_or_empty(path)
        self._active.unlink(missing_ok=True)
        _sync_folder(self.folder)


def read_entries(path: Path, offset: int, end: int, *, to_the_end: bool = False) -> Iterator[tuple[Entry | None, int]]:
    """The entries of a spool file between two offsets, each with the offset after it.

    Stops at a record that is not whole: while the file is appended to, it may be just being written. With
    `to_the_end` such a record yields None, and what follows it is read.
    """
    with path.open("rb") as file:
        while offset < end:
            entry, after = _read(file, offset, end)
            if entry is None:
                if not to_the_end:
                    return
                after = _next_record(file, offset, end)
            yield entry, after
            offset = after


def _read(file: BinaryIO, offset: int, end: int) -> tuple[Entry | None, int]:
    """The record at an offset and the offset after it; None for one that is torn or that another version wrote."""
    file.seek(offset)
    head = file.read(min(_FRAME.size, end - offset))
    if len(head) == _FRAME.size:
        length, checksum = _FRAME.unpack(head)
        offset += _FRAME.size + length
        payload = file.read(length) if offset <= end else b""
        if len(payload) == length and zlib.crc32(payload) == checksum:
            return Entry.read(payload), offset
    return None, offset


def _next_record(file: BinaryIO, offset: int, end: int) -> int:
    """Where the record after a torn one begins, as far as can be told; `end` when there is none."""
    with mmap(file.fileno(), end, access=ACCESS_READ) as whole:
        found = whole.find(_BEGINS, offset + _FRAME.size + 1)
    return found - _FRAME.size if found >= 0 else end


def _frame(payload: bytes) -> bytes:
    return _FRAME.pack(len(payload), zlib.crc32(payload)) + payload


def _size(path: Path) -> int:
    """Its bytes; 0 when it was drained meanwhile."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0


def _remove_or_empty(path: Path) -> None:
    file = os.open(path, os.O_RDWR)
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.ftruncate(file, 0)  # its process lives and appends to the same file
            os.fsync(file)
        else:
            path.unlink()
    finally:
        os.close(file)


@contextmanager
def _locked(path: Path, how: int) -> Iterator[None]:
    file = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    try:
        fcntl.flock(file, how)
        yield
    finally:
        os.close(file)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
