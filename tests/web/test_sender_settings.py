"""What a person sets on a sender: name, default, order, pace, credentials, its removal; and what it says it does."""

import re
from datetime import UTC, datetime, timedelta

import pytest
from flask import Blueprint, g, request
from sqlalchemy import delete, select, update
from sqlalchemy import event as happens

from portal.accounts.permissions import PERMISSIONS, Role
from portal.messaging import senders
from portal.models import (
    Attempt,
    Conversation,
    EventState,
    Gate,
    Job,
    Location,
    Message,
    Part,
    RoutingRule,
    Sender,
    Status,
)
from portal.queue.gates import sender_gate
from portal.sandbox import world
from portal.web.pages import routes, sender_add, sender_checks
from portal.web.pages.queries import sender_figures, sender_removal
from portal.web.pages.queries.scope import Scope
from portal.web.viewer import Viewer
from tests.web.conftest import Tenant, post, record, release, reload
from tests.web.test_sender_adding import add, draft, entered, fault, live, slow  # noqa: F401

BOTH_ENGINES = True
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


@pytest.fixture
def operator(signed_in):
    return signed_in()


@pytest.fixture
def spare(parts, acme: Tenant) -> int:
    with parts.database.write() as session:
        location = session.get_one(Location, acme.location)
        return senders.add(session, parts.vault, location, senders.NewSender("simulator", "Spare line", {})).id


@pytest.fixture
def twilio(operator, database, acme, sandbox) -> Sender:
    assert add(operator, acme, "twilio", **entered("twilio", sandbox.url)).status_code == 303
    return live(database, acme)[-1]


def of(sender: int, rest: str = "") -> str:
    return f"/admin/senders/{sender}{rest}"


def the(database, sender: int) -> Sender:
    with database.read() as session:
        return session.get_one(Sender, sender)


def test_renaming(client, database, acme) -> None:
    for bad in ("", "   ", "x" * 121):
        wrong = post(client, of(acme.sender, "/name"), name=bad)
        assert wrong.status_code == 422 and "The name has 1 to 120 characters." in wrong.text
        assert f'value="{bad}"' in wrong.text
    assert post(client, of(acme.sender, "/name"), name="  Front   desk\n").status_code == 303
    assert the(database, acme.sender).name == "Front desk"
    assert "Settings of Front desk" in client.get(of(acme.sender, "/settings")).text


def test_the_default_lets_go_what_waited_for_one(client, parts, database, acme, spare, queue) -> None:
    message = queue(acme)
    assert message.status == Status.HELD
    place = f"/admin/senders?location={acme.ghl_id}"
    assert "Several senders and no default" in client.get(place).text
    assert post(client, of(spare, "/default"), wanted="yes").status_code == 303
    release(parts)
    assert reload(database, message).sender_id == spare
    assert "Several senders" not in client.get(place).text and "· default" in client.get(place).text
    assert post(client, of(spare, "/default"), wanted="no").status_code == 303
    assert not the(database, spare).is_default
    assert queue(acme, phone="+639170000043").status == Status.HELD


def test_the_order_is_that_of_the_list_and_of_the_stand_ins(client, parts, database, acme, spare) -> None:
    def order() -> list[str]:
        page = client.get(f"/admin/senders?location={acme.ghl_id}").text
        return re.findall(r'class="row-title"\s+href="[^"]+">([^<]+)<', page)

    assert order() == ["Acme line", "Spare line"]
    for to, after in (("up", ["Spare line", "Acme line"]), ("up", ["Spare line", "Acme line"]), ("down", order())):
        assert post(client, of(spare, "/move"), to=to).status_code == 303
        assert order() == after
    with parts.database.write() as session:
        location = session.get_one(Location, acme.location)
        for number in range(60):
            senders.add(session, parts.vault, location, senders.NewSender("simulator", f"Line {number}", {}))
    page = client.get(f"/admin/senders?location={acme.ghl_id}").text
    older = re.search(r'href="(/admin/senders\?[^"]*before=[^"]+)"', page)[1].replace("&amp;", "&")
    shown = order() + re.findall(r'class="row-title"\s+href="[^"]+">([^<]+)<', client.get(older).text)
    assert len(shown) == len(set(shown)) == 62 and shown[-1] == "Line 59"


