"""What did not go out is sent again: only what is missing, as a message of its own."""

import pytest
from sqlalchemy import delete, select

from portal import clock
from portal.errors import InvalidInput
from portal.messaging import decisions, optouts, resending
from portal.models import Attempt, Job, LedgerEntry, Message, Part, Sender, SenderState, Status, StatusChange, Wallet
from tests.web.conftest import carry_out, post, reload

BOTH_ENGINES = True


def failed(database, message, code: str = "refused") -> None:
    with database.write() as session:
        row = session.get_one(Message, message.id)
        for part in row.parts:
            decisions.move_part(session, part, Status.SENDING, who="test")
            decisions.move_part(session, part, Status.FAILED, who="test", code=code, detail="The number is not in use.")
            decisions.move_credits(session, part, "The number is not in use.")
        decisions.follow_parts(session, row, who="test", code=code, detail="The number is not in use.")
        session.execute(delete(Job))


def newest(database) -> Message:
    with database.read() as session:
        return session.scalars(select(Message).order_by(Message.id.desc()).limit(1)).one()


def test_a_failed_message_is_sent_again_once(parts, database, acme, queue, signed_in) -> None:
    message = queue(acme, "Hello Ana")
    failed(database, message)
    client, page = signed_in(acme.agency), f"/admin/messages/{message.uuid}"
    assert "Send it again" in client.get(page).text
    answer = post(client, f"{page}/resend", page)
    made = newest(database)
    assert (answer.status_code, answer.headers["Location"]) == (303, f"/admin/messages/{made.uuid}")
    assert (made.resend_of_id, made.body, made.address) == (message.id, "Hello Ana", message.address)
    assert made.conversation_id == message.conversation_id and made.position > message.position
    assert made.status == Status.QUEUED and made.author == f"user{acme.agency}@example.com"
    first, again = client.get(page).text, client.get(answer.headers["Location"]).text
    assert "It was sent again:" in first and made.uuid in first and 'id="resend"' not in first
    assert "All tries of it" in again and message.uuid in again and "sent again here" in again
    twice = post(client, f"{page}/resend", page)
    assert twice.headers["Location"] == page and "It was sent again already" in client.get(page).text
    assert newest(database).id == made.id and reload(database, message).status == Status.FAILED
    carry_out(parts)
    assert reload(database, made).status == Status.ACCEPTED
    with database.read() as session:
        wallet = session.scalars(select(Wallet)).one()
        assert (wallet.held, wallet.spent) == (0, 1)
        assert session.scalars(select(LedgerEntry).where(LedgerEntry.message_id == made.id)).all()


def test_only_what_is_missing_is_sent(database, acme, queue, signed_in) -> None:
    files = ["https://a.example/1.pdf", "https://a.example/2.pdf", "https://a.example/3.pdf"]
    message = queue(acme, "Your papers", attachments=files)
    with database.write() as session:
        row = session.get_one(Message, message.id)
        assert len(row.parts) > 2
        for part, after in zip(row.parts, [Status.ACCEPTED, Status.FAILED, *[Status.DELIVERED] * 9], strict=False):
            decisions.move_part(session, part, Status.SENDING, who="test")
            decisions.move_part(session, part, after, who="test", detail="Too large.")
        decisions.follow_parts(session, row, who="test", detail="Too large.")
        missing = [part for part in row.parts if part.status == Status.FAILED]
    client, page = signed_in(acme.agency), f"/admin/messages/{message.uuid}"
    assert "Send the missing 1 of" in client.get(page).text
    post(client, f"{page}/resend", page)
    made = newest(database)
    assert (made.body, made.attachments) == (missing[0].body, missing[0].attachments)
    assert "What was missing, 1 of" in client.get(page).text


