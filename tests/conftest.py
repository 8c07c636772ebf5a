"""What all tests share: a database of each engine, and a portal in this process with the sandbox around it."""

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests import postgres


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


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def database_url(request, tmp_path) -> Iterator[str]:
    """An empty database of either engine."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path / 'portal.db'}"
        return
    server = request.getfixturevalue("postgres_server")
    url = server.create_database("portal")
    yield url
    server.drop_database(url)


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
