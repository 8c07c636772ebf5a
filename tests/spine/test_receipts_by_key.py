"""The answer to a call is lost, and the provider's report names the call by our own key."""

from datetime import timedelta

import pytest
from sqlalchemy import update

from portal.channels.base import Accepted, ChannelError, Outcome, Receipt
from portal.messaging import decisions, restoring, senders, sweeping
from portal.messaging.sweeping import settle_lost_calls
from portal.models import EntryKind, LedgerEntry, Message, Part, ReceiptRow, Status, StatusChange
from portal.sandbox import world
from tests import cloudy
from tests.cloudy import item, post, send
from tests.hand import work

LOST = ChannelError("No answer came.", unknown=True)


def now(cloud, message) -> Message:
    return cloud.rows(Message.id == message.id)[0]


def part(cloud, message) -> Part:
    return cloud.portal.parts_of(message)[0]


def key(message, turn=1) -> str:
    return f"{message.uuid}:{turn}"


def report(cloud, message, outcome=Outcome.SENT, external_id="wamid.1", turn=1, **more):
    cloud.receipt(external_id, outcome, our_key=key(message, turn), **more)


def ledger(cloud) -> list[str]:
    return [entry.kind for entry in cloud.everything(LedgerEntry)]


def lose(cloud, body="Hello") -> Message:
    cloud.channel.outcomes.append(LOST)
    message = send(cloud, body)
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.UNKNOWN
    return message


def test_a_lost_answer_is_settled_by_the_report(cloud):
    message = lose(cloud)
    report(cloud, message)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.SENT, "wamid.1")
    assert ledger(cloud) == [EntryKind.HOLD, EntryKind.SETTLE]
    report(cloud, message)
    report(cloud, message, Outcome.READ)
    cloud.receipt("wamid.1", Outcome.DELIVERED)
    assert now(cloud, message).status == Status.READ
    assert ledger(cloud) == [EntryKind.HOLD, EntryKind.SETTLE]
    cloud.settle()
    assert len(cloud.channel.sent) == 1 and cloud.portal.jobs() == []


def test_a_lost_refusal_is_settled_too(cloud):
    message = lose(cloud)
    report(cloud, message, Outcome.FAILED, code="131026", detail="Undeliverable.")
    assert (now(cloud, message).status, now(cloud, message).error_code) == (Status.FAILED, "131026")
    assert ledger(cloud) == [EntryKind.HOLD, EntryKind.RELEASE]


@pytest.mark.parametrize("order", [(Outcome.READ, Outcome.SENT), (Outcome.SENT, Outcome.READ)])
def test_a_report_that_is_quicker_than_our_own_doubt_waits_for_it(cloud, order):
    def during(_part):
        for outcome in order:
            report(cloud, cloud.portal.messages()[-1], outcome)
        assert cloud.portal.messages()[-1].status == Status.SENDING
        return LOST

    cloud.channel.outcomes.append(during)
    message = send(cloud)
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.READ and part(cloud, message).external_id == "wamid.1"
    assert {row.part_id for row in cloud.everything(ReceiptRow)} == {part(cloud, message).id}
    assert "send" not in {job.kind for job in cloud.portal.jobs()}


def test_a_report_that_is_quicker_than_the_answer_is_matched_by_its_id(cloud):
    def during(_part):
        report(cloud, cloud.portal.messages()[-1], Outcome.DELIVERED)
        return Accepted("wamid.1")

    cloud.channel.outcomes.append(during)
    message = send(cloud)
    work(cloud.portal, "send")
    assert now(cloud, message).status == Status.DELIVERED
    assert cloud.portal.history(message) == ["queued", "sending", "accepted", "delivered"]


def test_a_process_that_died_in_the_call_is_settled_by_the_report(cloud):
    class Killed(BaseException):
        """What a kill is to the thread."""

    def dies(_part):
        raise Killed

    cloud.channel.outcomes.append(dies)
    message = send(cloud)
    with pytest.raises(Killed):
        work(cloud.portal, "send")
    assert now(cloud, message).status == Status.SENDING
    report(cloud, message)
    assert now(cloud, message).status == Status.SENDING, "its process may be alive"
    cloud.time.forward(minutes=1)
    work(cloud.portal, "send")
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.SENT, "wamid.1")
    assert len(cloud.channel.sent) == 1


def test_the_sweep_settles_a_call_that_lost_its_job_too(cloud):
    message = lose(cloud)
    with cloud.portal.database.write() as session:
        for model in (Part, Message):
            session.execute(update(model).values(status=Status.SENDING))
    report(cloud, message)
    cloud.time.forward(minutes=5)
    assert settle_lost_calls(cloud.portal.database) == 1
    assert now(cloud, message).status == Status.SENT


def test_a_report_that_nobody_noticed_is_found_later(cloud):
    """Written at the very moment at which the outcome became unknown, so that neither saw the other."""
    message = lose(cloud)
    with cloud.portal.database.write() as session:
        row = ReceiptRow(sender_id=cloud.sender, external_id="wamid.1", outcome=Outcome.SENT, our_key=key(message))
        row.at = row.received_at = cloud.time.now()
        session.add(row)
    assert sweeping.match_orphans(cloud.portal.database) == 1
    assert now(cloud, message).status == Status.SENT
    assert sweeping.match_orphans(cloud.portal.database) == 0


def test_a_person_had_it_sent_again_and_then_the_first_one_proves_to_be_out(cloud):
    message = lose(cloud)
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    report(cloud, message, Outcome.DELIVERED)
    assert now(cloud, message).status == Status.DELIVERED
    cloud.settle()
    assert len(cloud.channel.sent) == 1, "it is not sent a second time"


def test_the_failure_of_the_first_call_does_not_end_the_second(cloud):
    message = lose(cloud)
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    report(cloud, message, Outcome.FAILED)
    cloud.settle()
    assert len(cloud.channel.sent) == 2 and now(cloud, message).status == Status.ACCEPTED


def test_another_copy_is_evidence_and_changes_nothing(cloud):
    message = lose(cloud)
    cloud.channel.outcomes.append(Accepted("wamid.2"))
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    work(cloud.portal, "send")
    before = now(cloud, message).status
    for outcome in (Outcome.SENT, Outcome.READ, Outcome.READ):
        report(cloud, message, outcome)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (before, "wamid.2")
    told = [each.detail for each in cloud.everything(StatusChange) if each.before == each.after]
    assert told == ["The provider reports another copy of it, from turn 1: id wamid.1. It changes nothing here."]
    assert ledger(cloud).count(EntryKind.SETTLE) == 1
    assert sweeping.match_orphans(cloud.portal.database) == 0


def test_a_report_of_the_first_call_says_nothing_of_the_second(cloud):
    message = lose(cloud)
    cloud.channel.outcomes.append(LOST)
    with cloud.portal.database.write() as session:
        decisions.send_again(session, message.id, "a person")
    work(cloud.portal, "send")
    report(cloud, message, Outcome.DELIVERED)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.UNKNOWN, None)
    report(cloud, message, Outcome.SENT, "wamid.2", turn=2)
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.SENT, "wamid.2")
    assert [each.code for each in cloud.everything(StatusChange) if each.before == each.after] == ["wamid.1"]


def test_after_a_restore_the_report_says_what_went_out(cloud):
    message = send(cloud)
    report(cloud, message, Outcome.SENT)
    assert now(cloud, message).status == Status.SENT, "it was sent after the backup was made"
    second = send(cloud, "second")
    with cloud.portal.database.write() as session:
        restoring.hold_messages(session)
    assert now(cloud, second).status == Status.UNKNOWN
    report(cloud, second, Outcome.DELIVERED, "wamid.9", turn=3)
    assert now(cloud, second).status == Status.DELIVERED
    cloud.settle()
    assert cloud.channel.sent == []


