"""Many messages at once: judged before anybody confirms, done once each, and written down."""

import re
from collections.abc import Callable

import pytest
from sqlalchemy import func, select, update

from portal import clock
from portal.accounts.audit import Person
from portal.errors import InvalidInput
from portal.messaging import deeds, families, holding, releasing, resending
from portal.models import (
    Attempt,
    AuditEntry,
    Deed,
    DeedItem,
    DeedKind,
    DeedState,
    Event,
    ItemState,
    Job,
    Message,
    Part,
    Status,
    StatusChange,
)
from portal.queue.jobs import Due
from portal.worker.tasks import handlers
from tests.web.conftest import carry_out, jobs, post, reload
from tests.web.conftest import release as release_all
from tests.web.test_resending import failed

BOTH_ENGINES = True
LIST = "/admin/messages"
ANNA = Person("anna@example.com", "7", "192.0.2.1")


@pytest.fixture
def work(parts) -> Callable[[], None]:
    """The worker, for deeds."""

    def run() -> None:
        while found := _deed_jobs(parts.database):
            for each in found:
                handlers(parts)["deed"](each)

    return run


def _deed_jobs(database) -> list[Due]:
    with database.read() as session:
        rows = session.scalars(select(Job).where(Job.kind == "deed")).all()
    return [
        Due(r.id, r.kind, r.subject, r.lane, r.gate, r.priority, r.attempts, r.created_at, pool=r.pool) for r in rows
    ]


def numbered(queue, tenant, count: int, body: str = "Hello") -> list[Message]:
    return [queue(tenant, f"{body} {number}", phone=f"+63917000{number:04}") for number in range(count)]


def chosen(client, kind: str, *messages: Message, **form: str) -> str:
    """The page of the selection."""
    data = {"kind": kind, "message": [each.uuid for each in messages], **form}
    return post(client, f"{LIST}/deeds", **data).headers["Location"]


def again(database, message: Message) -> int:
    with database.read() as session:
        return session.scalar(select(func.count()).where(Message.resend_of_id == message.id)) or 0


def items(database) -> dict[int, tuple[str, str]]:
    with database.read() as session:
        return {row.message_id: (row.state, row.note) for row in session.scalars(select(DeedItem))}


def doubtful(database, message: Message, sender: int) -> None:
    with database.write() as session:
        part = session.scalars(select(Part).where(Part.message_id == message.id)).one()
        more = {"sender_id": sender, "idempotency_key": "k", "started_at": clock.now()}
        session.add(Attempt(part_id=part.id, number=1, outcome="unknown", **more))


def test_what_would_be_sent_and_what_not_is_said_before(database, acme, queue, signed_in, work) -> None:
    free, doubt, fine = numbered(queue, acme, 3)
    failed(database, free)
    failed(database, doubt)
    doubtful(database, doubt, acme.sender)
    client = signed_in(acme.agency)
    assert 'value="resend"' in client.get(LIST).text
    page = chosen(client, "resend", free, doubt, fine)
    shown = client.get(page).text
    for count in ("free", "doubtful", "refused"):
        assert f'id="{count}-count">1' in "".join(shown.split()).replace("<ddid", "<dd id")
    assert "of one attempt nobody knows" in shown and "There is nothing to send again" in shown
    assert not jobs(database) and not again(database, free)
    post(client, page, page)
    work()
    assert [again(database, each) for each in (free, doubt, fine)] == [1, 0, 0]
    shown = client.get(page).text
    assert "because it may have arrived" in shown and "what was sent again" in shown
    with database.read() as session:
        entries = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
        assert [each.action for each in entries if each.action.startswith("sent again")] == [
            "sent again in bulk",
            "sent again",
        ]
        assert session.scalars(select(Deed)).one().state == DeedState.DONE


def test_doubts_are_overruled_with_a_reason_which_is_kept(database, acme, queue, signed_in, work) -> None:
    message = queue(acme)
    failed(database, message)
    doubtful(database, message, acme.sender)
    client = signed_in(acme.agency)
    page = chosen(client, "resend", message)
    post(client, page, page, overrule="1")
    assert "Say why" in client.get(page).text and not jobs(database)
    post(client, page, page, overrule="1", reason="The provider told us that it lost them.")
    work()
    assert again(database, message) == 1
    with database.read() as session:
        change = session.scalars(select(StatusChange).where(StatusChange.code == resending.RESENT)).one()
        assert "The provider told us" in change.detail
        told = session.scalars(select(AuditEntry).where(AuditEntry.action == "sent again")).one()
        assert told.after["overruled"] is True and told.after["reason"] == "The provider told us that it lost them."
        assert told.who == f"user{acme.agency}@example.com"


