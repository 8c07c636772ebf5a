"""Starts that cannot go well, and starts that are broken off: one sentence each, nothing left behind."""

import os
import socket
import sqlite3
from pathlib import Path

import pytest

from portal import preflight
from portal.errors import SettingsError
from tests.portal import PLACE, eventually
from tests.processes.harness import PATH, Process, free_port, people, settings_for, status

# A bound against hanging: a process that heard nothing is killed after 32 seconds.
SECONDS = 90


@pytest.fixture
def good(world, tmp_path):
    """Settings with which a portal would start."""
    return settings_for(world, tmp_path, f"sqlite:///{tmp_path / 'portal.db'}", free_port())


def refused(environment: dict[str, str], folder: Path) -> list[str]:
    """The lines of a start that ends at once with 2."""
    process = Process(environment, folder / f"refused-{free_port()}.log")
    try:
        assert process.wait(SECONDS) == 2, process.tail()
    finally:
        process.kill()
    lines = process.tail().splitlines()
    assert lines and all(line.startswith("sendero: ") for line in lines), lines
    return lines


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DATABASE_URL", "postgresql://portal:hush@db.example:port/portal"),
        ("DATABASE_URL", "postgresql://portal:hush@[::1/portal"),
        ("DATABASE_URL", "sqlite:///{folder}/not-a-database"),
        ("DATABASE_URL", "sqlite:///{folder}/locked"),
        ("APP_URL", "http://[::1"),
        ("APP_URL", "https://sms.example.com:99999"),
        ("APP_URL", "https://ann:hush@sms.example.com"),
        ("APP_URL", "https://sms.example.com/?a=b"),
        ("APP_URL", "https://sms example.com"),
        ("BIND_HOST", "no such host"),
        ("BIND_HOST", "a..b"),
        ("BIND_HOST", "203.0.113.1"),
        ("GHL_API_URL", "junk"),
        ("GHL_API_URL", "http://[::1"),
        ("GHL_CONVERSATION_PROVIDER_ID", ":sms"),
    ],
)
def test_a_setting_that_cannot_be_read_is_one_line(good, tmp_path, name, value):
    (tmp_path / "not-a-database").write_bytes(b"something else" * 100)
    (tmp_path / "locked.lock").mkdir()
    lines = refused({**good, name: value.format(folder=tmp_path)}, tmp_path)
    assert len(lines) == 1 and (name in lines[0] or "locked.lock" in lines[0])
    assert "hush" not in lines[0]


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"GHL_CLIENT_ID": "real-one"}, "GHL credentials"),
        ({"GHL_CLIENT_SECRET_FILE": "/run/secrets/real"}, "GHL credentials"),
        ({"APP_URL": "https://sms.example.com"}, "loopback"),
        ({"BIND_HOST": "0.0.0.0"}, "loopback"),
        ({"BIND_HOST": "::"}, "loopback"),
        ({"GHL_API_URL": "https://services.leadconnectorhq.com"}, "GHL_API_URL"),
        ({"SANDBOX_PORT": "same"}, "SANDBOX_PORT"),
        ({"PORT": "eight"}, "PORT"),
    ],
)
def test_the_sandbox_does_not_meet_the_world(tmp_path, more, word):
    port = str(free_port())
    settings = {"PATH": PATH, "SANDBOX": "1", "PORT": port, "INSTANCE_DIR": str(tmp_path / "instance")}
    lines = refused(settings | {name: port if value == "same" else value for name, value in more.items()}, tmp_path)
    assert any(word in line for line in lines), lines


