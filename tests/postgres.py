"""A PostgreSQL server for the tests: a given one, or a private cluster that can be stopped, killed, started again."""

import atexit
import contextlib
import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import psycopg
from psycopg import sql

from tests import scratch

INSTALLED = ("/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/opt/homebrew/opt/postgresql@*/bin")
OWNER = "sendero"
START_SECONDS = 120
STOP_SECONDS = 30


def binaries() -> Path | None:
    """The folder that holds `initdb` and `postgres`: the one on PATH, else the newest installed, else None."""
    on_path = shutil.which("initdb")
    folders = [Path(on_path).resolve().parent] if on_path else []
    for pattern in INSTALLED:
        found = Path("/").glob(pattern.removeprefix("/"))
        folders += sorted(found, key=lambda folder: [int(part) for part in _digits(folder)], reverse=True)
    return next((folder for folder in folders if (folder / "initdb").exists() and (folder / "postgres").exists()), None)


def missing() -> str:
    """Why no server can be had, "" when one can."""
    if os.environ.get("TEST_DATABASE_URL") or binaries():
        return ""
    return "no PostgreSQL server: install one (Debian, Ubuntu: apt install postgresql) or set TEST_DATABASE_URL"


@contextlib.contextmanager
def server() -> Iterator["Server"]:
    """The server of `TEST_DATABASE_URL`, whose user may create databases, or a private cluster for the while."""
    given = os.environ.get("TEST_DATABASE_URL")
    running = Server(given) if given else Cluster().start()
    try:
        yield running
    finally:
        running.close()


class Server:
    """A running server, reached by the URL of a database on it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._created: list[str] = []

    def create_database(self, name: str, template: str = "") -> str:
        """Makes a database, empty or like the one whose URL is given, to which nobody may be connected.

        Gives its URL. A random ending keeps runs on one server apart.
        """
        unique = f"{name}_{secrets.token_hex(4)}"
        like = urlsplit(template).path.lstrip("/") or "template1"
        self._run(sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(unique), sql.Identifier(like)))
        self._created.append(unique)
        return urlunsplit(urlsplit(self.url)._replace(path=f"/{unique}"))

    def drop_database(self, url: str) -> None:
        """Ends the connections to a database made here, and drops it."""
        name = urlsplit(url).path.lstrip("/")
        self._created.remove(name)
        self._run(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))

    def close(self) -> None:
        """Drops what was created and nothing else."""
        for name in list(self._created):
            self.drop_database(f"/{name}")

    def _run(self, statement: sql.Composed) -> None:
        with psycopg.connect(self.url, autocommit=True, connect_timeout=10) as connection:
            connection.execute(statement)


class Cluster(Server):
    """A private cluster on a loopback port of its own, its data in a temporary folder, gone after `close`.

    `stop` and `kill` leave the data, and `start` comes back on the same port: that is an outage. As root the server
    runs as another user, because PostgreSQL refuses root. On Linux it ends with the thread that started it.
    """

    def __init__(self, *, fsync: bool = True, settings: tuple[str, ...] = ()) -> None:
        self.port = _free_port()
        super().__init__(f"postgresql://{OWNER}@127.0.0.1:{self.port}/postgres")
        self._settings = (*settings, *(() if fsync else ("fsync=off", "full_page_writes=off")))
        self._maker = os.getpid()
        self._folder: Path | None = None
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> "Cluster":
        """Starts the server, the first time on fresh data, and returns when it takes connections."""
        if self.running:
            return self
        folder = self._folder or self._initialise()
        command = [_binary("postgres"), "-D", str(folder / "data"), "-p", str(self.port), "-k", ""]
        options = ("listen_addresses=127.0.0.1", "max_connections=200", *self._settings)
        command += [word for option in options for word in ("-c", option)]
        self._process = _spawn(_dying_with_us(command), folder)
        self._await_ready()
        return self

    def stop(self) -> None:
        """An orderly end: connections are cut, everything is written."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """A crash: connections are cut, nothing is tidied, the next start recovers from the log."""
        self._end(signal.SIGQUIT)

    def restart(self) -> None:
        self.stop()
        self.start()

    def close(self) -> None:
        """Ends the server and removes its data. A forked child that exits leaves both to its parent."""
        if os.getpid() != self._maker:
            return
        self.kill()
        self._created.clear()
        if self._folder:
            shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = None
            atexit.unregister(self.close)

    def log(self) -> str:
        """What the server said, newest last."""
        return (self._folder / "log").read_text(errors="replace") if self._folder else ""

    def _initialise(self) -> Path:
        folder = self._folder = Path(tempfile.mkdtemp(prefix="sendero-postgres-", dir=scratch.folder()))
        if account := _account():
            os.chown(folder, account.pw_uid, account.pw_gid)
        atexit.register(self.close)
        command = [_binary("initdb"), "-D", str(folder / "data"), "-U", OWNER, "-A", "trust", "-E", "UTF8"]
        if _spawn([*command, "--locale=C", "--no-sync"], folder).wait() != 0:
            raise RuntimeError(f"initdb failed: {self.log()}")
        return folder

    def _await_ready(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                psycopg.connect(self.url, connect_timeout=2).close()
                return
            except psycopg.OperationalError as error:
                if not self.running or time.monotonic() > deadline:
                    raise RuntimeError(f"PostgreSQL did not start: {self.log()[-2000:]}") from error
            time.sleep(0.02)

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None or process.poll() is not None:
            return
        process.send_signal(how)
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _spawn(command: list[str], folder: Path) -> subprocess.Popen[bytes]:
    """Runs a server program as a user who is not root, in a session of its own, so that Ctrl-C does not reach it."""
    account = _account()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
    with (folder / "log").open("ab") as log:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd=folder,
            env=environment,
            start_new_session=True,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=[] if account else None,
        )


def _dying_with_us(command: list[str]) -> list[str]:
    """Where `setpriv` exists, the server stops in order even when the tests are killed, and no orphan stays."""
    setpriv = shutil.which("setpriv")
    return [setpriv, "--pdeathsig", "INT", *command] if setpriv else command


def _account() -> pwd.struct_passwd | None:
    """Whom the server runs as when we are root; None when we are somebody else already."""
    if os.geteuid() != 0:
        return None
    for name in ("postgres", "nobody"):
        with contextlib.suppress(KeyError):
            return pwd.getpwnam(name)
    raise RuntimeError("PostgreSQL refuses to run as root, and there is neither a user postgres nor nobody")


def _binary(name: str) -> str:
    folder = binaries()
    if folder is None:
        raise RuntimeError(missing())
    return str(folder / name)


def _digits(folder: Path) -> list[str]:
    return "".join(letter if letter.isdigit() else " " for letter in str(folder)).split()


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
