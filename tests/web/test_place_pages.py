"""A sub-account's other pages: choosing one, a test message, numbers, the settings check, credits, the custom page."""

from datetime import timedelta

import pytest
from flask import g
from sqlalchemy import select

from portal import clock
from portal.accounts.permissions import PERMISSIONS, Role
from portal.credits import ledger
from portal.installations import lifecycle
from portal.messaging import composing, optouts
from portal.messaging.receiving import Context, apply_event
from portal.models import (
    Event,
    EventState,
    Grant,
    GrantState,
    Location,
    Message,
    Sender,
    SenderState,
    Status,
    Wallet,
)
from tests.web.conftest import jobs, post, record

BOTH_ENGINES = True
SHORT = ("routing", "test", "numbers", "checks", "credits")


def apply_all(parts) -> None:
    """Applies what was composed, as a worker would."""
    with parts.database.write() as session:
        for event in session.scalars(select(Event).where(Event.state == EventState.PENDING).order_by(Event.id)):
            apply_event(session, Context(parts.settings, parts.vault), event)


@pytest.mark.parametrize("short", SHORT)
def test_a_sub_account_is_chosen_first(acme, rival, signed_in, short: str) -> None:
    client = signed_in(acme.agency)
    shown = client.get(f"/admin/{short}").text
    assert f"/admin/locations/{acme.location}/{short}" in shown and "Rival" not in shown
    operator = signed_in()
    both = operator.get(f"/admin/{short}").text
    assert "Rival dentists" in both and "Acme dentists" in both
    assert "Acme" not in operator.get(f"/admin/{short}?q=RIVAL").text
    assert "is called so" in operator.get(f"/admin/{short}?q=100%25").text


@pytest.fixture
def inside(app, acme, signed_in, monkeypatch):
    """A browser whose viewer is bound to Acme's location, as the custom page's is."""

    from portal.web.pages.queries.scope import Scope
    from portal.web.viewer import Viewer

    def bind(role: Role = Role.ADMIN):
        def sign_in_first():
            g.viewer = Viewer(
                Scope(acme.agency, frozenset({acme.location})),
                "Anna (HighLevel)",
                "u1",
                PERMISSIONS[role],
                acme.location,
            )

        client = signed_in(acme.agency)
        before = app.before_request_funcs["admin"]
        monkeypatch.setitem(app.before_request_funcs, "admin", [*before, sign_in_first])
        return client

    return bind


@pytest.mark.parametrize("short", SHORT)
def test_the_custom_page_goes_to_its_own(acme, inside, short: str) -> None:
    client = inside()
    answer = client.get(f"/admin/{short}")
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/locations/{acme.location}/{short}")
    page = client.get(answer.headers["Location"])
    assert page.status_code == 200 and "/admin/installations" not in page.text.split("<main", 1)[1]


def test_the_custom_page_lists_its_own_messages_without_a_filter(acme, rival, queue, inside) -> None:
    queue(acme, "Acme's own words")
    queue(rival, "Rival's words")
    client = inside()
    shown = client.get("/admin/messages").text.split("<main", 1)[1]
    assert "Acme&#39;s own words" in shown and "Rival" not in shown
    assert 'name="location"' not in shown and "Acme dentists" not in shown
    assert "the only sender" in shown  # why it was chosen
    assert client.get(f"/admin/messages?location={rival.ghl_id}").text.count("Rival") == 0


def test_who_may_only_look_sees_no_form_and_does_nothing(acme, inside) -> None:
    client, page = inside(Role.VIEWER), f"/admin/locations/{acme.location}"
    assert 'id="rule-form"' not in client.get(f"{page}/routing").text
    assert 'name="number"' not in client.get(f"{page}/test").text
    assert 'id="keep"' not in client.get(f"{page}/numbers").text
    for deed in ("routing/rules", "routing/default", "routing/policy", "numbers", "checks/webhooks", "test"):
        assert post(client, f"{page}/{deed}", "/admin/messages").status_code == 403, deed


