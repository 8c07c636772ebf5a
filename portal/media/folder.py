"""The store on this machine: a folder with shards. A file is there whole or not at all, whenever the process dies."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from uuid import uuid4

from portal.errors import PortalError

INCOMING = "incoming"
PIECE = 256 * 1024
# What a process left behind when it was killed; no fetch lasts for so long.
LEFTOVER_SECONDS = 3600.0


class StoreError(PortalError):
    """The store cannot be used now: full, away, or it refuses us. `missing`: it has no such file."""

    http_status = 503

    def __init__(self, message: str, *, missing: bool = False) -> None:
        super().__init__(message)
        self.missing = missing


class Incoming:
    """Where files arrive before they are kept: on the disk of `MEDIA_DIR`, whatever the store is."""

    def __init__(self, root: Path, spare: int) -> None:
        self.folder = root / INCOMING
        self.spare = spare

    @contextmanager
    def place(self, size: int) -> Iterator[Path]:
        """A path for one file, removed at the end if it is still there.

        `size` is what is expected, in bytes; `spare` bytes are left free for the database and the spool. Raises
        `StoreError` when there is no room, and for what the disk refuses while the file is written.
        """
        path = self.folder / uuid4().hex
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            free = shutil.disk_usage(self.folder).free
        except OSError as error:
            raise StoreError(f"MEDIA_DIR cannot be written ({error.strerror}).") from None
        if free < size + self.spare:
            raise StoreError(f"The disk of MEDIA_DIR has no room: {free // 1_000_000} MB are free.")
        try:
            yield path
        except OSError as error:
            raise StoreError(f"MEDIA_DIR cannot be written ({error.strerror}).") from None
        finally:
            with suppress(OSError):
                path.unlink(missing_ok=True)

    def sweep(self) -> int:
        """Removes what killed processes left behind; how many files."""
        before, removed = time.time() - LEFTOVER_SECONDS, 0
        for path in self.folder.glob("*"):
            with suppress(OSError):
                if path.stat().st_mtime < before:
                    path.unlink()
                    removed += 1
        return removed


class Folder:
    """Files by name under `root`. Names have slashes and come from us alone."""

    name = "folder"

    def __init__(self, root: Path) -> None:
        self.root = root

    def put(self, name: str, path: Path, _sha256: str) -> None:
        """Takes the file at `path`, which is on disk already and of the same file system, under a name."""
        target = self.root / name
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(path, target)
            # The name is on disk only when its folder is; a new folder's own name likewise.
            for folder in (target.parent, target.parent.parent, self.root):
                _sync(folder)
        except OSError as error:
            raise StoreError(f"MEDIA_DIR cannot be written ({error.strerror}).") from None

    @contextmanager
    def read(self, name: str, start: int, length: int) -> Iterator[Iterator[bytes]]:
        """So many bytes of a file from `start` on, in pieces."""
        try:
            file = (self.root / name).open("rb")
        except FileNotFoundError:
            raise StoreError("The file is not in MEDIA_DIR.", missing=True) from None
        except OSError as error:
            raise StoreError(f"MEDIA_DIR cannot be read ({error.strerror}).") from None
        with file:
            file.seek(start)
            yield _pieces(file, length)

    def delete(self, name: str) -> None:
        """Removes a file; one that is not there is removed already."""
        try:
            (self.root / name).unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"A file in MEDIA_DIR cannot be removed ({error.strerror}).") from None

    def check(self) -> str:
        """Where it is, in words. Raises `StoreError` when it cannot be written."""
        probe = self.root / f".probe-{uuid4().hex}"
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            probe.touch()
            probe.unlink()
        except OSError as error:
            raise StoreError(f"{self.root} cannot be written ({error.strerror}).") from None
        return str(self.root)


def _sync(folder: Path) -> None:
    number = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(number)
    finally:
        os.close(number)


def _pieces(file: object, left: int) -> Iterator[bytes]:
    while left > 0:
        piece: bytes = file.read(min(PIECE, left))  # type: ignore[attr-defined]
        if not piece:
            return
        left -= len(piece)
        yield piece
