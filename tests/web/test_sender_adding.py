"""Adding a sender on the pages: every channel with right and wrong credentials, against the sandbox's stand-ins."""

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Barrier, BrokenBarrierError

import pytest
from markupsafe import escape
from sqlalchemy import select
from sqlalchemy.orm import Session

from portal.channels import registry
from portal.errors import InvalidInput
from portal.messaging import patience, sender_settings, senders
from portal.models import Location, Sender
from portal.sandbox import world
from portal.sandbox.sms.dialects import DIALECTS
from tests.linked import Provider, serving
from tests.portal import eventually
from tests.web.conftest import Tenant, post, token

BOTH_ENGINES = True
NEW = "/admin/senders/new"
# What is entered wrongly, and the field that the provider's answer then speaks against.
WRONG = {
    "cast": ("api_key", "cast_not_a_key_of_anybody", "api_key"),
    "green_api": ("api_token", "f" * 50, "api_token"),
    "whatsapp_cloud": ("access_token", "EAAGnot-a-token-of-anybody", "access_token"),
    "twilio": ("auth_token", "not the token of anybody", "auth_token"),
    "kannel": ("password", "not the password", "password"),
    "africastalking": ("api_key", "not the key of anybody", "api_key"),
    "semaphore": ("api_key", "not the key of anybody", "api_key"),
    "vonage": ("api_secret", "not the secret of anybody", "api_secret"),
    "infobip": ("api_key", "not the key of anybody", "api_key"),
    "clickatell": ("api_key", "not the key of anybody", "api_key"),
}
KNOWN = {
    "cast": {"api_key": world.CAST_API_KEY, "sender_id": world.DEMO_LOCATIONS[0].sender_name},
    "green_api": {"id_instance": world.GREEN_INSTANCE, "api_token": world.GREEN_TOKEN},
    "whatsapp_cloud": {
        "phone_number_id": world.CLOUD_NUMBER_ID,
        "access_token": world.CLOUD_TOKEN,
        "waba_id": world.CLOUD_ACCOUNT,
    },
}


def entered(kind: str, url: str) -> dict[str, str]:
    """What a person types who has an account at the stand-in."""
    if kind in KNOWN:
        return {**{f"field-{name}": value for name, value in KNOWN[kind].items()}, "api_url": url}
    given = {name: value.replace("{url}", f"{url}/{kind}") for name, value in DIALECTS[kind].credentials.items()}
    return {**{f"field-{name}": value for name, value in given.items()}, "api_url": f"{url}/{kind}"}


@pytest.fixture
def operator(signed_in):
    return signed_in()


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


def add(client, tenant: Tenant, kind: str, **form: str):
    return post(client, NEW, location=tenant.ghl_id, channel=kind, **form)


def live(database, tenant: Tenant) -> list[Sender]:
    with database.read() as session:
        own = select(Sender).where(Sender.location_id == tenant.location, Sender.state != "removed")
        return list(session.scalars(own.order_by(Sender.position, Sender.id)))


def fault(page: str, field: str) -> str:
    found = re.search(rf'id="field-{field}-fault"[^>]*>([^<]+)<', page)
    assert found, f"nothing beside {field}"
    return found[1]


def test_the_way_leads_by_sub_account_and_channel(client, operator, acme, rival) -> None:
    assert "Acme dentists" in client.get(NEW).text, "the only one is not asked for"
    both = operator.get(NEW).text
    assert "Acme dentists" in both and "Rival dentists" in both
    assert "Rival dentists" not in operator.get(f"{NEW}?q=acme").text
    page = client.get(f"{NEW}?location={acme.ghl_id}").text
    for channel in registry.offered(sandbox=False):
        assert f"channel={channel.kind}" in page and channel.name in page.replace("&#39;", "'")
    assert "channel=simulator" not in page
    assert client.get(f"{NEW}?location={rival.ghl_id}").status_code == 404
    for kind in ("simulator", "pigeon"):
        assert client.get(f"{NEW}?location={acme.ghl_id}&channel={kind}").status_code == 404
        assert add(client, acme, kind).status_code == 404


def test_every_form_labels_and_explains_each_field(client, acme) -> None:
    for channel in registry.offered(sandbox=False):
        page = client.get(f"{NEW}?location={acme.ghl_id}&channel={channel.kind}").text
        for field in channel.fields:
            assert f'for="field-{field.name}"' in page and f'id="field-{field.name}-help"' in page, channel.kind
        empty = add(client, acme, channel.kind)
        assert empty.status_code == 422
        for field in channel.fields:
            if field.required:
                assert fault(empty.text, field.name) == f"{field.label} is needed.", channel.kind


