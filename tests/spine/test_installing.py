"""The life of installations: agencies and their locations, what comes late or not at all, and whose a location is."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts import notices
from portal.ghl import oauth, payloads
from portal.installations import lifecycle
from portal.installations.tokens import NoToken
from portal.messaging.receiving import Context, apply_event
from portal.models import (
    Agency,
    Alert,
    Event,
    Grant,
    GrantState,
    InstallEvent,
    InstallState,
    Location,
    Message,
    Sender,
    SenderState,
)
from portal.queue.jobs import GHL, SEND
from portal.sandbox import world
from portal.sandbox.ghl.grants import Owner
from portal.worker.scheduler import Clockwork
from tests.hand import settle, work
from tests.portal import PLACE

COMPANY, OTHER = world.DEMO_COMPANY.id, world.DEMO_LOCATIONS[1]
RIVAL = world.identifier("a rival agency")


def consent(portal, company_id: str, location_id: str = ""):
    """A person gives the permission, and comes back with the code."""
    return portal.parts.consents.take(portal.sandbox.ghl.grants.mint_code(Owner(company_id, location_id)))


def tell(portal, kind: str, at=None, **fields) -> str:
    """An app event of HighLevel, applied at once; what it did."""
    moment = (at or clock.now()).isoformat()
    body = {"type": kind, "appId": world.APP_ID, "timestamp": moment, **fields}
    with portal.database.write() as session:
        return lifecycle.apply(session, payloads.parse(json.dumps(body).encode()), clock.now())


def location(portal, ghl_id: str = PLACE.id) -> Location:
    with portal.session() as session:
        found = session.scalars(select(Location).where(Location.ghl_id == ghl_id)).one()
        found.agency  # noqa: B018 - loaded while there is a session
        return found


def grant(portal, ghl_id: str = PLACE.id) -> Grant:
    with portal.session() as session:
        return session.scalars(select(Grant).where(Grant.ghl_id == ghl_id)).one()


def owner(portal, ghl_id: str = PLACE.id) -> str | None:
    agency = location(portal, ghl_id).agency
    return agency.company_id if agency else None


def alerts(portal, kind: str) -> list[str]:
    with portal.session() as session:
        open_ = select(Alert.text).where(Alert.kind == kind, Alert.closed_at.is_(None)).order_by(Alert.id)
        return list(session.scalars(open_))


def states(portal) -> dict[str, str]:
    with portal.session() as session:
        return {row.ghl_id: row.install_state for row in session.scalars(select(Location))}


def calls(portal, route: str) -> list:
    return portal.sandbox.records.calls(f"ghl.{route}")


# Agencies


def test_every_page_of_an_agencys_locations_is_connected(by_hand, time, monkeypatch):
    monkeypatch.setattr(oauth, "PAGE", 10)
    places = [by_hand.sandbox.world.add_location(f"Branch {n}", RIVAL) for n in range(23)]
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    assert states(by_hand) == {place.id: "installed" for place in places}
    assert [call.query.partition("skip=")[2].partition("&")[0] for call in calls(by_hand, "installed_locations")] == [
        "0",
        "10",
        "20",
        "23",
    ]
    assert len(calls(by_hand, "location_token")) == 23


def test_a_location_that_fails_stops_no_other_and_is_shown_until_it_is_connected(by_hand, time):
    by_hand.sandbox.faults.arm("ghl.location_token", "status", times=None, only=PLACE.id, status=500)
    consent(by_hand, COMPANY)
    for _ in range(8):
        work(by_hand, GHL)
        time.forward(seconds=40)
    assert states(by_hand) == {PLACE.id: "not_installed", OTHER.id: "installed"}
    assert "trouble of its own" in location(by_hand).install_note
    assert PLACE.name in alerts(by_hand, notices.NOT_INSTALLED)[0]
    with by_hand.session() as session:
        told = session.scalars(select(Alert).where(Alert.kind == notices.NOT_INSTALLED)).one()
        assert told.location_id == location(by_hand).id, "its agency sees it too"
    by_hand.sandbox.faults.clear()
    settle(by_hand, time)
    assert states(by_hand)[PLACE.id] == "installed"
    assert alerts(by_hand, notices.NOT_INSTALLED) == [] and location(by_hand).install_note == ""


def test_what_could_not_be_connected_is_tried_again_by_the_daily_look(by_hand, time):
    by_hand.sandbox.faults.arm("ghl.location_token", "status", times=None, only=PLACE.id, status=500)
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert states(by_hand)[PLACE.id] == "not_installed", "given up for now"
    by_hand.sandbox.faults.clear()
    look_for_a_day(by_hand, time)
    assert states(by_hand)[PLACE.id] == "installed"


def test_a_list_that_cannot_be_read_is_tried_again(by_hand, time):
    by_hand.sandbox.faults.arm("ghl.installed_locations", "status", times=3, status=500)
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert set(states(by_hand).values()) == {"installed"}


def test_a_long_list_is_read_on_after_the_limit(by_hand, time, monkeypatch):
    monkeypatch.setattr(oauth, "PAGE", 10)
    for n in range(15):
        by_hand.sandbox.world.add_location(f"Branch {n}", RIVAL)
    slept = []
    monkeypatch.setattr(by_hand.parts.bulk, "_sleep", slept.append)
    by_hand.sandbox.faults.arm("ghl.installed_locations", "status", skip=1, times=2, status=429, retry_after=3)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    assert len(states(by_hand)) == 15 and slept == [3.0, 3.0]


def test_a_later_location_of_the_agency_is_minted_when_highlevel_installs_it(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    later = by_hand.sandbox.world.add_location("Later")
    assert tell(by_hand, "INSTALL", companyId=COMPANY, locationId=later.id) == "installation noted"
    assert location(by_hand, later.id).install_state == InstallState.NOT_INSTALLED
    settle(by_hand, time)
    assert states(by_hand)[later.id] == "installed" and owner(by_hand, later.id) == COMPANY


def test_a_later_location_whose_agency_is_left_out_is_found_on_its_list(by_hand, time):
    """HighLevel's documentation of INSTALL: via future locations the company id may be missing."""
    consent(by_hand, COMPANY)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    later = by_hand.sandbox.world.add_location("Later")
    tell(by_hand, "INSTALL", locationId=later.id)
    settle(by_hand, time)
    assert states(by_hand)[later.id] == "installed" and owner(by_hand, later.id) == COMPANY


