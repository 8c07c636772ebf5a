"""A backup that is brought back sends nothing again without a person's word, and what is new goes out meanwhile."""

import json
import sqlite3
import subprocess
from collections import Counter

import pytest
from cryptography.fernet import Fernet

from portal.journal.entry import Entry
from portal.messaging import senders
from portal.models import Alert, EventState, Sender, Wallet
from portal.queue import gates
from portal.sandbox import world
from tests import postgres
from tests.portal import PLACE, Portal, eventually

OTHER = world.DEMO_LOCATIONS[1]
KEYS = (Fernet.generate_key().decode(),)


class Drill:
    """A portal, its backup, and what happened after the backup was made."""

    def __init__(self, database_url, sandbox, folder, request) -> None:
        self.url, self.sandbox, self.folder, self.request = database_url, sandbox, folder, request
        self.portal = self.open(database_url)
        self.portal.install()
        self.line = self.portal.add_sender("cast")
        self.portal.install(OTHER)
        self.paused = self.portal.add_sender("cast", OTHER)

    def open(self, url) -> Portal:
        return Portal(url, self.sandbox, self.folder, encryption_keys=KEYS)

    def gate(self, session) -> str:
        """What holds the line back: its account's gate, which senders of one API key share."""
        return gates.sender_gate(self.line, session.get_one(Sender, self.line).account_key)

    def contact(self, place, number):
        return self.sandbox.ghl.directory.add(place.id, {"name": f"C{number}", "phone": f"+63917000{number:04d}"})[0]

    def leave_work_undone(self) -> None:
        """One message delivered, one queued, one held, one webhook not applied yet."""
        portal, send = self.portal, self.sandbox.deliveries.send
        portal.start()
        send("delivered long ago", contact=self.contact(PLACE, 1))
        eventually(lambda: portal.statuses()["delivered"] == 1)
        with portal.database.write() as session:
            gates.block(session, self.gate(session), "the drill", seconds=3600)
            senders.pause(session, self.paused, "the drill")
        send("queued", contact=self.contact(PLACE, 2))
        send("held", contact=self.contact(OTHER, 3))
        eventually(lambda: portal.statuses() == Counter(delivered=1, queued=1, held=1))
        portal.stop_worker()
        send("only a webhook", contact=self.contact(PLACE, 4))

    def back_up(self) -> None:
        if self.url.startswith("sqlite"):
            with sqlite3.connect(self.url.removeprefix("sqlite:///")) as connection:
                connection.execute(f"VACUUM INTO '{self.folder}/backup.db'")
            return
        self._tool("pg_dump", "--format=custom", f"--file={self.folder}/backup.dump", self.url)

    def go_on(self) -> None:
        """Everything that was left undone goes out: this is what the backup does not know."""
        with self.portal.database.write() as session:
            gates.reopen(session, [self.gate(session)])
            senders.resume(session, self.paused)
        self.portal.start()
        eventually(lambda: self.portal.statuses() == Counter(delivered=4))
        self.portal.close()

    def restore(self) -> Portal:
        if self.url.startswith("sqlite"):
            return self.open(f"sqlite:///{self.folder}/backup.db")
        server = self.request.getfixturevalue("postgres_server")
        url = server.create_database("restored")
        self.request.addfinalizer(lambda: server.drop_database(url))
        self._tool("pg_restore", "--no-owner", f"--dbname={url}", f"{self.folder}/backup.dump")
        return self.open(url)

    def _tool(self, name, *words) -> None:
        subprocess.run([postgres.binaries() / name, *words], check=True, capture_output=True)


def flask(portal, *words):
    answer = portal.app.test_cli_runner().invoke(args=[*words])
    return answer.exit_code, [json.loads(line) for line in answer.output.splitlines() if line.startswith("{")]


def hold(portal, *words) -> dict[str, int]:
    """`flask restore hold`, as soon as the connection of the worker that was just stopped is gone."""

    def told():
        code, lines = flask(portal, "restore", "hold", *words)
        return lines if code == 0 else None

    return eventually(told, what="nobody works")[0]


@pytest.fixture
def drill(database_url, sandbox, tmp_path, request):
    if database_url.startswith("postgres") and postgres.binaries() is None:
        pytest.skip("needs pg_dump and pg_restore beside the server")
    drill = Drill(database_url, sandbox, tmp_path, request)
    drill.leave_work_undone()
    drill.back_up()
    drill.go_on()
    restored = drill.restore()
    yield drill, restored
    restored.close()


