"""Starting, stopping and dying: exit codes, sentences instead of tracebacks, no orphans, a quiet idle process."""

import os
import shutil
import signal
import socket
import time
from pathlib import Path

import pytest

from portal.sandbox import world as demo
from tests.portal import eventually
from tests.processes.harness import Process, free_port, people, settings_for, settled, status

PLACE = demo.DEMO_LOCATIONS[0]
DRAIN_SECONDS = 30
COUNT = 60


def refused(environment: dict[str, str], folder: Path, *before: str) -> list[str]:
    """The lines of a start that ends at once with 2."""
    process = Process(environment, folder / f"refused-{free_port()}.log", *before)
    try:
        assert process.wait(120) == 2, process.tail()
    finally:
        process.kill()
    lines = process.tail().splitlines()
    assert lines and all(line.startswith("sendero: ") for line in lines), lines
    return lines


@pytest.fixture
def good(world, tmp_path):
    """Settings with which a portal would start."""
    return settings_for(world, tmp_path, f"sqlite:///{tmp_path / 'portal.db'}", free_port())


def test_every_bad_setting_is_one_line(good, tmp_path):
    del good["APP_URL"]
    bad = {
        "SECRET_KEY": "short",
        "ENCRYPTION_KEYS": "none",
        "GHL_CLIENT_SECRET": "changeme",
        "GHL_WEBHOOK_PUBLIC_KEYS": "junk",
        "GHL_CONVERSATION_PROVIDER_ID": "abc:fax",
        "PORT": "70000",
        "PORTAL_ROLE": "both",
        "DATABASE_URL": "mysql://x",
    }
    lines = refused({**good, **bad}, tmp_path)
    for name in ("APP_URL", *bad):
        assert sum(line.split()[1].rstrip(":") == name for line in lines) == 1, (name, lines)
    assert len(lines) == len(bad) + 1
    assert not any(value in "\n".join(lines) for value in ("changeme", "junk", "mysql")), "values stay out"


def test_an_empty_environment_is_told_what_is_missing(good, tmp_path):
    folders = {name: good[name] for name in ("PATH", "INSTANCE_DIR", "SPOOL_DIR", "MEDIA_DIR")}
    lines = refused(folders, tmp_path)
    assert all(" is missing: " in line for line in lines) and len(lines) >= 5


@pytest.mark.parametrize("more", [{"PORTAL_ROLE": "web"}, {"PORTAL_ROLE": "worker"}, {"WEB_PROCESSES": "2"}])
def test_sqlite_is_for_one_process(good, tmp_path, more):
    lines = refused({**good, **more}, tmp_path)
    assert len(lines) == 1 and "PostgreSQL" in lines[0]


def test_a_port_in_use_is_named(good, tmp_path):
    with socket.create_server(("127.0.0.1", int(good["PORT"]))):
        lines = refused(good, tmp_path)
    assert len(lines) == 1 and good["PORT"] in lines[0]


def test_a_database_that_is_not_there_is_named(good, tmp_path):
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/none"
    lines = refused({**good, "DATABASE_URL": url}, tmp_path)
    assert len(lines) == 1 and "DATABASE_URL" in lines[0]


