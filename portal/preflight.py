"""Looks before the start: every missing prerequisite is named in one line with its remedy."""

import errno
import os
import socket
import sqlite3
import time
from pathlib import Path

from portal.config import Settings
from portal.errors import SettingsError

# RETURNING came with 3.35.
OLDEST_SQLITE = (3, 35, 0)
# A process that was just killed may hold the port or the lock for a moment longer.
PATIENCE_SECONDS = 5.0


def check(settings: Settings) -> None:
    """Raises `SettingsError` with one sentence for each fault of the machine."""
    faults = [*_folders(settings), *_sqlite(settings)]
    if settings.role != "worker":
        faults += _port(settings.bind_host, settings.port, "PORT")
    if settings.sandbox:
        faults += _port(settings.bind_host, settings.sandbox_port, "SANDBOX_PORT")
    if faults:
        raise SettingsError(faults)


def _folders(settings: Settings) -> list[str]:
    wanted = {"INSTANCE_DIR": settings.instance_dir, "SPOOL_DIR": settings.spool_dir, "MEDIA_DIR": settings.media_dir}
    if settings.sqlite:
        wanted["DATABASE_URL"] = Path(settings.database_url.removeprefix("sqlite:///")).parent
    faults = []
    for name, folder in wanted.items():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            probe = folder / f".probe-{os.getpid()}"
            probe.touch()
            probe.unlink()
        except OSError as error:
            faults.append(f"{folder} cannot be written ({error.strerror}): make it writable or set {name} elsewhere.")
    return faults


def _sqlite(settings: Settings) -> list[str]:
    if not settings.sqlite or sqlite3.sqlite_version_info >= OLDEST_SQLITE:
        return []
    oldest = ".".join(map(str, OLDEST_SQLITE))
    return [
        f"SQLite {sqlite3.sqlite_version} is older than {oldest}: use a newer Python, or PostgreSQL in DATABASE_URL."
    ]


def _port(host: str, port: int, name: str) -> list[str]:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while True:
        try:
            family = socket.AF_INET6 if ":" in host else socket.AF_INET
            with socket.socket(family, socket.SOCK_STREAM) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((host, port))
            return []
        except OSError as error:
            if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
                return [f"{host} is not an address of this machine: set BIND_HOST to one, or leave it out."]
            if error.errno == errno.EACCES:
                return [f"Port {port} is not for this user ({error.strerror}): set {name} to one above 1023."]
            if time.monotonic() > deadline:
                return [f"Port {port} on {host} cannot be used ({error.strerror}): stop what uses it or set {name}."]
            time.sleep(0.1)
