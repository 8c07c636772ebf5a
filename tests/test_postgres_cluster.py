"""The private PostgreSQL cluster keeps its promises: same port, data kept over a crash, nothing left behind."""

import os
from collections.abc import Iterator

import psycopg
import pytest

from tests import postgres
from tests.postgres import Cluster

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(
        postgres.binaries() is None and not os.environ.get("REQUIRE_POSTGRES"), reason="no PostgreSQL server binaries"
    ),
]


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    cluster = Cluster().start()
    yield cluster
    cluster.close()


def rows(url: str) -> list[int]:
    with psycopg.connect(url, connect_timeout=5) as connection:
        return [row[0] for row in connection.execute("SELECT n FROM kept ORDER BY n")]


def test_data_outlives_an_outage_and_the_address_stays(cluster: Cluster) -> None:
    url = cluster.create_database("outage")
    with psycopg.connect(url) as connection:
        connection.execute("CREATE TABLE kept (n int)")
        connection.execute("INSERT INTO kept VALUES (1)")
    held = psycopg.connect(url)
    cluster.kill()
    with pytest.raises(psycopg.OperationalError):
        held.execute("SELECT 1")
    with pytest.raises(psycopg.OperationalError):
        rows(url)
    cluster.start()
    assert rows(url) == [1]
    cluster.restart()
    assert rows(url) == [1]


def test_the_server_is_durable_unless_told_otherwise(cluster: Cluster) -> None:
    with psycopg.connect(cluster.url) as connection:
        assert connection.execute("SHOW fsync").fetchone() == ("on",)


def test_two_databases_of_one_name_stay_apart(cluster: Cluster) -> None:
    first, second = cluster.create_database("same"), cluster.create_database("same")
    assert first != second
    cluster.drop_database(first)
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(first, connect_timeout=5)
    psycopg.connect(second, connect_timeout=5).close()


def test_a_given_server_is_used_and_left_as_it_was(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEST_DATABASE_URL", cluster.url)
    with postgres.server() as given:
        url = given.create_database("guest")
        psycopg.connect(url, connect_timeout=5).close()
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(url, connect_timeout=5)
    assert cluster.running
