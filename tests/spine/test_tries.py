"""Each attempt keeps what was said to the provider, and HighLevel's own retry is known for what it is."""

from datetime import timedelta

from sqlalchemy import select, update

from portal import clock
from portal.messaging import attempts, families
from portal.models import Attempt, Message, Status
from tests.portal import eventually


def test_what_was_said_to_the_provider_is_kept_for_a_while_and_without_its_key(portal):
    portal.sandbox.faults.arm("cast.send", "status", times=1, status=500)
    portal.sandbox.deliveries.send("Read me later")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
    with portal.session() as session:
        refused, accepted = session.scalars(select(Attempt).order_by(Attempt.id)).all()
    assert "Read me later" in refused.request and refused.response.startswith("500")
    assert accepted.request.startswith("POST http://127.0.0.1/") and accepted.response.startswith("2")
    told = f"{refused.request}{refused.response}{accepted.request}{accepted.response}"
    assert "cast_" not in told and "Authorization" not in told
    database = portal.parts.database
    assert attempts.forget(database, clock.now() - timedelta(days=1)) == 0
    assert attempts.forget(database, clock.now() + timedelta(days=1)) == 2
    assert attempts.forget(database, clock.now() + timedelta(days=1)) == 0
    with portal.session() as session:
        assert set(session.scalars(select(Attempt.request))) == {None}


def test_highlevels_own_retry_is_linked_to_what_it_repeats(portal):
    first = _send(portal, "Your table is ready", Status.DELIVERED)
    with portal.parts.database.write() as session:
        session.execute(update(Message).where(Message.id == first.id).values(status=Status.FAILED))
    retry = _send(portal, "Your table is ready", Status.DELIVERED)
    assert first.retry_of_id is None and retry.retry_of_id == first.id
    other = _send(portal, "Another text", Status.DELIVERED)
    again = _send(portal, "Your table is ready", Status.DELIVERED)
    assert other.retry_of_id is None
    assert again.retry_of_id == first.id  # still within the day
    with portal.session() as session:
        found = families.family(session, session.get_one(Message, first.id))
        assert [each.id for each in found] == [first.id, retry.id, again.id]
    with portal.parts.database.write() as session:
        session.execute(update(Message).values(status_at=clock.now() - timedelta(days=2)))
    assert _send(portal, "Your table is ready", Status.DELIVERED).retry_of_id is None


def _send(portal, text: str, status: Status) -> Message:
    before = len(portal.messages())
    portal.sandbox.deliveries.send(text)

    def ended() -> bool:
        found = portal.messages()
        return len(found) == before + 1 and found[-1].status == status

    eventually(ended, seconds=60, what=f"{text}: {status}")
    return portal.messages()[-1]
