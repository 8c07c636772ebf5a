"""Pages with much on them in another language: every tier of the wall, deeds of every kind, every state of a charge."""

import re

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import LINE_DOWN, raise_alert
from portal.credits import charging
from portal.messaging import holding
from portal.messaging.deeds import FAILED
from portal.models import (
    Alert,
    ChargeState,
    DeedItem,
    InstallState,
    ItemState,
    Location,
    Message,
    MessageHour,
    PlaceStanding,
    Status,
    Wallet,
    WalletCharge,
    WalletPolicy,
)
from portal.queue.gates import block, ghl_gate, sender_gate
from tests.web.conftest import post
from tests.web.test_deeds import LIST, chosen, doubtful, numbered, work
from tests.web.test_languages import SPEAKS, folder, in_english, pretending
from tests.web.test_resending import failed, newest

__all__ = ["folder", "pretending", "work"]
# What the tests wrote, and who is signed in.
WRITTEN = re.compile(r"Branch|anna|Lost by them|charge-\w+|Hello \d")


def left(client, address: str) -> list[str]:
    answer = client.get(address, headers=SPEAKS, follow_redirects=True)
    assert answer.status_code == 200
    return [each for each in in_english(answer.text) if re.search(r"[^\W\d_]{2,}", WRITTEN.sub("", each))]


def test_the_wall_with_every_tier(pretending, database, acme, signed_in) -> None:
    now = clock.now()
    with database.write() as session:
        for need in range(5):
            place = Location(
                ghl_id=f"branch-{need}",
                agency_id=acme.agency,
                name=f"Branch {need}",
                install_state=InstallState.INSTALLED,
                created_at=now,
            )
            session.add(place)
            session.flush()
            counts = {"ready": 2, "troubled": need, "paused": need, "waiting": need, "held": need, "failed": need}
            more = {"oldest_at": now if need == 2 else None, "ghl_at": now if need else None, "credits": need or None}
            session.add(PlaceStanding(location_id=place.id, need=need * 1000, alerts=need, **counts, **more))
        for key in (ghl_gate(acme.location), sender_gate(acme.sender)):
            block(session, key, FAILED, seconds=3600)
        session.add(MessageHour(location_id=acme.location, hour=int(now.timestamp()) // 3600, written=41, failed=3))
        for number in range(9):
            raise_alert(session, LINE_DOWN, f"line-{number}", FAILED, acme.location)
        session.execute(update(Alert).values(count=3))
        session.execute(
            update(Alert).where(Alert.subject == "line-8").values(acknowledged_at=now, acknowledged_by="anna")
        )
    client = signed_in(acme.agency)
    for query in ("", "?span=30d", "?span=90d", "?q=branch&show=held", "?q=nobody"):
        assert left(client, f"/admin{query}") == [], query
    with database.write() as session:
        for number in range(9, 60):
            raise_alert(session, LINE_DOWN, f"line-{number}", FAILED, acme.location)
    assert "50 and more" in client.get("/admin").text and left(client, "/admin") == []


@pytest.mark.parametrize("kind", ["resend", "cancel", "hold", "release"])
def test_deeds_before_and_after(pretending, database, acme, queue, signed_in, work, kind: str) -> None:
    bad, doubt, waiting, held = numbered(queue, acme, 4)
    for each in (bad, doubt):
        failed(database, each)
    doubtful(database, doubt, acme.sender)
    with database.write() as session:
        holding.hold(session, held.id, "anna")
    client = signed_in(acme.agency)
    assert left(client, LIST) == []
    page = chosen(client, kind, bad, doubt, waiting, held)
    assert left(client, page) == []
    post(client, page, page, reason="Lost by them", **({"overrule": "1"} if kind == "resend" else {}))
    assert left(client, page) == []
    work()
    with database.write() as session:
        refused = session.scalars(select(DeedItem).where(DeedItem.state == ItemState.REFUSED).limit(1)).one()
        refused.note = FAILED
    assert left(client, page) == []


def test_a_message_and_its_tries(pretending, database, acme, queue, signed_in) -> None:
    message = queue(acme, "Hello 1")
    failed(database, message)
    doubtful(database, message, acme.sender)
    client, page = signed_in(acme.agency), f"{LIST}/{message.uuid}"
    assert left(client, page) == []
    post(client, f"{page}/resend", page)
    answer = client.get(page, headers=SPEAKS).text
    assert "⟦of one attempt nobody knows whether the provider took it⟧" in answer
    assert re.sub(r"\s+", " ", answer).count("⟦It was not sent again, because it may have arrived: ⟦of one") == 1
    post(client, f"{page}/resend", page, overrule="1", reason="Lost by them")
    again = newest(database)
    assert again.resend_of_id == message.id
    assert "although it may have arrived: ⟦of one attempt" in client.get(page, headers=SPEAKS).text
    for address in (page, f"{LIST}/{again.uuid}"):
        assert left(client, address) == []
    for status in (Status.SENDING, Status.FAILED):
        with database.write() as session:
            session.execute(update(Message).where(Message.id == again.id).values(status=status))
        assert left(client, page) == []


def test_a_message_that_somebody_holds_back(pretending, database, acme, queue, signed_in) -> None:
    message = queue(acme, "Hello 1")
    client, page = signed_in(acme.agency), f"{LIST}/{message.uuid}"
    for deed in ("hold", "hold", "let-go", "let-go"):
        post(client, f"{page}/{deed}", page)
        assert left(client, page) == []


@pytest.mark.parametrize("policy", ["off", "go_on", "hold"])
def test_charges_in_every_state(pretending, database, acme, queue, signed_in, policy: str) -> None:
    message, now = queue(acme, "Hello 1"), clock.now()
    address = f"/admin/locations/{acme.location}/credits/charges"
    client = signed_in(acme.agency)
    assert left(client, address) == []
    with database.write() as session:
        charging.set_policy(session, session.get_one(Location, acme.location), WalletPolicy(policy))
        wallet = session.scalars(select(Wallet)).one()
        wallet.ghl_empty_since = now if policy == "hold" else None
        for state in ChargeState:
            session.add(
                WalletCharge(
                    wallet_id=wallet.id,
                    message_id=message.id,
                    part=1,
                    entry_key=f"settle:{message.id}:1:{state}",
                    units=1,
                    unit_micros=10_000,
                    amount_micros=10_000,
                    at=now,
                    state=state,
                    charge_id=f"charge-{state}",
                    charged_at=now,
                    refunded_at=now,
                    failure=FAILED,
                )
            )
        charging.forget(session)
    for query in ("", "?state=waiting", "?state=dropped"):
        assert left(client, address + query) == [], query