def test_no_report_reaches_across_senders_or_tenants(cloud):
    message = lose(cloud)
    cloud.portal.install(world.DEMO_LOCATIONS[1])
    cloudy.add(cloud.portal, "1002", world.DEMO_LOCATIONS[1], "W2", "theirs")
    cloudy.add(cloud.portal, "1003", name="another of ours")
    for number in ("1002", "1003"):
        forged = Receipt("wamid.7", Outcome.READ, our_key=key(message))
        assert post(cloud.portal, item(forged, number)).status_code == 200
    cloud.apply()
    assert now(cloud, message).status == Status.UNKNOWN and part(cloud, message).external_id is None
    assert sweeping.match_orphans(cloud.portal.database) == 0
    report(cloud, message)
    assert now(cloud, message).status == Status.SENT


def test_what_was_sent_before_a_sender_was_added_again_has_its_reports(cloud):
    """The number's reports name the number, and that is the new sender's."""
    doubtful, accepted = lose(cloud), send(cloud, "taken")
    work(cloud.portal, "send")
    external_id = part(cloud, accepted).external_id
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    cloudy.add(cloud.portal, "1001", name="the same line")
    for _ in range(2):
        report(cloud, doubtful, Outcome.DELIVERED, "wamid.lost")
        cloud.receipt(external_id, Outcome.READ)
    assert (now(cloud, doubtful).status, now(cloud, accepted).status) == (Status.DELIVERED, Status.READ)
    assert sorted(ledger(cloud)) == sorted([EntryKind.HOLD, EntryKind.SETTLE] * 2)
    assert {row.sender_id for row in cloud.everything(ReceiptRow)} == {cloud.sender}


def test_what_another_tenant_sent_over_a_number_is_nobody_elses(cloud):
    doubtful = lose(cloud)
    with cloud.portal.database.write() as session:
        senders.remove(session, cloud.sender)
    cloud.portal.install(world.DEMO_LOCATIONS[1])
    cloudy.add(cloud.portal, "1001", world.DEMO_LOCATIONS[1], name="theirs")
    report(cloud, doubtful, Outcome.DELIVERED)
    assert now(cloud, doubtful).status == Status.UNKNOWN


@pytest.mark.parametrize("other", ["", "order-7", "{}", "{}:", "{}:0", "{}.0:1", "{}.2:1", "{}:1:1", " {}:1"])
def test_keys_of_other_programs_are_none_of_ours(cloud, other):
    message = lose(cloud)
    cloud.receipt("wamid.1", Outcome.SENT, our_key=other.format(message.uuid))
    assert now(cloud, message).status == Status.UNKNOWN and part(cloud, message).external_id is None


def test_what_the_provider_bills_is_kept(cloud):
    message = send(cloud)
    work(cloud.portal, "send")
    sent = part(cloud, message).external_id
    cloud.receipt(sent, Outcome.SENT, billing={"billable": True, "category": "service", "type": "regular"})
    cloud.receipt(sent, Outcome.DELIVERED)
    assert part(cloud, message).billing == {"billable": True, "category": "service", "type": "regular"}


def test_a_late_answer_after_the_report_says_the_same(cloud):
    """A process that was taken for dead was only slow."""

    def slow(_part):
        message = cloud.portal.messages()[-1]
        cloud.time.forward(minutes=5)
        report(cloud, message, Outcome.READ)
        with cloud.portal.database.write() as session:
            session.execute(update(Part).values(sending_at=cloud.time.now() - timedelta(minutes=9)))
        with cloud.portal.database.write() as session:
            sweeping._settle_lost_call(session, part(cloud, message).id)
        assert now(cloud, message).status == Status.READ
        return Accepted("wamid.1")

    cloud.channel.outcomes.append(slow)
    message = send(cloud)
    work(cloud.portal, "send")
    assert (now(cloud, message).status, part(cloud, message).external_id) == (Status.READ, "wamid.1")
    assert ledger(cloud) == [EntryKind.HOLD, EntryKind.SETTLE]