@pytest.mark.parametrize("why", ["attempt", "doubt", "given_up", "expired", "reported"])
def test_what_may_have_arrived_needs_a_person(database, acme, queue, signed_in, why: str) -> None:
    message = queue(acme)
    failed(database, message, "given_up" if why == "given_up" else "refused")
    with database.write() as session:
        part = session.scalars(select(Part)).one()
        if why == "attempt":
            more = {"sender_id": acme.sender, "idempotency_key": "k", "started_at": clock.now()}
            session.add(Attempt(part_id=part.id, number=1, outcome="unknown", **more))
        elif why == "doubt":
            part.in_doubt = True
        elif why == "expired":
            part.status, part.accepted_at = Status.EXPIRED, clock.now()
        elif why == "reported":
            same = {"before": "unknown", "after": "unknown", "who": "GREEN-API", "at": clock.now()}
            session.add(StatusChange(message_id=message.id, part_id=part.id, **same))
    client, page = signed_in(acme.agency), f"/admin/messages/{message.uuid}"
    assert "It may have arrived, because" in client.get(page).text
    post(client, f"{page}/resend", page)
    assert newest(database).id == message.id
    assert "It was not sent again, because it may have arrived" in client.get(page).text
    post(client, f"{page}/resend", page, overrule="1")
    assert newest(database).id == message.id and "Say why" in client.get(page).text
    post(client, f"{page}/resend", page, overrule="1", reason="Ana rang: nothing came.")
    assert newest(database).resend_of_id == message.id
    with database.read() as session:
        change = session.scalars(select(StatusChange).where(StatusChange.code == resending.RESENT)).one()
    assert change.who == f"user{acme.agency}@example.com" and "although it may have arrived" in change.detail
    assert change.detail.endswith("Why: Ana rang: nothing came.")
    assert "Sent again." in client.get(page).text


def test_only_the_doubt_that_was_shown_is_overruled(database, acme, queue, signed_in) -> None:
    message = queue(acme)
    failed(database, message)
    client, page = signed_in(acme.agency), f"/admin/messages/{message.uuid}"
    with database.write() as session:
        session.scalars(select(Part)).one().in_doubt = True
    seen = "the provider has reported a message that it may be"
    post(client, f"{page}/resend", page, overrule="1", reason="Ana rang.", doubt=seen)
    assert newest(database).id == message.id
    shown = client.get(page).text
    assert "of one attempt nobody knows" in shown
    seen = shown.split('name="doubt" value="')[1].split('"')[0]
    post(client, f"{page}/resend", page, overrule="1", reason="Ana rang.", doubt=seen)
    assert newest(database).resend_of_id == message.id


def test_what_is_under_way_delivered_or_a_customers_is_not_sent_again(parts, database, acme, queue) -> None:
    queued, out = queue(acme, "first"), queue(acme, "second", phone="+639170000099")
    carry_out(parts)
    for each in (queued, out):
        with pytest.raises(InvalidInput, match="nothing to send again"), database.write() as session:
            resending.resend(session, each.id, "anna")


def test_a_command_of_highlevel_never_reaches_the_customer(database, acme, queue) -> None:
    message = queue(acme, "/template no_such_thing")
    assert message.status == Status.FAILED
    with pytest.raises(InvalidInput, match="command"), database.write() as session:
        resending.resend(session, message.id, "anna")


def test_it_is_routed_and_judged_anew(database, acme, queue) -> None:
    message = queue(acme)
    failed(database, message)
    with database.write() as session:
        optouts.add(session, acme.location, "sms", message.address, "wrote STOP")
        session.get_one(Sender, acme.sender).state = SenderState.PAUSED
        made = resending.resend(session, message.id, "anna")
        assert (made.status, made.error_code) == (Status.FAILED, optouts.CODE)
    with database.write() as session:
        again = resending.resend(session, made.id, "anna")  # each of a family once, the newest of them
        assert again.resend_of_id == made.id


def test_a_stranger_sends_nothing_again(database, acme, rival, queue, signed_in) -> None:
    message = queue(acme)
    failed(database, message)
    client = signed_in(rival.agency)
    assert post(client, f"/admin/messages/{message.uuid}/resend", overrule="1").status_code == 404
    assert newest(database).id == message.id