def test_the_pace(client, database, acme) -> None:
    for bad in ("x", "0", "-1", "1e9", "nan", "inf"):
        wrong = post(client, of(acme.sender, "/pace"), pace=bad)
        assert wrong.status_code == 422 and "The pace is in messages a second" in wrong.text, bad
        assert f'value="{bad}"' in wrong.text
    assert post(client, of(acme.sender, "/pace"), pace="0,5").status_code == 303
    page = client.get(of(acme.sender, "/settings")).text
    assert "At most one in 2 seconds, as set here." in page and 'value="0.5"' in page
    assert post(client, of(acme.sender, "/pace"), pace="").status_code == 303
    assert "As fast as the provider takes them." in client.get(of(acme.sender, "/settings")).text
    with database.read() as session:
        gate = session.get_one(Gate, sender_gate(acme.sender))
        assert (gate.pace, gate.own_pace) == (0.0, False)


def test_the_pace_of_an_account_that_others_use_is_not_ones_own(parts, database, acme, rival, client, operator) -> None:
    ours = cast_of(parts, acme, "cast_shared")
    assert post(client, of(ours, "/pace"), pace="3").status_code == 303
    cast_of(parts, rival, "cast_shared")
    refused = post(client, of(ours, "/pace"), pace="0.001")
    assert refused.status_code == 422 and "used by senders of other sub-accounts too" in refused.text
    assert "At most 3 a second, as set here." in client.get(of(ours, "/settings")).text
    assert post(operator, of(ours, "/pace"), pace="").status_code == 303
    assert "At most 10 a second, as the provider takes them." in client.get(of(ours, "/settings")).text


def cast_of(parts, tenant: Tenant, key: str) -> int:
    with parts.database.write() as session:
        wanted = senders.NewSender("cast", "Cast", {"api_key": key, "sender_id": tenant.company[:20]})
        return senders.add(session, parts.vault, session.get_one(Location, tenant.location), wanted).id


def typed(row: Sender, sandbox, **more: str) -> dict[str, str]:
    """The form as the page shows it: secrets empty."""
    given = entered("twilio", sandbox.url)
    return {**given, "field-auth_token": "", **more}


def test_credentials_are_replaced_once_they_are_proven(operator, database, parts, twilio, sandbox) -> None:
    path = of(twilio.id, "/credentials")
    page = operator.get(of(twilio.id, "/settings")).text
    token = entered("twilio", sandbox.url)["field-auth_token"]
    assert token not in page and f"which ends in {token[-4:]}, stays in use" in page
    wrong = post(operator, path, **typed(twilio, sandbox, **{"field-auth_token": "0123456789abcdef-wrong"}))
    assert wrong.status_code == 422 and "does not know the Account SID" in fault(wrong.text, "auth_token")
    assert "0123456789abcdef-wrong" not in wrong.text and "What you typed, which ends in rong, is kept" in wrong.text
    assert the(database, twilio.id).credentials == twilio.credentials, "the old ones stay in use"
    assert (
        post(operator, path, **typed(twilio, sandbox, **{"field-from": "ACME", "field-mms": "yes"})).status_code == 303
    )
    kept = parts.vault.open_fields(the(database, twilio.id).credentials)
    assert (kept["auth_token"], kept["from"], kept["mms"]) == (token, "ACME", "yes")
    assert the(database, twilio.id).address == "ACME"
    service = {"field-from": "", "field-messaging_service_sid": "MG" + "0" * 32}
    assert post(operator, path, **typed(twilio, sandbox, **service)).status_code == 303
    assert "from" not in parts.vault.open_fields(the(database, twilio.id).credentials)


