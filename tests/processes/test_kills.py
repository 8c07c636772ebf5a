"""Killed at random moments under load beside a provider that errs in all ways: nothing lost or doubled, in order."""

import os
import random
import threading
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from portal.sandbox import Progress, Sandbox
from portal.sandbox import world as demo
from portal.sandbox.cast.messages import OUTCOMES
from portal.sandbox.deliveries import Delivery
from tests import postgres
from tests.portal import eventually
from tests.processes.harness import Deployment, people, settled

COUNT = 400
CONTACTS = 40
CONNECTIONS = 32
KILLS = 4
# How HighLevel must show what the provider says last.
SHOWN = {"delivered": "delivered", "undelivered": "failed", "failed": "failed", "sent": "pending"}
# Every nth call meets the next of these; half of them take the message and lose the answer.
FAULT_EVERY = 13
FAULTS = (
    {"effect": "status", "status": 429, "retry_after": 1},
    {"effect": "status_after", "status": 500},
    {"effect": "half_answer"},
    {"effect": "reset_before"},
    {"effect": "status", "status": 500},
    {"effect": "silence", "seconds": 2},
    {"effect": "reset_after"},
    {"effect": "silence_before", "seconds": 2},
)


class Load:
    """Deliveries from many connections, each id posted twice at once, and again until it is answered 2xx."""

    def __init__(self, deployment: Deployment, contacts: list[demo.Contact]) -> None:
        self.sent: list[Delivery] = []
        self._deliveries = deployment.sandbox.deliveries
        self._contacts = contacts
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._lock = threading.Lock()
        self._all = [self._pool.submit(self._one, n) for n in range(COUNT)]

    def answered(self) -> int:
        with self._lock:
            return len(self.sent)

    def finish(self) -> list[Delivery]:
        for each in self._all:
            each.result(120)
        self._pool.shutdown()
        return self.sent

    def _one(self, n: int) -> None:
        contact = self._contacts[n % len(self._contacts)]
        # Ten attempts, the last ones eight seconds apart: longer than any restart.
        delivery = self._deliveries.send(f"Message {n}", contact=contact, copies=2, retries=10, backoff=0.1)
        with self._lock:
            self.sent.append(delivery)


