"""What the image holds, started as compose.yaml starts it: one web process and two workers at the same moment, as a
user who owns none of it, with secrets in files."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
import yaml

from tests import postgres
from tests.portal import eventually
from tests.processes.harness import Process, free_port, settings_for, status
from tests.shipped import COMPOSE, ship

USER = 10001
GRACE_SECONDS = 40

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        postgres.binaries() is None and not os.environ.get("REQUIRE_POSTGRES"), reason="no PostgreSQL server binaries"
    ),
]


@pytest.fixture
def cluster():
    """A server of its own, which notes every statement that changes its tables."""
    cluster = postgres.Cluster(settings=("log_statement=ddl",)).start()
    yield cluster
    cluster.close()


@pytest.fixture
def folder():
    """A folder that another user may pass through."""
    with tempfile.TemporaryDirectory(prefix="sendero-shipped-") as made:
        os.chmod(made, 0o711)
        yield Path(made)


def as_somebody_else() -> list[str]:
    """The command that takes root's rights away, where there are any and the other user can run this Python."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return []
    words = [setpriv, f"--reuid={USER}", f"--regid={USER}", "--clear-groups", "--no-new-privs", "--bounding-set=-all"]
    works = subprocess.run([*words, sys.executable, "-c", "import flask"], capture_output=True, check=False)
    return words if works.returncode == 0 else []


def owned(path: Path) -> Path:
    path.mkdir(parents=True, exist_ok=True)
    if os.geteuid() == 0:
        os.chown(path, USER, USER)
    return path


class Compose:
    """The services of compose.yaml as processes."""

    def __init__(self, folder: Path, world, database_url: str) -> None:
        self.folder = folder
        self.app = ship(folder)
        self.before = as_somebody_else()
        self.port = free_port()
        self.plain = settings_for(world, folder, database_url, self.port)
        self.services = yaml.safe_load(COMPOSE.read_text())["services"]
        for name in self.services["web"]["secrets"]:
            self._write_secret(name)

    def _write_secret(self, name: str) -> None:
        file = self.folder / "secrets" / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(self.plain.get(name.upper(), "") + "\n")
        file.chmod(0o444)

    def environment(self, service: str, name: str) -> dict[str, str]:
        """The service's settings with its folders under ours. What is not said there comes from `.env`."""
        told = dict(self.services[service]["environment"])
        environment = {key: value for key, value in self.plain.items() if f"{key}_FILE" not in told}
        for key, value in told.items():
            environment[key] = value.replace("/run/secrets/", f"{self.folder}/secrets/")
        environment["INSTANCE_DIR"] = str(owned(self.folder / "instances") / name)
        for key in ("SPOOL_DIR", "MEDIA_DIR"):
            environment[key] = str(owned(self.folder / told[key].strip("/").replace("/", "-")))
        return environment

    def start(self, service: str, number: int) -> Process:
        name = f"{service}-{number}"
        return Process(self.environment(service, name), self.folder / f"{name}.log", *self.before, root=self.app)

    def up(self) -> list[Process]:
        wanted = [(name, self.services[name].get("deploy", {}).get("replicas", 1)) for name in ("web", "worker")]
        return [self.start(name, number) for name, count in wanted for number in range(count)]

    def health(self, service: str, number: int) -> int:
        """The exit code of the image's HEALTHCHECK in that container."""
        command = [*self.before, sys.executable, "-m", "portal.healthcheck"]
        environment = self.environment(service, f"{service}-{number}")
        return subprocess.run(command, cwd=self.app, env=environment, capture_output=True, check=False).returncode


def test_three_start_at_once_migrate_once_are_healthy_and_stop_in_time(cluster, folder, world):
    compose = Compose(folder, world, cluster.create_database("shipped"))
    assert compose.health("web", 0) == 1 and compose.health("worker", 0) == 1
    running = compose.up()
    try:
        for process in running:
            process.wait_ready()
        assert len(running) == 3
        assert cluster.log().count("CREATE TABLE message ") == 1, "one of them migrated, the others waited"
        eventually(lambda: status(f"http://127.0.0.1:{compose.port}/readyz") == 200, what="ready")
        for service, number in (("web", 0), ("worker", 0), ("worker", 1)):
            eventually(lambda s=service, n=number: compose.health(s, n) == 0, what=f"{service} {number} healthy")
        if compose.before:
            owners = {os.stat(f"/proc/{process.pid}").st_uid for process in running}
            assert owners == {USER}
        began = time.monotonic()
        for process in running:
            process.terminate()
        assert [process.wait(GRACE_SECONDS) for process in running] == [0, 0, 0]
        assert time.monotonic() - began < GRACE_SECONDS
        assert compose.health("web", 0) == 1

    finally:
        for process in running:
            process.kill()


def test_a_worker_that_got_stuck_is_not_healthy(cluster, folder, world):
    compose = Compose(folder, world, cluster.create_database("stuck"))
    worker = compose.start("worker", 0)
    try:
        worker.wait_ready()
        eventually(lambda: compose.health("worker", 0) == 0, what="healthy")
        beat = Path(compose.environment("worker", "worker-0")["INSTANCE_DIR"]) / "worker.alive"
        worker.kill()
        os.utime(beat, (time.time() - 60, time.time() - 60))
        assert compose.health("worker", 0) == 1
    finally:
        worker.kill()