def test_stored_secrets_follow_no_other_address(operator, database, parts, twilio, sandbox) -> None:
    path = of(twilio.id, "/credentials")
    refused = post(operator, path, **typed(twilio, sandbox, api_url=f"{sandbox.url}/elsewhere"))
    assert refused.status_code == 422 and "type this again" in fault(refused.text, "auth_token")
    assert f'value="{sandbox.url}/elsewhere"' in refused.text
    token = entered("twilio", sandbox.url)["field-auth_token"]
    moved = typed(twilio, sandbox, api_url=f"{sandbox.url}/twilio/", **{"field-auth_token": token})
    assert post(operator, path, **moved).status_code == 303


def test_a_secret_address_does_not_take_the_others_along(operator, database, acme, sandbox) -> None:
    given = entered("generic_http", sandbox.url)
    assert add(operator, acme, "generic_http", **given).status_code == 303
    row = live(database, acme)[-1]
    secret = ("send_url", "headers", "body", "api_key", "status_url", "probe_url")
    page = given | {f"field-{name}": "" for name in secret}
    elsewhere = page | {"field-send_url": "https://evil.example/{{api_key}}?{{to}}{{text}}"}
    refused = post(operator, of(row.id, "/credentials"), **elsewhere)
    assert refused.status_code == 422
    for name in ("headers", "body", "api_key"):
        assert "type this again" in fault(refused.text, name)
    assert the(database, row.id).credentials == row.credentials
    assert post(operator, of(row.id, "/credentials"), **page).status_code == 303, "nothing was changed"


def test_a_silent_provider_keeps_the_old_ones_in_use(signed_in, parts, database, acme, slow) -> None:  # noqa: F811
    given = {name.removeprefix("field-"): value for name, value in entered("twilio", "").items()}
    given.pop("api_url")
    wanted = senders.NewSender("twilio", "Texts", given, slow.url, operator=True)
    with database.write() as session:
        row = senders.add(session, parts.vault, session.get_one(Location, acme.location), wanted)
    client, path = signed_in(acme.agency), of(row.id, "/credentials")
    form = {f"field-{name}": value for name, value in given.items()} | {"api_url": slow.url, "field-auth_token": ""}
    form["field-from"] = "ACME"
    silent = post(client, path, **form, unchecked="yes")
    assert silent.status_code == 422 and "could not be asked" in silent.text and "save-unchecked" in silent.text
    assert the(database, row.id).address == given["from"]
    assert post(client, path, **form, unchecked="yes", draft=draft(silent.text)).status_code == 303
    assert the(database, row.id).address == "ACME"


def test_the_webhook_at_the_provider_goes_with_the_sender(operator, database, acme, sandbox) -> None:
    assert add(operator, acme, "green_api", **entered("green_api", sandbox.url)).status_code == 303
    row = live(database, acme)[-1]
    assert "taken out of the provider" in operator.get(of(row.id, "/remove")).text
    with database.write() as session:
        session.execute(delete(Job))
    assert post(operator, of(row.id, "/remove")).status_code == 303
    with database.read() as session:
        assert session.scalars(select(Job.subject).where(Job.kind == "sync_webhook")).all() == [row.id]


def test_whoever_may_only_look_is_offered_nothing(framed, acme, spare) -> None:
    for path in ("/frame/senders", f"/frame/senders/{acme.sender}"):
        page = framed.get(path, headers={"X-Role": "viewer"}).text.split("<main")[1]
        assert "Acme line" in page
        for word in ("Add a sender", ">Pause<", ">Settings<", "Move ", "/webhooks/"):
            assert word not in page, (path, word)
    for path in (
        "/frame/senders/new",
        f"/frame/senders/{acme.sender}/settings",
        f"/frame/senders/{acme.sender}/remove",
    ):
        assert framed.get(path, headers={"X-Role": "viewer"}).status_code == 403