def test_right_credentials_are_saved_and_no_secret_is_shown(operator, database, parts, acme, sandbox) -> None:
    for channel in registry.offered(sandbox=False):
        typed = entered(channel.kind, sandbox.url)
        done = add(operator, acme, channel.kind, name="  Front \x00 desk ", **typed)
        assert done.status_code == 303, (channel.kind, re.findall(r'role="alert">([^<]+)', done.text))
        row = live(database, acme)[-1]
        assert row.channel == channel.kind and row.name == "Front \ufffd desk" and row.api_url.startswith(sandbox.url)
        kept = {name: value for name, value in parts.vault.open_fields(row.credentials).items() if value}
        assert kept == {name.removeprefix("field-"): value for name, value in typed.items() if name != "api_url"}
        pages = operator.get(done.headers["Location"]).text + operator.get(f"/admin/senders/{row.id}/settings").text
        secrets = [kept[field.name] for field in channel.fields if field.secret and kept.get(field.name)]
        assert secrets and all(secret not in pages for secret in secrets), channel.kind
        for secret in secrets:
            assert len(secret) < 12 or str(escape(f"which ends in {secret[-4:]}, stays")) in pages, channel.kind


@pytest.mark.parametrize("kinds", [list(WRONG)[::2], list(WRONG)[1::2]], ids=["one half", "the other"])
def test_wrong_ones_are_said_beside_their_field_and_nothing_typed_is_lost(
    operator, database, acme, sandbox, kinds
) -> None:
    for kind in kinds:
        name, value, field = WRONG[kind]
        typed, before = entered(kind, sandbox.url), len(live(database, acme))
        right, typed[f"field-{name}"] = typed[f"field-{name}"], value
        wrong = add(operator, acme, kind, name="Front desk", **typed)
        assert wrong.status_code == 422 and len(fault(wrong.text, field)) > 20, kind
        assert len(live(database, acme)) == before, "nothing is saved"
        for each in registry.get(kind).fields:
            said = typed.get(f"field-{each.name}", "")
            if said and each.secret:
                assert said not in wrong.text
            elif said:
                assert f'value="{said}"' in wrong.text
        assert 'value="Front desk"' in wrong.text and "add-unchecked" not in wrong.text
        # Only the wrong one is typed again: the other secrets came back sealed.
        secret = {f"field-{each.name}" for each in registry.get(kind).fields if each.secret}
        again = {key: said for key, said in typed.items() if key not in secret}
        again |= {f"field-{name}": right, "draft": draft(wrong.text)}
        assert eventually(lambda again=again, kind=kind: add(operator, acme, kind, **again).status_code == 303)
        assert len(live(database, acme)) == before + 1


def draft(page: str) -> str:
    return re.search(r'name="draft" value="([^"]*)"', page)[1]


def test_a_draft_is_good_for_its_person_form_and_half_hour_alone(operator, signed_in, acme, sandbox, time) -> None:
    typed = entered("twilio", sandbox.url)
    kept = draft(add(operator, acme, "twilio", **{**typed, "field-from": "what nobody takes!"}).text)
    assert kept and typed["field-auth_token"] not in kept
    without = {name: value for name, value in typed.items() if name != "field-auth_token"}
    stranger = signed_in(acme.agency)
    needed = "Auth token is needed."
    assert fault(add(stranger, acme, "twilio", **without, draft=kept).text, "auth_token") == needed
    for bad in ("", "x", "é", kept[:-4] + "AAAA"):
        assert fault(add(operator, acme, "twilio", **without, draft=bad).text, "auth_token") == needed
    time.forward(seconds=1801)
    assert fault(add(operator, acme, "twilio", **without, draft=kept).text, "auth_token") == needed


@pytest.fixture
def slow(monkeypatch):
    monkeypatch.setattr(patience, "SECONDS", 0.3)
    monkeypatch.setattr(patience.Patience.__init__, "__defaults__", (0.3,))
    with serving(Provider(slow=1.0)) as provider:
        yield provider


