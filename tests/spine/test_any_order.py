"""Events of installations in any order, any number of times, between callbacks and minted tokens: the end is the same.

HighLevel lives through a story (consents, uninstallations, plans, names). Its webhooks arrive late, shuffled and more
than once; callbacks come when they come. When all has arrived, the portal must know what HighLevel knows.
"""

import itertools
import json
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal import clock
from portal.ghl import payloads
from portal.ghl.client import GhlClient
from portal.installations import lifecycle
from portal.models import Agency, Grant, GrantState, InstallState, Job, Location
from portal.queue.claim import Limits, claim
from portal.queue.jobs import GHL
from portal.sandbox import world
from portal.sandbox.ghl.grants import Owner
from portal.worker.tasks import handlers
from tests.portal import Portal

STEP = timedelta(seconds=10)


@dataclass
class Time:
    """The portal's clock, moved by the story."""

    at: datetime = field(default_factory=lambda: datetime.now(UTC))

    def now(self) -> datetime:
        self.at += timedelta(milliseconds=1)
        return self.at


@pytest.fixture
def time(monkeypatch):
    time = Time()
    monkeypatch.setattr(clock, "now", time.now)
    return time


@pytest.fixture
def bare(database_url, sandbox, tmp_path, time):
    """A portal that is installed nowhere, and whose worker is the test."""
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path)
    running.handlers = handlers(running.parts)
    yield running
    running.close()


class Story:
    """One agency with two locations, what happened to them in HighLevel, and the webhooks that are still on the way."""

    numbers = itertools.count(1)

    def __init__(self, portal: Portal, time: Time) -> None:
        self.portal, self.time, self.ghl = portal, time, portal.sandbox.ghl
        number = next(self.numbers)
        self.company = world.identifier("story", number)
        self.places = [
            portal.sandbox.world.add_location(f"Place {number}.{n}", self.company, installed=False) for n in range(2)
        ]
        self.plans: dict[str, str] = {}
        self.agency_installed = False
        self.under_way: list[tuple[bytes, datetime]] = []
        self.delivered: list[tuple[bytes, datetime]] = []

    # What happens in HighLevel

    def agency_consents(self, webhooks_first: bool = False) -> None:
        self.agency_installed = True
        code = self.ghl.grants.mint_code(Owner(self.company))
        self._event("INSTALL", companyId=self.company, companyName="Story")
        for place in self.places:
            place.installed = True
            self._event("INSTALL", companyId=self.company, locationId=place.id)
        self._callback(code, webhooks_first)

    def location_consents(self, n: int = 0, webhooks_first: bool = False) -> None:
        place = self.places[n]
        place.installed = True
        code = self.ghl.grants.mint_code(Owner(self.company, place.id))
        self._event("INSTALL", companyId=self.company, locationId=place.id)
        self._callback(code, webhooks_first)

    def agency_installs(self, n: int = 0) -> None:
        """A location that came later: its agency's consent covers it, and no person brings a code."""
        if self.agency_installed:
            self.places[n].installed = True
            self._event("INSTALL", companyId=self.company, locationId=self.places[n].id)

    def location_uninstalls(self, n: int = 0) -> None:
        if self.places[n].installed:
            self.ghl.uninstall(self.places[n].id)
            self._event("UNINSTALL", locationId=self.places[n].id)

    def agency_uninstalls(self) -> None:
        self.agency_installed = False
        self.ghl.uninstall_company(self.company)
        self._event("UNINSTALL", companyId=self.company)

    def plan_changes(self, n: int = 0) -> None:
        place = self.places[n]
        self.plans[place.id] = f"plan{self.time.now().timestamp():.3f}".replace(".", "")
        self._event("PLAN_CHANGE", locationId=place.id, companyId=self.company, newPlanId=self.plans[place.id])

    def renames(self, n: int = 0) -> None:
        self.places[n].name = f"Renamed {self.time.now().timestamp()}"
        self._event("LocationUpdate", id=self.places[n].id, name=self.places[n].name, companyId=self.company)

    def _event(self, kind: str, **fields) -> None:
        self.time.at += STEP
        at = self.time.now()
        body = {"type": kind, "appId": world.APP_ID, "timestamp": at.isoformat(timespec="milliseconds"), **fields}
        self.under_way.append((json.dumps(body).encode(), at))

    def _callback(self, code: str, webhooks_first: bool) -> None:
        if webhooks_first:
            self.deliver(range(len(self.under_way)))
            self.work()
        self.time.at += STEP
        self.portal.parts.consents.take(code)

    # What reaches the portal

    def deliver(self, order) -> None:
        """Those of the webhooks under way, by their places."""
        for n in order:
            self.receive(self.under_way[n])
        self.delivered += [self.under_way[n] for n in order]
        self.under_way = [each for n, each in enumerate(self.under_way) if n not in set(order)]

    def receive(self, webhook: tuple[bytes, datetime]) -> None:
        with self.portal.database.write() as session:
            lifecycle.apply(session, payloads.parse(webhook[0]), self.time.now())

    def work(self) -> int:
        """Carries out what is due, as a worker does."""
        claimed = claim(self.portal.database, GHL, "a test", Limits(100, 100, 100), {})
        for due in (due for lane in claimed.lanes for due in lane):
            self.portal.handlers[due.kind](due)
        return len(claimed.lanes)

    def settle(self) -> None:
        """Lets the portal work until nothing is left to do."""
        for _ in range(60):
            while self.work():
                pass
            with self.portal.session() as session:
                if session.scalar(select(Job.id).where(Job.pool == GHL).limit(1)) is None:
                    return
            self.time.at += timedelta(minutes=10)
        raise AssertionError([(job.kind, job.note) for job in self.portal.jobs()])

    # What must be true in the end

    def check(self) -> None:
        with self.portal.session() as session:
            agency = session.scalar(select(Agency).where(Agency.company_id == self.company))
            company = session.scalar(select(Grant).where(Grant.ghl_id == self.company))
            for place in self.places:
                row = session.scalar(select(Location).where(Location.ghl_id == place.id))
                grant = session.scalar(select(Grant).where(Grant.ghl_id == place.id))
                if place.installed:
                    assert row.install_state == InstallState.INSTALLED, (row.install_event, row.install_note)
                    assert row.agency_id == agency.id and grant.state == GrantState.ACTIVE
                    assert row.name == place.name
                elif row is not None:
                    assert row.install_state in (InstallState.UNINSTALLED, InstallState.NOT_INSTALLED)
                    assert grant is None or (grant.access_token, grant.refresh_token) == ("", "")
                if place.id in self.plans:
                    assert row.plan_id == self.plans[place.id]
            if company is not None:
                assert (company.state == GrantState.ACTIVE) == self.agency_installed
        for place in self.places:
            if place.installed:
                self._reaches(place.id)

    def _reaches(self, location_id: str) -> None:
        """The stored token works, or is replaced by one that does without anybody's help."""
        parts = self.portal.parts
        ghl, token = GhlClient(parts.http, parts.settings.ghl_api_url), parts.tokens.for_location(location_id)
        try:
            ghl.get_location(token, location_id)
        except Exception:
            ghl.get_location(parts.tokens.for_location(location_id, rejected=token), location_id)