def test_an_optional_secret_can_be_removed(operator, database, parts, acme, sandbox) -> None:
    own_app = {"field-app_secret": "s" * 20, "field-verify_token": "verify-me"}
    assert add(operator, acme, "whatsapp_cloud", **entered("whatsapp_cloud", sandbox.url), **own_app).status_code == 303
    row = live(database, acme)[-1]
    assert row.own_app
    page = operator.get(of(row.id, "/settings")).text
    assert 'name="remove-app_secret"' in page and 'name="remove-access_token"' not in page
    shown = entered("whatsapp_cloud", sandbox.url) | {"field-access_token": ""}
    half = post(operator, of(row.id, "/credentials"), **shown, **{"remove-app_secret": "yes"})
    assert half.status_code == 422 and "needs both" in fault(half.text, "app_secret")
    gone = {"remove-app_secret": "yes", "remove-verify_token": "yes"}
    assert post(operator, of(row.id, "/credentials"), **shown, **gone).status_code == 303
    assert not the(database, row.id).own_app
    kept = parts.vault.open_fields(the(database, row.id).credentials)
    assert "app_secret" not in kept and kept["access_token"] == world.CLOUD_TOKEN


def test_what_was_typed_into_the_settings_is_not_lost(operator, database, parts, twilio, sandbox) -> None:
    new = {"field-auth_token": entered("twilio", sandbox.url)["field-auth_token"], "field-from": "what nobody takes!"}
    wrong = post(operator, of(twilio.id, "/credentials"), **typed(twilio, sandbox, **new))
    assert wrong.status_code == 422 and "what nobody takes!" in wrong.text
    again = typed(twilio, sandbox, **{"field-from": "ACME"}) | {"draft": draft(wrong.text)}
    assert post(operator, of(twilio.id, "/credentials"), **again).status_code == 303
    other = post(operator, of(live(database, twilio_place(twilio))[0].id, "/credentials"), draft=draft(wrong.text))
    assert other.status_code in (303, 422)


def twilio_place(row: Sender) -> Tenant:
    return Tenant(0, "", row.location_id, "", row.id, row.key)


def test_removal_says_what_happens_and_does_it(client, parts, database, acme, spare, queue, provider_calls) -> None:
    with database.write() as session:
        senders.make_default(session, acme.sender)
    message = queue(acme)
    with database.write() as session:
        session.execute(update(Conversation).values(sticky_sender_id=acme.sender))
        session.add(
            RoutingRule(location_id=acme.location, position=0, kind="prefix", value="+63", sender_id=acme.sender)
        )
    page = " ".join(client.get(of(acme.sender, "/remove")).text.split())
    for words in (
        "1 conversation keeps to it",
        "1 message waits in its queue and none is held",
        "1 routing rule names it",
        "Spare line",
    ):
        assert words in page
    wrong = post(client, of(acme.sender, "/remove"), next=str(acme.sender))
    assert wrong.status_code == 422 and the(database, acme.sender).state == "active"
    for bad in ("x", "9" * 30, "999999"):
        assert post(client, of(acme.sender, "/remove"), next=bad).status_code == 422
    assert post(client, of(acme.sender, "/remove"), next=str(spare)).status_code == 303
    with database.read() as session:
        assert session.get_one(Sender, acme.sender).state == "removed"
        assert session.get_one(Sender, spare).is_default
        assert session.scalars(select(RoutingRule)).all() == []
        assert session.scalars(select(Conversation.sticky_sender_id)).one() is None
    provider_calls()
    assert reload(database, message).sender_id == spare
    for path in ("", "/settings", "/remove", "/figures"):
        assert client.get(of(acme.sender, path)).status_code == 404


@pytest.fixture
def provider_calls(parts):
    from tests.web.conftest import carry_out

    def all_of_it() -> None:
        carry_out(parts)
        release(parts)

    return all_of_it


def test_the_last_sender_leaves_an_empty_list_that_says_what_to_do(client, acme) -> None:
    assert "with no other sender here what waits fails" in client.get(of(acme.sender, "/remove")).text
    assert post(client, of(acme.sender, "/remove")).status_code == 303
    for path in ("/admin/senders", f"/admin/senders?location={acme.ghl_id}"):
        page = client.get(path).text
        assert "Add the first sender" in page and "/admin/senders/new" in page


