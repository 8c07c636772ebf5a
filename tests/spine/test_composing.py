"""What is written in the portal goes out like everything else, and HighLevel hears of it once."""

import json
from datetime import timedelta

import pytest

from portal import clock
from portal.channels.base import ChannelError
from portal.channels.cast.client import Cast
from portal.errors import InvalidInput
from portal.messaging import composing, optouts
from portal.messaging.composing import Draft
from portal.models import Location
from tests.portal import PLACE, eventually

ANNA, BEN = "+639171234501", "+639171234502"


def write(portal, *to, text="Our shop is closed on Monday.", **more):
    with portal.session() as session:
        location = session.get_one(Location, 1)
    draft = Draft(to, text, "anna@example.com", **more)
    return composing.compose(portal.database, portal.parts.journal, location, draft)


def logged(portal):
    return [each for each in portal.sandbox.ghl.mailbox.messages() if each.direction == "outbound"]


def test_it_goes_out_and_is_logged_in_highlevel_once_with_its_true_status(portal):
    (taken,) = write(portal, "0917 123 4501")
    assert taken.number == ANNA and taken.message
    eventually(lambda: [each.pushed_status for each in portal.messages()] == ["delivered"], what="logged and delivered")
    (message,) = portal.messages()
    assert (message.uuid, message.author) == (taken.message, "anna@example.com")
    assert [(each.id, each.status) for each in logged(portal)] == [(message.ghl_message_id, "delivered")]
    assert message.echo_state == "done"
    assert len(portal.sandbox.cast.accepted()) == 1


def test_what_the_provider_refuses_is_not_logged_as_sent(portal, monkeypatch):
    def refuse(self, http, account, part):
        raise ChannelError("Not this number.", code="VALIDATION_ERROR")

    monkeypatch.setattr(Cast, "send", refuse)
    write(portal, ANNA)
    eventually(lambda: portal.statuses()["failed"])
    assert logged(portal) == [] and not [row for row in portal.jobs() if row.kind == "post_message"]


def test_the_same_key_is_the_same_messages(portal):
    first = write(portal, ANNA, BEN, key="monday")
    assert write(portal, ANNA, BEN, key="monday") == first
    eventually(lambda: portal.statuses()["delivered"] == 2)
    assert len(portal.sandbox.cast.accepted()) == 2


def test_each_recipient_has_its_own_answer(idle):
    taken = write(idle, ANNA, "nobody", "0917 123 4501", "0917")
    assert [each.code for each in taken] == ["", "not_a_number", "duplicate", "too_short"]
    assert [bool(each.message) for each in taken] == [True, False, False, False]
    assert all(each.reason for each in taken[1:])


@pytest.mark.parametrize(
    ("more", "says"),
    [
        ({"text": "  "}, "empty"),
        ({"text": "a" * 10_001}, "longer"),
        ({"sender_id": 99}, "no sender 99"),
        ({"scheduled_at": clock.now() - timedelta(hours=1)}, "over"),
        ({"scheduled_at": clock.now().replace(tzinfo=None)}, "zone"),
        ({"scheduled_at": clock.now() + timedelta(days=400)}, "more than a year"),
        ({"attachments": ["https://a.example/a.png"] * 11}, "attachments"),
    ],
)
def test_a_draft_that_makes_no_sense_is_refused_with_what_to_do(idle, more, says):
    with pytest.raises(InvalidInput, match=says):
        write(idle, ANNA, **more)
    assert idle.jobs() == [] or all(row.kind != "apply" for row in idle.jobs())


def test_one_that_has_opted_out_gets_nothing(portal):
    with portal.database.write() as session:
        optouts.add(session, 1, "sms", BEN, "a test")
    write(portal, ANNA, BEN)
    eventually(lambda: portal.statuses() == {"delivered": 1, "failed": 1})
    assert [each.to for each in portal.sandbox.cast.accepted()] == [ANNA]


def test_a_scheduled_message_waits_for_its_time_and_keeps_nothing_waiting(portal):
    at = clock.now() + timedelta(seconds=4)
    write(portal, ANNA, text="Later", scheduled_at=at)
    eventually(lambda: len(portal.messages()) == 1)
    write(portal, ANNA, text="Now")
    eventually(lambda: len(portal.sandbox.cast.accepted()) == 2)
    assert [each.text for each in portal.sandbox.cast.accepted()] == ["Now", "Later"]
    eventually(lambda: portal.statuses()["delivered"] == 2)
    later = next(message for message in portal.messages() if message.body == "Later")
    assert portal.parts_of(later)[0].accepted_at >= at


def test_a_log_entry_whose_answer_is_lost_is_found_again_not_made_twice(portal):
    portal.sandbox.faults.arm("ghl.add_inbound", "half_answer", times=1)
    write(portal, ANNA)
    eventually(lambda: portal.messages() and portal.messages()[0].echo_state == "done", what="logged")
    assert len(logged(portal)) == 1


def test_a_delivery_of_our_own_log_entry_is_not_sent_again(portal):
    """Promise 7: HighLevel may call the delivery address for what we only told it."""
    write(portal, ANNA)
    eventually(lambda: portal.messages() and portal.messages()[0].ghl_message_id)
    own = portal.messages()[0].ghl_message_id
    contact = portal.sandbox.ghl.directory.get(logged(portal)[0].contact_id)
    portal.sandbox.deliveries.send("Our shop is closed on Monday.", message_id=own, contact=contact)
    eventually(lambda: [each.state for each in portal.events()].count("ignored") >= 1)
    assert len(portal.sandbox.cast.accepted()) == 1


def run(portal, *words, **more):
    return portal.app.test_cli_runner().invoke(args=["send", "--location", PLACE.id, *words], **more)


def test_the_command_says_what_became_of_each_recipient(portal):
    answer = run(portal, "--to", ANNA, "--to-file", "-", "--text", "Closed on Monday.", input=f"{BEN}\n\nnobody\n")
    assert answer.exit_code == 0, answer.output
    lines = [json.loads(line) for line in answer.output.splitlines()]
    assert [line.get("code") for line in lines] == [None, None, "not_a_number"]
    eventually(lambda: portal.statuses()["delivered"] == 2)
    assert {each.uuid for each in portal.messages()} == {line["message"] for line in lines[:2]}


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--text", "Hi"], "Name 1 to 10000 recipients"),
        (["--to", ANNA], "The message is empty"),
        (["--to", ANNA, "--text", "Hi", "--at", "tomorrow"], "read like 2026-12-01"),
        (["--to", ANNA, "--text", "Hi", "--sender", "77"], "no sender 77"),
        (["--to", ANNA, "--text", "Hi", "--location", "nowhere"], "no sub-account nowhere"),
    ],
)
def test_a_wrong_command_is_one_sentence(idle, words, says):
    answer = run(idle, *words)
    assert answer.exit_code == 1 and says in answer.output and "Traceback" not in answer.output
