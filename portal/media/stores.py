"""Where files are kept: new ones in the first store that is set, older ones wherever they were put."""

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from portal.http import HttpClient
from portal.media.folder import Folder, Incoming, StoreError
from portal.media.s3 import S3, Bucket

# Left free on the disk of MEDIA_DIR: the database and the spool may be on it, and they matter more.
SPARE = 200 * 1000 * 1000


class Store(Protocol):
    """A place for files. All methods raise `StoreError`."""

    name: str

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Keeps the file at `path` under a name, durably when it returns. May be repeated."""
        ...

    def read(self, name: str, start: int, length: int) -> AbstractContextManager[Iterator[bytes]]:
        """So many bytes of a file from `start` on, in pieces."""
        ...

    def delete(self, name: str) -> None:
        """Removes a file. May be repeated."""
        ...

    def check(self) -> str:
        """Where it is, in words, when it can be used."""
        ...


class Stores:
    """All stores that the settings name. The folder is always one of them, so that its files stay readable."""

    def __init__(self, http: HttpClient, root: Path, buckets: Sequence[Bucket | None] = ()) -> None:
        folder = Folder(root)
        named: list[Store] = [folder if each is None else S3(http, each) for each in buckets]
        self.first: Store = named[0] if named else folder
        self.known: dict[str, Store] = {each.name: each for each in [*named, folder]}
        self.incoming = Incoming(root, SPARE)

    def get(self, name: str) -> Store:
        """The store that a file's row names. Raises `StoreError` when the settings do not know it any more."""
        try:
            return self.known[name]
        except KeyError:
            raise StoreError(f"MEDIA_S3 does not name the store {name} any more: add it at the end.") from None


def stored_name(key: str) -> str:
    """A file's name in its store, spread over folders: always the same for a key, and it does not tell the key."""
    digest = hashlib.sha256(key.encode()).hexdigest()[:40]
    return f"{digest[:2]}/{digest[2:4]}/{digest}"
