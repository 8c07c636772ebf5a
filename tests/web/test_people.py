"""Users: invited and changed by those above them, never raised above anybody, and an owner always stays."""

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta

import pytest
import time_machine
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import clock
from portal.accounts import links, people
from portal.accounts.people import Standing
from portal.errors import InvalidInput, PortalError
from portal.logs import told
from portal.mail import MailServer
from portal.models import AccessLink, LinkKind, Location, Role, User
from portal.services import Services
from tests.mail_server import running
from tests.web.conftest import PASSWORD, Tenant, post, sign_in, token

BOTH_ENGINES = True
ALL = {"role": "agent", "reach": "all"}


def link_on(page) -> str:
    """The link that is shown, without the host."""
    return re.search(r"http://localhost(/(?:invitation|new-password)/[\w-]{43})", page.text)[1]


def invite(client: FlaskClient, email: str = "bo@example.com", **form: object):
    form = {"csrf_token": token(client.get("/admin/users/invite")), "email": email, **ALL, **form}
    return client.post("/admin/users/invite", data=form)


def choose(client: FlaskClient, link: str, password: str = PASSWORD):
    return client.post(link, data={"csrf_token": token(client.get(link)), "new": password, "again": password})


def user_of(database, email: str) -> User:
    with database.read() as session:
        return session.scalars(select(User).where(User.email == email)).one()


@pytest.fixture
def beside(database, acme: Tenant) -> int:
    with database.write() as session:
        place = Location(ghl_id="location-Beside", agency_id=acme.agency, name="Beside", created_at=clock.now())
        session.add(place)
        session.flush()
        return place.id


def test_an_invitation_is_shown_once_and_works_once(app: Flask, database, acme: Tenant, signed_in) -> None:
    owner = signed_in(acme.agency)
    shown = invite(owner, reach="chosen", place=[str(acme.location)])
    link = link_on(shown)
    bo = user_of(database, "bo@example.com")
    assert (bo.role, bo.location_ids, bo.invited) == ("agent", frozenset({acme.location}), True)
    assert link.rpartition("/")[2] not in owner.get(f"/admin/users/{bo.id}").text
    with database.read() as session:
        assert session.scalars(select(AccessLink)).one().key not in link
    guest = app.test_client()
    assert guest.get(link).status_code == guest.get(link).status_code == 200, "a look uses nothing up"
    assert choose(guest, link, "too short").status_code == 422
    assert choose(guest, link).headers["Location"] == "/admin"
    assert "Acme dentists" in guest.get("/admin").text and guest.get("/admin/users").status_code == 403
    assert app.test_client().get(link).status_code == 404
    assert sign_in(app.test_client(), "bo@example.com").status_code == 303


def test_of_two_who_use_a_link_at_once_one_chooses(parts: Services, acme: Tenant, signed_in) -> None:
    key = link_on(invite(signed_in(acme.agency))).rpartition("/")[2]

    def use(password: str) -> bool:
        try:
            links.use(parts.database, LinkKind.INVITATION, key, password, "192.0.2.1")
        except PortalError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(use, ("one long password", "another password"))) == [False, True]


def test_a_new_link_voids_the_old_and_all_grow_old(app: Flask, database, acme: Tenant, signed_in) -> None:
    owner = signed_in(acme.agency)
    first = link_on(invite(owner))
    path = f"/admin/users/{user_of(database, 'bo@example.com').id}"
    second = link_on(post(owner, f"{path}/link", page=path))
    guest = app.test_client()
    assert guest.get(first).status_code == 404
    with time_machine.travel(clock.now() + timedelta(days=7, seconds=1)):
        assert guest.get(second).status_code == 404
    choose(guest, second)
    reset = link_on(post(owner, f"{path}/link", page=path))
    assert reset.startswith("/new-password/")
    with time_machine.travel(clock.now() + timedelta(hours=1, seconds=1)):
        assert app.test_client().get(reset).status_code == 404
    other = app.test_client()
    assert choose(other, reset, "quite another password").headers["Location"] == "/login"
    assert guest.get("/admin").status_code == 303, "every session ends with a new password"
    assert sign_in(other, "bo@example.com", "quite another password").status_code == 303


