"""Lines that fail and come back: nothing is sent meanwhile, nothing is lost, and a person hears of it once."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.alerts import notices
from portal.errors import InvalidInput
from portal.messaging import lines, senders
from portal.models import Alert, FailoverPolicy, Job, Location, Sender, SenderState
from portal.queue.jobs import GHL, SEND
from tests import linked
from tests.hand import settle, work
from tests.linked import Provider, add_line, serving
from tests.portal import PLACE, eventually
from tests.spine.test_installing import COMPANY, alerts, consent, deliver


@pytest.fixture
def provider(monkeypatch):
    linked.register(monkeypatch)
    with serving(Provider()) as provider:
        yield provider


@pytest.fixture
def portal(by_hand, time):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    return by_hand


@pytest.fixture
def line(portal, time, provider):
    """A sender whose line is ready."""
    sender = add_line(portal, provider)
    settle(portal, time, SEND)
    assert the(portal, sender).line_state == "ready"
    return sender


def the(portal, sender: int) -> Sender:
    with portal.session() as session:
        return session.get_one(Sender, sender)


def look(portal, time, **later) -> None:
    """What the clock does: the lines that are due are asked for, and what follows from it happens."""
    time.forward(**(later or {"seconds": 61}))
    with portal.database.write() as session:
        lines.enqueue_due(session)
    settle(portal, time, SEND)
    settle(portal, time, "ghl")
    settle(portal, time, SEND)


def texts(provider: Provider) -> list[str]:
    return [each["text"] for each in provider.sent]


def test_nothing_goes_out_before_the_line_is_known_to_be_ready(portal, time, provider):
    provider.state = "signed_out"
    sender = add_line(portal, provider)
    assert deliver(portal, "one").status == "held"
    settle(portal, time)
    assert the(portal, sender).line_state == "signed_out"
    deliver(portal, "two")
    assert [each.status for each in portal.messages()] == ["held", "held"] and provider.sent == []
    assert "has no phone linked" in portal.messages()[0].reason
    provider.state = "ready"
    look(portal, time, seconds=16)
    assert texts(provider) == ["one", "two"]
    assert {each.status for each in portal.messages()} == {"accepted"}


def test_the_fence_asks_the_row_whatever_was_decided_before(portal, time, provider, line):
    deliver(portal, "one")
    deliver(portal, "two")
    assert {each.status for each in portal.messages()} == {"queued"}
    provider.state = "signed_out"
    with portal.database.write() as session:
        session.execute(update(Sender).values(line_state="signed_out", next_line_check_at=time.at))
    work(portal, SEND)
    assert provider.sent == []
    assert {each.status for each in portal.messages()} == {"held"}
    assert {each.reason for each in portal.messages()} == {
        "Front desk has no phone linked. Link the phone on the sender's page, and this goes out."
    }
    provider.state = "ready"
    look(portal, time)
    assert texts(provider) == ["one", "two"], "by themselves, and in their order"


def test_one_alert_for_an_incident_with_the_remedy_closed_with_what_happened(portal, time, provider, line):
    provider.state, provider.detail = "signed_out", "The phone was unlinked: scan the code again."
    look(portal, time)
    deliver(portal, "Hello")
    for _ in range(3):
        look(portal, time, seconds=16)
    (text,) = alerts(portal, notices.LINE_DOWN)
    assert text == "Front desk has no phone linked. The phone was unlinked: scan the code again."
    assert "scan the code again" in portal.messages()[0].reason, "in the line's own words"
    with portal.session() as session:
        assert session.scalars(select(Alert.count).where(Alert.kind == notices.LINE_DOWN)).one() == 1
    provider.state, provider.detail = "ready", ""
    look(portal, time, minutes=7)
    assert alerts(portal, notices.LINE_DOWN) == [] and texts(provider) == ["Hello"]
    with portal.session() as session:
        (closed,) = session.scalars(select(Alert.text).where(Alert.kind == notices.LINE_DOWN))
    assert closed.startswith("Front desk works again, after 7 minutes.") and closed.endswith("waited for it: 1.")
    provider.state = "blocked"
    look(portal, time)
    assert len(alerts(portal, notices.LINE_DOWN)) == 1, "the next incident is another one"


def test_what_passes_by_itself_troubles_nobody_unless_it_lasts(portal, time, provider, line):
    for state in ("asleep", "starting"):
        provider.state = state
        look(portal, time)
        assert deliver(portal, state).status == "held"
    assert alerts(portal, notices.LINE_DOWN) == []
    provider.state = "ready"
    look(portal, time)
    assert texts(provider) == ["asleep", "starting"]
    provider.state = "asleep"
    look(portal, time)
    look(portal, time, minutes=6)
    assert "is asleep" in alerts(portal, notices.LINE_DOWN)[0]


def test_how_often_a_line_is_asked_for(portal, time, provider, line):
    def pause() -> float:
        return round((the(portal, line).next_line_check_at - time.at).total_seconds())

    assert 55 <= pause() <= 60
    provider.state = "limited"
    look(portal, time)
    assert 10 <= pause() <= 15
    seen = []
    for _ in range(8):
        provider.faults = [503]
        look(portal, time, minutes=11)
        seen.append(pause())
    assert seen == sorted(seen) and seen[0] <= 15 and 550 <= seen[-1] <= 600


def test_a_provider_that_cannot_be_asked_changes_nothing_and_a_person_is_told(portal, time, provider, line):
    provider.faults = [401, 401]
    look(portal, time)
    look(portal, time, minutes=1)
    deliver(portal, "Hello")
    settle(portal, time, SEND)
    row = the(portal, line)
    assert row.line_state == "ready" and row.line_failure == "It answered 401." and texts(provider) == ["Hello"]
    assert alerts(portal, notices.LINE_UNKNOWN) == []
    provider.faults = [401]
    look(portal, time, minutes=2)
    assert "cannot be asked how the line is. It answered 401." in alerts(portal, notices.LINE_UNKNOWN)[0]
    look(portal, time, minutes=10)
    row = the(portal, line)
    assert alerts(portal, notices.LINE_UNKNOWN) == [] and (row.line_failures, row.line_failure) == (0, "")


def test_another_number_stops_the_sender_until_that_very_number_is_confirmed(portal, time, provider, line):
    provider.number = "+4917099999999"
    look(portal, time)
    row = the(portal, line)
    assert row.state == SenderState.PAUSED and "+4917099999999" in row.state_reason
    assert "+4917099999999" in alerts(portal, notices.LINE_CHANGED)[0]
    assert deliver(portal, "Hello").status == "held"
    for number in ("", "+4915100000001"):
        with pytest.raises(InvalidInput), portal.database.write() as session:
            senders.resume(session, line, number)
    look(portal, time)
    assert provider.sent == [] and the(portal, line).state == SenderState.PAUSED
    with portal.database.write() as session:
        senders.resume(session, line, "+4917099999999")
    look(portal, time)
    assert texts(provider) == ["Hello"] and alerts(portal, notices.LINE_CHANGED) == []
    assert the(portal, line).line_address == "+4917099999999"


def test_its_own_number_coming_back_needs_nobody(portal, time, provider, line):
    provider.number = "+4917099999999"
    look(portal, time)
    deliver(portal, "Hello")
    provider.number = "+4915100000001"
    look(portal, time)
    assert texts(provider) == ["Hello"] and alerts(portal, notices.LINE_CHANGED) == []
    with portal.database.write() as session:
        senders.pause(session, line, "on holiday")
    provider.number = "+4917099999999"
    look(portal, time)
    provider.number = "+4915100000001"
    look(portal, time)
    assert the(portal, line).state_reason == "on holiday", "what a person has paused stays so"


def test_a_phone_that_is_linked_again_begins_a_new_history_and_a_sleep_does_not(portal, time, provider, line):
    since = the(portal, line).line_since
    for state in ("asleep", "ready"):
        provider.state = state
        look(portal, time)
    assert the(portal, line).line_since == since
    for state in ("signed_out", "starting", "ready"):
        provider.state = state
        look(portal, time)
        if state == "signed_out":
            unlinked = time.at
    assert unlinked - timedelta(seconds=2) < the(portal, line).line_since < unlinked


@pytest.mark.parametrize("policy", [FailoverPolicy.SAME_CHANNEL, FailoverPolicy.FAIL])
def test_the_locations_policy_is_kept_as_for_a_paused_sender(portal, time, provider, line, policy):
    with serving(Provider(number="+4915100000002")) as other:
        add_line(portal, other, instance="7106", name="Second")
        settle(portal, time, SEND)
        with portal.database.write() as session:
            senders.make_default(session, line)
            session.execute(update(Location).values(failover=policy))
        deliver(portal, "queued before")
        with portal.database.write() as session:
            session.execute(update(Sender).where(Sender.id == line).values(line_state="blocked"))
        settle(portal, time, SEND)
        deliver(portal, "written after")
        settle(portal, time, SEND, GHL)
        first, second = portal.messages()
        assert provider.sent == []
        if policy is FailoverPolicy.FAIL:
            assert {first.status, second.status} == {"failed"}
            assert "is blocked by the network, and this sub-account wants such messages failed" in second.reason
        else:
            assert texts(other) == ["queued before", "written after"]
            assert "stands in for Front desk, which is blocked by the network" in first.sender_reason


def test_a_send_that_the_line_refuses_has_it_asked_for_at_once(portal, time, provider, line):
    asked = provider.asked.count("line")
    provider.faults = [503]
    deliver(portal, "Hello")
    work(portal, SEND)
    time.forward(seconds=1)
    work(portal, SEND)
    assert provider.asked.count("line") == asked + 1


def test_what_changes_while_the_provider_is_asked_is_asked_for_again(portal, time, provider, line, monkeypatch):
    real, once = linked.Linked.line, []

    def slow(self, http, account):
        said = real(self, http, account)
        if not once:
            once.append(True)
            provider.state = "signed_out"
            with portal.database.write() as session:
                sender = session.get_one(Sender, line)
                lines.hint(session, sender, said)
        return said

    monkeypatch.setattr(linked.Linked, "line", slow)
    look(portal, time)
    look(portal, time, seconds=1)
    assert the(portal, line).line_state == "signed_out"


def test_a_removed_sender_is_not_asked_any_more(portal, time, provider, line):
    with portal.database.write() as session:
        senders.remove(session, line)
    provider.asked.clear()
    look(portal, time, hours=1)
    assert "line" not in provider.asked
    with portal.session() as session:
        assert session.scalars(select(Job.kind).where(Job.kind == lines.KIND)).all() == []


def test_the_clock_and_the_worker_do_it_by_themselves(idle, provider, monkeypatch):
    monkeypatch.setattr(lines, "EVERY_WHEN_ILL", timedelta(seconds=0.2))
    provider.state = "signed_out"
    sender = add_line(idle, provider)
    idle.start()
    for text in ("one", "two", "three"):
        idle.sandbox.deliveries.send(text)
    eventually(lambda: {each.status for each in idle.messages()} == {"held"} and len(idle.messages()) == 3)
    eventually(lambda: the(idle, sender).line_state == "signed_out")
    provider.state = "ready"
    eventually(lambda: texts(provider) == ["one", "two", "three"], what="sent in order")
    eventually(lambda: idle.statuses() == {"accepted": 3})


def test_other_channels_have_no_line(portal, time):
    sender = portal.add_sender("cast")
    assert (the(portal, sender).line_state, the(portal, sender).next_line_check_at) == ("", None)
    deliver(portal, "Hello")
    settle(portal, time, SEND)
    assert portal.sandbox.records.count("cast.send") == 1
