"""The page of installations: every way of standing in words, the one step that repairs it, and nobody else's."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import DEAD_TOKEN, raise_alert
from portal.ghl.oauth import COMPANY_SCOPES, LOCATION_SCOPES
from portal.installations import standing
from portal.installations.standing import Repair
from portal.models import Agency, Grant, GrantState, InstallEvent, InstallState, Job, Location
from tests.web.conftest import jobs, post

BOTH_ENGINES = True
ALL = " ".join(LOCATION_SCOPES)


def give(database, tenant, *, company: bool = False, **values) -> None:
    """A grant of the tenant's location, or of its agency."""
    with database.write() as session:
        session.add(
            Grant(
                kind="company" if company else "location",
                ghl_id=tenant.company if company else tenant.ghl_id,
                company_id=tenant.company,
                access_token="sealed-access",
                refresh_token="sealed-refresh",
                expires_at=clock.now() + timedelta(hours=20),
                refreshed_at=clock.now(),
                consented_at=clock.now(),
                created_at=clock.now(),
                **{"scopes": " ".join(COMPANY_SCOPES) if company else ALL, **values},
            )
        )


def change(database, tenant, **values) -> None:
    with database.write() as session:
        wanted = update(Location).where(Location.id == tenant.location)
        session.execute(wanted.values(**{"failover": "hold", **values}))


CASES = {
    "connected": ({}, {}, "connected", Repair.NONE),
    "paused": ({"install_state": InstallState.INACTIVE}, {}, "paused in HighLevel", Repair.CHECK),
    "dead": ({}, {"state": GrantState.DEAD, "failure": "It said no."}, "permission ended", Repair.CONNECT),
    "scopes": ({}, {"scopes": "locations.readonly"}, "permissions missing", Repair.CONNECT),
    "failing": ({}, {"failures": 2, "failure": "HighLevel has trouble."}, "renewal fails", Repair.CHECK),
    "unlisted": ({"unlisted_at": clock.now()}, {}, "not listed", Repair.CHECK),
    "uninstalled": (
        {"install_state": InstallState.UNINSTALLED, "install_event": InstallEvent.UNINSTALL},
        {"state": GrantState.UNINSTALLED},
        "uninstalled",
        Repair.CONNECT,
    ),
    "disconnected": (
        {"install_state": InstallState.NOT_INSTALLED, "install_event": InstallEvent.DISCONNECT},
        {"state": GrantState.UNINSTALLED},
        "disconnected",
        Repair.CONNECT,
    ),
    "waiting": (
        {"install_state": InstallState.NOT_INSTALLED, "install_event": InstallEvent.INSTALL, "install_note": "Soon."},
        None,
        "not connected",
        Repair.CONNECT,
    ),
    "never": ({"install_state": InstallState.NOT_INSTALLED}, None, "not installed", Repair.CONNECT),
}


@pytest.mark.parametrize("case", CASES)
def test_every_way_of_standing_has_words_and_a_way_out(database, acme, signed_in, case: str) -> None:
    place, grant, words, repair = CASES[case]
    change(database, acme, **place)
    if grant is not None:
        give(database, acme, **grant)
    client = signed_in(acme.agency)
    for path in ("/admin/installations", f"/admin/installations/{acme.location}"):
        page = client.get(path)
        assert page.status_code == 200 and words in page.text
        assert "sealed-" not in page.text
        assert (f'id="repair-{acme.location}"' in page.text) == (repair is not Repair.NONE)
        assert ("Check now" in page.text) == (
            repair is Repair.CHECK or (repair is Repair.NONE and path.endswith(str(acme.location)))
        )


@pytest.mark.parametrize("case", ["dead", "waiting"])
def test_an_agency_that_is_connected_helps_by_itself(case: str) -> None:
    place, grant, _, _ = CASES[case]
    company = Grant(state=GrantState.ACTIVE)
    row = Location(**{"install_state": InstallState.INSTALLED, "install_event": "", "install_note": "", **place})
    found = standing.of_location(row, Grant(kind="location", **grant) if grant else None, company)
    assert found.repair is Repair.RETRY


def test_missing_scopes_are_named(database, acme, signed_in) -> None:
    give(database, acme, scopes="contacts.readonly conversations.readonly")
    page = signed_in(acme.agency).get(f"/admin/installations/{acme.location}").text
    assert page.count('class="badge-bad">missing') == len(LOCATION_SCOPES) - 2


def test_what_a_page_tells_of_a_location(database, acme, queue, signed_in) -> None:
    give(database, acme)
    give(database, acme, company=True, installs_future=True)
    told = {"plan_id": "plan-7", "plan_at": clock.now(), "state_since": clock.now()}
    change(database, acme, install_event="install", install_event_at=clock.now(), **told)
    with database.write() as session:
        raise_alert(session, DEAD_TOKEN, acme.ghl_id, "Somebody must look.", acme.location)
    page = signed_in(acme.agency).get(f"/admin/installations/{acme.location}").text
    for words in ("plan-7", "Somebody must look.", "HighLevel said that it was installed", "next renewal", "Acme"):
        assert words in page
    listed = signed_in().get("/admin/installations").text
    for words in ("New sub-accounts are connected by themselves", "7 scopes", "location-Acme", "Look for sub-accounts"):
        assert words in listed


