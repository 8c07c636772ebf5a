"""Installed like a marketplace app: consent, tokens that are renewed once, and an end that sends nothing."""

from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
import requests
from sqlalchemy import select, update

from portal import clock
from portal.database import TOKEN_LOCK, open_database
from portal.installations.tokens import NoToken, Tokens
from portal.models import Grant, GrantState, InstallState, Location
from portal.sandbox import world
from portal.sandbox.ghl.grants import Owner
from portal.worker.scheduler import Clockwork
from tests.portal import PLACE, Portal, eventually

OTHER = world.DEMO_LOCATIONS[1]


@pytest.fixture
def bare(database_url, sandbox, tmp_path):
    """A portal that is installed nowhere."""
    running = Portal(database_url, sandbox, tmp_path)
    yield running
    running.close()


def grant(portal, ghl_id=PLACE.id):
    with portal.session() as session:
        return session.scalars(select(Grant).where(Grant.ghl_id == ghl_id)).one()


def location(portal, ghl_id=PLACE.id):
    with portal.session() as session:
        return session.scalars(select(Location).where(Location.ghl_id == ghl_id)).one()


def expire(portal):
    with portal.database.write() as session:
        session.execute(update(Grant).values(expires_at=clock.now() - timedelta(seconds=1)))


def callback(portal, **parameters):
    return requests.get(f"{portal.url}/oauth/callback", params=parameters, timeout=60)


def test_a_marketplace_install_without_state_is_as_good(bare):
    code = bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id))
    answer = callback(bare, code=code)
    assert answer.status_code == 200 and "Installed" in answer.text
    assert location(bare).install_state == InstallState.INSTALLED
    stored = grant(bare)
    assert PLACE.id not in stored.access_token and "." not in stored.access_token[:8], "sealed at rest"
    generation = stored.generation
    again = callback(bare, code=code)
    assert again.status_code == 200 and "Installed" in again.text, "a page that is loaded twice"
    assert grant(bare).generation == generation
    assert grant(bare).access_token == stored.access_token


def test_a_state_of_another_browser_is_refused(bare):
    browser = requests.Session()
    begun = browser.get(f"{bare.url}/oauth/install", allow_redirects=False, timeout=10)
    assert begun.status_code == 302 and "chooselocation" in begun.headers["Location"]
    code = bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id))
    wrong = browser.get(f"{bare.url}/oauth/callback", params={"code": code, "state": "x"}, timeout=10)
    assert wrong.status_code == 400


@pytest.mark.parametrize("parameters", [{}, {"code": ""}, {"code": "x" * 3000}, {"error": "access_denied"}])
def test_a_callback_without_a_usable_code_says_what_to_do(bare, parameters):
    answer = callback(bare, **parameters)
    assert answer.status_code == 400
    assert "nothing was installed" in answer.text and "Begin again" in answer.text
    assert 'href="/oauth/install"' in answer.text


def begin(bare) -> tuple[requests.Session, str]:
    """A browser on its way to HighLevel, and the state it carries."""
    browser = requests.Session()
    there = browser.get(f"{bare.url}/oauth/install", allow_redirects=False, timeout=10).headers["Location"]
    return browser, parse_qs(urlsplit(there).query)["state"][0]


def come_back(bare, browser: requests.Session, **parameters):
    code = bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id))
    return browser.get(f"{bare.url}/oauth/callback", params={"code": code, **parameters}, timeout=20)


def test_a_state_is_good_in_its_own_browser_in_any_of_its_windows(bare):
    browser, first = begin(bare)
    there = browser.get(f"{bare.url}/oauth/install", allow_redirects=False, timeout=10).headers["Location"]
    second = parse_qs(urlsplit(there).query)["state"][0]
    assert come_back(bare, browser, state=first).status_code == 200
    assert come_back(bare, browser, state=second).status_code == 200


def test_a_state_of_another_browser_or_of_yesterday_says_what_to_do(bare, monkeypatch):
    _, state = begin(bare)
    stranger = come_back(bare, requests.Session(), state=state)
    assert stranger.status_code == 400 and "in another browser" in stranger.text and "Begin again" in stranger.text
    browser, state = begin(bare)
    monkeypatch.setattr("portal.web.oauth.STATE_SECONDS", -1)
    assert "more than an hour ago" in come_back(bare, browser, state=state).text
    assert bare.sandbox.records.count("ghl.token") == 0, "no code is used up"