def test_pressed_twice_and_killed_half_way_it_is_done_once(parts, database, acme, queue, signed_in, work, monkeypatch):
    mine = numbered(queue, acme, 5)
    for each in mine:
        failed(database, each)
    client = signed_in(acme.agency)
    page = chosen(client, "resend", *mine)
    for _ in range(2):
        assert post(client, page, page).status_code == 303
    assert "That was said before" in client.get(page).text
    (due,) = _deed_jobs(database)
    real, calls = resending.resend, []

    def killed(*args, **more):
        calls.append(1)
        if len(calls) == 3:
            made = real(*args, **more)
            raise KeyboardInterrupt(made.uuid)  # the process ends before its commit
        return real(*args, **more)

    monkeypatch.setattr(deeds.resending, "resend", killed)
    with pytest.raises(KeyboardInterrupt):
        handlers(parts)["deed"](due)
    assert [again(database, each) for each in mine].count(1) == 2
    monkeypatch.undo()
    work()
    work()
    assert [again(database, each) for each in mine] == [1] * 5
    assert {state for state, _ in items(database).values()} == {ItemState.DONE}
    with database.write() as session:  # an old job, or one that a sweep adds for nothing
        session.execute(update(Deed).values(state=DeedState.UNDERWAY))
        assert deeds.enqueue_forgotten(session) == 1
        assert deeds.enqueue_forgotten(session) == 0
    work()
    assert [again(database, each) for each in mine] == [1] * 5


def test_one_that_the_portal_fails_on_keeps_no_other(database, acme, queue, work, monkeypatch) -> None:
    bad, good = numbered(queue, acme, 2)
    real = deeds.decisions.cancel

    def cancel(session, message_id, who):
        if message_id == bad.id:
            raise RuntimeError("a fault of our own")
        return real(session, message_id, who)

    monkeypatch.setitem(deeds._ACTS, DeedKind.CANCEL, ("cancelled", cancel))
    with database.write() as session:
        deed = deeds.choose(session, DeedKind.CANCEL, [bad.id, good.id], ANNA)
        deeds.confirm(session, deed, ANNA, "")
    work()
    assert items(database) == {bad.id: ("refused", deeds.FAILED), good.id: ("done", "")}
    assert [reload(database, each).status for each in (bad, good)] == [Status.QUEUED, Status.CANCELLED]


def test_all_that_match_are_those_of_the_filter_and_of_ones_own(database, acme, rival, queue, signed_in, work) -> None:
    mine, theirs = numbered(queue, acme, 4), queue(rival)
    for each in (*mine, theirs):
        failed(database, each)
    client = signed_in(acme.agency)
    page = chosen(client, "resend", all="1", status="failed", location=acme.ghl_id)
    assert "Send 4 messages again" in client.get(page).text
    assert post(client, f"{LIST}/deeds", all="1", kind="resend", location=rival.ghl_id).status_code == 404
    post(client, page, page)
    work()
    assert [again(database, each) for each in (*mine, theirs)] == [1, 1, 1, 1, 0]
    # What was sent again is not found a second time.
    assert (
        "Choose at least one message"
        in client.get(chosen(client, "resend", all="1", status="failed", location=acme.ghl_id)).text
    )


def test_somebody_elses_messages_are_not_chosen(database, acme, rival, queue, signed_in) -> None:
    mine, theirs = queue(acme), queue(rival)
    client = signed_in(acme.agency)
    page = chosen(client, "cancel", mine, theirs)
    assert "Cancel 1 message" in client.get(page).text
    assert signed_in(rival.agency).get(page).status_code == 404
    limited = signed_in(acme.agency, "viewer")
    assert limited.get(page).status_code == 200 and post(limited, page, page).status_code == 403
    assert 'id="many"' not in limited.get(LIST).text


def test_more_than_fit_are_said(database, acme, queue, signed_in, monkeypatch) -> None:
    monkeypatch.setattr(deeds, "MOST", 2)
    numbered(queue, acme, 3)
    client = signed_in(acme.agency)
    shown = client.get(chosen(client, "cancel", all="1")).text
    assert "Cancel 2 messages" in shown and "More messages match" in shown
    assert client.get(LIST).status_code == 200
    named = chosen(client, "cancel", *numbered(queue, acme, 3, "More"))
    assert "Choose 2 messages at most" in client.get(named).text


def test_held_back_stays_until_a_person_lets_it_go(parts, database, acme, queue, signed_in, work) -> None:
    first, second = queue(acme, "First"), queue(acme, "Second")
    other = queue(acme, "Another", phone="+639170000077")
    client = signed_in(acme.agency)
    page = chosen(client, "hold", first, other)
    post(client, page, page)
    work()
    assert [reload(database, each).status for each in (first, second, other)] == [Status.HELD] * 3
    assert "holds it back" in client.get(f"{LIST}/{first.uuid}").text
    with database.write() as session:
        assert not releasing.may_go(session, first.conversation_id)
        releasing.release_held(session, acme.location)
    release_all(parts)
    carry_out(parts)
    assert [reload(database, each).status for each in (first, second, other)] == [Status.HELD] * 3
    page = chosen(client, "release", first, other, second)
    post(client, page, page)
    work()
    release_all(parts)
    assert [reload(database, each).status for each in (first, second, other)] == [Status.QUEUED] * 3
    carry_out(parts)
    assert [reload(database, each).status for each in (first, second, other)] == [Status.ACCEPTED] * 3
    with pytest.raises(InvalidInput, match="too late"), database.write() as session:
        holding.hold(session, first.id, "anna")


def test_one_is_held_back_and_let_go_on_its_own_page(parts, database, acme, queue, signed_in) -> None:
    message, client = queue(acme), signed_in(acme.agency)
    page = f"{LIST}/{message.uuid}"
    assert 'id="hold"' in client.get(page).text
    post(client, f"{page}/hold", page)
    shown = client.get(page).text
    assert reload(database, message).status == Status.HELD and 'id="let-go"' in shown and 'id="hold"' not in shown
    post(client, f"{page}/let-go", page)
    release_all(parts)
    assert reload(database, message).status == Status.QUEUED and "Let go." in client.get(page).text


def test_a_selection_that_nobody_confirms_is_forgotten(database, acme, queue, time) -> None:
    message = queue(acme)
    with database.write() as session:
        draft = deeds.choose(session, DeedKind.CANCEL, [message.id], ANNA)
        deeds.confirm(session, deeds.choose(session, DeedKind.CANCEL, [message.id], ANNA), ANNA, "")
        assert deeds.forget(session) == 0
    time.forward(days=2)
    with database.write() as session:
        assert deeds.forget(session) == 1
        assert session.get(Deed, draft.id) is None and len(session.scalars(select(DeedItem)).all()) == 1


def test_of_several_tries_that_failed_the_last_is_sent_again(database, acme, queue) -> None:
    first, retry = queue(acme, "Your table is ready"), queue(acme, "Your table is ready")
    with database.write() as session:
        session.get_one(Message, retry.id).retry_of_id = first.id
    failed(database, first)
    with database.read() as session:
        assert "another try of it is queued" in resending.look(session, session.get_one(Message, first.id)).doubt
    failed(database, retry)
    with database.read() as session:
        one, two = (session.get_one(Message, each.id) for each in (first, retry))
        assert "a later try of it" in resending.look(session, one).refusal
        assert not resending.look(session, two).refusal and not resending.look(session, two).doubt
        assert [each.id for each in families.family(session, two)] == [first.id, retry.id]
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event)) == 2


def fields(client, page: str) -> dict[str, str]:
    """The hidden fields of the form that confirms."""
    found = re.search(r'name="seen"\s+value="([^"]*)"', client.get(page).text)
    assert found is not None
    return {"seen": found[1]}


def test_what_was_not_to_be_sent_when_a_person_said_so_is_not_sent_afterwards(
    database, acme, queue, signed_in, work
) -> None:
    """The doubts of those that were shown are overruled, and no others: a person has not said that they go twice."""
    doubt, later, free = numbered(queue, acme, 3)
    failed(database, doubt)
    failed(database, free)
    doubtful(database, doubt, acme.sender)
    client = signed_in(acme.agency)
    page = chosen(client, "resend", doubt, later, free)
    said = {**fields(client, page), "overrule": "1", "reason": "They told us that it was lost."}
    post(client, page, page, **said)
    # Between the word and the work: what was under way ends without an outcome, and the provider tells of another.
    failed(database, later)
    doubtful(database, later, acme.sender)
    doubtful(database, free, acme.sender)
    with database.write() as session:
        deeds.enqueue_forgotten(session)
    work()
    assert [again(database, each) for each in (doubt, later, free)] == [1, 0, 0]
    assert {id_: state for id_, (state, _) in items(database).items()} == {
        doubt.id: ItemState.DONE,
        later.id: ItemState.REFUSED,
        free.id: ItemState.REFUSED,
    }


def test_a_preview_that_does_not_hold_any_more_is_shown_anew(database, acme, queue, signed_in, work) -> None:
    doubt, later = numbered(queue, acme, 2)
    failed(database, doubt)
    doubtful(database, doubt, acme.sender)
    client = signed_in(acme.agency)
    page = chosen(client, "resend", doubt, later)
    said = {**fields(client, page), "overrule": "1", "reason": "They told us that it was lost."}
    failed(database, later)
    doubtful(database, later, acme.sender)
    post(client, page, page, **said)
    assert "has changed since you looked" in client.get(page).text and not jobs(database)
    post(client, page, page, **said | fields(client, page))
    work()
    assert [again(database, each) for each in (doubt, later)] == [1, 1]