def test_a_provider_that_does_not_answer_may_be_passed_over_in_a_second_step(operator, database, acme, slow) -> None:
    typed = entered("twilio", slow.url) | {"api_url": slow.url}
    hasty = add(operator, acme, "twilio", **typed, unchecked="yes")
    assert hasty.status_code == 422, "the first step always asks"
    assert "could not be asked" in hasty.text and 'id="add-unchecked"' in hasty.text
    kept = {name: value for name, value in typed.items() if name != "field-auth_token"} | {"draft": draft(hasty.text)}
    other = add(operator, acme, "twilio", **{**kept, "field-from": "+15005550009"}, unchecked="yes")
    assert other.status_code == 422, "what was changed is asked about first"
    assert add(operator, acme, "twilio", **kept, unchecked="yes").status_code == 303
    assert live(database, acme)[-1].address == typed["field-from"]
    assert "without the check" in operator.get(f"/admin/senders/{live(database, acme)[-1].id}").text


def test_an_agency_may_not_reach_inside(client, database, acme, sandbox) -> None:
    refused = add(client, acme, "twilio", **entered("twilio", sandbox.url))
    assert refused.status_code == 422 and "must be a public one" in fault(refused.text, "api_url")
    assert len(live(database, acme)) == 1


@pytest.mark.parametrize("kind", ["cast", "green_api", "whatsapp_cloud", "twilio", "kannel"])
def test_a_line_of_another_location_is_refused_without_telling_whose(
    operator, database, acme, rival, sandbox, kind
) -> None:
    typed = entered(kind, sandbox.url)
    assert add(operator, acme, kind, **typed).status_code == 303
    # GREEN-API answers one such question a second.
    refused = eventually(lambda: (found := add(operator, rival, kind, **typed)) and "in use" in found.text and found)
    assert refused.status_code == 422 and "in use by a sender of this portal already" in refused.text
    assert "Acme" not in refused.text and len(live(database, rival)) == 1
    with database.write() as session:
        senders.remove(session, live(database, acme)[-1].id)
    assert eventually(lambda: add(operator, rival, kind, **typed).status_code == 303)


def test_the_default_is_set_at_once_when_wanted(operator, database, acme, sandbox, queue) -> None:
    with database.write() as session:
        senders.make_default(session, acme.sender)
    assert add(operator, acme, "cast", default="yes", **entered("cast", sandbox.url)).status_code == 303
    assert [row.is_default for row in live(database, acme)] == [False, True]


def test_a_form_that_is_sent_twice_adds_one_sender(app, operator, database, acme, sandbox) -> None:
    typed = entered("twilio", sandbox.url)
    form = {"csrf_token": token(operator.get("/admin")), "location": acme.ghl_id, "channel": "twilio", **typed}
    together = Barrier(2)

    def click(_number: int):
        window = app.test_client()
        window.set_cookie("session", operator.get_cookie("session").value)
        together.wait(120)
        return window.post(NEW, data=form)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(click, range(2)))
    made = live(database, acme)
    assert [each.channel for each in made] == ["simulator", "twilio"]
    assert {each.headers["Location"] for each in answers} == {f"/admin/senders/{made[-1].id}"}
    again = add(operator, acme, "twilio", **typed, name="Another name")
    assert "is there already" in operator.get(again.headers["Location"]).text and len(live(database, acme)) == 2
    assert add(operator, acme, "twilio", **{**typed, "field-from": "ACME"}).status_code == 303
    assert len(live(database, acme)) == 3, "another line of the account is another sender"


def test_a_stranger_adds_nothing(signed_in, database, acme, rival, sandbox) -> None:
    stranger = signed_in(rival.agency)
    assert add(stranger, acme, "cast", **entered("cast", sandbox.url)).status_code == 404
    assert len(live(database, acme)) == 1


def test_of_two_that_are_added_at_once_one_is_taken(parts, database, acme, rival) -> None:
    both = Barrier(2)

    def write(session: Session, tenant: Tenant, sender_id: str) -> Sender:
        wanted = senders.NewSender("cast", "Cast", {"api_key": "cast_shared", "sender_id": sender_id})
        return senders.add(session, parts.vault, session.get_one(Location, tenant.location), wanted)

    def one(tenant: Tenant) -> bool:
        def change(session: Session) -> None:
            row = write(session, tenant, "BRAND")
            with suppress(BrokenBarrierError):  # SQLite lets one in at a time
                both.wait(1)
            sender_settings.refuse_taken(session, row, "sender_id")

        try:
            database.patiently(change)
        except InvalidInput as error:
            return "in use" not in error.message
        return True

    with database.write() as session:
        write(session, acme, "OTHER")
    with ThreadPoolExecutor(2) as pool:
        assert sorted(pool.map(one, (acme, rival))) == [False, True]
    added = live(database, acme) + live(database, rival)
    assert sorted(row.address for row in added) == ["", "", "BRAND", "OTHER"]
