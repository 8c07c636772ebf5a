"""Portals as an operator runs them: `python app.py` processes with settings in their environment, killed and restarted.

Every process is the head of its own process group. Nothing but what was started here is ever signalled.
"""

import itertools
import json
import os
import random
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import requests
from cryptography.fernet import Fernet

from portal.sandbox import Sandbox, world
from portal.sandbox.ghl.grants import Owner
from tests.portal import eventually

ROOT = Path(__file__).resolve().parents[2]
APP = ("app.py",)
START_SECONDS = 120
PATH = os.environ.get("PATH", os.defpath)


def free_port() -> int:
    """A port below those that Linux gives to outgoing connections: one of them could take it between two starts."""
    while True:
        port = random.randrange(20_000, 32_000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


def settings_for(sandbox: Sandbox, folder: Path, database_url: str, port: int) -> dict[str, str]:
    """The environment of a portal that takes the sandbox for the world. Nothing of ours leaks into it."""
    return {
        "PATH": PATH,
        "PYTHONUNBUFFERED": "1",
        "APP_URL": f"http://127.0.0.1:{port}",
        "PORT": str(port),
        "SECRET_KEY": "a secret key for processes, forty characters",
        "ENCRYPTION_KEYS": Fernet.generate_key().decode(),
        "GHL_CLIENT_ID": world.CLIENT_ID,
        "GHL_CLIENT_SECRET": world.CLIENT_SECRET,
        "GHL_SHARED_SECRET": world.SHARED_SECRET,
        "GHL_CONVERSATION_PROVIDER_ID": f"{world.PROVIDER_ID}:sms,{world.CUSTOM_PROVIDER_ID}:custom",
        "GHL_API_URL": sandbox.url,
        "GHL_WEBHOOK_PUBLIC_KEYS": sandbox.public_key,
        "DATABASE_URL": database_url,
        "INSTANCE_DIR": str(folder / "instance"),
        "SPOOL_DIR": str(folder / "spool"),
        "MEDIA_DIR": str(folder / "media"),
    }


class Process:
    """One `python app.py` in `root`, its children, and its log. `before` is a command that it is run under."""

    def __init__(
        self, environment: dict[str, str], log: Path, *before: str, program: Sequence[str] = APP, root: Path = ROOT
    ) -> None:
        self.role = environment.get("PORTAL_ROLE", "all")
        self.port = environment.get("PORT", "")
        self.url = f"http://127.0.0.1:{self.port}"
        self.log = log
        with log.open("ab") as out:
            self._process = subprocess.Popen(
                [*before, sys.executable, *program],
                cwd=root,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_ready(self) -> "Process":
        """Returns when it serves, or works. Raises with its log when it does not come up."""
        deadline = time.monotonic() + START_SECONDS
        while not self._ready():
            if not self.alive or time.monotonic() > deadline:
                raise AssertionError(f"the portal did not start (exit {self._process.poll()}):\n{self.tail()}")
            time.sleep(0.05)
        return self

    def _ready(self) -> bool:
        if self.role == "worker":
            return '"worker started"' in self.tail()
        return status(f"{self.url}/livez") == 200

    def children(self) -> list[int]:
        """The processes of its group without the parent."""
        return [pid for pid in _group(self.pid) if pid != self.pid]

    def kill(self) -> None:
        """kill -9 of parent and children at once: the machine's plug."""
        if self.alive or _group(self.pid):
            os.killpg(self.pid, signal.SIGKILL)
        self._process.wait(60)

    def kill_parent(self) -> None:
        """kill -9 of the parent alone."""
        self._process.kill()
        self._process.wait(60)

    def terminate(self) -> None:
        """SIGTERM to the parent, as systemd and docker send it."""
        self._process.terminate()

    def wait(self, seconds: float) -> int:
        """The exit code."""
        return self._process.wait(seconds)

    def cpu_seconds(self) -> float:
        """What parent and children have used so far."""
        return sum(_cpu_seconds(pid) for pid in _group(self.pid))

    def tail(self, size: int = 6000) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-size:]


class Spread(Sandbox):
    """A sandbox that posts to several web processes in turn, as from behind a balancer that looks at nothing."""

    def __init__(self, **options: Any) -> None:
        self._urls: list[str] = []
        self._turn = itertools.count()
        super().__init__(**options)

    @property
    def portal_url(self) -> str:
        return self._urls[next(self._turn) % len(self._urls)]

    @portal_url.setter
    def portal_url(self, url: str) -> None:
        self._urls = [url]

    def spread_over(self, urls: list[str]) -> None:
        """From now on these take turns."""
        self._urls = urls


class Deployment:
    """The processes of one portal on one database, and what can be seen of it from outside."""

    def __init__(self, sandbox: Sandbox, folder: Path, database_url: str, module: str = "") -> None:
        """`module` is run in place of `app.py`."""
        self.sandbox = sandbox
        self.folder = folder
        self.database_url = database_url
        self.module = module
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = settings_for(sandbox, folder, database_url, self.port)
        self.processes: list[Process] = []
        sandbox.portal_url = self.url
        for part in ("instance", "spool", "media"):
            (folder / part).mkdir(parents=True, exist_ok=True)

    def start(self, role: str = "all", **more: str) -> Process:
        """Starts a process in a role and waits until it is ready."""
        return self.launch(role, **more).wait_ready()

    def launch(self, role: str = "all", **more: str) -> Process:
        """Starts a process in a role."""
        log = self.folder / f"{role}-{len(self.processes)}.log"
        program = ("-m", self.module) if self.module else APP
        process = Process({**self.environment, "PORTAL_ROLE": role, **more}, log, program=program)
        self.processes.append(process)
        return process

    def close(self) -> None:
        """Kills whatever still runs of what was started here."""
        for process in self.processes:
            process.kill()

    def prepare(self, *places: world.Location, channel: str = "cast") -> list[dict]:
        """Installs the app in the locations, over the OAuth callback, and gives each a sender, which are returned."""
        for place in places:
            self.install(Owner(place.company_id, place.id))
        adding = [self.flask_process(*self._sender_words(place, channel)) for place in places]
        added = [self._added(process) for process in adding]
        self.change("UPDATE gate SET pace = 0 WHERE key LIKE 'polls:%'")  # Cast's limit is not what is tried here
        return added

    def _added(self, process: "subprocess.Popen[str]") -> dict:
        out, error = process.communicate(timeout=60)
        assert process.returncode == 0, error
        return json.loads(out)

    def install(self, owner: Owner) -> None:
        """The way back from HighLevel's consent page."""
        code = self.sandbox.ghl.grants.mint_code(owner)
        answer = _session().get(f"{self.url}/oauth/callback", params={"code": code}, timeout=30)
        assert answer.status_code == 200, answer.text

    def _sender_words(self, place: world.Location, channel: str) -> list[str]:
        words = ["sender", "add", "--location", place.id, "--channel", channel]
        if channel == "simulator":
            return words
        words += ["--api-url", self.sandbox.url, "--pace", "10000", "--set", f"api_key={world.CAST_API_KEY}"]
        return [*words, "--set", f"sender_id={world.DEMO_LOCATIONS[0].sender_name}"]

    def flask(self, *words: str) -> str:
        """What a command of the operator prints."""
        process = self.flask_process(*words)
        out, error = process.communicate(timeout=120)
        assert process.returncode == 0, f"flask {words}: exit {process.returncode}\n{out[-500:]}\n{error[-3000:]}"
        return out

    def flask_process(self, *words: str) -> "subprocess.Popen[str]":
        """The same, running."""
        command = [sys.executable, "-m", "flask", "--app", self.module or "app", *words]
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def messages(self) -> list[dict]:
        """`flask messages`: everything the portal knows, in the order of receipt."""
        return [json.loads(line) for line in self.flask("messages").splitlines()]

    def rows(self, statement: str) -> list[tuple]:
        """A look at the database from outside the portal."""
        if self.database_url.startswith("sqlite"):
            connection = sqlite3.connect(self.database_url.removeprefix("sqlite:///"), timeout=10)
            try:
                return connection.execute(statement).fetchall()
            finally:
                connection.close()
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            answer = connection.execute(statement)
            return answer.fetchall() if answer.description else []

    def change(self, statement: str) -> None:
        """A hand in the database."""
        if self.database_url.startswith("sqlite"):
            path = self.database_url.removeprefix("sqlite:///")
            with closing(sqlite3.connect(path, timeout=10)) as connection, connection:
                connection.execute(statement)
            return
        with psycopg.connect(self.database_url, autocommit=True, connect_timeout=5) as connection:
            connection.execute(statement)

    def jobs(self) -> Counter[str]:
        """What is still to be done, by kind."""
        return Counter(dict(self.rows("SELECT kind, count(*) FROM job GROUP BY kind")))

    def leased(self) -> list[tuple]:
        """Jobs that some process holds."""
        return self.rows("SELECT id, kind, lease_owner FROM job WHERE lease_owner <> ''")

    def spooled(self) -> list[Path]:
        """What is left in the spool's folder, besides its locks and the empty files of living processes."""
        there = (self.folder / "spool").iterdir()
        return [path for path in there if path.name == "active" or (path.exists() and path.stat().st_size)]

    def tails(self) -> str:
        """The ends of all logs, for a failure's report."""
        return "\n".join(f"--- {process.log.name}\n{process.tail(2500)}" for process in self.processes)

    def lines(self, words: str) -> list[str]:
        """Log lines whose message begins so."""
        logs = [process.log.read_text(errors="replace").splitlines() for process in self.processes]
        return [line for log in logs for line in log if f'"message": "{words}' in line]

    def complaints(self) -> list[str]:
        """Log lines with a traceback: faults of the portal's own that it survived."""
        found = []
        for process in self.processes:
            for line in process.log.read_text(errors="replace").splitlines():
                if '"exception"' in line or line.startswith("Traceback"):
                    found.append(line if len(line) < 6000 else f"{line[:1000]} … {line[-5000:]}")
        return found


def people(sandbox: Sandbox, places: Iterable[world.Location], count: int, first: int = 0) -> list[world.Contact]:
    """New contacts, spread over the locations in turn, numbered from `first` on."""
    spread = list(places)
    return [
        sandbox.ghl.directory.add(
            spread[n % len(spread)].id, {"name": f"Contact {n}", "phone": f"+63917{7_000_000 + n:07d}"}
        )[0]
        for n in range(first, first + count)
    ]


def status(url: str) -> int:
    """The status of a GET, 0 when nobody answers."""
    try:
        return _session().get(url, timeout=20).status_code
    except requests.RequestException:
        return 0


def settled(deployment: Deployment, expected: dict[str, str]) -> None:
    """Waits until HighLevel shows what is expected of each message id and nothing is left to send."""
    mailbox = deployment.sandbox.ghl.mailbox

    def wrong() -> dict[str, str]:
        shown = {one.id: one.status for one in mailbox.messages(direction="outbound")}
        return {id_: f"{shown.get(id_)}, not {wanted}" for id_, wanted in expected.items() if shown.get(id_) != wanted}

    try:
        eventually(lambda: not wrong(), what="every status in HighLevel")
        eventually(lambda: not set(deployment.jobs()) & {"apply", "send", "push_status"}, what="an empty queue")
    except AssertionError as error:
        left = wrong()
        known = [line for line in deployment.messages() if line["ghl_message_id"] in left]
        keys = ", ".join(f"'%:{id_}'" for id_ in list(left)[:5]) or "''"
        like = " OR ".join(f"dedupe_key LIKE {key}" for key in keys.split(", "))
        events = deployment.rows(f"SELECT id, dedupe_key, state, note, received_at, applied_at FROM event WHERE {like}")
        gates = deployment.rows("SELECT key, failures, blocked_until, reason FROM gate WHERE failures > 0")
        facts = [
            f"{len(left)} wrong: {list(left.items())[:5]}",
            f"to the portal: {known[:5]}",
            f"gates: {gates}",
            f"events: {events}",
        ]
        facts += [f"jobs: {deployment.jobs()}, leased: {len(deployment.leased())}", deployment.tails()]
        raise AssertionError("\n".join([str(error), *facts])) from None


def _session() -> requests.Session:
    session = requests.Session()
    session.trust_env = False
    return session


def _group(leader: int) -> list[int]:
    """The living processes of a group."""
    processes = {int(entry.name): _stat(int(entry.name)) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    return [pid for pid, stat in processes.items() if stat and int(stat[2]) == leader and stat[0] not in "ZX"]


def _cpu_seconds(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK") if fields else 0.0


def _stat(pid: int) -> list[str]:
    """The fields of /proc/<pid>/stat after the name, [] when it is gone."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []
