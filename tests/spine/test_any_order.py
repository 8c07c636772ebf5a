"""Events of installations in any order, any number of times, between callbacks and minted tokens: the end is the same.

HighLevel lives through a story (consents, uninstallations, plans, names). Its webhooks arrive late, shuffled and more
than once; callbacks come when they come. When all has arrived, the portal must know what HighLevel knows.
"""

import itertools
import json
import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from time import sleep

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from portal.ghl import payloads
from portal.installations import lifecycle
from portal.models import Agency, Grant, GrantState, InstallState, Location
from portal.models.tenants import PRESENT
from portal.queue.jobs import GHL
from portal.sandbox import world
from portal.sandbox.ghl.grants import Owner
from portal.sandbox.ghl.tokens import Refused
from portal.worker.process import WorkerProcess
from tests.hand import Time, settle, work
from tests.portal import Portal, eventually

STEP = timedelta(seconds=10)


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

    def agency_consents(self, webhooks_first: bool = False, each_told: bool = True) -> None:
        """For all its locations. HighLevel may send one INSTALL for the agency, or one for each location besides."""
        self.agency_installed = True
        code = self.ghl.grants.mint_code(Owner(self.company))
        self._event("INSTALL", companyId=self.company, companyName="Story")
        for place in self.places:
            place.installed = True
            if each_told:
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

    def work(self) -> None:
        work(self.portal, GHL)

    def settle(self) -> None:
        settle(self.portal, self.time, GHL)

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
                    # No dead token is left behind for a message to stumble over.
                    token = self.portal.parts.vault.open(grant.access_token)
                    assert self.ghl.grants.check(token) == Owner(self.company, place.id)
                elif row is not None:
                    assert row.install_state in (InstallState.UNINSTALLED, InstallState.NOT_INSTALLED)
                    assert row.install_event not in PRESENT
                    assert grant is None or (grant.access_token, grant.refresh_token) == ("", "")
                if place.id in self.plans:
                    assert row.plan_id == self.plans[place.id]
            if company is not None:
                assert (company.state == GrantState.ACTIVE) == self.agency_installed


HISTORIES = {
    "installed by the agency again": lambda story: (
        story.agency_consents(),
        story.location_uninstalls(),
        story.agency_installs(),
    ),
    "agency back after uninstalling": lambda story: (
        story.agency_consents(),
        story.agency_uninstalls(),
        story.agency_consents(each_told=False),
    ),
    "a person's consent after the agency's end": lambda story: (
        story.agency_consents(),
        story.agency_uninstalls(),
        story.location_consents(),
    ),
    "tokens that died with an uninstallation of the agency": lambda story: (
        story.agency_consents(each_told=False),
        story.settle(),
        story.agency_uninstalls(),
        story.agency_consents(each_told=False),
    ),
    "a token that died with an uninstallation": lambda story: (
        story.agency_consents(each_told=False),
        story.settle(),
        story.location_uninstalls(),
        story.agency_installs(),
    ),
    "a location of an agency that came later": lambda story: (
        story.agency_consents(each_told=False),
        story.settle(),
        story.location_uninstalls(1),
        story.settle(),
        story.agency_installs(1),
        story.location_uninstalls(1),
        story.agency_installs(1),
    ),
    "named and planned": lambda story: (
        story.location_consents(),
        story.renames(),
        story.plan_changes(),
        story.renames(),
        story.plan_changes(),
    ),
    "left in the end": lambda story: (
        story.location_consents(),
        story.location_uninstalls(),
        story.location_consents(),
        story.location_uninstalls(),
    ),
}


@pytest.mark.parametrize("name", HISTORIES)
def test_every_order_of_the_webhooks_ends_the_same(by_hand, time, name):
    """All callbacks have been there before the first webhook arrives; then they arrive in each possible order."""
    count = len(_told(by_hand, time, name).under_way)
    for order in itertools.permutations(range(count)) if count < 5 else _some_orders(count):
        story = _told(by_hand, time, name)
        story.work()
        story.deliver(order)
        story.settle()
        story.check()
        for webhook in story.delivered:
            story.receive(webhook)
        story.settle()
        story.check()


def test_a_name_from_before_the_location_was_known_does_not_come_back(by_hand, time):
    story = Story(by_hand, time)
    for _ in range(2):
        story.renames()
        story.deliver([0])
    story.agency_consents(each_told=False)
    story.settle()
    story.receive(story.delivered[0])
    story.settle()
    story.check()


def _told(by_hand, time, name) -> Story:
    story = Story(by_hand, time)
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
    st.tuples(st.just("agency_consents"), st.booleans(), st.booleans()),
    st.tuples(st.just("location_consents"), st.integers(0, 1), st.booleans()),
    st.tuples(st.just("agency_installs"), st.integers(0, 1)),
    st.tuples(st.just("location_uninstalls"), st.integers(0, 1)),
    st.tuples(st.just("agency_uninstalls")),
    st.tuples(st.just("plan_changes"), st.integers(0, 1)),
    st.tuples(st.just("renames"), st.integers(0, 1)),
)


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(actions=st.lists(ACTIONS, min_size=2, max_size=8), data=st.data())
def test_any_story_ends_as_highlevel_knows_it(by_hand, time, actions, data):
    story = Story(by_hand, time)
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
    story.settle()
    story.check()
    for webhook in data.draw(st.permutations(story.delivered)):
        story.receive(webhook)
    story.settle()
    story.check()


class Now:
    """The real clock, for a portal whose worker runs. What happens in HighLevel happens some moments apart."""

    @property
    def at(self) -> datetime:
        return datetime.now(UTC)

    @at.setter
    def at(self, _: datetime) -> None:
        sleep(0.02)

    def now(self) -> datetime:
        return self.at


@pytest.mark.parametrize("name", [name for name in HISTORIES if "died" not in name and "later" not in name])
def test_webhooks_at_once_and_many_workers_end_the_same(database_url, sandbox, tmp_path, name, caplog):
    """Eight connections post everything twice while the workers, two on PostgreSQL, are at it."""
    sandbox.ghl.limit.enforced = False
    portal = Portal(database_url, sandbox, tmp_path)
    workers = [WorkerProcess(portal.parts) for _ in range(1 if portal.database.sqlite else 2)]
    for worker in workers:
        worker.start()
    try:
        stories = [Story(portal, Now()) for _ in range(4)]
        for story in stories:
            HISTORIES[name](story)
        webhooks = [json.loads(body) for story in stories for body, _ in story.under_way] * 2
        random.Random(name).shuffle(webhooks)
        with ThreadPoolExecutor(8) as pool:
            answers = list(pool.map(lambda body: sandbox.deliveries.event(body["type"], body), webhooks))
        assert all(answer.taken for answer in answers)
        eventually(lambda: {event.state for event in portal.events()} <= {"applied", "ignored"}, what="all applied")
        eventually(lambda: _checked(stories), what="the end that HighLevel knows")
        assert [record.getMessage() for record in caplog.records if record.levelname == "ERROR"] == []
    finally:
        for worker in workers:
            worker.stop()
        portal.close()


def _checked(stories) -> str:
    try:
        for story in stories:
            story.check()
    except (AssertionError, AttributeError, Refused):
        return ""
    return "as HighLevel knows it"
