"""What a person decides: cancelling what has not gone out, and letting go what is held."""

from sqlalchemy import select, update

from portal import clock
from portal.messaging import decisions
from portal.messaging.statuses import SENTENCES
from portal.models import Conversation, LedgerEntry, Sender, SenderState, Status, StatusChange, Wallet
from portal.queue.jobs import Due
from tests.web.conftest import carry_out, jobs, post, release, reload

BOTH_ENGINES = True


def test_a_queued_message_is_cancelled(database, acme, queue, signed_in) -> None:
    message = queue(acme)
    client = signed_in(acme.agency)
    page = f"/admin/messages/{message.uuid}"
    assert "Cancel this message" in client.get(page).text
    answer = post(client, f"{page}/cancel", page)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    after = client.get(page).text
    assert "The message is cancelled" in after
    assert SENTENCES[Status.CANCELLED] in after
    assert f"user{acme.agency}@example.com" in after
    message = reload(database, message)
    assert (message.status, message.parts[0].status) == (Status.CANCELLED, Status.CANCELLED)
    assert "@" not in message.reason  # HighLevel is told the reason, not who it was
    assert jobs(database) == [("push_status", message.id)]
    with database.read() as session:
        wallet = session.scalars(select(Wallet)).one()
        assert (wallet.available, wallet.held, wallet.spent) == (0, 0, 0)
        assert [entry.kind for entry in session.scalars(select(LedgerEntry))] == ["hold", "release"]


def test_a_message_of_many_parts_is_cancelled_whole(database, acme, queue) -> None:
    message = queue(acme, "Hello", attachments=["https://a.example/1.jpg", "https://a.example/2.jpg"])
    with database.write() as session:
        decisions.cancel(session, message.id, "anna@example.com")
    after = reload(database, message)
    assert {part.status for part in after.parts} == {Status.CANCELLED}
    with database.read() as session:
        wallet = session.scalars(select(Wallet)).one()
    assert (wallet.available, wallet.held, wallet.spent) == (0, 0, 0)


def test_what_has_gone_out_cannot_be_cancelled(parts, database, acme, queue, signed_in) -> None:
    message = queue(acme)
    client = signed_in()
    page = f"/admin/messages/{message.uuid}"
    assert "Cancel this message" in client.get(page).text
    carry_out(parts)  # it goes out while the page is open
    post(client, f"{page}/cancel", page)
    assert "It is too late to cancel this message. The provider has it." in client.get(page).text
    assert reload(database, message).status == Status.ACCEPTED


def test_a_cancelled_message_does_not_go_out(parts, database, acme, queue) -> None:
    message = queue(acme)
    ((kind, subject),) = jobs(database)  # a worker has it in hand already
    with database.write() as session:
        decisions.cancel(session, message.id, "anna@example.com")
    assert parts.outbox.send(Due(1, kind, subject, "out:1", "", 20, 0, clock.now()))
    assert reload(database, message).parts[0].attempt == 0


def test_no_credits_come_from_nowhere(database, acme, queue) -> None:
    """A message that was held for want of credits has set none aside: cancelling it gives none back."""
    with database.write() as session:
        session.add(Wallet(location_id=acme.location, unlimited=False, available=0, held=0, spent=0))
    message = queue(acme)
    assert message.status == Status.HELD
    with database.write() as session:
        decisions.cancel(session, message.id, "anna@example.com")
    with database.read() as session:
        wallet = session.scalars(select(Wallet)).one()
    assert (wallet.available, wallet.held, wallet.spent) == (0, 0, 0)


def test_held_messages_go_when_the_cause_is_gone(parts, database, acme, queue, signed_in) -> None:
    with database.write() as session:
        session.execute(update(Sender).values(state=SenderState.PAUSED, state_reason="tea"))
    message = queue(acme)
    client = signed_in(acme.agency)
    assert "1 held" in client.get("/admin").text
    post(client, f"/admin/locations/{acme.location}/release")
    release(parts)
    assert reload(database, message).status == Status.HELD
    with database.write() as session:
        session.execute(update(Sender).values(state=SenderState.ACTIVE))
    page = f"/admin/messages/{message.uuid}"
    answer = post(client, f"/admin/locations/{acme.location}/release?back={page}", page)
    assert answer.headers["Location"] == page
    assert "tried again now: 1" in client.get(page).text
    release(parts)
    assert reload(database, message).status == Status.QUEUED


def test_the_conversation_goes_on_when_its_held_message_is_cancelled(database, acme, queue) -> None:
    with database.write() as session:
        session.execute(update(Sender).values(state=SenderState.PAUSED))
    first = queue(acme)
    with database.write() as session:
        session.execute(update(Sender).values(state=SenderState.ACTIVE))
        decisions.cancel(session, first.id, "anna@example.com")
    with database.read() as session:
        assert session.scalars(select(Conversation.held_reason)).one() == ""
    assert queue(acme).status == Status.QUEUED


def test_the_evidence_names_the_person(database, acme, queue) -> None:
    message = queue(acme)
    with database.write() as session:
        decisions.cancel(session, message.id, "anna@example.com")
    with database.read() as session:
        last = session.scalars(select(StatusChange).order_by(StatusChange.id.desc()).limit(1)).one()
    assert (last.after, last.who, last.code) == (Status.CANCELLED, "anna@example.com", "cancelled")
