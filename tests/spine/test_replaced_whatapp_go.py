"""whatapp-go's routes over HTTP: signing in for a token, sending, conversations, and users with number and credits."""

from datetime import timedelta

import pytest
import requests
from sqlalchemy import select, update

from portal.accounts import people, sessions, users
from portal.accounts.people import Standing
from portal.messaging import template_sending
from portal.models import Agency, Location, Message, Role, Sender, User, Wallet
from portal.sandbox import world
from tests.portal import Portal, eventually
from tests.spine.api import OTHER, PLACE

PASSWORD = "a password of a person"
BOSS, CLIENT = "boss@example.com", "client@example.com"
PARIS = "33612345678"


class Program:
    """A program of before: it knows a host, and keeps its cookies."""

    def __init__(self, portal, email="", password=PASSWORD):
        self.portal, self.http = portal, requests.Session()
        if email:
            said = self("POST", "/login", {"email": email, "password": password})
            assert (said.status_code, said.json()["message"]) == (200, "Login success"), said.text
            self.token = said.json()["token"]

    def __call__(self, method, path, body=None, **more):
        return self.http.request(method, f"{self.portal.url}/api{path}", json=body, timeout=30, **more)


def person(portal, email, role=Role.OWNER, places=None, company=PLACE.company_id):
    """Somebody of an agency who knows their password."""
    with portal.database.write() as session:
        agency = session.scalars(select(Agency.id).where(Agency.company_id == company)).one()
        ids = None
        if places is not None:
            named = Location.ghl_id.in_([place.id for place in places])
            ids = frozenset(session.scalars(select(Location.id).where(named)))
        user = users.create_user(session, email, PASSWORD, agency)
        user.must_change_password = False
        people._set(session, user, Standing(role, ids))
        return user.id


def cloud(portal):
    return portal.add_sender(
        "whatsapp_cloud", credentials={"phone_number_id": world.CLOUD_NUMBER_ID, "access_token": world.CLOUD_TOKEN}
    )


@pytest.fixture
def served(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path, whatsapp_graph_url=f"{sandbox.url}/v26.0")
    try:
        portal.install()
        person(portal, BOSS)
        yield portal
    finally:
        portal.close()


def test_a_text_goes_out_with_the_token_as_a_cookie_or_in_the_body(served):
    portal = served
    cloud(portal)
    portal.start()
    program = Program(portal, BOSS)
    text = {"to": PARIS, "type": "text", "text": {"body": "Bonjour 👋"}}
    by_cookie = program("POST", "/message/send", text)
    assert by_cookie.status_code == 200, by_cookie.text
    by_body = Program(portal)("POST", "/message/send", text | {"token": program.token})
    assert by_body.status_code == 200 and by_body.json()["id"] != by_cookie.json()["id"]
    sent = portal.messages()
    assert [(each.address, each.body, each.author) for each in sent] == [(f"+{PARIS}", "Bonjour 👋", BOSS)] * 2
    with portal.session() as session:
        me = session.scalars(select(User.id)).one()
    shown = program("GET", f"/user/{me}/conversations").json()
    assert [each["Direction"] for each in shown] == ["outbound", "outbound"]
    assert shown[0]["To"] == f"+{PARIS}" and shown[0]["Content"] == "Bonjour 👋" and shown[0]["UserID"] == me
    assert len(program("GET", f"/user/{me}/conversations?type=text&filter=today").json()) == 2
    assert program("GET", f"/user/{me}/conversations?type=image").json() == []
    assert program("GET", f"/user/{me}/conversations?filter=ever").status_code == 422


def test_other_types_are_read_as_meta_has_them(served):
    cloud(served)
    program = Program(served, BOSS)
    reply = {"type": "reply", "reply": {"id": "y", "title": "Yes"}}
    body = {"body": {"text": "Come?"}}
    rows = [{"id": "1", "title": "Tin", "description": "450"}]
    chosen = {"button": "Choose", "sections": [{"title": "Roofs", "rows": rows}]}
    for kind, own, expected in (
        ("image", {"link": "https://example.com/a.jpg", "caption": "See"}, "text"),
        ("document", {"link": "https://example.com/a.pdf"}, "text"),
        ("location", {"latitude": 48.85, "longitude": "2.35", "name": "Paris"}, "location"),
        ("interactive", {"type": "button", **body, "action": {"buttons": [reply]}}, "buttons"),
        ("interactive", {"type": "list", **body, "action": chosen}, "list"),
        (
            "interactive",
            {"type": "cta_url", **body, "action": {"parameters": {"display_text": "Pay", "url": "https://e.com"}}},
            "buttons",
        ),
    ):
        said = program("POST", "/message/send", {"to": PARIS, "type": kind, kind: own})
        assert said.status_code == 200, (kind, said.text)
        assert served.messages()[-1].kind == expected
    count = len(served.messages())
    for wrong in (
        {"type": "text", "text": {"body": ""}},
        {"type": "image", "image": {"id": "123"}},
        {"type": "hologram"},
        {"type": "interactive", "interactive": {"type": "button", "action": {"buttons": [reply]}}},
        {"type": "reaction", "reaction": {"emoji": "👍"}},
        {"type": "location", "location": {"latitude": "north"}},
        {"to": "12", "type": "text", "text": {"body": "x"}},
    ):
        said = program("POST", "/message/send", {"to": PARIS} | wrong)
        assert said.status_code == 422 and said.json()["error"], (wrong, said.text)
    assert program("POST", "/message/send", {"type": "reaction", "reaction": {"message_id": "x"}}).status_code == 404
    assert len(served.messages()) == count