def test_an_agencys_token_that_names_the_picked_location_is_still_the_agencys(by_hand, time, monkeypatch):
    """A location that a person picks may come with an agency's token, and be named in it."""
    real = by_hand.parts.oauth.exchange_code

    def exchange_code(_self, *asked):
        from dataclasses import replace

        return replace(real(*asked), location_id=PLACE.id, approved_locations=(OTHER.id,))

    code = by_hand.sandbox.ghl.grants.mint_code(Owner(COMPANY))
    monkeypatch.setattr(type(by_hand.parts.oauth), "exchange_code", exchange_code)
    by_hand.sandbox.faults.arm("ghl.installed_locations", "status", times=None, status=500)
    assert by_hand.parts.consents.take(code).kind == "company"
    settle(by_hand, time)
    assert states(by_hand) == {PLACE.id: "installed", OTHER.id: "installed"}


def test_an_agency_that_leaves_takes_all_its_locations_along_and_comes_back_with_them(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    by_hand.sandbox.ghl.uninstall_company(COMPANY)
    assert "2 locations" in tell(by_hand, "UNINSTALL", companyId=COMPANY)
    settle(by_hand, time)
    assert set(states(by_hand).values()) == {"uninstalled"}
    with by_hand.session() as session:
        assert {row.state for row in session.scalars(select(Grant))} == {GrantState.UNINSTALLED}
        assert {row.refresh_token for row in session.scalars(select(Grant))} == {""}
    for place in (PLACE, OTHER):
        by_hand.sandbox.world.locations[place.id].installed = True
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert set(states(by_hand).values()) == {"installed"}


def test_an_agencys_uninstallation_reaches_no_other_agency(by_hand, time):
    theirs = by_hand.sandbox.world.add_location("Theirs", RIVAL)
    consent(by_hand, COMPANY)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    tell(by_hand, "UNINSTALL", companyId=COMPANY)
    settle(by_hand, time)
    assert states(by_hand)[theirs.id] == "installed" and grant(by_hand, RIVAL).state == "active"


# Whose a location is


def test_an_event_does_not_make_a_location_another_agencys(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.sandbox.world.add_location("Theirs", RIVAL)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    said = tell(by_hand, "INSTALL", companyId=RIVAL, companyName="Rival", locationId=PLACE.id)
    assert "HighLevel is asked whose it is" in said
    settle(by_hand, time)
    row = location(by_hand)
    assert owner(by_hand) == COMPANY and row.claimed_company == ""
    assert (row.install_state, row.install_event) == ("installed", InstallEvent.CONSENT)
    refused = [call for call in calls(by_hand, "location_token") if PLACE.id in str(call.body)]
    assert {call.status for call in refused} == {400}, "HighLevel was asked, and refused"
    assert alerts(by_hand, notices.NOT_INSTALLED) == []


def test_another_agencys_claim_does_not_keep_the_owner_from_connecting(by_hand, time):
    """The owner's location waits for its token while a rival's event names it."""
    by_hand.sandbox.faults.arm("ghl.location_token", "status", times=2, only=PLACE.id, status=500)
    consent(by_hand, COMPANY)
    consent(by_hand, RIVAL)
    work(by_hand, GHL)
    work(by_hand, GHL)
    assert states(by_hand)[PLACE.id] == "not_installed" and owner(by_hand) == COMPANY
    tell(by_hand, "INSTALL", companyId=RIVAL, locationId=PLACE.id)
    settle(by_hand, time)
    assert states(by_hand)[PLACE.id] == "installed" and owner(by_hand) == COMPANY


def test_a_rivals_trouble_is_not_shown_to_the_owner(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    by_hand.sandbox.faults.arm("ghl.location_token", "status", times=None, only=PLACE.id, status=500)
    tell(by_hand, "INSTALL", companyId=RIVAL, locationId=PLACE.id)
    settle(by_hand, time)
    assert location(by_hand).install_note == "" and alerts(by_hand, notices.NOT_INSTALLED) == []


def test_an_agency_cannot_uninstall_what_is_connected_without_a_known_agency(by_hand, time, monkeypatch):
    """A token may come without the agency's id; until it is learnt, an event's word is no reason to stop."""
    from dataclasses import replace

    real = by_hand.parts.oauth.exchange_code
    monkeypatch.setattr(
        type(by_hand.parts.oauth), "exchange_code", lambda _self, *asked: replace(real(*asked), company_id="")
    )
    consent(by_hand, COMPANY, PLACE.id)
    assert owner(by_hand) is None
    time.forward(minutes=1)
    tell(by_hand, "INSTALL", companyId=RIVAL, locationId=PLACE.id)
    time.forward(minutes=1)
    tell(by_hand, "UNINSTALL", companyId=RIVAL)
    assert states(by_hand)[PLACE.id] == "installed"
    settle(by_hand, time)
    assert owner(by_hand) == COMPANY, "learnt with the location's own token"


def test_a_token_that_was_minted_while_a_person_consented_does_not_replace_the_newer_one(by_hand, time, monkeypatch):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    real = type(by_hand.parts.oauth).location_token

    def location_token(self, *asked):
        minted = real(self, *asked)
        consent(by_hand, COMPANY, PLACE.id)
        return minted

    monkeypatch.setattr(type(by_hand.parts.oauth), "location_token", location_token)
    with pytest.raises(NoToken):
        by_hand.parts.tokens.mint(location(by_hand))
    assert grant(by_hand).consent_code != ""


def test_an_event_does_not_give_away_a_location_that_nobody_has_proven(by_hand, time):
    """Its sender was added before the app was installed."""
    by_hand.add_sender("cast")
    consent(by_hand, RIVAL)
    tell(by_hand, "INSTALL", companyId=RIVAL, locationId=PLACE.id)
    settle(by_hand, time)
    assert owner(by_hand) is None
    consent(by_hand, COMPANY, PLACE.id)
    assert owner(by_hand) == COMPANY


def test_an_uninstallation_by_another_agency_is_not_believed(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    assert "another agency's" in tell(by_hand, "UNINSTALL", companyId=RIVAL, locationId=PLACE.id)
    settle(by_hand, time)
    assert states(by_hand) == {PLACE.id: "installed"} and grant(by_hand).state == "active"
    assert "another agency's" in tell(by_hand, "PLAN_CHANGE", companyId=RIVAL, locationId=PLACE.id, newPlanId="p9")
    assert location(by_hand).plan_id == ""


def test_another_agencys_list_alone_does_not_move_a_location(by_hand, time, monkeypatch):
    consent(by_hand, COMPANY, PLACE.id)
    consent(by_hand, RIVAL)
    from portal.ghl.oauth import InstalledLocation, OAuthClient

    monkeypatch.setattr(OAuthClient, "installed_locations", lambda *_: iter([InstalledLocation(PLACE.id)]))
    settle(by_hand, time)
    assert owner(by_hand) == COMPANY and states(by_hand)[PLACE.id] == "installed"


def test_a_location_that_moves_to_another_agency_takes_no_account_along_unseen(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    sender = by_hand.add_sender("cast")
    settle(by_hand, time)
    by_hand.sandbox.world.locations[PLACE.id].company_id = RIVAL
    consent(by_hand, RIVAL, PLACE.id)
    assert owner(by_hand) == RIVAL and states(by_hand)[PLACE.id] == "installed"
    with by_hand.session() as session:
        row = session.get_one(Sender, sender)
        assert row.state == SenderState.PAUSED and "another agency" in row.state_reason
    assert "moved to the agency" in alerts(by_hand, notices.LOCATION_MOVED)[0]
    assert "with 0 locations" in tell(by_hand, "UNINSTALL", companyId=COMPANY)
    assert states(by_hand)[PLACE.id] == "installed", "the former agency's end is not its own"


def test_the_agencys_token_proves_a_move_too(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    consent(by_hand, RIVAL)
    settle(by_hand, time)
    by_hand.sandbox.world.locations[PLACE.id].company_id = RIVAL
    tell(by_hand, "INSTALL", companyId=RIVAL, locationId=PLACE.id)
    settle(by_hand, time)
    assert owner(by_hand) == RIVAL and grant(by_hand).company_id == RIVAL


def test_an_event_from_the_future_does_not_outdo_what_comes_later(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    tell(by_hand, "INSTALL", at=clock.now() + timedelta(days=3000), companyId=COMPANY, locationId=PLACE.id)
    time.forward(minutes=1)
    assert tell(by_hand, "UNINSTALL", locationId=PLACE.id) == "location uninstalled"


def test_a_code_after_an_uninstallation_that_highlevels_clock_dates_later_still_counts(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    tell(by_hand, "UNINSTALL", at=clock.now() + timedelta(minutes=4), locationId=PLACE.id)
    assert states(by_hand) == {PLACE.id: "uninstalled"}
    consent(by_hand, COMPANY, PLACE.id)
    assert tell(by_hand, "INSTALL", companyId=COMPANY, locationId=PLACE.id).startswith(lifecycle.IGNORED)
    settle(by_hand, time)
    assert states(by_hand) == {PLACE.id: "installed"}


# Uninstalled, paused, back


def deliver(portal, text: str):
    portal.sandbox.deliveries.send(text)
    work(portal, "apply")
    return portal.messages()[-1]


def test_what_waits_while_the_app_is_away_goes_out_in_order_when_it_is_back(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.add_sender("cast")
    settle(by_hand, time)
    queued = deliver(by_hand, "one")
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    work(by_hand, SEND)
    assert by_hand.messages()[0].id == queued.id and by_hand.messages()[0].status == "held"
    deliver(by_hand, "two")
    deliver(by_hand, "three")
    assert {message.status for message in by_hand.messages()} == {"held"}
    assert {message.reason for message in by_hand.messages()} == {
        "The app was uninstalled from this sub-account: install it again, and this goes out."
    }
    assert PLACE.name in alerts(by_hand, notices.NOT_INSTALLED)[0]
    assert by_hand.sandbox.records.count("cast.send") == 0
    by_hand.sandbox.ghl.uninstall(PLACE.id)
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert [each.text for each in by_hand.sandbox.cast.accepted()] == ["one", "two", "three"]
    assert alerts(by_hand, notices.NOT_INSTALLED) == []


def test_time_to_live_counts_while_the_app_is_away(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.add_sender("cast")
    settle(by_hand, time)
    tell(by_hand, "UNINSTALL", locationId=PLACE.id)
    deliver(by_hand, "too late")
    time.forward(hours=25)
    Clockwork(by_hand.parts).recover()
    assert by_hand.messages()[0].status == "expired"
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    assert by_hand.sandbox.records.count("cast.send") == 0
    assert [message.status for message in by_hand.sandbox.ghl.mailbox.messages(direction="outbound")] == ["failed"]


def test_a_paused_sub_account_sends_nothing_and_comes_back_by_itself(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.add_sender("cast")
    settle(by_hand, time)
    before = grant(by_hand).refresh_token
    by_hand.sandbox.world.locations[PLACE.id].active = False
    by_hand.sandbox.ghl.grants.expire_access_tokens()
    deliver(by_hand, "one")
    settle_for(by_hand, time, minutes=15)
    assert states(by_hand) == {PLACE.id: "inactive"}
    assert grant(by_hand).refresh_token == before, "the same token works again"
    deliver(by_hand, "two")
    assert by_hand.messages()[-1].reason.startswith("The sub-account is paused in HighLevel")
    assert "paused in HighLevel" in alerts(by_hand, notices.LOCATION_INACTIVE)[0]
    sent = by_hand.sandbox.records.count("cast.send")
    settle_for(by_hand, time, minutes=60)
    assert by_hand.sandbox.records.count("cast.send") == sent
    by_hand.sandbox.world.locations[PLACE.id].active = True
    settle_for(by_hand, time, minutes=30)
    assert states(by_hand) == {PLACE.id: "installed"}
    assert [each.text for each in by_hand.sandbox.cast.accepted()] == ["one", "two"]
    assert alerts(by_hand, notices.LOCATION_INACTIVE) == []


def test_a_paused_location_is_not_connected_but_not_dead(by_hand, time):
    """Its refresh token has ended, its agency's is good, and HighLevel says that the location is paused."""
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    with by_hand.database.write() as session:
        session.execute(
            update(Grant).where(Grant.ghl_id == PLACE.id).values(refresh_token=by_hand.parts.vault.seal("ended"))
        )
        session.execute(update(Grant).where(Grant.ghl_id == PLACE.id).values(expires_at=clock.now()))
    by_hand.sandbox.world.locations[PLACE.id].active = False
    with pytest.raises(NoToken) as paused:
        by_hand.parts.tokens.for_location(PLACE.id)
    assert paused.value.retry_at is not None
    assert grant(by_hand).state == "active" and states(by_hand)[PLACE.id] == "inactive"


def test_trouble_of_highlevel_does_not_make_a_grant_dead(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    with by_hand.database.write() as session:
        ended = {"refresh_token": by_hand.parts.vault.seal("ended"), "expires_at": clock.now()}
        session.execute(update(Grant).where(Grant.ghl_id == PLACE.id).values(**ended))
    by_hand.sandbox.faults.arm("ghl.location_token", "status", times=1, status=503)
    with pytest.raises(NoToken):
        by_hand.parts.tokens.for_location(PLACE.id)
    assert grant(by_hand).state == "active"
    time.forward(minutes=1)
    assert by_hand.parts.tokens.for_location(PLACE.id)


def settle_for(portal, time, minutes: int) -> None:
    """What the portal does in so many minutes, its clock included."""
    clockwork = Clockwork(portal.parts)
    for _ in range(minutes):
        clockwork.refresh_tokens()
        clockwork.check_installations()
        clockwork.recover()
        clockwork.poll_statuses()
        work(portal)
        work(portal)
        time.forward(minutes=1)


def look_for_a_day(portal, time) -> None:
    """A day of the daily look. The first look of a row is within a day of its beginning, so two are gone through."""
    clockwork = Clockwork(portal.parts)
    for _ in range(10):
        clockwork.check_installations()
        work(portal, GHL)
        work(portal, GHL)
        time.forward(hours=6)


# The daily look


def test_the_daily_look_is_spread_and_claimed_once(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    clockwork = Clockwork(by_hand.parts)
    clockwork.check_installations()
    with by_hand.session() as session:
        due = [row.check_at for row in session.scalars(select(Location))]
        agency = session.scalars(select(Agency)).one()
    assert all(moment is not None and moment - clock.now() <= timedelta(days=1) for moment in [*due, agency.check_at])
    assert by_hand.jobs() == [], "nobody is asked at once: the first look is some time in the day"
    with by_hand.database.write() as session:
        session.execute(update(Location).values(check_at=clock.now()))
    clockwork.check_installations()
    clockwork.check_installations()
    assert sorted(job.kind for job in by_hand.jobs()) == ["check_location", "check_location"]


def test_a_dead_permission_is_found_told_and_recovers(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    by_hand.sandbox.ghl.uninstall(PLACE.id)  # and no webhook says so
    look_for_a_day(by_hand, time)
    assert grant(by_hand).state == "dead"
    assert "connect it again on the page Installations" in alerts(by_hand, notices.DEAD_TOKEN)[0]
    by_hand.sandbox.world.locations[PLACE.id].installed = True
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert grant(by_hand).state == "active" and alerts(by_hand, notices.DEAD_TOKEN) == []


def test_a_deleted_sub_account_is_found_and_told(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    by_hand.sandbox.world.remove(PLACE.id)
    look_for_a_day(by_hand, time)
    assert "does not let the app see" in alerts(by_hand, notices.LOCATION_GONE)[0]
    by_hand.sandbox.world.add(world.Location(PLACE.id, PLACE.name, COMPANY))
    look_for_a_day(by_hand, time)
    assert alerts(by_hand, notices.LOCATION_GONE) == []


def test_a_sub_account_that_its_agency_does_not_list_any_more_is_told(by_hand, time):
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    by_hand.sandbox.world.locations[PLACE.id].installed = False
    look_for_a_day(by_hand, time)
    assert PLACE.name in alerts(by_hand, notices.UNLISTED)[0]
    assert location(by_hand).unlisted_at is not None and location(by_hand, OTHER.id).unlisted_at is None
    by_hand.sandbox.world.locations[PLACE.id].installed = True
    look_for_a_day(by_hand, time)
    assert alerts(by_hand, notices.UNLISTED) == [] and location(by_hand).unlisted_at is None


def test_an_installation_that_no_webhook_told_of_is_found_on_the_list(by_hand, time):
    by_hand.sandbox.world.locations[PLACE.id].installed = False
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert states(by_hand) == {OTHER.id: "installed"}
    by_hand.sandbox.world.locations[PLACE.id].installed = True
    look_for_a_day(by_hand, time)
    assert states(by_hand)[PLACE.id] == "installed"


def test_names_are_learnt_and_kept_up_to_date(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    row = location(by_hand)
    assert (row.name, row.timezone, row.country) == (PLACE.name, "Asia/Manila", "PH")
    time.forward(minutes=1)
    tell(by_hand, "LocationUpdate", id=PLACE.id, name="New", timezone="Asia/Tokyo", country="jp", companyId=COMPANY)
    row = location(by_hand)
    assert (row.name, row.timezone, row.country) == ("New", "Asia/Tokyo", "JP")
    tell(by_hand, "LocationUpdate", id=PLACE.id, name="", timezone=7.5, country="Japan")
    row = location(by_hand)
    assert (row.name, row.timezone, row.country) == ("New", "Asia/Tokyo", "JP")
    old = clock.now() - timedelta(days=1)
    assert tell(by_hand, "LocationUpdate", at=old, id=PLACE.id, name="Old").startswith(lifecycle.IGNORED)
    assert location(by_hand).name == "New"


def test_plans_are_kept_of_agency_and_location(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    tell(by_hand, "INSTALL", companyId=COMPANY, locationId=PLACE.id, planId="p1")
    time.forward(seconds=1)
    tell(by_hand, "PLAN_CHANGE", locationId=PLACE.id, currentPlanId="p1", newPlanId="p2")
    tell(by_hand, "PLAN_CHANGE", companyId=COMPANY, newPlanId="agency plan 7")  # no id: it is not taken
    tell(by_hand, "PLAN_CHANGE", companyId=COMPANY, newPlanId="a7")
    old = clock.now() - timedelta(minutes=10)
    assert tell(by_hand, "PLAN_CHANGE", at=old, locationId=PLACE.id, newPlanId="p0").startswith(lifecycle.IGNORED)
    assert location(by_hand).plan_id == "p2" and location(by_hand).agency.plan_id == "a7"


# Scopes


def test_missing_scopes_are_named_until_a_new_consent_gives_them(by_hand, time):
    everything = by_hand.sandbox.ghl.grants.scope
    by_hand.sandbox.ghl.grants.scope = everything.replace("conversations/message.write ", "")
    by_hand.add_sender("cast")
    consent(by_hand, COMPANY, PLACE.id)
    assert "conversations/message.write" in alerts(by_hand, notices.SCOPES_MISSING)[0]
    deliver(by_hand, "Hello")
    settle_for(by_hand, time, minutes=20)
    assert by_hand.messages()[0].status == "delivered"
    assert "lacks a permission (scope)" in by_hand.messages()[0].push_failure
    assert by_hand.sandbox.ghl.grants.refreshes == type(by_hand.sandbox.ghl.grants.refreshes)(), "no token cures that"
    assert len(calls(by_hand, "update_status")) < 12, "it is not asked for ever as if it were only too early"
    by_hand.sandbox.ghl.grants.scope = everything
    consent(by_hand, COMPANY, PLACE.id)
    assert alerts(by_hand, notices.SCOPES_MISSING) == []
    settle_for(by_hand, time, minutes=1)
    assert by_hand.ghl_statuses() == {"delivered": 1}, "what waited goes at once"


def test_an_agency_that_gave_no_leave_to_list_its_locations_is_told(by_hand, time):
    by_hand.sandbox.ghl.grants.scope = "locations.readonly"
    consent(by_hand, COMPANY)
    settle(by_hand, time)
    assert "oauth.readonly, oauth.write" in alerts(by_hand, notices.SCOPES_MISSING)[0]
    assert "permission (scope)" in alerts(by_hand, notices.NOT_INSTALLED)[0]


# Message events

SHAPES = {
    "live": {"body": "Hi", "direction": "outbound", "messageType": "SMS", "source": "app"},
    "text under message": {"message": "Hi", "phone": "+639175550101", "direction": "outbound"},
    "of our own provider": {"body": "Hi", "conversationProviderId": world.PROVIDER_ID, "messageType": "SMS"},
    "without envelope": {"message": "Hi", "webhookId": None, "appId": None, "phone": "+639175550101"},
    "typed as SMS": {"body": "Hi", "messageTypeString": "TYPE_CUSTOM_PROVIDER_SMS", "messageTypeId": 22},
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["OutboundMessage", "InboundMessage"])
def test_message_events_are_kept_and_never_send(by_hand, time, kind, shape):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.add_sender("cast")
    settle(by_hand, time)
    contact = by_hand.sandbox.ghl.directory.of_location(PLACE.id)[0]
    fields = {"locationId": PLACE.id, "contactId": contact.id, "messageId": "m1", **SHAPES[shape]}
    for _ in range(2):
        assert by_hand.sandbox.deliveries.event(kind, fields).status == 200
    settle(by_hand, time)
    assert [(event.state, event.body is not None) for event in by_hand.events()] == [("ignored", True)] * 2
    assert by_hand.messages() == [] and by_hand.messages("in") == []
    assert by_hand.sandbox.records.count("cast.send") == 0


# Contacts


def contact_event(portal, kind: str, contact_id: str, at=None, **fields) -> str:
    body = {"type": kind, "appId": world.APP_ID, "locationId": PLACE.id, "id": contact_id, **fields}
    body["timestamp"] = (at or clock.now()).isoformat()
    with portal.database.write() as session:
        event = Event(
            uuid=f"{clock.now().timestamp()}",
            source="ghl",
            lane="ghl",
            received_at=clock.now(),
            verified=True,
            headers={},
            body=json.dumps(body).encode(),
            state="pending",
        )
        session.add(event)
        session.flush()
        apply_event(session, Context(portal.settings, portal.parts.vault), event)
        return event.note


def test_a_deleted_contact_gets_nothing_more_and_may_write_again(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    sender = by_hand.add_sender("simulator")
    settle(by_hand, time)
    contact = by_hand.sandbox.ghl.directory.of_location(PLACE.id)[0]
    deliver(by_hand, "one")
    deliver(by_hand, "two")
    assert "2 messages taken back" in contact_event(by_hand, "ContactDelete", contact.id)
    assert [message.status for message in by_hand.messages()] == ["cancelled", "cancelled"]
    assert "deleted in HighLevel" in by_hand.messages()[0].reason
    assert "not known" in contact_event(by_hand, "ContactDelete", contact.id), "twice is as once"
    settle(by_hand, time)
    by_hand.sandbox.ghl.directory._contacts.pop(contact.id)
    by_hand.sandbox.ghl.directory._by_phone.clear()
    inbound(by_hand, sender, contact.phone, "It is me again")
    settle(by_hand, time)
    assert by_hand.messages("in")[0].ghl_message_id, "the contact was made anew"


def inbound(portal, sender: int, phone: str, text: str) -> None:
    import requests

    url = f"{portal.url}/webhooks/sms/simulator/{portal.sender_key(sender)}/receive"
    assert requests.post(url, json={"from": phone, "text": text, "id": text}, timeout=60).status_code == 200


def test_a_contact_that_was_deleted_without_a_word_does_not_block_its_conversation(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    sender = by_hand.add_sender("simulator")
    contact = by_hand.sandbox.ghl.directory.of_location(PLACE.id)[0]
    inbound(by_hand, sender, contact.phone, "first")
    settle(by_hand, time)
    directory = by_hand.sandbox.ghl.directory
    directory._contacts.pop(contact.id)
    directory._by_phone.clear()
    by_hand.sandbox.ghl.mailbox._conversations.clear()
    inbound(by_hand, sender, contact.phone, "second")
    settle(by_hand, time)
    assert all(message.ghl_message_id for message in by_hand.messages("in"))


def test_contact_events_mirror_names_and_tags_and_an_old_one_changes_nothing(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    by_hand.add_sender("cast")
    contact = by_hand.sandbox.ghl.directory.of_location(PLACE.id)[0]
    deliver(by_hand, "Hello")
    early = clock.now()
    time.forward(minutes=1)
    contact_event(by_hand, "ContactUpdate", contact.id, firstName="Ana", lastName="Cruz", tags=["vip", 7, None])
    contact_event(by_hand, "ContactTagUpdate", contact.id, at=early, tags=["old"])
    contact_event(by_hand, "ContactDelete", contact.id, at=early)
    with by_hand.session() as session:
        row = session.scalars(select(Message)).one().conversation.contact
        assert (row.name, row.tags, row.ghl_contact_id) == ("Ana Cruz", ["vip", "7"], contact.id)
    assert "not known" in contact_event(by_hand, "ContactUpdate", "somebody-else", name="x")
