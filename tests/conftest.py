"""What all tests share: a database of each engine, and a portal in this process with the sandbox around it."""

import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from tests import made_once, postgres, scratch


def pytest_configure(config: pytest.Config) -> None:
    """The processes of a run get their folders from the one that starts them."""
    made_once.begin()
    place = scratch.folder()
    if place and config.option.basetemp is None and not hasattr(config, "workerinput"):
        config.option.basetemp = config.sendero_scratch = tempfile.mkdtemp(prefix="sendero-tests-", dir=place)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A browser on a busy machine may miss a moment: its tests get a second try, which the closing line counts."""
    for item in items:
        if item.get_closest_marker("browser"):
            item.add_marker(pytest.mark.flaky(reruns=1))


def pytest_unconfigure(config: pytest.Config) -> None:
    """Nothing of a run stays in memory."""
    if hasattr(config, "sendero_scratch"):
        shutil.rmtree(config.sendero_scratch, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for the run, private unless TEST_DATABASE_URL names one."""
    why_not = postgres.missing()
    if why_not:
        if os.environ.get("REQUIRE_POSTGRES"):
            pytest.fail(why_not)
        pytest.skip(why_not)
    # The server ends with the thread that started it, so that thread lives as long as the session.
    started, ending = threading.Event(), threading.Event()
    found: list[postgres.Server] = []

    def hold() -> None:
        with postgres.server() as running:
            found.append(running)
            started.set()
            ending.wait()

    with ThreadPoolExecutor(1) as keeper:
        holding = keeper.submit(hold)
        while not started.wait(0.1):
            if holding.done():
                holding.result()
        yield found[0]
        ending.set()


ENGINES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)]


@pytest.fixture(params=ENGINES)
def empty_url(request, tmp_path) -> Iterator[str]:
    """An empty database of either engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'portal.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database("portal")
    yield url
    server.drop_database(url)


@pytest.fixture(params=ENGINES)
def database_url(request, tmp_path) -> Iterator[str]:
    """A database of either engine with the portal's tables."""
    yield from with_tables(request, tmp_path)


def with_tables(request: pytest.FixtureRequest, folder: Path) -> Iterator[str]:
    """A database of the engine that is the request's parameter, copied from one that was made once for the run."""
    if request.param == "sqlite":
        shutil.copy(request.getfixturevalue("sqlite_tables"), folder / "portal.db")
        yield f"sqlite:///{folder / 'portal.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database("portal", request.getfixturevalue("postgres_tables"))
    yield url
    server.drop_database(url)


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory) -> Path:
    """A file with the portal's tables."""
    path = tmp_path_factory.mktemp("tables") / "portal.db"
    _make_tables(f"sqlite:///{path}")
    return path


@pytest.fixture(scope="session")
def postgres_tables(postgres_server) -> str:
    """The URL of a database with the portal's tables."""
    url = postgres_server.create_database("tables")
    _make_tables(url.replace("postgresql://", "postgresql+psycopg://"))
    return url


def _make_tables(url: str) -> None:
    from portal.models import Base

    engine = create_engine(url)
    Base.metadata.create_all(engine)
    engine.dispose()


@pytest.fixture
def sandbox():
    """The stand-in HighLevel and providers, on a port of their own."""
    from portal.sandbox import Sandbox

    sandbox = Sandbox()
    server = sandbox.serve(0)
    yield sandbox
    server.stop()


@pytest.fixture
def portal(database_url, sandbox, tmp_path):
    """A portal in this process, installed in the first demo location, with one Cast sender."""
    from tests.portal import Portal

    running = Portal(database_url, sandbox, tmp_path)
    running.install()
    running.add_sender("cast")
    running.start()
    yield running
    running.close()


@pytest.fixture
def idle(database_url, sandbox, tmp_path):
    """The same portal with its worker not started: the test moves the work itself."""
    from tests.portal import Portal

    running = Portal(database_url, sandbox, tmp_path)
    running.install()
    yield running
    running.close()


@pytest.fixture
def time(monkeypatch):
    """The portal's clock, which the test moves."""
    from portal import clock
    from tests.hand import Time

    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture
def by_hand(database_url, sandbox, tmp_path, time):
    """A portal that is installed nowhere, whose worker is the test (`tests.hand`), on a clock that the test moves."""
    from portal.worker.tasks import handlers
    from tests.portal import Portal

    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path)
    running.handlers = handlers(running.parts)
    yield running
    running.close()


@pytest.fixture
def line(by_hand, time):
    """That portal, installed, with one WhatsApp sender of a channel that pretends (`tests.pretend`)."""
    from tests import pretend

    by_hand.install(country="DE")
    with pretend.registered() as channel:
        yield pretend.Line(by_hand, time, channel)


@pytest.fixture
def cloud(database_url, sandbox, tmp_path, time):
    """That portal with one sender of a channel whose senders share an app (`tests.cloudy`)."""
    from portal.worker.tasks import handlers
    from tests import cloudy
    from tests.portal import Portal

    sandbox.ghl.limit.enforced = False
    secrets = {"whatsapp_app_secret": cloudy.APP_SECRET, "whatsapp_webhook_token": cloudy.VERIFY_TOKEN}
    with cloudy.registered() as channel:
        running = Portal(database_url, sandbox, tmp_path, **secrets)
        running.handlers = handlers(running.parts)
        running.install(country="DE")
        yield cloudy.Line(running, time, channel)
        running.close()