def test_links_are_guessed_slowly(client: FlaskClient) -> None:
    answers = [client.get(f"/invitation/{number:043}").status_code for number in range(21)]
    assert answers == [404] * 20 + [429]


def test_nobody_gives_more_than_they_have(database, acme: Tenant, signed_in) -> None:
    admin = signed_in(acme.agency, "admin")
    refused = invite(admin, role="owner")
    assert refused.status_code == 422 and people.ABOVE in refused.text and "bo@example.com" in refused.text
    assert 'value="owner"' not in admin.get("/admin/users/invite").text.split("<legend>Role")[1]
    assert invite(admin, role="admin").status_code == 200
    with database.read() as session:
        assert session.scalar(select(User.role).where(User.email == "bo@example.com")) == "admin"


def test_who_has_chosen_sub_accounts_gives_those_alone(database, acme, beside, person, app, signed_in) -> None:
    person("whole@example.com", acme.agency, "agent")
    other = person("other@example.com", acme.agency, "agent", [beside])
    limited = signed_in(acme.agency, "admin", [acme.location])
    seen = limited.get("/admin/users").text
    assert "whole@example.com" not in seen and "other@example.com" not in seen
    assert limited.get(f"/admin/users/{other.id}").status_code == 404
    assert "Beside" not in limited.get("/admin/users/invite").text
    assert invite(limited).status_code == 422, "all sub-accounts are more than it has"
    assert invite(limited, reach="chosen", place=[str(beside)]).status_code == 422
    assert invite(limited, reach="chosen", place=[str(acme.location), str(beside)]).status_code == 422
    assert invite(limited, reach="chosen", place=[str(acme.location)]).status_code == 200


def test_another_agencys_sub_account_is_not_found(acme: Tenant, rival: Tenant, signed_in) -> None:
    owner = signed_in(acme.agency)
    assert invite(owner, reach="chosen", place=[str(rival.location)]).status_code == 404
    assert invite(owner, agency=str(rival.agency)).status_code == 200, "one's own agency, whatever the form says"
    assert "bo@example.com" not in signed_in(rival.agency).get("/admin/users").text


@pytest.mark.parametrize(
    ("form", "sentence"),
    [
        ({"email": "nobody"}, "not an e-mail address"),
        ({"role": "emperor"}, "Choose a role."),
        ({"reach": ""}, "Choose all sub-accounts"),
        ({"reach": "chosen"}, "Choose at least one"),
        ({"role": "client"}, "exactly one sub-account"),
    ],
)
def test_a_form_that_is_wrong_says_so(acme: Tenant, signed_in, form, sentence) -> None:
    answer = invite(signed_in(acme.agency), **form)
    assert answer.status_code == 422 and sentence in answer.text


def test_an_admin_does_not_touch_an_owner(database, acme: Tenant, signed_in) -> None:
    signed_in(acme.agency)
    admin = signed_in(acme.agency, "admin")
    path = f"/admin/users/{user_of(database, f'user{acme.agency}@example.com').id}"
    assert "is above you" in admin.get(path).text
    for deed, form in (("", ALL), ("/off", {}), ("/sign-out", {}), ("/link", {}), ("/second-factor/off", {})):
        assert post(admin, f"{path}{deed}", page="/admin/users/invite", **form).status_code == 403, deed
    assert user_of(database, f"user{acme.agency}@example.com").active


def test_the_last_owner_stays(database, acme: Tenant, person, signed_in) -> None:
    owner, operator = signed_in(acme.agency), signed_in()
    path = f"/admin/users/{user_of(database, f'user{acme.agency}@example.com').id}"
    lower = {"role": "admin", "reach": "all"}
    for form in (lower, {"role": "owner", "reach": "chosen", "place": str(acme.location)}):
        assert people.LAST_OWNER in post(owner, path, page=path, **form).text
    assert people.LAST_OWNER in post(operator, f"{path}/off", page=path).text
    person("second@example.com", acme.agency)
    assert post(owner, path, page=path, **lower).status_code == 303
    assert post(owner, path, page=path, role="owner", reach="all").status_code == 403, "and there is no way back up"


