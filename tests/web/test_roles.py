"""Every address as each role: one's own things as far as the role goes, and nothing of anybody else's."""

import pytest
from flask import Flask
from sqlalchemy import select

from portal import clock
from portal.accounts.permissions import PERMISSIONS, Permission
from portal.database import Database
from portal.messaging import optouts, senders
from portal.models import InstallState, Location, Role
from tests.web.conftest import Tenant, post, record
from tests.web.test_every_route import addresses
from tests.web.test_every_route import ids as ids  # a fixture

BOTH_ENGINES = True


def asked_of(app: Flask, address: str, method: str) -> Permission:
    endpoint, _ = app.url_map.bind("localhost").match(address, method=method)
    return app.view_functions[endpoint].permission


@pytest.mark.parametrize("role", list(Role))
def test_each_role_is_let_in_as_far_as_it_goes(app, ids, acme: Tenant, signed_in, role) -> None:
    places = [acme.location] if role == Role.CLIENT else []
    client = signed_in(acme.agency, role, places)
    for method, address, _ in addresses(app, ids):
        if method == "GET":
            may = asked_of(app, address, method) in PERMISSIONS[role]
            # What somebody else sees is for those who look after an agency's people.
            others = address.startswith("/admin/user/") and Permission.PEOPLE not in PERMISSIONS[role]
            assert client.get(address).status_code == (404 if others else 200 if may else 403), address


@pytest.mark.parametrize("role", list(Role))
def test_no_role_does_what_it_may_not(app, ids, acme: Tenant, signed_in, role) -> None:
    client = signed_in(acme.agency, role, [acme.location] if role == Role.CLIENT else [])
    app.config["WTF_CSRF_ENABLED"] = False
    for method, address, _ in addresses(app, ids):
        if method == "GET" or asked_of(app, address, method) in PERMISSIONS[role]:
            continue
        answer = client.open(address, method=method)
        assert (answer.status_code, "You may look at this" in answer.text) == (403, True), address


@pytest.mark.parametrize("role", list(Role))
def test_no_role_of_another_agency_finds_anything(app, ids, rival: Tenant, signed_in, role) -> None:
    client = signed_in(rival.agency, role, [rival.location] if role == Role.CLIENT else [])
    app.config["WTF_CSRF_ENABLED"] = False
    for method, address, theirs in addresses(app, ids):
        if theirs:
            assert client.open(address, method=method).status_code in (403, 404), (method, address)


@pytest.fixture
def beside(parts, acme: Tenant) -> Tenant:
    """Another sub-account of the same agency."""
    with parts.database.write() as session:
        installed = {"install_state": InstallState.INSTALLED, "country": "PH", "created_at": clock.now()}
        place = Location(ghl_id="location-Beside", agency_id=acme.agency, name="Beside dentists", **installed)
        session.add(place)
        session.flush()
        line = senders.add(session, parts.vault, place, senders.NewSender("simulator", "Beside line", {}))
        return Tenant(acme.agency, acme.company, place.id, place.ghl_id, line.id, line.key)


@pytest.mark.parametrize("role", list(Role))
def test_who_has_chosen_sub_accounts_sees_no_other(
    app, database: Database, ids, acme: Tenant, beside: Tenant, signed_in, queue, role
) -> None:
    theirs = queue(beside, "For Beside's eyes")
    event = record(database, f"ghl:{beside.ghl_id}:contact")
    with database.write() as session:
        optouts.add(session, beside.location, "sms", "+639170000077", "Beside's contact wrote STOP")
    client = signed_in(acme.agency, role, [beside.location])
    app.config["WTF_CSRF_ENABLED"] = False
    for method, address, named in addresses(app, ids):
        answer = client.open(address, method=method)
        assert "Acme dentists" not in answer.text and "For Acme's eyes" not in answer.text, (method, address)
        if named:
            assert answer.status_code in (403, 404), (method, address, answer.status_code)
    for path in ("/admin", "/admin/messages", "/admin/senders", "/admin/installations", "/admin/opt-outs"):
        assert "Beside" in client.get(path).text, path
    assert client.get(f"/admin/messages/{theirs.uuid}").status_code == 200
    assert client.get(f"/admin/events/{event.id}").status_code == 200
    with database.read() as session:
        assert session.scalars(select(Location.name).order_by(Location.id)).all()[:1] == ["Acme dentists"]


def test_a_role_that_is_lowered_counts_at_once(database: Database, acme: Tenant, app, person, signed_in) -> None:
    owner, agent = signed_in(acme.agency), signed_in(acme.agency, "agent")
    assert agent.get("/admin/users").status_code == 403
    assert "Audit log" not in agent.get("/admin").text and "Audit log" in owner.get("/admin").text
    user_id = 2
    form = {"role": "viewer", "reach": "chosen", "place": str(acme.location)}
    assert post(owner, f"/admin/users/{user_id}", page=f"/admin/users/{user_id}", **form).status_code == 303
    assert post(agent, f"/admin/locations/{acme.location}/release").status_code == 403
