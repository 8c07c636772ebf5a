"""Tokens over processes: one refresh however many need it, and HighLevel's early 403 is no reason for one."""

import pytest

from portal.sandbox import world as demo
from portal.sandbox.ghl.grants import Owner
from tests.portal import eventually
from tests.processes.harness import people, settled

PLACE, AGENCY = demo.DEMO_LOCATIONS[0], demo.DEMO_COMPANY
NEEDS = 50


def send(sandbox, count: int, contacts) -> dict[str, str]:
    """Sends that many, each of them taken at once, and says what HighLevel must show in the end."""
    sent = sandbox.deliveries.send_many(count, contacts=contacts)
    assert all(delivery.taken for delivery in sent), [one.answers for one in sent if not one.taken]
    return {delivery.message.id: "delivered" for delivery in sent}


def refreshes(sandbox, owner_id: str) -> list[str]:
    """How the uses of this owner's refresh tokens went."""
    return [one.outcome for one in sandbox.ghl.grants.refreshes if one.owner_id == owner_id]


@pytest.mark.postgres
def test_fifty_needs_of_an_expired_token_over_two_workers_are_one_refresh(on_postgres):
    sandbox = on_postgres.sandbox
    for process in [on_postgres.launch(role) for role in ("web", "worker", "worker")]:
        process.wait_ready()
    on_postgres.prepare(PLACE)
    on_postgres.install(Owner(AGENCY.id))
    eventually(lambda: not on_postgres.jobs(), what="the installations finished")
    ending = f"UPDATE installation SET expires_at = now() + interval '5 seconds' WHERE ghl_id IN {PLACE.id, AGENCY.id}"
    on_postgres.rows(ending)
    # Long enough for every thread of both workers to stand before the refresh.
    sandbox.faults.arm("ghl.token", "slow", seconds=3, times=None)
    places = [sandbox.world.add_location(f"Branch {n}") for n in range(NEEDS)]
    for place in places:
        assert sandbox.deliveries.install(AGENCY.id, place.id).taken
    settled(on_postgres, send(sandbox, NEEDS, people(sandbox, [PLACE], NEEDS)))
    eventually(lambda: not on_postgres.jobs(), what="every location minted")
    minted = on_postgres.rows("SELECT count(*) FROM installation WHERE kind = 'location' AND state = 'active'")
    # The other demo location is the agency's too.
    assert minted == [(NEEDS + len(demo.DEMO_LOCATIONS),)]
    assert refreshes(sandbox, AGENCY.id) == ["rotated"]
    assert refreshes(sandbox, PLACE.id) == ["rotated"]
    assert len(sandbox.ghl.grants.refreshes) == 2
    refused = [call for call in sandbox.records.calls("ghl") if call.status == 401]
    assert refused == [], "nobody used the token that was replaced"
    sandbox.ghl.grants.expire_access_tokens()
    settled(on_postgres, send(sandbox, NEEDS, people(sandbox, [PLACE], NEEDS)))
    assert refreshes(sandbox, PLACE.id) == ["rotated", "rotated"], "one more, for a token refused in mid-flight"
    assert on_postgres.complaints() == []


def test_an_early_403_is_waited_out_without_a_refresh(on_sqlite):
    sandbox = on_sqlite.sandbox
    sandbox.ghl.early_403_seconds = 8
    on_sqlite.start()
    on_sqlite.prepare(PLACE)
    settled(on_sqlite, send(sandbox, 20, people(sandbox, [PLACE], 10)))
    messages = sandbox.ghl.mailbox.messages(direction="outbound")
    assert any(403 in message.refused for message in messages), "it was told too early at least once"
    for message in messages:
        assert [change.status for change in message.history] == ["delivered"]
        assert message.history[0].at - message.posted_at >= 8
    assert refreshes(sandbox, PLACE.id) == []
