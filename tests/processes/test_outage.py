"""PostgreSQL away under load: webhooks go to the spool, nothing is lost, and what came in order stays in order."""

import os
import random
import signal
import threading
import time
from collections import Counter

import pytest

from portal.sandbox import world as demo
from portal.sandbox.deliveries import Delivery
from portal.sandbox.outgoing import Line
from tests import postgres
from tests.portal import eventually
from tests.processes.harness import Deployment, people, settled, status

PLACES = demo.DEMO_LOCATIONS
CONTACTS = 16
AWAY_SECONDS = 15


class Talk(threading.Thread):
    """One contact's messages, each posted until it is answered 2xx, then the next: their order is beyond doubt."""

    def __init__(self, deployment: Deployment, contact: demo.Contact, ending: threading.Event) -> None:
        super().__init__(daemon=True)
        self.contact = contact
        self.sent: list[Delivery] = []
        self._deployment = deployment
        self._ending = ending
        self._line = Line(deployment.url)

    def run(self) -> None:
        deliveries = self._deployment.sandbox.deliveries
        while not self._ending.wait(random.uniform(0.6, 1.4)):
            text = f"{self.contact.name} says {len(self.sent)}"
            delivery = deliveries.send(text, contact=self.contact, line=self._line)
            while not delivery.taken:
                time.sleep(0.2)
                deliveries.repeat(delivery)
            self.sent.append(delivery)


@pytest.fixture
def cluster():
    """A PostgreSQL of this test's own, because it goes away in it."""
    if not postgres.binaries():
        pytest.skip("needs a PostgreSQL of its own")
    running = postgres.Cluster().start()
    yield running
    running.close()


@pytest.fixture
def deployment(cluster, world, tmp_path):
    made = Deployment(world, tmp_path, cluster.create_database("outage"))
    yield made
    made.close()


@pytest.mark.postgres
def test_an_outage_of_the_database_loses_nothing_and_keeps_the_order(cluster, deployment):
    web, worker = deployment.launch("web", WEB_PROCESSES="2"), deployment.launch("worker")
    for process in (web, worker):
        process.wait_ready()
    deployment.prepare(*PLACES)
    ending = threading.Event()
    talks = [Talk(deployment, contact, ending) for contact in people(deployment.sandbox, PLACES, CONTACTS)]
    for talk in talks:
        talk.start()
    eventually(lambda: sum(len(talk.sent) for talk in talks) > 2 * CONTACTS, what="load")
    cluster.stop()
    away_since = time.monotonic()
    before = sum(len(talk.sent) for talk in talks)
    time.sleep(2)
    assert status(f"{deployment.url}/readyz") == 503
    kill_a_spooling_child(deployment, web)
    while time.monotonic() < away_since + AWAY_SECONDS:
        assert status_of_either(deployment.url, "/livez") == 200
        assert status_of_either(deployment.url, "/readyz/webhooks") == 200
        assert status_of_either(deployment.url, "/readyz") == 503
        time.sleep(0.5)
    taken = sum(len(talk.sent) for talk in talks) - before
    assert taken > CONTACTS, "webhooks were taken while the database was away"
    assert len(spools(deployment)) >= 2, "the killed child's and another's"
    cluster.start()
    eventually(lambda: not deployment.spooled(), what="an empty spool")
    eventually(lambda: status(f"{deployment.url}/readyz") == 200, what="ready again")
    time.sleep(1)
    ending.set()
    for talk in talks:
        talk.join(40)
    check(deployment, talks)


def kill_a_spooling_child(deployment: Deployment, web) -> None:
    """kill -9 of one of the web processes whose spool holds something: its file becomes an orphan."""
    names = eventually(lambda: [path.name for path in spools(deployment)], what="a spool file")
    victim = int(names[0].split("-")[0])
    assert victim in web.children()
    os.kill(victim, signal.SIGKILL)


def spools(deployment: Deployment) -> list:
    return [path for path in deployment.spooled() if path.suffix == ".spool"]


def status_of_either(url: str, path: str) -> int:
    """A GET that meets the killed child's last connection is made again, as a balancer does."""
    return status(url + path) or status(url + path)


def check(deployment: Deployment, talks: list[Talk]) -> None:
    sent = [delivery for talk in talks for delivery in talk.sent]
    answers = Counter(answer.status for delivery in sent for answer in delivery.answers)
    print(f"{len(sent)} messages, answers {dict(answers)}")
    assert set(answers) <= {0, 200}, answers
    settled(deployment, {delivery.message.id: "delivered" for delivery in sent})
    cast = deployment.sandbox.cast
    assert cast.repeats() == {} and cast.mismatches == [] and len(cast.accepted()) == len(sent)
    ids = Counter(line["ghl_message_id"] for line in deployment.messages())
    assert ids == Counter(delivery.message.id for delivery in sent)
    for talk in talks:
        accepted = [one.text for one in cast.accepted(to=talk.contact.phone)]
        assert accepted == [delivery.message.text for delivery in talk.sent], talk.contact.name
    deployment.flask("credits", "prove")
    assert deployment.spooled() == [] and deployment.leased() == []
    assert deployment.complaints() == []