HISTORIES = {
    "installed by the agency again": lambda story: (
        story.agency_consents(),
        story.location_uninstalls(),
        story.agency_installs(),
    ),
    "agency back after uninstalling": lambda story: (
        story.location_consents(),
        story.agency_uninstalls(),
        story.agency_consents(),
    ),
    "a person's consent after the agency's end": lambda story: (
        story.agency_consents(),
        story.agency_uninstalls(),
        story.location_consents(),
    ),
    "left in the end": lambda story: (
        story.location_consents(),
        story.location_uninstalls(),
        story.location_consents(),
        story.location_uninstalls(),
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_the_webhooks_ends_the_same(bare, time, name):
    """All callbacks have been there before the first webhook arrives; then they arrive in each possible order."""
    count = len(_told(bare, time, name).under_way)
    for order in itertools.permutations(range(count)) if count < 5 else _some_orders(count):
        story = _told(bare, time, name)
        story.work()
        story.deliver(order)
        for webhook in story.delivered:
            story.receive(webhook)
        story.settle()
        story.check()


def _told(bare, time, name) -> Story:
    story = Story(bare, time)
    HISTORIES[name](story)
    return story


def _some_orders(count: int):
    """Of many events: as they happened, turned round, and each one first and last."""
    straight = tuple(range(count))
    yield straight
    yield straight[::-1]
    for n in straight:
        rest = tuple(each for each in straight if each != n)
        yield (n, *rest)
        yield (*rest[::-1], n)


ACTIONS = st.one_of(
    st.tuples(st.just("agency_consents"), st.booleans()),
    st.tuples(st.just("location_consents"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("agency_installs"), st.integers(0, 1)),
    st.tuples(st.just("location_uninstalls"), st.integers(0, 1)),
    st.tuples(st.just("agency_uninstalls")),
    st.tuples(st.just("plan_changes"), st.integers(0, 1)),
    st.tuples(st.just("renames"), st.integers(0, 1)),
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(actions=st.lists(ACTIONS, min_size=2, max_size=8), data=st.data())
def test_any_story_ends_as_highlevel_knows_it(bare, time, actions, data):
    story = Story(bare, time)
    for action, *arguments in actions:
        getattr(story, action)(*arguments)
        count = len(story.under_way)
        early = data.draw(st.lists(st.integers(0, count - 1), unique=True, max_size=3)) if count else []
        story.deliver(early)
        if story.delivered and data.draw(st.booleans()):
            story.receive(data.draw(st.sampled_from(story.delivered)))
        if data.draw(st.booleans()):
            story.work()
    story.deliver(data.draw(st.permutations(range(len(story.under_way)))))
    for webhook in data.draw(st.permutations(story.delivered)):
        story.receive(webhook)
    story.settle()
    story.check()