def test_a_refused_consent_of_a_browser_is_no_fault(bare):
    browser, state = begin(bare)
    parameters = {"error": "access_denied", "state": state}
    answer = browser.get(f"{bare.url}/oauth/callback", params=parameters, timeout=20)
    assert answer.status_code == 400 and "permission was not given" in answer.text


def test_the_sandbox_lets_a_person_refuse(bare):
    browser, state = begin(bare)
    back = {"client_id": world.CLIENT_ID, "redirect_uri": f"{bare.url}/oauth/callback", "state": state, "cancel": "1"}
    answer = browser.post(f"{bare.sandbox.url}/v2/oauth/chooselocation", data=back, timeout=60)
    assert answer.status_code == 400 and "permission was not given" in answer.text


def test_one_code_by_two_requests_at_once_is_one_installation(bare):
    code = bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id))
    bare.sandbox.faults.arm("ghl.token", "slow", seconds=0.5, times=1)
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(lambda _: callback(bare, code=code), range(2)))
    assert [answer.status_code for answer in answers] == [200, 200]
    assert grant(bare).generation == 1


def test_a_code_that_another_installation_used_is_none(bare):
    answer = callback(bare, code="stolen")
    assert answer.status_code == 502 and "Begin again" in answer.text
    bare.sandbox.faults.arm("ghl.token", "status", status=500)
    answer = callback(bare, code=bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id)))
    assert answer.status_code == 502 and "Load this page again" in answer.text


def test_missing_scopes_are_said_at_once(bare):
    bare.sandbox.ghl.grants.scope = "locations.readonly"
    answer = callback(bare, code=bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id)))
    assert answer.status_code == 200 and "conversations/message.write" in answer.text


def test_an_agency_install_gives_every_location_its_token(bare):
    bare.start()
    code = bare.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, ""))
    assert callback(bare, code=code).status_code == 200
    for place in world.DEMO_LOCATIONS:
        eventually(lambda place=place: bare.session and _installed(bare, place.id), what=f"{place.name} installed")


def _installed(portal, ghl_id):
    with portal.session() as session:
        found = session.scalar(select(Location).where(Location.ghl_id == ghl_id))
        return found is not None and found.install_state == InstallState.INSTALLED


def test_install_event_before_the_callback_is_safe(bare):
    bare.start()
    assert bare.sandbox.deliveries.install(PLACE.company_id, PLACE.id).status == 200
    eventually(lambda: bare.events()[0].state == "applied", what="INSTALL applied")
    assert location(bare).install_state == InstallState.NOT_INSTALLED
    bare.install()
    assert location(bare).install_state == InstallState.INSTALLED


def test_what_came_before_the_install_goes_out_after_it(bare):
    bare.start()
    bare.add_sender("cast")
    bare.sandbox.deliveries.send("Early bird")
    eventually(lambda: bare.statuses().get("held"), what="held")
    assert "not installed" in bare.messages()[0].reason
    bare.install()
    eventually(lambda: bare.ghl_statuses() == {"delivered": 1}, what="delivered after the install")


def test_an_uninstalled_location_sends_nothing_and_an_old_event_changes_nothing(portal):
    old = (clock.now() - timedelta(days=1)).isoformat()
    portal.sandbox.deliveries.event("UNINSTALL", {"locationId": PLACE.id, "timestamp": old})
    eventually(lambda: portal.events()[-1].state == "ignored", what="older UNINSTALL ignored")
    assert location(portal).install_state == InstallState.INSTALLED
    portal.sandbox.deliveries.uninstall(PLACE.id)
    eventually(lambda: location(portal).install_state == InstallState.UNINSTALLED, what="uninstalled")
    assert grant(portal).refresh_token == ""
    portal.sandbox.deliveries.send("Into the void")
    eventually(lambda: portal.statuses().get("held"), what="held")
    assert portal.sandbox.records.count("cast.send") == 0


def test_fifty_needs_of_a_token_make_one_refresh(idle):
    expire(idle)
    twin = Tokens(idle.database, idle.parts.vault, idle.parts.oauth)
    with ThreadPoolExecutor(50) as pool:
        found = set(pool.map(lambda n: (idle.parts.tokens, twin)[n % 2].for_location(PLACE.id), range(50)))
    assert len(found) == 1
    assert len(idle.sandbox.ghl.grants.refreshes) == 1


def outcomes(portal):
    return [one.outcome for one in portal.sandbox.ghl.grants.refreshes]


