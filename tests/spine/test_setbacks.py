"""A provider takes a message and says later that it did not go out: what follows, and what must not."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal.alerts import notices
from portal.channels.base import Accepted, ChannelError, Loss, Outcome, Receipt, Scope, Setback
from portal.channels.content import AddressKind
from portal.credits import ledger
from portal.messaging import decisions, restoring, senders, sweeping
from portal.messaging.setbacks import MOST_TIMES
from portal.models import (
    Alert,
    Attempt,
    EntryKind,
    Gate,
    LedgerEntry,
    Message,
    Part,
    ReceiptRow,
    Sender,
    SenderState,
    Status,
    StatusChange,
    Wallet,
)
from tests.cloudy import delete_jobs, send, settle_pool
from tests.hand import settle, work

AGAIN = Setback(retry=True, sentence="It is tried again.")
TOO_FAST = Setback(Scope.SENDER, retry=True, sentence="The sender waits.")
UNPAID = Setback(Scope.SENDER, retry=True, stops=True, sentence="Nobody has paid: do so, then resume.")
CROWDED = Setback(retry=True, crowded=True, sentence="This customer was written to too fast.")


def now(cloud, message) -> Message:
    return cloud.rows(Message.id == message.id)[0]


def part(cloud, message) -> Part:
    return cloud.portal.parts_of(message)[0]


def taken(cloud, body="Hello", id_="wamid.1") -> Message:
    cloud.channel.outcomes.append(Accepted(id_))
    message = send(cloud, body, ghl_message_id=f"ghl-{id_}")
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.ACCEPTED
    return message


def lose(cloud, message, id_="wamid.1", setback=AGAIN, turn=1, **more) -> None:
    told = {"code": "131000", "detail": "Meta lost it: send it anew.", "loss": Loss.ACCOUNT} | more
    cloud.receipt(id_, Outcome.FAILED, our_key=f"{message.uuid}:{turn}", setback=setback, **told)


def word(cloud, message, outcome, id_="wamid.1", turn=1) -> None:
    cloud.receipt(id_, outcome, our_key=f"{message.uuid}:{turn}")


def credits_agree(cloud, *, spent) -> None:
    """The wallet is what its entries add up to, nothing is held any more, and just so much was spent."""
    with cloud.portal.session() as session:
        assert ledger.prove(session)[1] == []
        wallet = session.scalars(select(Wallet)).one()
        assert (wallet.held, wallet.spent) == (0, spent)


def kinds(cloud) -> list[str]:
    return [entry.kind for entry in cloud.everything(LedgerEntry)]


def sends(cloud) -> int:
    """Works off what is due now, and says how many calls were made so far."""
    settle_pool(cloud.portal, "send")
    return len(cloud.channel.sent)


def pushed(cloud) -> list[str]:
    return [job.kind for job in cloud.portal.jobs() if job.kind == "push_status"]


def forget_pushes(cloud) -> None:
    with cloud.portal.database.write() as session:
        session.execute(delete_jobs("push_status"))


def alerts(cloud, kind) -> list[Alert]:
    return [each for each in cloud.everything(Alert) if each.kind == kind and each.closed_at is None]


@pytest.mark.parametrize("before", [None, Outcome.SENT])
def test_what_was_lost_goes_out_again_under_a_new_key(cloud, before):
    message = taken(cloud)
    if before:
        word(cloud, message, before)
    forget_pushes(cloud)
    lose(cloud, message)
    assert (now(cloud, message).status, now(cloud, message).reason) == (Status.QUEUED, "It is tried again.")
    assert pushed(cloud) == [], "HighLevel is told nothing yet"
    assert sends(cloud) == 1, "not at once"
    cloud.time.forward(seconds=16)
    cloud.channel.outcomes.append(Accepted("wamid.2"))
    assert sends(cloud) == 2
    assert [each.idempotency_key for each in cloud.channel.sent] == [f"{message.uuid}:1", f"{message.uuid}:2"]
    assert kinds(cloud) == [EntryKind.HOLD, EntryKind.SETTLE, EntryKind.REFUND, EntryKind.HOLD, EntryKind.SETTLE]
    word(cloud, message, Outcome.DELIVERED, "wamid.2", turn=2)
    assert now(cloud, message).status == Status.DELIVERED
    first = ["queued", "sending", "accepted", *(["sent"] if before else [])]
    assert cloud.portal.history(message) == [*first, "queued", "sending", "accepted", "delivered"]
    assert [each.number for each in cloud.everything(Attempt)] == [1, 2]
    credits_agree(cloud, spent=1)
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.channel.sent) == 2


def test_the_same_receipt_again_changes_nothing(cloud):
    message = taken(cloud)
    lose(cloud, message)
    lose(cloud, message)
    assert len([each for each in cloud.everything(StatusChange) if each.after == "queued"]) == 2
    cloud.time.forward(seconds=16)
    cloud.channel.outcomes.append(Accepted("wamid.2"))
    assert sends(cloud) == 2
    lose(cloud, message)
    word(cloud, message, Outcome.SENT)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.ACCEPTED, "wamid.2")
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.channel.sent) == 2
    credits_agree(cloud, spent=1)


def test_a_late_sent_does_not_take_the_failure_back(cloud):
    message = taken(cloud)
    lose(cloud, message)
    word(cloud, message, Outcome.SENT)
    assert now(cloud, message).status == Status.QUEUED
    assert {row.part_id for row in cloud.everything(ReceiptRow)} == {part(cloud, message).id}
    assert sweeping.match_orphans(cloud.portal.database) == 0
    cloud.time.forward(seconds=16)
    assert sends(cloud) == 2


def test_nor_does_it_settle_the_next_call(cloud):
    message = taken(cloud)
    lose(cloud, message)
    cloud.time.forward(seconds=16)
    cloud.channel.outcomes.append(ChannelError("No answer came.", unknown=True))
    assert sends(cloud) == 2
    word(cloud, message, Outcome.SENT)
    assert now(cloud, message).status == Status.UNKNOWN
    assert not any(each.before == each.after for each in cloud.everything(StatusChange)), "no other copy of it"
    word(cloud, message, Outcome.SENT, "wamid.2", turn=2)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.SENT, "wamid.2")
    credits_agree(cloud, spent=1)


@pytest.mark.parametrize("arrived", [Outcome.DELIVERED, Outcome.READ, Outcome.PLAYED])
def test_what_has_arrived_after_all_is_not_sent_again(cloud, arrived):
    message = taken(cloud)
    lose(cloud, message)
    word(cloud, message, arrived)
    assert now(cloud, message).status == (Status.DELIVERED if arrived is Outcome.DELIVERED else Status.READ)
    cloud.time.forward(minutes=5)
    assert sends(cloud) == 1
    credits_agree(cloud, spent=1)


@pytest.mark.parametrize("arrived", [Outcome.DELIVERED, Outcome.READ])
def test_what_has_arrived_is_not_lost(cloud, arrived):
    message = taken(cloud)
    word(cloud, message, arrived)
    lose(cloud, message)
    cloud.time.forward(hours=1)
    assert sends(cloud) == 1 and now(cloud, message).status == arrived.value


def test_it_is_tried_a_few_times_only(cloud):
    message = taken(cloud)
    for turn in range(1, MOST_TIMES + 1):
        lose(cloud, message, f"wamid.{turn}", turn=turn)
        assert now(cloud, message).status == Status.QUEUED
        cloud.channel.outcomes.append(Accepted(f"wamid.{turn + 1}"))
        cloud.time.forward(hours=1, seconds=5)
        assert sends(cloud) == turn + 1
    lose(cloud, message, f"wamid.{MOST_TIMES + 1}", turn=MOST_TIMES + 1)
    found = now(cloud, message)
    assert (found.status, found.reason) == (Status.FAILED, "Meta lost it: send it anew.")
    assert pushed(cloud) == ["push_status"]
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.channel.sent) == MOST_TIMES + 1
    credits_agree(cloud, spent=0)


def test_the_time_to_live_holds(cloud):
    message = taken(cloud)
    with cloud.portal.database.write() as session:
        session.execute(update(Message).values(expires_at=cloud.time.now() + timedelta(seconds=10)))
    lose(cloud, message)
    assert now(cloud, message).status == Status.FAILED
    credits_agree(cloud, spent=0)


def test_without_credits_for_another_turn_it_fails(cloud):
    message = taken(cloud)
    with cloud.portal.database.write() as session:
        session.execute(update(Wallet).values(unlimited=False))
        wallet = session.scalars(select(Wallet)).one()
        owed = {"kind": EntryKind.CORRECTION, "key": "correction:1", "wallet_id": wallet.id, "note": "a bill"}
        session.add(LedgerEntry(**owed, available=-5, outside=5, held=0, spent=0, at=cloud.time.now()))
        wallet.available -= 5
    lose(cloud, message)
    assert now(cloud, message).status == Status.FAILED
    credits_agree(cloud, spent=0)


def test_a_failure_that_is_quicker_than_the_answer(cloud):
    def during(_part):
        lose(cloud, cloud.portal.messages()[-1])
        return Accepted("wamid.1")

    cloud.channel.outcomes.append(during)
    message = send(cloud)
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.QUEUED
    cloud.time.forward(seconds=16)
    assert sends(cloud) == 2 and now(cloud, message).status == Status.ACCEPTED
    credits_agree(cloud, spent=1)


@pytest.mark.parametrize("during", [True, False], ids=["before-our-doubt", "after-it"])
def test_a_failure_of_a_call_whose_answer_was_lost(cloud, during):
    lost = ChannelError("No answer came.", unknown=True)

    def quick(_part):
        lose(cloud, cloud.portal.messages()[-1])
        return lost

    cloud.channel.outcomes.append(quick if during else lost)
    message = send(cloud)
    work(cloud.portal, "send")
    if not during:
        lose(cloud, message)
    assert now(cloud, message).status == Status.QUEUED
    cloud.time.forward(seconds=16)
    assert sends(cloud) == 2 and now(cloud, message).status == Status.ACCEPTED
    assert kinds(cloud) == [EntryKind.HOLD, EntryKind.SETTLE]
    credits_agree(cloud, spent=1)


def test_a_process_that_died_in_the_call_and_a_failure_of_it(cloud):
    class Killed(BaseException):
        """What a kill is to the thread."""

    def dies(_part):
        raise Killed

    cloud.channel.outcomes.append(dies)
    message = send(cloud)
    with pytest.raises(Killed):
        work(cloud.portal, "send")
    lose(cloud, message)
    cloud.time.forward(minutes=1)
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.QUEUED
    cloud.time.forward(minutes=1)
    assert sends(cloud) == 2 and now(cloud, message).status == Status.ACCEPTED, "its new job was not dropped"


def test_an_answer_that_comes_after_the_failure_of_its_own_call(cloud):
    """Its process was taken for dead, so that the receipt could give the part a new turn; then it answers."""

    def slow(_part):
        lose(cloud, cloud.portal.messages()[-1])
        cloud.time.forward(minutes=10)
        with cloud.portal.database.write() as session:
            session.execute(delete_jobs("send"))
        sweeping.settle_lost_calls(cloud.portal.database)
        return Accepted("wamid.1")

    cloud.channel.outcomes.append(slow)
    message = send(cloud)
    work(cloud.portal, "send")
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.QUEUED, None)
    cloud.time.forward(seconds=16)
    assert sends(cloud) == 2 and now(cloud, message).status == Status.ACCEPTED
    credits_agree(cloud, spent=1)


def test_a_failure_of_an_older_call_gives_no_new_turn(cloud):
    cloud.channel.outcomes += [ChannelError("No answer came.", unknown=True), Accepted("wamid.2")]
    message = send(cloud)
    work(cloud.portal, "send")
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    assert sends(cloud) == 2
    lose(cloud, message)
    lose(cloud, message, setback=UNPAID)
    found = part(cloud, message)
    assert (found.status, found.external_id, found.lost) == (Status.ACCEPTED, "wamid.2", 0)
    with cloud.portal.session() as session:
        assert session.get_one(Sender, cloud.sender).state == SenderState.ACTIVE
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.channel.sent) == 2
    credits_agree(cloud, spent=1)


def test_what_a_backup_left_in_doubt_is_not_sent_again_by_itself(cloud):
    message = taken(cloud)
    with cloud.portal.database.write() as session:
        session.execute(update(Part).values(status=Status.UNKNOWN, code="restored", external_id=None))
        session.execute(update(Message).values(status=Status.UNKNOWN))
    lose(cloud, message)
    assert now(cloud, message).status == Status.FAILED
    settle(cloud.portal, cloud.time, "send")
    assert len(cloud.channel.sent) == 1


def test_in_a_group_nothing_is_sent_again(cloud):
    message = taken(cloud)
    with cloud.portal.database.write() as session:
        session.execute(update(Message).values(address_kind=AddressKind.GROUP.value, address="a group"))
    lose(cloud, message)
    assert now(cloud, message).status == Status.FAILED


def test_only_the_lost_part_of_a_message_goes_out_again(cloud):
    cloud.channel.outcomes += [Accepted("wamid.1"), Accepted("wamid.2")]
    message = send(cloud, "Hello", attachments=["https://pictures.example/a.jpg", "https://pictures.example/b.jpg"])
    sends(cloud)
    pieces = cloud.portal.parts_of(message)
    assert len(pieces) >= 2
    with cloud.portal.session() as session:
        ids = {each.number: session.get_one(Part, each.id).external_id for each in pieces}
    word(cloud, message, Outcome.SENT, ids[1])
    cloud.receipt(ids[2], Outcome.FAILED, our_key=f"{message.uuid}.2:1", setback=AGAIN, code="131053", detail="No.")
    assert now(cloud, message).status == Status.SENDING
    assert [each.status for each in cloud.portal.parts_of(message)][:2] == [Status.SENT, Status.QUEUED]
    before = len(cloud.channel.sent)
    cloud.time.forward(seconds=20)
    assert sends(cloud) == before + 1 and cloud.channel.sent[-1].idempotency_key == f"{message.uuid}.2:2"
    assert now(cloud, message).status == Status.ACCEPTED
    with cloud.portal.session() as session:
        assert ledger.prove(session)[1] == []


def test_an_account_that_is_not_paid_stops_the_sender_until_it_is(cloud):
    message, other = taken(cloud, "one"), taken(cloud, "two", "wamid.2")
    lose(cloud, message, setback=UNPAID, code="131042")
    with cloud.portal.session() as session:
        sender = session.get_one(Sender, cloud.sender)
        assert (sender.state, sender.state_reason) == (SenderState.PAUSED, UNPAID.sentence)
    [alert] = alerts(cloud, notices.SENDER_FAULT)
    assert UNPAID.sentence in alert.text and "is stopped" in alert.text
    assert sends(cloud) == 2 and now(cloud, message).status == Status.HELD
    with cloud.portal.database.write() as session:
        senders.resume(session, cloud.sender)
    settle_pool(cloud.portal, "ghl")
    assert sends(cloud) == 3 and now(cloud, message).status == Status.ACCEPTED
    lose(cloud, other, "wamid.2", setback=UNPAID, code="131042")
    with cloud.portal.session() as session:
        assert session.get_one(Sender, cloud.sender).state == SenderState.ACTIVE, "it was called before that"
    assert sends(cloud) == 4
    credits_agree(cloud, spent=2)


def test_a_fault_of_the_sender_closes_its_gate(cloud):
    message = taken(cloud)
    lose(cloud, message, setback=TOO_FAST, code="130429")
    with cloud.portal.session() as session:
        [gate] = session.scalars(select(Gate).where(Gate.blocked_until.is_not(None)))
        assert gate.reason == TOO_FAST.sentence
    other = send(cloud, "another", phone="+4915187654321")
    assert sends(cloud) == 1, "nothing else of it goes out meanwhile"
    cloud.time.forward(seconds=20)
    assert sends(cloud) == 3
    assert {now(cloud, each).status for each in (message, other)} == {Status.ACCEPTED}


def test_too_many_to_one_person_wait_fourfold(cloud):
    message = taken(cloud)
    for turn, seconds in enumerate((4, 16, 64), start=1):
        lose(cloud, message, f"wamid.{turn}", setback=CROWDED, turn=turn, code="131056")
        cloud.time.forward(seconds=seconds - 1)
        assert sends(cloud) == turn
        cloud.channel.outcomes.append(Accepted(f"wamid.{turn + 1}"))
        cloud.time.forward(seconds=2)
        assert sends(cloud) == turn + 1


def test_no_receipt_of_the_account_s_own_trouble_is_a_rejection(cloud):
    for count in range(25):
        message = taken(cloud, f"text {count}", f"wamid.{count}")
        lose(cloud, message, f"wamid.{count}", setback=UNPAID, code="131042")
        with cloud.portal.database.write() as session:
            session.execute(update(Sender).values(state=SenderState.ACTIVE))
    assert alerts(cloud, notices.REJECTIONS) == []


def test_whatsapp_has_no_sender_ids(cloud):
    with cloud.portal.database.write() as session:
        session.execute(update(Sender).values(line_address="+4930123456"))
    for count in range(20):
        cloud.receipt(f"wamid.{count}", Outcome.FAILED, code="135000", loss=Loss.REJECTED)
    [alert] = alerts(cloud, notices.REJECTIONS)
    assert "sender id" not in alert.text and "+4930123456" in alert.text


def test_a_receipt_keeps_what_it_asks_for(cloud):
    cloud.say(Receipt("wamid.9", Outcome.FAILED, setback=UNPAID))
    [row] = cloud.everything(ReceiptRow)
    assert row.setback["stops"] is True and row.setback["scope"] == "sender"


def test_highlevel_is_not_told_that_it_waits_again(cloud):
    """Acceptance counts for this sender, so that HighLevel has heard delivered before it was lost."""
    with cloud.portal.database.write() as session:
        session.execute(update(Sender).values(acceptance_counts=True))
    message = taken(cloud)
    forget_pushes(cloud)
    with cloud.portal.database.write() as session:
        session.execute(update(Message).values(pushed_status="delivered"))
    lose(cloud, message)
    cloud.time.forward(seconds=16)
    cloud.channel.outcomes.append(Accepted("wamid.2"))
    assert sends(cloud) == 2
    lose(cloud, message, "wamid.2", turn=2)
    assert (now(cloud, message).status, pushed(cloud)) == (Status.QUEUED, ["push_status"])
    settle_pool(cloud.portal, "ghl")
    assert (now(cloud, message).push_failure, pushed(cloud)) == ("", []), "there was nothing to tell"


def test_a_failure_of_the_call_that_was_lost_with_a_backup_says_nothing_of_the_next(cloud):
    """After a restore both calls have the same key: the one that the backup does not know of, and a person's."""
    message = taken(cloud)
    with cloud.portal.database.write() as session:  # as the backup had it, a moment before
        gone = {"external_id": None, "accepted_at": None, "sending_at": None, "attempt": 0}
        session.execute(update(Part).values(status=Status.QUEUED, **gone))
        session.execute(update(Message).values(status=Status.QUEUED))
        restoring.hold_messages(session)
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    cloud.channel.outcomes.append(ChannelError("No answer came.", unknown=True))
    assert sends(cloud) == 2
    lose(cloud, message)
    cloud.time.forward(minutes=5)
    assert sends(cloud) == 2, "nobody knows what became of the second call"
