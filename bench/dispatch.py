"""Dispatch to a provider that answers at once: queued messages a second, with history, attempts and holds on."""

import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.request import Request as HttpRequest
from urllib.request import urlopen

from sqlalchemy import func, select, text

from bench.world import ROOT, environment, python
from portal import clock, config
from portal.database import Database, open_database
from portal.installations.lifecycle import ensure_location
from portal.messaging import contacts, senders
from portal.messaging.outbound import Request, queue_message
from portal.migrate import upgrade
from portal.models import Base, InstallState, Message, Status
from portal.queue import gates
from portal.services import Services, make_services
from portal.worker.process import WorkerProcess


def provider(calls: Path | None = None) -> tuple["subprocess.Popen[bytes]", int]:
    """The stand-in provider in a process of its own, and its port. It writes down its calls when it is told where."""
    command = [python(), "-m", "bench.provider", *([str(calls)] if calls else [])]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE)
    assert process.stdout is not None
    return process, int(process.stdout.readline())


def fresh(env: Mapping[str, str]) -> Services:
    """An empty portal with these settings."""
    settings = config.load(env)
    database = open_database(settings.database_url)
    with database.engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS alembic_version"))
    Base.metadata.drop_all(database.engine)
    upgrade(settings)
    return make_services(settings, database)


def fill(parts: Services, count: int, lanes: int, port: int) -> None:
    """One installed location with one Cast sender, and so many queued messages over so many conversations."""
    with parts.database.write() as session:
        place = ensure_location(session, "bench")
        place.install_state, place.country = InstallState.INSTALLED, "PH"
        wanted = senders.NewSender(
            "cast", "bench", {"api_key": "k", "sender_id": "BENCH"}, f"http://127.0.0.1:{port}", operator=True
        )
        sender = senders.add(session, parts.vault, place, wanted)
        # The portal is measured, not Cast's limit.
        gates.ensure(session, gates.sender_gate(sender.id, sender.account_key), pace=0.0, burst=1.0)
    for start in range(0, count, 500):
        with parts.database.write() as session:
            place = ensure_location(session, "bench")
            for number in range(start, min(start + 500, count)):
                phone = f"+63917{1_000_000 + number % lanes}"
                contact = contacts.for_ghl(session, place.id, f"contact{number % lanes}", phone)
                queue_message(session, place, Request(contact, phone, f"Message {number}", number, clock.now()))
    if not parts.database.sqlite:
        with parts.database.write() as session:
            session.execute(text("ANALYZE"))


_NOT_THERE = (Status.QUEUED, Status.HELD, Status.SENDING, Status.UNKNOWN)


def left(database: Database) -> int:
    """Messages that the provider does not have yet."""
    with database.read() as session:
        # Polls move what was accepted further on.
        waiting = select(func.count()).select_from(Message).where(Message.status.in_(_NOT_THERE))
        return session.scalar(waiting) or 0


def dispatch(database_url: str, count: int, lanes: int) -> float:
    """Messages a second through one worker in this process."""
    process, port = provider()
    try:
        with tempfile.TemporaryDirectory() as folder:
            parts = fresh(environment(Path(folder), 1, database_url))
            fill(parts, count, lanes, port)
            worker = WorkerProcess(parts)
            worker._clockwork.start = lambda **_: None  # type: ignore[method-assign]  # sending alone is measured
            started = time.monotonic()
            worker.start()
            while left(parts.database) and time.monotonic() - started < 120:
                time.sleep(0.1)
            seconds = time.monotonic() - started
            worker.stop()
            parts.database.engine.dispose()
            return count / seconds
    finally:
        process.terminate()
        process.wait()


def dispatch_by_processes(database_url: str, count: int, processes: int) -> float:
    """Messages a second through worker processes of their own, from the first that is accepted to the last."""
    stand_in, port = provider()
    running = []
    try:
        with tempfile.TemporaryDirectory() as folder:
            env = environment(Path(folder), 1, database_url, PORTAL_ROLE="worker")
            parts = fresh(env)
            fill(parts, count, 100, port)
            running = [subprocess.Popen([python(), "app.py"], cwd=ROOT, env=env, **_QUIET) for _ in range(processes)]
            while (rest := left(parts.database)) == count:
                time.sleep(0.01)
            begun, first = time.monotonic(), rest
            while left(parts.database) and time.monotonic() - begun < 120:
                time.sleep(0.02)
            rate = first / (time.monotonic() - begun)
            for each in running:
                each.terminate()
            for each in running:
                each.wait(40)
            parts.database.engine.dispose()
            return rate
    finally:
        for process in (stand_in, *running):
            process.kill()
            process.wait()


_QUIET: dict[str, Any] = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}


def loop(count: int) -> float:
    """Requests a second of the bare HTTP client, eight threads, to the same provider: what dispatch is held against."""
    from concurrent.futures import ThreadPoolExecutor

    from portal.http import HttpClient

    process, port = provider()
    try:
        http = HttpClient()
        url = f"http://127.0.0.1:{port}/api/v1/sms/send"

        def one(number: int) -> None:
            http.request("POST", url, json={"to": "+639171234567", "message": f"m{number}"}, private_hosts=True)

        urlopen(HttpRequest(url, data=b"{}", method="POST"), timeout=5).close()
        started = time.monotonic()
        with ThreadPoolExecutor(8) as pool:
            list(pool.map(one, range(count)))
        return count / (time.monotonic() - started)
    finally:
        process.terminate()
        process.wait()