def test_folders_that_cannot_be_written_are_named(good, tmp_path):
    before = []
    if os.geteuid() == 0:
        if not (setpriv := shutil.which("setpriv")):
            pytest.skip("needs setpriv, to take root's right to write anywhere")
        before = [setpriv, "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o555)
    closed = {**good, "INSTANCE_DIR": f"{folder}/instance", "SPOOL_DIR": f"{folder}/spool"}
    closed |= {"MEDIA_DIR": f"{folder}/media", "DATABASE_URL": f"sqlite:///{folder}/portal.db"}
    lines = refused(closed, tmp_path, *before)
    for setting in ("INSTANCE_DIR", "SPOOL_DIR", "MEDIA_DIR", "DATABASE_URL"):
        assert sum(f"set {setting} elsewhere" in line for line in lines) == 1, lines
    assert len(lines) == 4


def test_a_second_portal_on_one_sqlite_file_is_refused(good, world, tmp_path):
    first = Process(good, tmp_path / "first.log")
    try:
        first.wait_ready()
        lines = refused({**good, "PORT": str(free_port())}, tmp_path)
        assert len(lines) == 1 and "Another portal" in lines[0]
        assert status(f"{first.url}/livez") == 200
    finally:
        first.kill()


def test_sigterm_drains_and_leaves_nothing_leased(deployment):
    on_sqlite = deployment.database_url.startswith("sqlite")
    running = [deployment.launch(role) for role in (["all"] if on_sqlite else ["web", "worker", "worker"])]
    for process in running:
        process.wait_ready()
    deployment.prepare(PLACE)
    sandbox = deployment.sandbox
    slow = sandbox.faults.arm("cast.send", "slow", times=None, seconds=2)
    sent = sandbox.deliveries.send_many(COUNT, contacts=people(sandbox, [PLACE], COUNT // 2), connections=16)
    assert all(delivery.taken for delivery in sent)
    eventually(lambda: sandbox.records.count("cast.send") >= 6, what="calls in flight")
    calls = sandbox.records.count("cast.send")
    assert len(sandbox.cast.accepted()) < COUNT
    began = time.monotonic()
    for process in running:
        process.terminate()
    codes = [process.wait(DRAIN_SECONDS + 5) for process in running]
    took = time.monotonic() - began
    print(f"drained in {took:.1f} s with {calls} calls begun")
    assert codes == [0] * len(running), deployment.tails()
    assert took <= DRAIN_SECONDS
    assert deployment.leased() == []
    assert deployment.rows("SELECT id, status FROM part WHERE status IN ('sending', 'unknown')") == []
    accepted = len(sandbox.cast.accepted())
    known = deployment.rows("SELECT count(*) FROM part WHERE status IN ('accepted', 'sent', 'delivered')")
    assert known == [(accepted,)], "what a provider took was written down before the end"
    sandbox.faults.disarm(slow)
    for role in {process.role for process in running}:
        deployment.start(role)
    settled(deployment, {delivery.message.id: "delivered" for delivery in sent})
    assert sandbox.cast.repeats() == {} and len(sandbox.cast.accepted()) == COUNT
    assert set(sandbox.cast.calls_by_key.values()) == {1}, "an orderly end leaves nothing in doubt"
    assert deployment.complaints() == []


def test_a_killed_parent_leaves_no_orphan(on_sqlite):
    deployment = on_sqlite
    first = deployment.start()
    deployment.prepare(PLACE)
    children = first.children()
    assert children, "the parent serves nothing itself"
    first.kill_parent()
    eventually(lambda: not first.children(), what="the children gone")
    # A process whose first thread is gone may hold its sockets for some milliseconds more.
    eventually(lambda: _free(deployment.port), what="the port free")
    deployment.start()
    sent = deployment.sandbox.deliveries.send("Still there?")
    assert sent.taken
    settled(deployment, {sent.message.id: "delivered"})


@pytest.mark.postgres
def test_killed_web_children_are_replaced_however_often(on_postgres):
    web = on_postgres.start("web", WEB_PROCESSES="2")
    for victims in (1, 1, 2):
        before = eventually(lambda: len(web.children()) == 2 and web.children(), what="two children")
        kept = set(before[victims:])
        for pid in before[:victims]:
            os.kill(pid, signal.SIGKILL)
        eventually(lambda kept=kept: len(web.children()) == 2 and kept < set(web.children()), what="new children")
        assert web.alive and eventually(lambda: status(f"{web.url}/livez") == 200)


@pytest.mark.postgres
def test_an_idle_portal_uses_next_to_nothing(on_sqlite, on_postgres):
    portals = [on_sqlite.start(), on_postgres.start()]
    time.sleep(2)
    began, used = time.monotonic(), [portal.cpu_seconds() for portal in portals]
    time.sleep(8)
    took = time.monotonic() - began
    for portal, before in zip(portals, used, strict=True):
        share = (portal.cpu_seconds() - before) / took
        memory = [_resident_mib(pid) for pid in [portal.pid, *portal.children()]]
        print(f"idle: {share:.2%} of a core, resident {' + '.join(f'{size:.0f}' for size in memory)} MiB")
        assert share <= 0.05


def _free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def _resident_mib(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