def test_a_template_is_filled_in_with_two_parameters(served):
    cloud(served)
    served.start()
    program = Program(served, BOSS)

    def listed():
        with served.session() as session:
            ids = session.scalars(select(Sender.id)).all()
            rows = [row for each in ids for row in template_sending.choices(session, each)]
        forms = [form for form in map(template_sending.form_of, rows) if len(form.blanks) in (1, 2)]
        return next((form for form in forms if all(blank.where == "body" for blank in form.blanks)), None)

    form = eventually(listed)
    values = {f"param{place}": f"word {place}" for place, _ in enumerate(form.blanks, 1)}
    said = program(
        "POST", "/message/send2", {"to": PARIS, "template_name": form.name, "language": form.language, **values}
    )
    assert said.status_code == 200, said.text
    message = served.messages()[-1]
    assert message.kind == "template" and "word 1" in message.body
    unknown = program("POST", "/message/send2", {"to": PARIS, "template_name": "nothing", "language": "en"})
    assert unknown.status_code == 422


def test_tokens_end(served, monkeypatch):
    program = Program(served, BOSS)
    with served.session() as session:
        me = session.scalars(select(User.id)).one()
    path = f"/user/{me}/conversations"
    assert program("GET", path).status_code == 200
    copy = {"Authorization": f"Bearer {program.token}"}
    assert Program(served)("GET", path, headers=copy).status_code == 200
    other = Program(served, BOSS)
    assert program("POST", "/logout").status_code == 200
    assert Program(served)("GET", path, headers=copy).status_code == 401
    assert other("GET", path).status_code == 200
    monkeypatch.setattr(sessions, "LIFETIME", timedelta(0))
    assert other("GET", path).status_code == 401
    monkeypatch.undo()
    with served.database.write() as session:
        session.execute(update(User).values(active=False))
    assert other("GET", path).status_code == 401
    for wrong in ("", "x", "1:1.", "1:1.x", f"{me}:1.{'x' * 22}", "é.é"):
        assert Program(served)("GET", path, cookies={"token": wrong.encode().decode("latin-1")}).status_code == 401


def test_who_gets_no_token(served):
    nobody = Program(served)
    assert nobody("POST", "/login", {"email": BOSS, "password": "wrong"}).status_code == 401
    assert nobody("POST", "/login", {"email": "x@example.com", "password": PASSWORD}).status_code == 401
    assert nobody("POST", "/login").status_code == 400
    with served.database.write() as session:
        session.execute(update(User).values(must_change_password=True))
    assert nobody("POST", "/login", {"email": BOSS, "password": PASSWORD}).status_code == 403
    form = {"email": BOSS, "password": PASSWORD}
    assert requests.post(f"{served.url}/api/login", data=form, timeout=60).status_code == 400


