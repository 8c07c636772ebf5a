"""A portal's processes on either engine, with the sandbox of this process as the world around them."""

import sys

import pytest

from portal.sandbox import Progress
from tests.processes.harness import Deployment

# The harness reads /proc.
collect_ignore_glob = [] if sys.platform == "linux" else ["test_*.py"]


@pytest.fixture
def world(sandbox):
    """The sandbox with limits that do not dominate, and a carrier that is quick."""
    sandbox.ghl.limit.most = 100_000
    sandbox.cast.rate = None
    sandbox.cast.progress = Progress(sent_after=0.2, final_after=0.6)
    return sandbox


@pytest.fixture
def deployment(empty_url, world, tmp_path):
    """A portal's settings and folders on an empty database of either engine; nothing is started."""
    made = Deployment(world, tmp_path, empty_url)
    yield made
    made.close()


@pytest.fixture
def on_postgres(postgres_server, world, tmp_path):
    """The same on PostgreSQL alone."""
    url = postgres_server.create_database("processes")
    made = Deployment(world, tmp_path / "postgres", url)
    yield made
    made.close()
    postgres_server.drop_database(url)


@pytest.fixture
def on_sqlite(world, tmp_path):
    """The same on SQLite alone."""
    made = Deployment(world, tmp_path, f"sqlite:///{tmp_path / 'portal.db'}")
    yield made
    made.close()