def test_two_owners_who_turn_each_other_off_at_once(parts: Services, acme: Tenant, person) -> None:
    one, two = (person(f"{name}@example.com", acme.agency) for name in ("one", "two"))

    def off(by_id: int, user_id: int) -> bool:
        try:
            with parts.database.write() as session:
                people.turn_off(session, session.get_one(User, by_id), session.get_one(User, user_id))
        except PortalError:
            return False
        return True

    with ThreadPoolExecutor(2) as pool:
        done = list(pool.map(off, (one.id, two.id), (two.id, one.id)))
    assert done.count(True) == 1


def test_turned_off_is_out_at_once_and_links_are_void(app, database, acme: Tenant, signed_in) -> None:
    owner, agent = signed_in(acme.agency), signed_in(acme.agency, "agent")
    path = f"/admin/users/{user_of(database, f'agent{acme.agency}@example.com').id}"
    link = link_on(post(owner, f"{path}/link", page=path))
    assert post(owner, f"{path}/off", page=path).status_code == 303
    assert agent.get("/admin").status_code == 303
    assert app.test_client().get(link).status_code == 404
    assert sign_in(app.test_client(), f"agent{acme.agency}@example.com").status_code == 422
    assert post(owner, f"{path}/on", page=path).status_code == 303
    assert sign_in(app.test_client(), f"agent{acme.agency}@example.com").status_code == 303
    mine = f"/admin/users/{user_of(database, f'user{acme.agency}@example.com').id}"
    assert post(owner, f"{mine}/off", page=mine).status_code == 422


def test_a_link_made_by_an_admin_does_not_let_in_as_an_owner(app, database, acme: Tenant, signed_in) -> None:
    owner, admin = signed_in(acme.agency), signed_in(acme.agency, "admin")
    link = link_on(invite(admin))
    path = f"/admin/users/{user_of(database, 'bo@example.com').id}"
    assert post(owner, path, page=path, role="viewer", reach="all").status_code == 303
    assert app.test_client().get(link).status_code == 200, "with less than before it is as good as it was"
    assert post(owner, path, page=path, role="owner", reach="all").status_code == 303
    assert app.test_client().get(link).status_code == 404, "the admin would have been let in as an owner"
    assert choose(app.test_client(), link_on(post(owner, f"{path}/link", page=path))).status_code == 303


def test_who_is_turned_off_has_no_link_left_to_come_back_by(app, database, acme: Tenant, signed_in) -> None:
    owner, admin = signed_in(acme.agency), signed_in(acme.agency, "admin")
    kept, shown = link_on(invite(owner, "kept@example.com")), link_on(invite(admin))
    path = f"/admin/users/{user_of(database, f'admin{acme.agency}@example.com').id}"
    assert post(owner, f"{path}/off", page=path).status_code == 303
    assert app.test_client().get(shown).status_code == 404, "it was shown to the admin"
    assert app.test_client().get(kept).status_code == 200
    bo = f"/admin/users/{user_of(database, 'bo@example.com').id}"
    assert "does not work any more: send it again" in owner.get(bo).text
    mine = ["admin", "off", "--email", f"user{acme.agency}@example.com"]
    assert app.test_cli_runner().invoke(args=mine).exit_code == 0
    assert app.test_client().get(kept).status_code == 404


def test_who_lost_the_right_while_waiting_changes_nobody(parts: Services, acme: Tenant, person) -> None:
    if parts.database.sqlite:
        pytest.skip("its one writer lets nobody in between")
    boss, agent = person("boss@example.com", acme.agency), person("agent@example.com", acme.agency, "agent")
    person("other@example.com", acme.agency)
    with parts.database.write() as session, pytest.raises(PortalError):
        by = session.get_one(User, boss.id)
        with parts.database.write() as other:
            other.get_one(User, boss.id).role = Role.VIEWER
        people.turn_off(session, by, session.get_one(User, agent.id))
    with parts.database.write() as session, pytest.raises(PortalError):
        by = session.get_one(User, boss.id)
        people.invite(session, by, acme.agency, "friend@example.com", Standing(Role.VIEWER, None))
    assert user_of(parts.database, "agent@example.com").active