def test_a_user_is_made_with_number_and_credits_changed_and_turned_off(served):
    boss = Program(served, BOSS)
    wanted = {
        "email": CLIENT,
        "password": PASSWORD,
        "sso_id": PLACE.id,
        "role": "CLIENT",
        "is_active": True,
        "whatsapp_token": world.CLOUD_TOKEN,
        "whatsapp_phone_number_id": world.CLOUD_NUMBER_ID,
        "monthly_credits": 500,
    }
    made = boss("POST", "/user/create", wanted)
    assert made.status_code == 201, made.text
    user = made.json()["user"]
    assert user == {"id": user["id"], "email": CLIENT, "role": "CLIENT", "is_active": True}

    def wallet():
        with served.session() as session:
            return session.scalars(select(Wallet)).one()

    assert (wallet().available, wallet().unlimited) == (500, False)
    with served.session() as session:
        row = session.get_one(User, user["id"])
        assert (row.role, len(row.location_ids)) == (Role.AGENT, 1)
        assert session.scalars(select(Sender.address)).one() == world.CLOUD_NUMBER_ID
    client = Program(served, CLIENT)
    sent = client("POST", "/message/send", {"to": PARIS, "type": "text", "text": {"body": "x"}})
    assert sent.status_code == 200, sent.text
    assert len(client("GET", f"/user/{user['id']}/conversations").json()) == 1
    assert client("POST", "/user/create", wanted | {"email": "more@example.com"}).status_code == 403
    assert boss("POST", "/user/create", wanted).status_code == 422  # the address is taken
    assert wallet().available + wallet().held == 500  # a repetition gives nothing
    other = "another password of a person"
    changed = boss("PUT", f"/user/update/{user['id']}", {"password": other, "monthly_credits": 900})
    assert changed.status_code == 200, changed.text
    assert client("GET", f"/user/{user['id']}/conversations").status_code == 401
    again = Program(served, CLIENT, other)
    for _ in range(2):
        assert boss("DELETE", f"/user/delete/{user['id']}").json() == {"message": "User deleted"}
    assert again("GET", f"/user/{user['id']}/conversations").status_code == 401
    assert boss("PUT", f"/user/update/{user['id']}", {"is_active": True}).json()["user"]["is_active"] is True


def test_nothing_is_made_of_a_half_good_request(served):
    boss = Program(served, BOSS)
    good = {"email": CLIENT, "password": PASSWORD, "sso_id": PLACE.id}
    for wrong in (
        {"email": "none"},
        {"password": "short"},
        {"password": ""},
        {"role": "KING"},
        {"is_active": "yes"},
        {"monthly_credits": -1},
        {"monthly_credits": "many"},
        {"whatsapp_token": "EAAGwrong-token", "whatsapp_phone_number_id": world.CLOUD_NUMBER_ID},
        {"whatsapp_token": world.CLOUD_TOKEN},
    ):
        said = boss("POST", "/user/create", good | wrong)
        assert said.status_code == 422, (wrong, said.text)
    assert boss("POST", "/user/create", good | {"sso_id": "nowhere"}).status_code == 404
    with served.session() as session:
        assert session.scalars(select(User.email)).all() == [BOSS]
        assert session.scalars(select(Sender)).all() == []


def test_a_stranger_sees_and_changes_nothing(served):
    portal = served
    cloud(portal)
    portal.install(OTHER)
    with portal.database.write() as session:
        far = Agency(company_id="far-company", created_at=session.scalars(select(Agency.created_at)).first())
        session.add(far)
        session.flush()
        session.execute(update(Location).where(Location.ghl_id == OTHER.id).values(agency_id=far.id))
    client = person(portal, CLIENT, Role.AGENT, [PLACE])
    colleague = person(portal, "viewer@example.com", Role.VIEWER, [PLACE])
    person(portal, "far@example.com", company="far-company")
    Program(portal, BOSS)("POST", "/message/send", {"to": PARIS, "type": "text", "text": {"body": "ours"}})
    stranger = Program(portal, "far@example.com")
    assert stranger("GET", f"/user/{client}/conversations").status_code == 404
    assert stranger("PUT", f"/user/update/{client}", {"is_active": False}).status_code == 404
    assert stranger("DELETE", f"/user/delete/{client}").status_code == 404
    text = {"to": PARIS, "type": "text", "text": {"body": "x"}, "location": PLACE.id}
    assert stranger("POST", "/message/send", text).status_code == 404
    assert (
        stranger(
            "POST", "/user/create", {"email": "n@example.com", "password": PASSWORD, "sso_id": PLACE.id}
        ).status_code
        == 404
    )
    looking = Program(portal, "viewer@example.com")
    assert looking("GET", f"/user/{client}/conversations").status_code == 404
    assert len(looking("GET", f"/user/{colleague}/conversations").json()) == 1
    assert looking("POST", "/message/send", text).status_code == 403
    assert Program(portal, CLIENT)("DELETE", f"/user/delete/{colleague}").status_code == 403
    with portal.session() as session:
        assert len(session.scalars(select(Message)).all()) == 1


def test_metas_webhook_is_at_its_old_address(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path, whatsapp_webhook_token="secrettoken")
    try:
        asked = {"hub.mode": "subscribe", "hub.verify_token": "secrettoken", "hub.challenge": "42"}
        said = requests.get(f"{portal.url}/api/whatsapp/webhook", params=asked, timeout=60)
        assert (said.status_code, said.text) == (200, "42")
        forged = requests.post(f"{portal.url}/api/whatsapp/webhook", json={"entry": []}, timeout=60)
        assert forged.status_code == 401
    finally:
        portal.close()
