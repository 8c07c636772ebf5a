"""A web process that is started while the database is away takes webhooks, where its database was migrated before."""

import os

import pytest

from portal.sandbox import world as demo
from tests import postgres
from tests.portal import eventually
from tests.processes.harness import Deployment, settled, status

PLACE = demo.DEMO_LOCATIONS[0]

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        postgres.binaries() is None and not os.environ.get("REQUIRE_POSTGRES"), reason="no PostgreSQL server binaries"
    ),
]


@pytest.fixture
def cluster():
    cluster = postgres.Cluster().start()
    yield cluster
    cluster.close()


@pytest.fixture
def deployment(cluster, world, tmp_path):
    made = Deployment(world, tmp_path, cluster.create_database("outage"))
    yield made
    made.close()


def ends_with_two(process) -> None:
    assert process.wait(120) == 2, process.tail()
    assert "DATABASE_URL" in process.tail()


def test_webhooks_are_taken_by_a_web_process_that_starts_in_an_outage(cluster, deployment):
    first = deployment.start("web")
    deployment.prepare(PLACE)
    first.terminate()
    assert first.wait(120) == 0
    cluster.kill()
    web = deployment.start("web")
    assert status(f"{web.url}/readyz/webhooks") == 200 and status(f"{web.url}/readyz") == 503
    sent = deployment.sandbox.deliveries.send("Taken without a database")
    assert sent.taken and deployment.spooled()
    ends_with_two(deployment.launch("worker"))
    cluster.start()
    eventually(lambda: not deployment.spooled(), what="the spool replayed")
    deployment.start("worker")
    settled(deployment, {sent.message.id: "delivered"})


def test_a_database_that_was_never_there_is_named(cluster, deployment):
    cluster.kill()
    ends_with_two(deployment.launch("web"))