def test_filters_and_pages(database, acme, rival, signed_in) -> None:
    give(database, acme)
    change(database, rival, install_state=InstallState.UNINSTALLED, install_event="uninstall")
    with database.write() as session:
        agency = session.scalars(select(Agency).where(Agency.id == acme.agency)).one()
        for n in range(60):
            session.add(Location(ghl_id=f"more{n}", name=f"More {n}", agency=agency, created_at=clock.now()))
        session.add(Location(ghl_id="nobodys", name="Nobody's", created_at=clock.now()))
    client = signed_in()
    first = client.get("/admin/installations").text
    assert first.count("install-line") == 50 and "Older" in first
    further = first.partition('rel="next"')[0].rpartition('href="')[2].partition('"')[0].replace("&amp;", "&")
    second = client.get(further).text
    assert second.count("install-line") == 13 and "Agency not known yet" in second and "Nobody&#39;s" in second
    assert client.get("/admin/installations?state=uninstalled").text.count("install-line") == 1
    assert client.get("/admin/installations?q=more 5").text.count("install-line") == 11
    assert client.get("/admin/installations?q=more_5").text.count("install-line") == 0
    assert client.get("/admin/installations?q=more7").text.count("install-line") == 1
    assert client.get("/admin/installations?state=attention").text.count("install-line") == 0
    with database.write() as session:
        raise_alert(session, DEAD_TOKEN, acme.ghl_id, "Look.", acme.location)
    assert client.get("/admin/installations?state=attention").text.count("install-line") == 1
    assert client.get("/admin/installations?state=nonsense").status_code == 404
    assert client.get("/admin/installations?q=" + "x" * 201).status_code == 404
    fragment = client.get("/admin/installations?state=installed", headers={"HX-Request": "true"})
    assert "<html" not in fragment.text and fragment.text.count("install-line") == 1


def test_a_stranger_sees_and_changes_nothing(database, acme, rival, signed_in) -> None:
    give(database, acme)
    give(database, acme, company=True)
    client = signed_in(rival.agency)
    assert "Acme" not in client.get("/admin/installations").text
    assert "install-line" not in client.get(f"/admin/installations?q={acme.ghl_id}").text
    for path in (f"/admin/installations/{acme.location}", f"/admin/installations/{acme.location}/disconnect"):
        assert client.get(path).status_code == 404
        assert client.get(path, headers={"HX-Request": "true"}).status_code == 404
    for path in (
        f"/admin/installations/{acme.location}/check",
        f"/admin/installations/{acme.location}/disconnect",
        f"/admin/installations/agencies/{acme.agency}/look",
    ):
        assert post(client, path).status_code == 404
    assert jobs(database) == []
    with database.read() as session:
        assert session.get_one(Location, acme.location).install_state == InstallState.INSTALLED


def test_a_location_whose_agency_is_not_proven_is_the_operators(database, acme, signed_in) -> None:
    with database.write() as session:
        session.add(Location(ghl_id="claimed", name="Claimed", claimed_company=acme.company, created_at=clock.now()))
    assert "Claimed" not in signed_in(acme.agency).get("/admin/installations").text
    assert "Claimed" in signed_in().get("/admin/installations").text


def test_checking_now_waits_for_nothing(database, acme, signed_in) -> None:
    give(database, acme, retry_at=clock.now() + timedelta(hours=1))
    client = signed_in(acme.agency)
    answer = post(client, f"/admin/installations/{acme.location}/check", "/admin/installations")
    assert answer.status_code == 303 and answer.headers["Location"] == f"/admin/installations/{acme.location}"
    assert jobs(database) == [("check_location", acme.location)]
    with database.read() as session:
        assert session.scalars(select(Grant.retry_at)).one() is None
        assert session.scalars(select(Job.gate)).one() == ""


def test_looking_for_sub_accounts(database, acme, signed_in) -> None:
    give(database, acme, company=True)
    client = signed_in(acme.agency)
    answer = post(client, f"/admin/installations/agencies/{acme.agency}/look", "/admin/installations")
    assert answer.status_code == 303 and jobs(database) == [("install_locations", acme.agency)]


def test_disconnecting_says_what_happens_first(database, acme, queue, signed_in) -> None:
    give(database, acme)
    client = signed_in(acme.agency)
    path = f"/admin/installations/{acme.location}/disconnect"
    page = client.get(path)
    assert page.status_code == 200 and "From this moment on nothing is sent" in page.text
    fragment = client.get(path, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text and "Disconnect it" in fragment.text and "csrf_token" in fragment.text
    assert client.post(path).status_code == 400, "not without the form's token"
    with database.read() as session:
        assert session.get_one(Location, acme.location).install_state == InstallState.INSTALLED
    assert post(client, path, path).status_code == 303
    with database.read() as session:
        row = session.get_one(Location, acme.location)
        assert (row.install_state, row.install_event) == ("not_installed", "disconnect")
        assert "user" in row.install_note
    assert jobs(database) == [("leave_location", acme.location)]
    again = post(client, path, f"/admin/installations/{acme.location}")
    assert again.status_code == 303 and "nothing to disconnect" in client.get(again.headers["Location"]).text


def test_htmx_is_led_to_the_page_after_disconnecting(database, acme, signed_in) -> None:
    give(database, acme)
    client = signed_in()
    path = f"/admin/installations/{acme.location}/disconnect"
    from tests.web.conftest import token

    form = {"csrf_token": token(client.get(path))}
    answer = client.post(path, data=form, headers={"HX-Request": "true"})
    assert answer.headers["HX-Redirect"] == f"/admin/installations/{acme.location}"


def test_the_polled_block_is_not_sent_twice(database, acme, signed_in) -> None:
    give(database, acme)
    client = signed_in(acme.agency)
    path = f"/admin/installations/{acme.location}"
    first = client.get(path, headers={"HX-Request": "true"})
    assert "<html" not in first.text and "csrf_token" not in first.text
    same = {"HX-Request": "true", "If-None-Match": first.headers["ETag"]}
    assert client.get(path, headers=same).status_code == 204
    change(database, acme, install_state=InstallState.INACTIVE)
    assert client.get(path, headers=same).status_code == 200