def test_operators_are_nobodys_to_change(database, acme: Tenant, person, signed_in) -> None:
    operator, boss = signed_in(), person("boss@example.com")
    assert "boss@example.com" in operator.get("/admin/users").text
    assert "boss@example.com" not in signed_in(acme.agency).get("/admin/users").text
    assert post(operator, f"/admin/users/{boss.id}/off").status_code == 403
    assert "Choose the agency" in invite_as_operator(operator, "").text
    assert invite_as_operator(operator, str(acme.agency)).status_code == 200
    with database.write() as session, pytest.raises(InvalidInput):
        by = session.get_one(User, boss.id)
        people.invite(session, by, acme.agency, "cl@example.com", Standing(Role.CLIENT, None))


def invite_as_operator(client: FlaskClient, agency: str):
    form = {"csrf_token": token(client.get("/admin")), "email": "bo@example.com", "agency": agency, **ALL}
    return client.post("/admin/users/invite", data=form)


@pytest.fixture
def mailed(app: Flask, parts: Services):
    """The same portal with a mail server."""
    with running() as there:
        server = MailServer("127.0.0.1", there.server_address[1], "", "Sendero <sms@example.com>")
        app.extensions["portal"] = replace(parts, settings=replace(parts.settings, mail_server=server))
        yield there


def letter_link(there) -> str:
    return re.search(r"http://localhost(/\S+)", there.letters[-1].get_content())[1]


def test_with_a_mail_server_the_link_goes_by_letter(app: Flask, acme: Tenant, signed_in, mailed) -> None:
    owner = signed_in(acme.agency)
    answer = invite(owner)
    assert answer.status_code == 303 and mailed.letters[0]["To"] == "bo@example.com"
    assert choose(app.test_client(), letter_link(mailed)).headers["Location"] == "/admin"
    mailed.refuses = True
    shown = invite(owner, "cl@example.com")
    assert "could not be sent" in shown.text and link_on(shown)


def test_a_forgotten_password(app: Flask, person, mailed) -> None:
    person("anna@example.com")
    client = app.test_client()
    known, unknown = (ask(client, email) for email in ("Anna@example.com ", "nobody@example.com"))
    assert (known.status_code, known.headers["Location"]) == (unknown.status_code, unknown.headers["Location"])
    assert mailed.came.wait(120)
    link = letter_link(mailed)
    assert choose(client, link, "quite another password").headers["Location"] == "/login"
    assert sign_in(client, "anna@example.com", "quite another password").status_code == 303
    answers = [ask(app.test_client(), "anna@example.com").status_code for _ in range(3)]
    assert answers == [303, 303, 429]
    assert [each["To"] for each in mailed.letters if each["To"] != "anna@example.com"] == []


def ask(client: FlaskClient, email: str):
    return client.post("/forgotten", data={"csrf_token": token(client.get("/forgotten")), "email": email})


def test_without_a_mail_server_the_page_says_whom_to_ask(client: FlaskClient) -> None:
    page = client.get("/forgotten")
    assert page.status_code == 200 and "sends no letters" in page.text and "csrf_token" not in page.text


def test_a_form_that_is_too_old_is_shown_once_more(app: Flask, acme: Tenant, signed_in) -> None:
    link = link_on(invite(signed_in(acme.agency)))
    guest = app.test_client()
    form = {"csrf_token": "of yesterday", "new": PASSWORD, "again": PASSWORD}
    assert guest.post(link, data=form).headers["Location"] == link
    assert "This form is too old" in guest.get(link).text
    assert guest.post("/forgotten", data=form).headers["Location"] == "/forgotten"


def test_a_link_is_no_part_of_the_log() -> None:
    for path in ("/invitation/Abcdefgh_ijklm-nop", "/new-password/Abcdefgh_ijklm-nop"):
        assert "Abcdefgh" not in told({"path": path})["path"]
