"""One webhook address for all senders of a channel: whose it is, whether it is genuine, and what it may never block."""

import json
from types import SimpleNamespace

import pytest
import requests
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.alerts import notices
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_location
from portal.journal.replay import drain
from portal.messaging import registrations, senders
from portal.models import Sender
from portal.queue.jobs import APPLY, SEND
from portal.sandbox import world
from portal.web.webhooks import known
from portal.web.webhooks.shared import named_senders
from tests import linked
from tests.hand import settle, work
from tests.linked import Provider, add_line, serving
from tests.portal import PLACE
from tests.spine.test_installing import COMPANY, alerts, consent, tell

CUSTOMER = "+491761234567"


@pytest.fixture
def provider(monkeypatch):
    linked.register(monkeypatch)
    named_senders._kept.clear()
    with serving(Provider()) as provider:
        yield provider


@pytest.fixture
def portal(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    return by_hand


@pytest.fixture
def line(portal, time, provider):
    sender = add_line(portal, provider)
    settle(portal, time, SEND)
    return sender


def post(portal, text="Hello", *, instance="7105", token="first token", body=None) -> requests.Response:
    said = {"instance": instance, "id": f"id-{text}", "from": CUSTOMER, "text": text}
    raw = json.dumps(said).encode() if body is None else body
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    return requests.post(f"{portal.url}/webhooks/linked", data=raw, headers=headers, timeout=60)


def inbound(portal) -> list[str]:
    return [message.body for message in portal.messages("in")]


def test_the_body_names_the_sender_and_its_token_proves_it(portal, time, provider, line):
    with serving(Provider()) as other:
        second = add_line(portal, other, instance="7106", token="second token")
        assert post(portal, "one").status_code == 200
        assert post(portal, "two", instance="7106", token="second token").status_code == 200
        assert post(portal, "three", instance="7106").status_code == 401, "another sender's token proves nothing"
        work(portal, APPLY)
        assert sorted((each.body, each.sender_id) for each in portal.messages("in")) == [("one", line), ("two", second)]
    lanes = {event.lane for event in portal.events() if event.state == "applied"} - {""}
    assert {"linked:7105:chat", "linked:7106:chat"} <= lanes
    keys = {event.sender_key for event in portal.events() if event.source == "linked" and event.state == "applied"}
    assert keys == {portal.sender_key(line), portal.sender_key(second)}


@pytest.mark.parametrize("body", [b"", b"{}", b"not JSON", b'{"instance": "9999"}', b'{"instance": "7105"}'])
def test_what_proves_nothing_is_refused_and_bounded(portal, time, provider, line, body):
    before = len(portal.events())
    answers = [post(portal, body=body, token="guess").status_code for _ in range(30)]
    assert set(answers) == {401}
    kept = portal.events()[before:]
    assert {event.state for event in kept} <= {"refused"} and len(kept) <= 21
    assert requests.get(f"{portal.url}/webhooks/linked", timeout=60).status_code == 405
    assert requests.post(f"{portal.url}/webhooks/nonesuch", timeout=60).status_code == 404


def test_what_is_genuine_and_cannot_be_read_is_kept_for_a_person(portal, time, provider, line):
    """Any other answer would have the line's whole queue wait behind it for a day."""
    assert post(portal, body=b'{"instance": "7105", broken').status_code == 200
    work(portal, APPLY)
    assert [event.state for event in portal.events() if event.source == "linked"] == ["parked"]
    assert "linked" in alerts(portal, notices.PARKED)[0]


def test_a_removed_sender_blocks_nobody_and_hears_nothing(portal, time, provider, line):
    assert post(portal, "before").status_code == 200
    with portal.database.write() as session:
        senders.remove(session, line)
    named_senders._kept.clear()
    assert [post(portal, "after").status_code, post(portal, "forged", token="guess").status_code] == [200, 200]
    settle(portal, time)
    assert inbound(portal) == [], "not even what came in before and was not applied yet"
    assert {event.note for event in portal.events() if event.source == "linked"} == {"ignored: the sender was removed"}
    assert provider.webhook == "", "and its provider is told to post no more"


def test_one_line_is_one_live_sender_of_the_whole_portal(portal, time, provider, line):
    portal.install(world.DEMO_LOCATIONS[1])
    with pytest.raises(InvalidInput) as refused:
        add_line(portal, provider, place=world.DEMO_LOCATIONS[1], name="Rival")
    told = refused.value.message
    assert "in use by a sender of this portal" in told and PLACE.name not in told and "Front desk" not in told
    with portal.session() as session:
        assert session.scalars(select(Sender.name)).all() == ["Front desk"]
    with portal.database.write() as session:
        senders.remove(session, line)
    added = add_line(portal, provider, place=world.DEMO_LOCATIONS[1], name="Rival", token="new token")
    named_senders._kept.clear()
    provider.faults = [503]  # whoever comes first is late
    settle(portal, time)
    assert (provider.webhook, provider.secret) == (f"{portal.settings.app_url}/webhooks/linked", "new token"), (
        "the removed sender must not take away what the new one needs"
    )
    assert post(portal, "mine", token="new token").status_code == 200
    work(portal, APPLY)
    assert [each.sender_id for each in portal.messages("in")] == [added]


def test_a_line_that_moves_is_heard_where_it_is_now(portal, time, provider, line, monkeypatch):
    """What is known of a name must be young: kept for the sender before, a message would be taken and ignored."""
    moment = 1000.0
    monkeypatch.setattr(known, "time", SimpleNamespace(monotonic=lambda: moment))
    portal.install(world.DEMO_LOCATIONS[1])
    assert post(portal, "before").status_code == 200
    work(portal, APPLY)
    with portal.database.write() as session:
        senders.remove(session, line)
    added = add_line(portal, provider, place=world.DEMO_LOCATIONS[1], name="Rival")
    moment += 3
    assert post(portal, "after").status_code == 200
    work(portal, APPLY)
    assert [(each.body, each.sender_id) for each in portal.messages("in")] == [("before", line), ("after", added)]


def test_a_removed_line_that_is_added_again_is_heard_at_once(portal, time, provider, line, monkeypatch):
    moment = 1000.0
    monkeypatch.setattr(known, "time", SimpleNamespace(monotonic=lambda: moment))
    with portal.database.write() as session:
        senders.remove(session, line)
    assert post(portal, "to nobody").status_code == 200
    portal.install(world.DEMO_LOCATIONS[1])
    added = add_line(portal, provider, place=world.DEMO_LOCATIONS[1], name="Rival", token="new token")
    moment += 0.5
    assert post(portal, "at once", token="new token").status_code == 200
    work(portal, APPLY)
    assert [(each.body, each.sender_id) for each in portal.messages("in")] == [("at once", added)]


def test_a_sender_keeps_its_line(portal, time, provider, line):
    with pytest.raises(InvalidInput, match="keeps its line"), portal.database.write() as session:
        senders.change(session, portal.parts.vault, line, {"id_instance": "7106"})


def test_in_an_outage_the_known_are_proved_and_the_others_judged_later(portal, time, provider, line):
    assert post(portal, "one").status_code == 200
    settle(portal, time, APPLY)
    patch = pytest.MonkeyPatch()

    def gone(*_asked, **_more):
        raise OperationalError("SELECT", {}, Exception("server closed the connection"))

    patch.setattr(type(portal.database), "read", gone)
    patch.setattr(type(portal.database), "write", gone)
    assert [post(portal, "two").status_code, post(portal, "forged", token="guess").status_code] == [200, 401]
    named_senders._kept.clear()
    assert [post(portal, "three").status_code, post(portal, "guessed", token="guess").status_code] == [200, 200]
    spooled = b"".join(path.read_bytes() for path in portal.parts.spool.files())
    assert b"first token" not in spooled
    patch.undo()
    drain(portal.database, portal.parts.spool)
    work(portal, APPLY)
    assert inbound(portal) == ["one", "two", "three"], "in their order: their lane is the same"
    states = [event.state for event in portal.events() if event.source == "linked"]
    assert sorted(states) == ["applied", "applied", "applied", "parked"]


def test_the_line_and_notices_of_webhooks(portal, time, provider, line):
    provider.state = "limited"
    assert post(portal, body=b'{"instance": "7105", "line": "blocked"}').status_code == 200
    assert post(portal, body=b'{"instance": "7105", "notice": "The plan allows 3 chats a month."}').status_code == 200
    work(portal, APPLY)
    time.forward(seconds=2)
    settle(portal, time, SEND)
    with portal.session() as session:
        assert session.get_one(Sender, line).line_state == "limited", "the provider is asked: its answer is the truth"
    assert alerts(portal, notices.SENDER_NOTICE) == ["Front desk: The plan allows 3 chats a month."]


# Our address in the provider's settings


def test_all_senders_have_one_address_at_the_provider(portal, time, provider, line):
    with portal.session() as session:
        shown = senders.shown_webhook_url(portal.settings, session.get_one(Sender, line))
    assert provider.webhook == shown == f"{portal.settings.app_url}/webhooks/linked"


def test_new_credentials_are_written_to_the_provider_at_once(portal, time, provider, line, monkeypatch):
    monkeypatch.setattr(known, "ASK_AGAIN_SECONDS", 0.0)
    assert post(portal, "one").status_code == 200
    with portal.database.write() as session:
        senders.change(session, portal.parts.vault, line, {"api_token": "second token"})
    settle(portal, time, SEND)
    assert provider.secret == "second token" and alerts(portal, notices.WEBHOOK_DRIFT) == []
    assert post(portal, "two", token="second token").status_code == 200
    assert post(portal, "three").status_code == 401


def test_a_person_who_has_repaired_it_does_not_wait_for_the_next_try(portal, time, provider, line):
    with portal.database.write() as session:
        senders.change(session, portal.parts.vault, line, {"api_token": "wrong"})
    for _ in range(5):
        provider.faults = [503] * 9
        work(portal, SEND)
        time.forward(minutes=5)
    provider.faults, provider.secret = [503] * 9, ""
    work(portal, SEND)
    provider.faults = []
    (waiting,) = [each for each in portal.jobs() if each.kind == "sync_webhook"]
    assert waiting.attempts == 6
    with portal.database.write() as session:
        senders.change(session, portal.parts.vault, line, {"api_token": "right"})
    work(portal, SEND)
    assert provider.secret == "right"


def test_settings_that_somebody_changed_are_repaired_within_a_day_and_noted(portal, time, provider, line):
    provider.webhook = "https://elsewhere.example/hook"
    for hours in (12, 13):
        assert provider.webhook != f"{portal.settings.app_url}/webhooks/linked"
        time.forward(hours=hours)
        with portal.database.write() as session:
            registrations.enqueue_due(session)
        settle(portal, time, SEND)
    assert provider.webhook == f"{portal.settings.app_url}/webhooks/linked" and provider.written == 2
    assert "had been changed at the provider" in alerts(portal, notices.WEBHOOK_DRIFT)[0]
    time.forward(days=1, hours=1)
    with portal.database.write() as session:
        assert registrations.enqueue_due(session) == 1
    settle(portal, time, SEND)
    assert provider.written == 2, "what is right is left alone: writing it restarts the line"


def test_uninstalling_clears_it_and_another_systems_address_stays(portal, time, provider, line):
    time.forward(seconds=1)
    tell(portal, "UNINSTALL", locationId=PLACE.id)
    settle(portal, time)
    assert provider.webhook == ""
    consent(portal, COMPANY, PLACE.id)
    settle(portal, time)
    assert provider.webhook != ""
    provider.webhook = "https://elsewhere.example/hook"
    with portal.database.write() as session:
        senders.remove(session, line)
    settle(portal, time)
    assert provider.webhook == "https://elsewhere.example/hook"


def test_two_that_add_the_same_line_at_the_same_moment(portal, provider, line):
    """The database decides: what was looked up before proves nothing."""
    with portal.database.write() as session:
        session.execute(update(Sender).values(webhook_name="7200"))
    wanted = senders.NewSender("linked", "Two", {"id_instance": "7200", "api_token": "t"}, provider.url, operator=True)
    with portal.database.write() as session:
        location = ensure_location(session, PLACE.id)
        with pytest.raises(InvalidInput):
            senders.add(session, portal.parts.vault, location, wanted)
        assert session.scalar(select(Sender.id).where(Sender.name == "Two")) is None, "and the transaction can go on"