def test_a_test_message_takes_the_way_of_all(parts, database, acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/test"
    answer = post(client, page, page, number="0917 000 0055", text="Is it you?", sender="", key="one")
    sent = answer.headers["Location"]
    assert answer.status_code == 303 and sent.startswith(f"{page}/")
    again = post(client, page, page, number="0917 000 0055", text="Is it you?", sender="", key="one")
    assert again.headers["Location"] == sent  # sent twice, it is one
    assert "waits to be taken up" in client.get(sent).text
    apply_all(parts)
    shown = client.get(sent).text
    assert "+639170000055" in shown and "Is it you?" in shown and "the only sender" in shown
    with database.read() as session:
        message = session.scalars(select(Message)).one()
    assert (message.status, message.author) == (Status.QUEUED, f"user{acme.agency}@example.com")
    other = post(client, page, page, number="0917 000 0055", text="Another text", sender="", key="one")
    assert other.headers["Location"] != sent  # the form, filled in anew after going back
    fragment = client.get(sent, headers={"HX-Request": "true"})
    assert "<html" not in fragment.text
    same = client.get(sent, headers={"HX-Request": "true", "If-None-Match": fragment.headers["ETag"]})
    assert same.status_code == 204


@pytest.mark.parametrize(
    "form, field",
    [
        ({"number": "12"}, "number"),
        ({"number": "+632 8123 4567"}, "number"),
        ({"text": "  "}, "text"),
        ({"text": "x" * (composing.LONGEST + 1)}, "text"),
        ({"sender": "999"}, "form"),
        ({"sender": "x"}, "form"),
    ],
)
def test_a_test_message_that_cannot_be_says_where(database, acme, signed_in, form, field) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/test"
    typed = {"number": "+639170000055", "text": "Typed with care", "sender": "", "key": "k", **form}
    answer = post(client, page, page, **typed)
    assert answer.status_code == 422 and f'id="{field}-fault"' in answer.text
    assert f'value="{typed["number"]}"' in answer.text and typed["text"][:20] in answer.text
    with database.read() as session:
        assert session.scalars(select(Event)).all() == []


def test_a_test_message_respects_opt_outs_and_other_tenants(parts, database, acme, rival, signed_in) -> None:
    with database.write() as session:
        optouts.add(session, acme.location, "sms", "+639170000055", "wrote STOP")
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/test"
    sent = post(client, page, page, number="+639170000055", text="Hi", key="k").headers["Location"]
    apply_all(parts)
    with database.read() as session:
        assert session.scalars(select(Message)).one().error_code == optouts.CODE
    stranger = signed_in(rival.agency)
    assert stranger.get(sent).status_code == 404
    moved = sent.replace(f"locations/{acme.location}/", f"locations/{rival.location}/")
    assert stranger.get(moved).status_code == 404


def test_a_test_message_that_was_set_aside_says_so(database, parts, acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/test"
    sent = post(client, page, page, number="+639170000055", text="Hi", key="k").headers["Location"]
    with database.write() as session:
        event = session.scalars(select(Event)).one()
        event.state, event.note = EventState.PARKED, "It could not be read."
    assert "It could not be taken up" in client.get(sent).text


def test_a_country_that_a_person_chose_stays(database, acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/numbers"
    shown = client.get(page).text
    assert "+639051234567" in shown  # the example of the Philippines, as it is dialled there
    assert post(client, page, page, country="DE", gsm7="on").status_code == 303
    with database.write() as session:
        place = session.get_one(Location, acme.location)
        assert (place.country, place.country_chosen, place.offers_gsm7) == ("DE", True, True)
        lifecycle.note_profile(place, clock.now(), {"country": "AU", "name": "Acme", "timezone": "Asia/Manila"})
        assert (place.country, place.country_told) == ("DE", "AU")
    assert "+4915123456789" in client.get(f"{page}?try=01512 3456789").text
    assert "Australia" in client.get(page).text
    post(client, page, page, country="")
    with database.read() as session:
        place = session.get_one(Location, acme.location)
    assert (place.country, place.country_chosen, place.offers_gsm7) == ("AU", False, False)
    wrong = post(client, page, page, country="XX", gsm7="on")
    assert wrong.status_code == 422 and 'id="country-fault"' in wrong.text
    assert "checked" in wrong.text.split('id="gsm7"')[1].split(">")[0]


def test_credits_in_plain_figures(parts, database, acme, queue, signed_in) -> None:
    message = queue(acme, "Hello")
    with database.write() as session:
        wallet = ledger.known_wallet(session, acme.location)
        ledger.write(session, [ledger.settle(wallet, message.id, 1, 1)])
    queue(acme, "Still waiting")
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/credits"
    shown = client.get(page).text
    assert "unlimited" in shown and "Simulator" in shown
    assert "spent: the provider took it" in client.get(f"{page}/ledger").text
    facts = " ".join(shown.split('id="balance"')[1].split("</dl>")[0].split())
    assert "<dt>Set aside</dt> <dd> 1 " in facts and "<dt>Spent today</dt> <dd>1</dd>" in facts
    with database.write() as session:
        row = session.scalars(select(Wallet)).one()
        row.unlimited, row.available = False, 0
    assert "used up" in client.get(page).text
    with database.write() as session:
        session.get_one(Location, acme.location).timezone = "Mars/Olympus"
    assert client.get(page).status_code == 200


def test_figures_of_a_long_month_say_where_they_begin(database, acme, queue, signed_in, monkeypatch) -> None:
    from portal.web.pages.queries import credits

    monkeypatch.setattr(credits, "LOOKED_AT", 2)
    for number in range(3):
        queue(acme, phone=f"+63917000005{number}")
    client = signed_in(acme.agency)
    assert "these figures begin at" in client.get(f"/admin/locations/{acme.location}/credits").text


def grant(database, acme, **more) -> None:
    moment = clock.now()
    fields = {
        "kind": "location",
        "ghl_id": acme.ghl_id,
        "state": GrantState.ACTIVE,
        "expires_at": moment + timedelta(hours=9),
        "refreshed_at": moment,
        "scopes": "",
        "created_at": moment,
        **more,
    }
    with database.write() as session:
        session.add(Grant(**fields))


def lines(page: str) -> dict[str, str]:
    """By what a line is about, its text."""
    found = {}
    for each in page.split('<li class="check"')[1:]:
        text = each.split("</li>")[0]
        found[text.split("<strong>")[1].split("</strong>")[0]] = " ".join(text.split())
    return found


def test_the_settings_check_says_what_is_known(database, acme, queue, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/checks"
    before = lines(client.get(page).text)
    assert "permission ended" in before["Installation"] and "Connect it in HighLevel" in before["Installation"]
    assert "none yet" in before["Messages from HighLevel"] and "SMS Provider" in before["Messages from HighLevel"]
    grant(database, acme, scopes="contacts.readonly")
    queue(acme)
    after = lines(client.get(page).text)
    assert "missing" in after["Permissions"] and "conversations.write" in after["Permissions"]
    assert "reached, signed" in after["Messages from HighLevel"] and "in force" in after["Token"]
    with database.write() as session:
        session.get_one(Sender, acme.sender).state = SenderState.PAUSED
        session.scalars(select(Grant)).one().state = GrantState.DEAD
    dead = client.get(page).text
    assert "something is wrong" in dead and "dead" in lines(dead)["Token"] and "paused" in lines(dead)["Line"]


def test_a_message_written_here_proves_no_delivery(parts, acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}"
    post(client, f"{page}/test", f"{page}/test", number="+639170000055", text="Hi", key="k")
    apply_all(parts)
    assert "none yet" in lines(client.get(f"{page}/checks").text)["Messages from HighLevel"]


def test_a_look_at_all_is_asked_for(database, acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/checks"
    assert post(client, f"{page}/webhooks", page).status_code == 303
    assert ("check_location", acme.location) in jobs(database)
    with database.write() as session:
        session.get_one(Location, acme.location).install_state = "uninstalled"
    post(client, f"{page}/webhooks", page)
    assert "connect it first" in client.get(page).text


def test_slow_questions_are_answered_in_words(acme, signed_in) -> None:
    client, page = signed_in(acme.agency), f"/admin/locations/{acme.location}/checks"
    for part in ("highlevel", "address"):
        answer = client.get(f"{page}/{part}", headers={"HX-Request": "true"})
        assert answer.status_code == 200 and "<html" not in answer.text
    assert "install" in lines(client.get(f"{page}/highlevel").text)["HighLevel now"]
    assert "does not answer" in lines(client.get(f"{page}/address").text)["The portal's address".replace("'", "&#39;")]
    told = lines(client.get(f"/admin/senders/{acme.sender}/provider-check").text)["Provider now"]
    assert "The simulator is ready" in told


def test_an_event_of_another_kind_is_no_test_message(database, acme, signed_in) -> None:
    record(database, f"ghl:{acme.ghl_id}:c", dedupe_key=f"portal:{acme.location}:x:0")
    client = signed_in(acme.agency)
    key = "00000000-0000-4000-8000-000000000000"
    assert client.get(f"/admin/locations/{acme.location}/test/{key}").status_code == 404
