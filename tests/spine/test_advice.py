"""Whoever writes is told of countries' rules and of costly letters; what goes out is their choice."""

import json

import pytest
from sqlalchemy import update

from portal.messaging import composing
from portal.messaging.composing import Draft
from portal.models import Location, Sender
from portal.queue.jobs import APPLY, SEND
from tests.portal import PLACE
from tests.spine.test_attacks import work

ANNA, PARIS, BOTSWANA = "+639171234501", "+33612345678", "+26771234567"
CURLY = "It’s " + "a" * 95


def write(portal, *to, text="Hello", **more):
    with portal.session() as session:
        location = session.get_one(Location, 1)
    draft = Draft(to, text, "anna@example.com", **more)
    return composing.compose(portal.database, portal.parts.journal, location, draft)


def written(portal, *to, **more):
    write(portal, *to, **more)
    work(portal, APPLY)
    return portal.messages()[-1]


@pytest.fixture
def one(idle):
    idle.add_sender("cast")
    return idle


def test_plain_letters_are_sent_only_when_the_writer_chooses_and_the_text_as_written_stays(one):
    message = written(one, ANNA, text=CURLY)
    assert (message.body, message.written_body, message.credits) == (CURLY, None, 2)
    message = written(one, ANNA, text=CURLY, gsm7=True)
    plain = CURLY.replace("’", "'")
    assert (message.body, message.written_body, message.credits) == (plain, CURLY, 1)
    assert [part.segments for part in one.parts_of(message)] == [1]
    work(one, SEND), work(one, SEND)
    assert one.sandbox.cast.accepted()[-1].text == plain


@pytest.mark.parametrize("text", ["It’s short", "😀 " + "’" * 80, "’" * 9000 + "…" * 1000])
def test_what_saves_nothing_or_would_not_fit_any_more_goes_out_as_written(one, text):
    message = written(one, ANNA, text=text, gsm7=True)
    assert (message.body, message.written_body) == (text, None)


def test_letters_cost_nothing_where_no_sms_goes_out(idle):
    idle.add_sender("whatsapp_cloud")
    message = written(idle, ANNA, text=CURLY, gsm7=True)
    assert (message.body, message.written_body) == (CURLY, None)


def codes(taken):
    return [[each.code for each in one.cautions] for one in taken]


def test_each_recipient_is_told_of_by_its_country_and_all_are_taken(one, time):
    time.at = time.at.replace(2026, 6, 6, 12, 0)
    taken = write(one, ANNA, PARIS, BOTSWANA, "nobody")
    assert codes(taken) == [["sender_registered", "forbidden"], ["opt_out_missing", "quiet_hours"], [], []]
    assert [bool(each.message) for each in taken] == [True, True, True, False]
    later = time.at.replace(day=8)
    assert codes(write(one, PARIS, text="Soldes. STOP 36111", scheduled_at=later)) == [[]]


def test_who_sends_is_guessed_only_where_that_is_certain(one):
    other = one.add_sender("simulator", name="other")
    assert codes(write(one, ANNA)) == [["forbidden"]], "two senders, no default: of either nothing is said"
    assert codes(write(one, ANNA, sender_id=1)) == [["sender_registered", "forbidden"]]
    with one.database.write() as session:
        session.execute(update(Sender).where(Sender.id == other).values(is_default=True, address="+639170000000"))
    assert codes(write(one, ANNA)) == [["sender_converted", "forbidden"]]


def run(portal, *words):
    result = portal.app.test_cli_runner().invoke(args=list(words))
    assert result.exit_code == 0, result.output
    found = [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]
    return found, result.output


def test_the_command_line_previews_offers_and_warns(one):
    place = ("--location", PLACE.id)
    [offer, anna], _ = run(one, "texts", "preview", *place, "--text", CURLY, "--to", ANNA)
    assert (offer["parts"], offer["credits"], offer["plain_parts"], offer["saves"]) == (2, 2, 1, 1)
    assert offer["costly"] == [
        {"character": "’", "name": "right single quotation mark", "plain": "'", "times": 1},
    ]
    assert [each["code"] for each in anna["warnings"]] == ["sender_registered", "forbidden"]
    assert one.events() == [], "nothing was sent"
    sent = ("send", *place, "--text", CURLY, "--to", ANNA)
    [line], output = run(one, *sent)
    assert line["warnings"][0]["code"] == "sender_registered" and "Plain letters" not in output
    run(one, "texts", "offer", *place, "--on")
    assert "Plain letters save 1 part of 2" in run(one, *sent)[1]
    assert "Plain letters" not in run(one, *sent, "--gsm7")[1]
    work(one, APPLY)
    assert [each.written_body is None for each in one.messages()] == [True, True, False]