def test_what_a_process_died_over_is_renewed_while_highlevel_repeats_its_answer(idle):
    expire(idle)
    before = grant(idle)
    # It had begun and had HighLevel's answer, and had not stored it.
    idle.parts.oauth.refresh(idle.parts.vault.open(before.refresh_token), "Location")
    with idle.database.write() as session:
        session.execute(update(Grant).values(refreshing_until=clock.now() + timedelta(seconds=29)))
    clockwork = Clockwork(idle.parts)
    with idle.database.alone(TOKEN_LOCK, before.id) as mine:
        assert mine
        clockwork.finish_refreshes()
        assert outcomes(idle) == ["rotated"], "it lives yet"
    clockwork.finish_refreshes()
    assert outcomes(idle) == ["rotated", "grace"]
    assert grant(idle).generation == before.generation + 1 and grant(idle).refreshing_until is None
    clockwork.finish_refreshes()
    assert len(outcomes(idle)) == 2, "there is nothing left to finish"


def test_a_lock_is_one_threads_of_all_processes_and_ends_with_its_holder(idle):
    twin = open_database(idle.database.engine.url.render_as_string(hide_password=False))
    twin._alone = idle.database._alone  # SQLite has one process
    with idle.database.alone(1, 1) as first, twin.alone(1, 1) as second, twin.alone(1, 2) as other:
        assert (first, second, other) == (True, False, True)
        with ThreadPoolExecutor(1) as pool:
            assert not pool.submit(lambda: idle.database.alone(1, 1).__enter__()).result(10)
    with suppress(KeyError), idle.database.alone(1, 1):
        raise KeyError
    with twin.alone(1, 1) as free:
        assert free


def test_a_refresh_that_takes_long_is_still_the_only_one(idle):
    expire(idle)
    idle.sandbox.faults.arm("ghl.token", "slow", seconds=2)
    with ThreadPoolExecutor(4) as pool:
        found = set(pool.map(lambda _: idle.parts.tokens.for_location(PLACE.id), range(4)))
    assert len(found) == 1 and outcomes(idle) == ["rotated"]


def test_a_refresh_whose_answer_was_lost_is_asked_for_again_at_once(portal):
    portal.sandbox.faults.arm("ghl.token", "reset_after")
    portal.sandbox.ghl.grants.expire_access_tokens()
    portal.sandbox.deliveries.send("Renew")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert outcomes(portal) == ["rotated", "grace"]


def test_a_refused_token_is_renewed_once_and_the_status_arrives(portal):
    portal.sandbox.ghl.grants.expire_access_tokens()
    portal.sandbox.deliveries.send("Renew")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert len(portal.sandbox.ghl.grants.refreshes) == 1


def test_the_early_403_is_waited_out_without_a_refresh(portal):
    portal.sandbox.ghl.early_403_seconds = 3600.0
    portal.sandbox.deliveries.send("Patience")
    outbound = lambda: portal.sandbox.ghl.mailbox.messages(direction="outbound")[0]  # noqa: E731
    eventually(lambda: outbound().refused, what="an update that came too early")
    portal.sandbox.ghl.early_403_seconds = 0.0
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    assert not portal.sandbox.ghl.grants.refreshes


def test_a_paused_location_keeps_its_token_and_a_dead_grant_raises_an_alert(idle):
    idle.sandbox.world.locations[PLACE.id].active = False
    expire(idle)
    with pytest.raises(NoToken) as paused:
        idle.parts.tokens.for_location(PLACE.id)
    assert paused.value.retry_at is not None
    assert grant(idle).refresh_token and grant(idle).state == GrantState.ACTIVE
    assert location(idle).install_state == InstallState.INACTIVE
    idle.sandbox.world.locations[PLACE.id].active = True
    with idle.database.write() as session:
        session.execute(update(Grant).values(retry_at=None))
    assert idle.parts.tokens.for_location(PLACE.id)
    assert location(idle).install_state == InstallState.INSTALLED


def test_an_uninstall_during_a_refresh_is_not_undone(idle):
    from portal.installations import grants

    granted = idle.sandbox.ghl.grants.mint_code(Owner(PLACE.company_id, PLACE.id))
    fresh = idle.parts.oauth.exchange_code(granted, idle.settings.redirect_uri)
    with idle.database.write() as session:
        session.execute(update(Grant).values(state=GrantState.UNINSTALLED, access_token="", refresh_token=""))
    with pytest.raises(grants.Superseded), idle.database.write() as session:
        grants.save(session, idle.parts.vault, fresh, renewal_of=1)
    assert grant(idle).state == GrantState.UNINSTALLED
