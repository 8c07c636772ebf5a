"""The wall and the pages of alerts: what needs a person comes first, each sees their own, deeds are recorded."""

import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import clock
from portal.alarms import recipients, rule
from portal.alerts.notices import CHOOSE_DEFAULT, DEAD_TOKEN, LINE_DOWN, MEDIA_STORE, close_alert, raise_alert
from portal.mail import MailServer
from portal.models import (
    Alert,
    AlertRecipient,
    AlertRule,
    AuditEntry,
    InstallState,
    Location,
    MessageDay,
    MessageHour,
    PlaceStanding,
    Subscription,
    Way,
)
from tests.web.conftest import post

BOTH_ENGINES = True


@pytest.fixture
def many(database, acme) -> list[int]:
    """Thirty sub-accounts of Acme's, the tenth and the twentieth in need."""
    with database.write() as session:
        made = []
        for number in range(30):
            place = Location(
                ghl_id=f"place-{number:02}",
                agency_id=acme.agency,
                name=f"Branch {number:02}",
                install_state=InstallState.INSTALLED,
                created_at=clock.now(),
            )
            session.add(place)
            session.flush()
            need = {10: 2004, 20: 4001}.get(number, 0)
            figures = PlaceStanding(location_id=place.id, need=need, held=4 if number == 10 else 0, ready=1, written=7)
            session.add(figures)
            made.append(place.id)
        return made


def names(page: str) -> list[str]:
    return re.findall(r'id="place-\d+"\s+class="row-title"\s+href="[^"]*">(.*?)</a>', page)