def test_the_figures_of_today_are_those_of_the_sub_accounts_day(
    client, parts, database, acme, queue, time, monkeypatch
) -> None:
    time.at = datetime(2026, 7, 1, 17, 0, tzinfo=UTC)  # one in the morning of 2 July in Manila
    with database.write() as session:
        session.execute(update(Location).values(timezone="Asia/Manila"))
    yesterday, today_ = timedelta(hours=-2), timedelta(minutes=-10)
    states = [(Status.DELIVERED, today_), (Status.READ, today_), (Status.SENT, today_), (Status.FAILED, today_)]
    for number, (status, ago) in enumerate([*states, (Status.DELIVERED, yesterday)]):
        message = queue(acme, phone=f"+63917000010{number}")
        with database.write() as session:
            part = session.scalars(select(Part).where(Part.message_id == message.id)).one()
            session.execute(update(Message).where(Message.id == message.id).values(status=status))
            moment = time.at + ago
            call = {"number": 1, "sender_id": acme.sender, "idempotency_key": f"{number}", "outcome": "accepted"}
            session.add(Attempt(part_id=part.id, started_at=moment, ended_at=moment, **call))
    page = " ".join(client.get(of(acme.sender, "/figures")).text.split())
    assert "3 sent, 2 of them delivered, 1 failed" in page and "Since midnight, Asia/Manila time." in page
    assert "5 waiting" in page
    short = client.get(of(acme.sender, "/figures?short=1"), headers=HTMX).text
    assert "<html" not in short and "Today 3 sent, 2 delivered, 1 failed" in " ".join(short.split())
    assert "3 sent, 2 of them delivered" in " ".join(client.get(of(acme.sender)).text.split())
    monkeypatch.setattr(sender_figures, "MOST_CALLS", 2)
    monkeypatch.setattr(sender_figures, "MOST_JOBS", 3)
    page = " ".join(client.get(of(acme.sender, "/figures")).text.split())
    assert "calls, since" in page and "3 or more waiting" in page


def test_an_odd_time_zone_breaks_nothing(client, database, acme) -> None:
    for name in ("", "Mars/Olympus", "../etc/passwd"):
        with database.write() as session:
            session.execute(update(Location).values(timezone=name))
        assert "Since midnight, UTC time." in client.get(of(acme.sender)).text


def test_another_tenants_jobs_and_messages_are_not_counted(client, parts, database, acme, rival, queue) -> None:
    ours, theirs = cast_of(parts, acme, "cast_shared"), cast_of(parts, rival, "cast_shared")
    for number in range(3):
        queue(rival, phone=f"+63917000010{number}", named_sender_id=theirs)
    queue(acme, named_sender_id=ours)
    page = " ".join(client.get(of(ours, "/figures")).text.split())
    assert "1 waiting" in page
    assert client.get(of(theirs, "/figures")).status_code == 404


def test_the_webhook_address_is_shown_with_whether_it_is_used(
    operator, signed_in, database, acme, rival, twilio, sandbox
) -> None:
    page = operator.get(of(twilio.id)).text
    assert f"/webhooks/sms/twilio/{twilio.key}/receive" in page and "nothing came on it yet" in page
    assert "A message comes in" in page
    record(database, "twilio", sender_key=twilio.key, source="twilio", state=EventState.REFUSED)
    assert "did not prove who sent it" in operator.get(of(twilio.id)).text
    record(database, "twilio", sender_key=twilio.key, source="twilio", state=EventState.APPLIED)
    page = operator.get(of(twilio.id, "/figures"), headers=HTMX)
    assert "in use" in page.text and "Last called" in page.text
    assert "/webhooks/" not in operator.get(of(acme.sender)).text, "nobody has to enter it anywhere"


TABLES = ("message", "attempt", "part", "event", "job", "conversation")