def sent(drill) -> list[str]:
    return [one.text for one in drill.sandbox.cast.accepted()]


def test_nothing_goes_out_again_by_itself_and_new_messages_do(drill):
    drill, portal = drill
    before = sent(drill)
    assert sorted(before) == ["delivered long ago", "held", "only a webhook", "queued"]
    told = hold(portal)
    assert told["messages_unknown"] == 2 and told["events_parked"] == 1
    portal.start()
    with portal.database.write() as session:  # the repair that would have let all of them go
        gates.reopen(session, [drill.gate(session)])
        senders.resume(session, drill.paused)
    drill.sandbox.deliveries.send("new", contact=drill.contact(PLACE, 2))
    drill.sandbox.deliveries.send("new there", contact=drill.contact(OTHER, 3))
    eventually(lambda: portal.statuses() == Counter(delivered=3, unknown=2), what="the new ones delivered")
    assert sorted(sent(drill)) == sorted([*before, "new", "new there"])
    assert [event.state for event in portal.events()].count(EventState.PARKED) == 1
    with portal.session() as session:
        assert [alert.kind for alert in session.query(Alert).where(Alert.closed_at.is_(None))] == ["restored"]


def test_a_person_may_send_again_and_the_provider_still_knows_its_keys(drill):
    drill, portal = drill
    before = sent(drill)
    hold(portal)
    with portal.database.write() as session:
        gates.reopen(session, [drill.gate(session)])
        senders.resume(session, drill.paused)
    portal.start()
    code, told = flask(portal, "restore", "send-again", "--location", OTHER.id)
    assert code == 0 and told[-1] == {"messages": 1, "events": 0, "still_waiting": 2}
    code, told = flask(portal, "restore", "send-again")
    assert told[-1] == {"messages": 1, "events": 1, "still_waiting": 0}
    eventually(lambda: portal.statuses() == Counter(delivered=4), what="all delivered")
    # Cast recognised the keys of the two messages. The webhook's message is a new one to everybody.
    assert sorted(sent(drill)) == sorted([*before, "only a webhook"])
    assert flask(portal, "credits", "prove")[0] == 0
    with portal.session() as session:
        assert session.query(Alert).where(Alert.closed_at.is_(None)).count() == 0


def test_a_person_may_give_up(drill):
    drill, portal = drill
    before = sent(drill)
    hold(portal)
    portal.start()
    assert flask(portal, "restore", "give-up")[1][-1] == {"messages": 2, "events": 1, "still_waiting": 0}
    eventually(lambda: not portal.jobs(), what="HighLevel told")
    assert portal.statuses()["failed"] + portal.statuses()["cancelled"] == 2
    assert sent(drill) == before
    assert flask(portal, "credits", "prove")[0] == 0
    with portal.session() as session:
        assert {wallet.held for wallet in session.query(Wallet)} == {0}


def test_it_refuses_while_a_worker_lives(drill):
    _, portal = drill
    if portal.database.sqlite:
        pytest.skip("one process: its lock file is tried with real processes")
    portal.start()
    eventually(lambda: flask(portal, "restore", "hold")[0] == 1, what="refused")
    portal.stop_worker()


def test_messages_that_had_no_sender_yet_can_be_decided_on_too(idle):
    for _ in range(2):
        idle.add_sender("cast")
    idle.start()
    sandbox = idle.sandbox
    for text in ("one", "two"):
        sandbox.deliveries.send(text)
    eventually(lambda: idle.statuses()["held"] == 2, what="held: choose a default")
    idle.stop_worker()
    assert hold(idle)["messages_unknown"] == 2
    assert all(not idle.parts_of(message) for message in idle.messages())
    assert flask(idle, "restore", "send-again")[1][-1]["messages"] == 2
    assert idle.statuses() == Counter(held=2), "they wait for a default as before"
    hold(idle)
    assert flask(idle, "restore", "give-up")[1][-1]["still_waiting"] == 0
    assert idle.statuses() == Counter(failed=2)


@pytest.mark.parametrize("trusted", [False, True])
def test_a_spool_from_the_backup_is_not_trusted_unless_told(idle, trusted):
    delivery = {"type": "SMS", "locationId": PLACE.id, "contactId": "c", "messageId": "m", "message": "spooled then"}
    idle.parts.spool.append([Entry("ghl", f"ghl:{PLACE.id}:c", json.dumps(delivery).encode())])
    told = hold(idle, *(["--trust-spool"] if trusted else []))
    assert told["events_parked"] == (0 if trusted else 1)
    assert idle.parts.spool.in_use() is trusted
