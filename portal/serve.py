"""Starting a process in its role: checks, migrations, then granian's web processes or the worker alone.

The parent stays small and starts no thread before it forks. Everything that opens a connection lives in the children,
which end at once when the parent is killed.
"""

import ctypes
import fcntl
import logging
import multiprocessing
import multiprocessing.util
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

from portal import config, logs, signals
from portal.config import Settings
from portal.errors import SettingsError

log = logging.getLogger(__name__)

BLOCKING_THREADS = 16
# docker and systemd wait 40 seconds; the worker drains within 27.
KILL_AFTER = 32
_PR_SET_PDEATHSIG = 1


def main() -> NoReturn:
    """Runs until a signal ends it. Faults of the settings or the machine: one line each, and exit 2."""
    from portal import preflight

    # Until somebody else listens: the first process of a container hears no signal that it has no handler for.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, _: sys.exit(128 + number))
    processes: list[subprocess.Popen[bytes]] = []
    held: int | None = None
    try:
        if config.is_on(os.environ, "SANDBOX"):
            held = _write_sandbox_settings()
        settings = config.load()
        preflight.check(settings)
        lock = _lone_process(settings)
        if settings.sandbox:
            from portal.demo import start_sandbox

            processes.append(start_sandbox(settings))
    except SettingsError as error:
        for fault in error.faults:
            print(f"sendero: {fault}", file=sys.stderr)
        sys.exit(2)
    logs.configure()
    try:
        _in_child(_prepare, settings)
        if settings.role == "worker":
            _work(settings)
        _serve_web(settings)
    finally:
        for process in processes:
            process.terminate()
        for each in filter(None, (lock, held)):
            os.close(each)
    sys.exit(0)


def _write_sandbox_settings() -> int:
    """Under a lock of its own, kept while the sandbox runs: a second one must not change the first one's addresses."""
    from portal.demo import write_settings

    instance = Path(os.environ.get("INSTANCE_DIR") or config.ROOT / "instance")
    try:
        instance.mkdir(parents=True, exist_ok=True)
        lock = _hold(instance / "sandbox.lock", "Another sandbox runs here: stop it, or set INSTANCE_DIR elsewhere.")
        write_settings(os.environ, instance)
    except (OSError, ValueError) as error:
        raise SettingsError([f"The sandbox cannot be set up in {instance} ({error}): make it writable."]) from None
    return lock


def _lone_process(settings: Settings) -> int | None:
    """SQLite is for one process: the lock is inherited by the children and ends with the last of them."""
    if not settings.sqlite:
        return None
    # By the file itself: another way to it, over a link, must not lead past the lock.
    path = Path(os.path.realpath(settings.database_url.removeprefix("sqlite:///")) + ".lock")
    return _hold(path, "Another portal uses this SQLite database: stop it, or set DATABASE_URL to PostgreSQL.")


def _hold(path: Path, fault: str) -> int:
    """An exclusive lock that ends with this process and its children. Raises `SettingsError` when it is taken."""
    try:
        lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o640)
    except OSError as error:
        raise SettingsError([f"{path} cannot be opened ({error.strerror}): remove it, or make it writable."]) from None
    deadline = time.monotonic() + 5
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            if time.monotonic() > deadline:
                raise SettingsError([fault]) from None
            time.sleep(0.1)
        else:
            return lock


def _in_child(task: Callable[[Settings], None], settings: Settings) -> None:
    """Runs the task in a process of its own, so that the parent keeps neither its memory nor its connections."""
    child = multiprocessing.get_context("fork").Process(target=task, args=(settings,))
    child.start()
    try:
        child.join()
    except SystemExit:
        child.terminate()  # a migration that is broken off leaves nothing behind
        raise
    if child.exitcode:
        sys.exit(child.exitcode)


def _prepare(settings: Settings) -> None:
    from portal.migrate import Unreachable, upgrade, was_migrated

    try:
        upgrade(settings)
    except SettingsError as error:
        if isinstance(error, Unreachable) and settings.role == "web" and was_migrated(settings):
            # Started anew in the middle of an outage: the spool takes webhooks without a database.
            log.warning("database away at the start, webhooks go to the spool", extra={"reason": error.message})
            return
        for fault in error.faults:
            print(f"sendero: {fault}", file=sys.stderr)
        sys.exit(2)
    if settings.sandbox:
        _seed(settings)


def _seed(settings: Settings) -> None:
    from portal import create_app
    from portal.demo import ADMIN, seed

    password = seed(create_app(settings).extensions["portal"])
    print("\nSendero runs with a sandbox: a stand-in HighLevel and stand-in providers, on this machine alone.\n")
    print(f"  Watch a message travel:  {settings.ghl_api_url}/")
    print(f"  Open it in HighLevel:    {settings.ghl_api_url}/highlevel")
    print(f"  Sign in to the portal:   {settings.app_url}/admin")
    print(f"      as {ADMIN}, " + (f"one-time password {password}" if password else "with your own password"))
    print("\nEnd it with Ctrl-C. With GHL_CLIENT_ID and its fellows set, the same command runs for real.\n", flush=True)


def end_with_parent(parent: int) -> None:
    """The kernel kills this process when its parent dies: an orphan would keep the port and the database."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        sys.exit(1)  # it died before the kernel was asked


def _serve_web(settings: Settings) -> None:
    from granian.constants import Interfaces, Loops
    from granian.log import LogLevels

    from portal.web_server import WebServer

    server = WebServer(
        target="app:app",
        address=settings.bind_host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_processes,
        blocking_threads=BLOCKING_THREADS,
        loop=Loops.asyncio,
        workers_kill_timeout=KILL_AFTER,
        respawn_failed_workers=True,
        log_enabled=True,
        log_level=LogLevels.error,
        websockets=False,
    )
    # A child inherits granian's handler, which only makes a note, and nobody reads that for as long as the child loads.
    os.register_at_fork(after_in_child=lambda: signal.signal(signal.SIGTERM, signal.SIG_DFL))
    parent = os.getpid()
    server.serve(target_loader=lambda: _load(settings, parent), wrap_loader=False)


def _load(settings: Settings, parent: int) -> Any:
    """In the child: the application, and in the role `all` the worker beside it."""
    end_with_parent(parent)
    from portal import create_app
    from portal.web_server import DRAIN
    from portal.worker.process import SpoolKeeper, WorkerProcess

    app = create_app(settings)
    services = app.extensions["portal"]
    background = WorkerProcess(services) if settings.role == "all" else SpoolKeeper(services)
    # Runs when granian has answered its last request and the process is about to end.
    multiprocessing.util.Finalize(None, background.stop, exitpriority=100)
    # There is work in hand from here on. SIGTERM is granian's as soon as it listens.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    signal.signal(DRAIN, lambda *_: threading.Thread(target=background.stop, name="drain").start())
    signals.hear()
    background.start()
    return app


def _work(settings: Settings) -> NoReturn:
    from portal import create_app
    from portal.worker.process import WorkerProcess

    app = create_app(settings)
    worker = WorkerProcess(app.extensions["portal"])
    ending = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ending.set())
    signals.hear()
    worker.start()
    ending.wait()
    sys.exit(0 if worker.stop() else 1)