def test_the_figures_read_no_more_than_they_may(database, acme) -> None:
    """However much there is: no table is looked through whole, and each look ends at its own bound."""
    with database.read() as session:
        row, location = session.get_one(Sender, acme.sender), session.get_one(Location, acme.location)
        asked: list[tuple[str, object]] = []
        note = lambda *a: asked.append((a[2], a[3]))  # noqa: E731
        happens.listen(session.get_bind(), "before_cursor_execute", note)
        sender_figures.of(session, row, location)
        sender_removal.of(session, row)
        happens.remove(session.get_bind(), "before_cursor_execute", note)
        plain = session.connection()
        if not database.sqlite:
            plain.exec_driver_sql("SET enable_seqscan = off")
        explain = "EXPLAIN QUERY PLAN" if database.sqlite else "EXPLAIN"
        plans = [list(plain.exec_driver_sql(f"{explain} {text}", values)) for text, values in asked]
    lines = [str(line[-1]) for plan in plans for line in plan]
    for table in TABLES:
        assert not any(re.search(rf"(^SCAN|Seq Scan on) {table}\b", line) for line in lines), (table, lines)
    counting = [text for text, _ in asked if "count(" in text and "routing_rule" not in text]
    assert counting and all("LIMIT" in text for text in counting)
    rows = 3 * sender_figures.MOST_CALLS + sender_figures.MOST_RECENT + 2 * sender_figures.MOST_JOBS
    assert rows + sender_figures.FEW_CALLS + 4 <= 5000


@pytest.mark.parametrize("rest", ["/name", "/pace", "/default", "/move", "/credentials", "/remove"])
def test_strangers_change_nothing(signed_in, database, acme, rival, rest) -> None:
    stranger, before = signed_in(rival.agency), the(database, acme.sender)
    form = {"name": "Mine", "pace": "1", "wanted": "yes", "to": "up"}
    assert post(stranger, of(acme.sender, rest), **form).status_code == 404
    after = the(database, acme.sender)
    for column in Sender.__table__.columns:
        assert getattr(before, column.key) == getattr(after, column.key)


@pytest.fixture
def framed(app, acme):
    """The same pages as the custom page has them: about one location, whoever looks."""
    frame = Blueprint("frame", __name__, url_prefix="/frame")

    @frame.before_request
    def look() -> None:
        scope = Scope(acme.agency, frozenset({acme.location}))
        may = PERMISSIONS[Role(request.headers.get("X-Role", Role.ADMIN))]
        g.viewer = Viewer(scope, "Somebody", "sso:1", may, acme.location)

    frame.context_processor(lambda: {"layout": "base.html"})
    routes.mount(frame)
    app.register_blueprint(frame)
    app.config["WTF_CSRF_ENABLED"] = False
    return app.test_client()


def test_in_the_custom_page_the_sub_account_is_a_matter_of_course(
    framed, parts, database, acme, tenant, sandbox, monkeypatch
) -> None:
    other = tenant("Sister")
    with database.write() as session:
        session.execute(update(Location).where(Location.id == other.location).values(agency_id=acme.agency))
    monkeypatch.setattr(sender_checks, "may_go_inside", lambda: True)
    monkeypatch.setattr(sender_add, "may_go_inside", lambda: True)
    page = framed.get("/frame/senders").text
    assert "Acme line" in page and "Sister" not in page and "/admin/senders" not in page.split("<main")[1]
    assert framed.get(f"/frame/senders?location={other.ghl_id}").text.count("Sister") == 0
    assert "channel=twilio" in framed.get("/frame/senders/new").text
    given = entered("twilio", sandbox.url)
    wrong = framed.post("/frame/senders/new", data={"channel": "twilio", **given, "field-auth_token": "no"})
    assert wrong.status_code == 422 and fault(wrong.text, "auth_token")
    form = {"location": other.ghl_id, "channel": "twilio", **given}
    done = framed.post("/frame/senders/new", data=form)
    assert done.status_code == 303 and done.headers["Location"].startswith("/frame/senders/")
    assert len(live(database, other)) == 1 and len(live(database, acme)) == 2
    for rest in ("", "/settings", "/remove", "/figures"):
        answer = framed.get(f"/frame/senders/{live(database, acme)[-1].id}{rest}")
        assert answer.status_code == 200 and "/admin/senders" not in answer.text.split("<main")[1]
        assert framed.get(f"/frame/senders/{other.sender}{rest}").status_code == 404
    for rest in ("/name", "/pace", "/default", "/move", "/credentials", "/remove"):
        assert framed.post(f"/frame/senders/{other.sender}{rest}", data={"name": "x"}).status_code == 404