def test_what_needs_a_person_comes_first_and_pages_follow(many, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    first = client.get("/admin").text
    assert names(first)[:2] == ["Branch 20", "Branch 10"] and len(names(first)) == 25
    assert "1 where nothing goes out" in first and "1 where messages wait" in first
    further = re.search(r'id="more-places"[^>]*href="([^"]*)"', first)
    assert further is not None
    second = client.get(further[1].replace("&amp;", "&")).text
    seen = names(first) + names(second)
    assert len(seen) == len(set(seen)) == 31
    assert client.get("/admin?after=nonsense").status_code == 404
    assert client.get("/admin?show=nonsense").status_code == 404 and client.get("/admin?span=1y").status_code == 404


def test_filters(many, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    assert names(client.get("/admin?q=branch+2").text) == ["Branch 20", *(f"Branch {n}" for n in range(21, 30))]
    assert names(client.get("/admin?show=attention").text) == ["Branch 20", "Branch 10"]
    assert names(client.get("/admin?show=stopped").text) == ["Branch 20"]
    assert names(client.get("/admin?show=held&q=BRANCH").text) == ["Branch 10"]
    for show in ("failing", "credits", "alerts", "not_installed"):
        page = client.get(f"/admin?show={show}").text
        assert names(page) == [] and "No sub-account is as you ask." in page
    assert names(client.get("/admin?q=%25").text) == [], "a percent sign is one"


def test_the_wall_polls_one_block_with_its_filters(many, acme, signed_in) -> None:
    client = signed_in(acme.agency)
    assert 'hx-get="/admin/live/wall?show=attention"' in client.get("/admin?show=attention").text
    heads = {"HX-Request": "true"}
    found = client.get("/admin/live/wall?show=attention", headers=heads)
    assert names(found.text) == ["Branch 20", "Branch 10"] and "Nothing needs you." in found.text
    again = client.get("/admin/live/wall?show=attention", headers=heads | {"If-None-Match": found.headers["ETag"]})
    assert again.status_code == 204


def test_each_sees_their_own_figures(many, acme, rival, signed_in, database) -> None:
    now = int(clock.now().timestamp())
    with database.write() as session:
        session.add(MessageHour(location_id=many[0], hour=now // 3600, written=41, delivered=31, failed=3))
        session.add(MessageHour(location_id=rival.location, hour=now // 3600, written=1000))
        session.add(MessageDay(location_id=many[0], day=now // 86400, written=51))
        session.add(MessageDay(location_id=rival.location, day=now // 86400, written=2000))
    anna, operator = signed_in(acme.agency), signed_in()
    for query, own, both in (("", 41, 1041), ("?span=30d", 51, 2051), ("?span=90d", 51, 2051)):
        assert written(anna.get(f"/admin{query}").text) == own
        assert written(operator.get(f"/admin{query}").text) == both
    assert "Branch" not in signed_in(rival.agency).get("/admin").text


def written(page: str) -> int:
    """What the chart says was to be sent; the table has the same."""
    raw = re.search(r'data-chart="([^"]*)"', page)
    assert raw is not None
    data = json.loads(raw[1].replace("&#34;", '"').replace("&quot;", '"'))
    total = sum(data["series"][0]["values"])
    assert f'<td class="text-end">{total}</td>' in page
    return total


def test_a_viewer_looks_and_does_not_do(acme, person, client, sign_in_as, database) -> None:
    with database.write() as session:
        raise_alert(session, CHOOSE_DEFAULT, acme.ghl_id, "Acme must choose.", acme.location)
    viewer = sign_in_as("viewer@example.com", acme.agency, "viewer")
    page = viewer.get("/admin/alerts/1")
    assert page.status_code == 200 and "I am at it" not in page.text and "Who was told" not in page.text
    assert "Done" not in viewer.get("/admin").text
    for path in ("acknowledge", "mute", "close"):
        assert post(viewer, f"/admin/alerts/1/{path}").status_code == 403
    assert viewer.get("/admin/alerts/recipients").status_code == 403


@pytest.fixture
def sign_in_as(app, person, client):
    from tests.web.conftest import PASSWORD, token

    def enter(email: str, agency: int | None, role: str):
        person(email, agency, role)
        visitor = app.test_client()
        form = {"csrf_token": token(visitor.get("/login")), "email": email, "password": PASSWORD}
        assert visitor.post("/login", data=form).status_code == 303
        return visitor

    return enter


def test_somebody_is_at_it_mutes_and_closes(acme, signed_in, database) -> None:
    with database.write() as session:
        raise_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line is down.", acme.location)
    client = signed_in(acme.agency)
    page = client.get("/admin/alerts/1").text
    assert "Its line does not work." in page and f'href="/admin/senders/{acme.sender}"' in page
    assert post(client, "/admin/alerts/1/acknowledge").status_code == 303
    assert post(client, "/admin/alerts/1/mute", hours="8").status_code == 303
    page = client.get("/admin/alerts/1").text
    assert "is at it since" in page and "muted until" in page
    assert "is at it" in client.get("/admin").text and "in hand" in client.get("/admin/alerts").text
    assert post(client, "/admin/alerts/1/mute", hours="").status_code == 303
    assert post(client, "/admin/alerts/1/close").status_code == 303
    with database.write() as session:
        alert = session.get_one(Alert, 1)
        assert alert.muted_until is None and alert.closed_by and alert.closed_at is not None
        assert rule.decide(alert, timedelta(0), clock.now()) is rule.Deed.SETTLE
        deeds = session.scalars(select(AuditEntry.action).order_by(AuditEntry.id)).all()
        assert [each for each in deeds if each in ("acknowledged", "muted", "unmuted", "closed")] == [
            "acknowledged",
            "muted",
            "unmuted",
            "closed",
        ]
    assert "Acme line is down." in client.get("/admin/alerts?state=over").text
    assert "Nothing needs you." in client.get("/admin/alerts").text


def test_lists_are_filtered_paged_and_ones_own(acme, rival, signed_in, database) -> None:
    with database.write() as session:
        for number in range(60):
            raise_alert(session, LINE_DOWN, f"sender:{acme.sender}:{number}", f"Line {number} down.", acme.location)
        raise_alert(session, MEDIA_STORE, "media", "The disk is full.")
        raise_alert(session, DEAD_TOKEN, acme.company, "Acme's own token is dead.")
        raise_alert(session, CHOOSE_DEFAULT, rival.ghl_id, "Rival must choose.", rival.location)
    client = signed_in(acme.agency)
    page = client.get("/admin/alerts").text
    assert "Acme&#39;s own token is dead." in page
    assert "Rival" not in page and "The disk is full." not in page
    assert "The disk is full." in signed_in().get("/admin/alerts?topic=other").text
    further = re.search(r'href="(/admin/alerts\?before=\d+)"', page)
    assert further is not None and "Line 0 down." in client.get(further[1]).text
    assert "Line 59" not in client.get("/admin/alerts?topic=connection").text
    assert "Acme&#39;s own" in client.get("/admin/alerts?topic=connection").text
    assert "Line" in client.get(f"/admin/alerts?location={acme.ghl_id}").text
    assert "No" not in client.get(f"/admin/alerts?location={rival.ghl_id}").text.split("results")[1].split("<ul")[0]
    assert client.get("/admin/alerts?topic=x").status_code == 404
    assert client.get("/admin/alerts/62").status_code == 200 and client.get("/admin/alerts/61").status_code == 404


@pytest.fixture
def mails(parts, monkeypatch):
    """A mail server is set."""
    object.__setattr__(parts.settings, "mail_server", MailServer("127.0.0.1", 1, "", "portal@example.com"))


def test_recipients_come_test_rest_and_go(acme, signed_in, database, mails) -> None:
    client = signed_in(acme.agency)
    added = post(client, "/admin/alerts/recipients", way="email", address="anna@example.com", topic="sender")
    assert added.status_code == 303
    hook = post(client, "/admin/alerts/recipients", way="webhook", address="https://hooks.example/secret-path")
    assert hook.status_code == 303
    page = client.get("/admin/alerts/recipients").text
    assert "anna@example.com" in page and "https://hooks.example" in page and "secret-path" not in page
    assert post(client, "/admin/alerts/recipients/1/test").status_code == 303
    until = (clock.now() + timedelta(hours=3)).strftime("%Y-%m-%dT%H:%M")
    assert post(client, "/admin/alerts/recipients/1/quiet", until=until).status_code == 303
    assert "nothing before" in client.get("/admin/alerts/recipients").text
    assert post(client, "/admin/alerts/recipients/1/quiet", until="2001-01-01T00:00").status_code == 422
    assert post(client, "/admin/alerts/recipients/2/remove").status_code == 303
    with database.read() as session:
        assert session.get_one(AlertRecipient, 2).removed_at is not None
        assert session.scalars(select(Subscription)).one().removed_at is not None
        actions = session.scalars(select(AuditEntry.action).where(AuditEntry.kind == "alert")).all()
        assert {"added", "tested", "quieted", "removed"} <= set(actions)
        assert "secret-path" not in str(session.scalars(select(AuditEntry.subject)).all())


@pytest.mark.parametrize(
    "form",
    [
        {"way": "", "address": "anna@example.com"},
        {"way": "email", "address": "anna"},
        {"way": "webhook", "address": "http://hooks.example/"},
        {"way": "webhook", "address": "https://127.0.0.1/"},
        {"way": "webhook", "address": "https://hooks.example/", "topic": "nonsense"},
        {"way": "webhook", "address": "https://hooks.example/", "place": "999"},
    ],
)
def test_what_is_wrong_with_a_recipient_is_said(acme, signed_in, database, mails, form) -> None:
    client = signed_in(acme.agency)
    assert post(client, "/admin/alerts/recipients", **form).status_code == 422
    with database.read() as session:
        assert session.scalars(select(AlertRecipient)).all() == []


def test_without_a_mail_server_letters_are_not_promised(acme, signed_in) -> None:
    client = signed_in(acme.agency)
    assert "Letters need a mail server" in client.get("/admin/alerts/recipients").text
    answer = post(client, "/admin/alerts/recipients", way="email", address="anna@example.com")
    assert answer.status_code == 422 and "SMTP_URL" in answer.text


def test_recipients_of_others_are_not_there(acme, rival, signed_in, database, parts) -> None:
    with database.write() as session:
        for agency in (acme.agency, None):
            recipients.add(session, parts.vault, Way.WEBHOOK, "https://acme.example/", [], "anna", agency_id=agency)
    stranger = signed_in(rival.agency)
    assert "acme.example" not in stranger.get("/admin/alerts/recipients").text
    for id_ in (1, 2):
        assert post(stranger, f"/admin/alerts/recipients/{id_}/test").status_code == 404
    operator = signed_in()
    assert operator.get("/admin/alerts/recipients").text.count("https://acme.example") == 2
    hooks = operator.get("/admin/callbacks").text
    assert hooks.count("https://acme.example") == 2, "the operator sees the secret of its own, too"


def test_the_agencys_times(acme, rival, signed_in, database) -> None:
    client = signed_in(acme.agency)
    assert post(client, "/admin/alerts/graces", sender="45", deaf="5").status_code == 303
    assert 'value="45"' in client.get("/admin/alerts/recipients").text
    assert 'value="45"' not in signed_in(rival.agency).get("/admin/alerts/recipients").text
    assert post(client, "/admin/alerts/graces", sender="1441").status_code == 422
    with database.read() as session:
        (row,) = session.scalars(select(AlertRule))
        assert (row.agency_id, row.topic, row.grace_seconds) == (acme.agency, "sender", 2700)


def test_an_alert_that_is_over_says_what_happened(acme, signed_in, database) -> None:
    with database.write() as session:
        raise_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line is down.", acme.location)
        close_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line works again.")
        session.get_one(Alert, 1).outcome = "14 held, 0 lost, back at 10:42 UTC, after 12 minutes."
    page = signed_in(acme.agency).get("/admin/alerts/1").text
    assert "14 held, 0 lost, back at 10:42 UTC" in page and "Acme line is down." in page and "works again" in page
    assert "I am at it" not in page


def test_commands(app, acme, database, mails) -> None:
    runner = app.test_cli_runner()

    def run(*words: str) -> list[dict]:
        done = runner.invoke(args=["alerts", *words])
        assert done.exit_code == 0, done.output
        return [json.loads(line) for line in done.output.splitlines()]

    with database.write() as session:
        raise_alert(session, LINE_DOWN, f"sender:{acme.sender}", "Acme line is down.", acme.location)
    assert run("list")[0]["topic"] == "sender"
    assert run("acknowledge", "1")[0]["acknowledged_by"] == "the command line"
    assert run("mute", "1", "--hours", "2")[0]["muted_until"] is not None
    assert run("close", "1")[0]["closed_at"] is not None
    assert run("list") == [] and len(run("list", "--over")) == 1
    assert run("tell", "--agency", acme.company, "--email", "a@example.com", "--topic", "credits")[0]["id"] == 1
    assert run("tell", "--url", "https://hooks.example/x")[0]["to"] == "https://hooks.example"
    assert [row["agency"] for row in run("recipients")] == [acme.company, None]
    assert run("test", "1") and run("quiet", "1", "--until", "2099-01-01T00:00:00+00:00")
    assert run("forget", "1") and len(run("recipients")) == 1
    graces = {
        row["topic"]: row["minutes"]
        for row in run("grace", "--agency", acme.company, "--topic", "deaf", "--minutes", "9")
    }
    assert graces["deaf"] == 9 and graces["sender"] == 2
    for wrong in (["tell"], ["close", "99"], ["forget", "1"], ["grace", "--topic", "deaf"], ["tell", "--email", "x"]):
        assert runner.invoke(args=["alerts", *wrong]).exit_code == 1, wrong
    with database.read() as session:
        assert session.scalar(select(AuditEntry.id).where(AuditEntry.action == "tested")) is not None