def test_the_sandbox_starts_beside_a_proxy_and_ends_quietly(tmp_path):
    proxy = dict.fromkeys(("http_proxy", "HTTP_PROXY", "https_proxy", "all_proxy"), "http://127.0.0.1:1")
    settings = {"PATH": PATH, "SANDBOX": "1", "PORT": str(free_port()), "INSTANCE_DIR": str(tmp_path / "instance")}
    process = Process({**settings, **proxy}, tmp_path / "sandbox.log")
    try:
        process.wait_ready()
        process.terminate()
        assert process.wait(SECONDS) == 0
        eventually(lambda: not process.children(), what="the sandbox gone too")
        assert "Fatal" not in process.tail() and "Traceback" not in process.tail()
    finally:
        process.kill()


def test_another_way_to_the_same_file_is_no_way_past_the_lock(good, tmp_path):
    (tmp_path / "aside").symlink_to(tmp_path)
    first = Process(good, tmp_path / "first.log")
    try:
        first.wait_ready()
        for way in (f"{tmp_path}/aside/portal.db", f"{tmp_path}/./spool/../portal.db"):
            lines = refused({**good, "DATABASE_URL": f"sqlite:///{way}", "PORT": str(free_port())}, tmp_path)
            assert len(lines) == 1 and "Another portal" in lines[0]
    finally:
        first.kill()


@pytest.mark.parametrize("stage", ["checking", "migrating", "loading"])
def test_sigterm_during_the_start_ends_it(good, tmp_path, stage):
    """A web process that loads hears nothing of what granian's handler notes down in it."""
    process = Process(good, tmp_path / "broken-off.log")
    try:
        if stage != "checking":
            (first,) = eventually(process.children, what="the migrating child")
        if stage == "loading":
            eventually(lambda: [pid for pid in process.children() if pid != first], what="the web process")
        process.terminate()
        assert process.wait(SECONDS) in (0, 143, -15), process.tail()
        eventually(lambda: not process.children(), what="nobody left")
        assert "Traceback" not in process.tail()
        again = Process(good, tmp_path / "again.log")
        again.wait_ready()
        assert status(f"{again.url}/readyz/webhooks") == 200
        again.terminate()
        assert again.wait(SECONDS) == 0
    finally:
        process.kill()


def test_an_old_sqlite_is_named(monkeypatch, good, tmp_path):
    from portal import config

    for name in ("INSTANCE_DIR", "SPOOL_DIR", "MEDIA_DIR"):
        os.makedirs(good[name], exist_ok=True)
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(SettingsError) as refusal:
        preflight.check(config.load(good))
    assert len(refusal.value.faults) == 1 and "SQLite 3.34.1 is older than 3.35.0" in refusal.value.faults[0]


def test_a_slow_caller_does_not_keep_the_work_from_ending(on_sqlite):
    """granian waits for the last byte of a body that never comes, and kills in the end: by then nothing is in hand."""
    portal = on_sqlite
    running = portal.start()
    portal.prepare(PLACE)
    portal.sandbox.faults.arm("cast.send", "slow", times=None, seconds=4)
    sent = portal.sandbox.deliveries.send_many(300, contacts=people(portal.sandbox, [PLACE], 300), connections=8)
    assert all(delivery.taken for delivery in sent)
    eventually(lambda: portal.sandbox.records.count("cast.send") >= 6, what="calls in flight")
    with socket.create_connection(("127.0.0.1", portal.port)) as slow:
        slow.sendall(b"POST /webhooks/ghl HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nhalf")
        eventually(lambda: _connections(portal.port) >= 1, what="the caller is heard")
        running.terminate()
        assert running.wait(120) == 0, running.tail()
    assert "worker drained" in running.tail()
    assert portal.leased() == []
    assert portal.rows("SELECT id, status FROM part WHERE status IN ('sending', 'unknown')") == []
    assert portal.rows("SELECT count(*) FROM part WHERE status = 'queued'") > [(0,)], "it was still at it"


def _connections(port: int) -> int:
    """Accepted connections to a port of this machine, as the kernel counts them."""
    lines = Path("/proc/net/tcp").read_text().splitlines()[1:]
    fields = [line.split() for line in lines]
    return sum(each[1].endswith(f":{port:04X}") and each[3] == "01" for each in fields)