def arm_faults(deployment: Deployment) -> None:
    """The provider errs again and again, in turn, for about half of the run."""
    for number in range(COUNT // FAULT_EVERY):
        deployment.sandbox.faults.arm("cast.send", times=1, skip=FAULT_EVERY - 1, **FAULTS[number % len(FAULTS)])


def decide_outcomes(deployment: Deployment, contacts: list[demo.Contact]) -> None:
    """Some contacts' messages do not arrive, some never get a last word."""
    for place, outcome in enumerate(("undelivered", "failed", "stuck")):
        deployment.sandbox.cast.decide(contacts[place].phone, outcome)


def kill_and_restart(deployment: Deployment, load: Load, chance: random.Random) -> None:
    """Kills one process after another at random places of the run, and starts each again."""
    for number in range(KILLS):
        place = COUNT * (number + chance.uniform(0.2, 0.8)) / (KILLS + 1)
        eventually(lambda place=place: load.answered() >= place, 60, "progress")
        time.sleep(chance.uniform(0, 0.2))
        victim = chance.choice([process for process in deployment.processes if process.alive])
        victim.kill()
        time.sleep(chance.uniform(0, 0.3))
        deployment.start(victim.role)


def check(deployment: Deployment, sent: list[Delivery]) -> None:
    taken = [delivery for delivery in sent if delivery.taken]
    assert len(taken) == COUNT, [delivery.answers for delivery in sent if not delivery.taken][:3]
    refusals = {answer.status for delivery in sent for answer in delivery.answers} - {0, 200}
    assert refusals <= {429, 503}, refusals
    expected = {delivery.message.id: SHOWN[truth(deployment, delivery)] for delivery in taken}
    settled(deployment, expected, 75)
    listed = [line for line in deployment.messages() if line["direction"] == "out"]
    ids = [line["ghl_message_id"] for line in listed]
    assert sorted(ids) == sorted(expected), "each answered id exactly once, and no other"
    check_calls(deployment)
    check_order(deployment, taken, ids)
    check_told(deployment, taken)
    check_credits(deployment, listed)
    assert deployment.leased() == [] and deployment.spooled() == []
    assert deployment.complaints() == []


def truth(deployment: Deployment, delivery: Delivery) -> str:
    """What the provider will say of it at last."""
    key = demo.number_key(delivery.payload["phone"])
    return OUTCOMES[deployment.sandbox.cast.outcomes.get(key, "delivered")][0]


def check_calls(deployment: Deployment) -> None:
    """At most one acceptance each; another key only after definite refusals of the one before."""
    sandbox = deployment.sandbox
    assert sandbox.cast.repeats() == {}
    assert sandbox.cast.mismatches == []
    assert len(sandbox.cast.accepted()) == COUNT
    calls = defaultdict(list)
    for call in sandbox.records.calls("cast.send"):
        assert call.key
        calls[call.body["to"], call.body["message"]].append(call)
    assert len(calls) == COUNT
    for each in calls.values():
        last = each[-1].key
        earlier = [call for call in each if call.key != last]
        assert all(not call.applied and 400 <= call.status < 500 for call in earlier), earlier
        assert all(call.key == last for call in each[len(earlier) :]), "a key that was left does not come back"
    repeated = sum(len(each) - 1 for each in calls.values())
    struck = sum(1 for call in sandbox.records.calls("cast.send") if call.fault)
    print(f"{repeated} repeated calls, {struck} faults, {len(calls)} messages accepted once")
    assert struck >= len(FAULTS), "the faults did strike"


def check_order(deployment: Deployment, taken: list[Delivery], ids: list[str]) -> None:
    """Accepted in the order of receipt within a conversation, and received in the order of posting.

    Posted in order means: the earlier one was answered before the later one was first posted. All faults here are the
    provider's own, so no message may step aside.
    """
    place = {id_: number for number, id_ in enumerate(ids)}
    by_contact = defaultdict(list)
    for delivery in taken:
        by_contact[delivery.payload["phone"]].append(delivery)
    posted_in_order = 0
    for phone, theirs in by_contact.items():
        theirs.sort(key=lambda delivery: place[delivery.message.id])
        accepted = [one.text for one in deployment.sandbox.cast.accepted(to=phone)]
        assert accepted == [delivery.message.text for delivery in theirs], phone
        for number, later in enumerate(theirs):
            began = min(answer.at for answer in later.answers)
            for earlier in theirs[number + 1 :]:
                answered = min(answer.at + answer.ms / 1000 for answer in earlier.answers if answer.taken)
                assert answered >= began, (earlier.message.text, later.message.text)
                posted_in_order += 1
    assert posted_in_order


def check_told(deployment: Deployment, taken: list[Delivery]) -> None:
    """HighLevel heard `delivered` only after the provider's last word, and nothing after the end."""
    accepted = {(one.to, one.text): one for one in deployment.sandbox.cast.accepted()}
    for delivery in taken:
        one = accepted[delivery.payload["phone"], delivery.message.text]
        history = delivery.message.history
        for change in history:
            if change.status != "pending":
                assert change.at >= one.at + one.progress.final_after, (delivery.message, one)
        told = [change.status for change in history]
        assert set(told) <= {"pending", SHOWN[truth(deployment, delivery)]}, told
        assert told == sorted(told, key=lambda status: status != "pending"), told


def check_credits(deployment: Deployment, listed: list[dict]) -> None:
    deployment.flask("credits", "prove")
    for line in listed:
        assert line["credits"] == (0 if line["status"] == "failed" else 1), line


def run(folder: Path, database_url: str, roles: tuple[str, ...]) -> None:
    """One portal's whole story, in a world of its own."""
    seed = random.randrange(1_000_000)
    sandbox = Sandbox()
    server = sandbox.serve(0)
    sandbox.ghl.limit.most = 100_000
    sandbox.cast.progress = Progress(sent_after=0.2, final_after=0.6)
    deployment = Deployment(sandbox, folder, database_url)
    try:
        for process in [deployment.launch(role) for role in roles]:
            process.wait_ready()
        places = demo.DEMO_LOCATIONS
        deployment.prepare(*places)
        contacts = people(sandbox, places, CONTACTS)
        decide_outcomes(deployment, contacts)
        arm_faults(deployment)
        load = Load(deployment, contacts)
        kill_and_restart(deployment, load, random.Random(seed))
        check(deployment, load.finish())
    except Exception as error:
        error.add_note(f"{'+'.join(roles)}, seed {seed}")
        raise
    finally:
        deployment.close()
        server.stop()


ROLES = {"sqlite": ("all",), "postgresql": ("all",), "web and two workers": ("web", "worker", "worker")}


@pytest.fixture(scope="module")
def stories(request, tmp_path_factory):
    """All portals live through it side by side: most of the time goes by waiting for the leases of the killed."""
    urls = {"sqlite": f"sqlite:///{tmp_path_factory.mktemp('database') / 'portal.db'}"}
    if not postgres.missing() or os.environ.get("REQUIRE_POSTGRES"):
        server = request.getfixturevalue("postgres_server")
        urls |= {name: server.create_database("kills") for name in ROLES if name != "sqlite"}
    with ThreadPoolExecutor(len(urls)) as pool:
        yield {name: pool.submit(run, tmp_path_factory.mktemp("kills"), url, ROLES[name]) for name, url in urls.items()}
    for url in urls.values():
        if url.startswith("postgresql"):
            server.drop_database(url)


ON_POSTGRES = [pytest.param(name, marks=pytest.mark.postgres) for name in ROLES if name != "sqlite"]


@pytest.mark.parametrize("name", ["sqlite", *ON_POSTGRES])
def test_kills_under_load_lose_nothing_and_send_nothing_twice(stories, name):
    if name not in stories:
        pytest.skip(postgres.missing())
    stories[name].result()
