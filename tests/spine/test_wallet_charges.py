"""What the ledger settles is charged to the wallet in HighLevel: each entry once, whatever becomes of the answers."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import event, select, update

from portal import clock
from portal.alerts.notices import CHARGES_WAIT, SCOPES_MISSING, WALLET_EMPTY
from portal.channels.base import Outcome, Receipt
from portal.credits import agencies, charging, ledger, pricing, refusals, tariffs, terms
from portal.ghl.billing import Meter
from portal.installations import moves
from portal.installations.lifecycle import ensure_agency
from portal.messaging import receipts, wallet_charges
from portal.messaging.outbound import fail
from portal.messaging.wallet_charges import WalletCharges
from portal.models import (
    AgencyWallet,
    Alert,
    CreditPlan,
    Direction,
    Job,
    LedgerEntry,
    Location,
    Message,
    Part,
    Sender,
    Wallet,
    WalletCharge,
)
from portal.queue.jobs import APPLY, GHL, SEND
from portal.sandbox import world
from portal.web.pages.queries import credit_prices
from portal.worker.tasks import handlers
from tests.ghl_spec import check_request
from tests.hand import work
from tests.portal import PLACE, Portal
from tests.spine.api import OTHER, Client, new_key

CONTACT = world.DEMO_PEOPLE[0][0][1]
LOST = ("status_after", "half_answer", "reset_after")


def made(database_url, sandbox, folder, **more):
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, folder, ghl_meter=Meter(world.METER_ID, dynamic=True), **more)
    running.handlers = handlers(running.parts)
    running.install()
    running.add_sender("simulator")
    return running


@pytest.fixture
def shop(database_url, sandbox, tmp_path, time):
    """A portal whose location pays two cents for a credit out of its wallet in HighLevel; the test moves the work."""
    running = made(database_url, sandbox, tmp_path)
    allow(running, "go_on", micros=20_000)
    yield running
    running.close()


def allow(portal, policy, micros=None, currency="USD"):
    with portal.database.write() as session:
        ledger.wallet_of(session, 1)
    with portal.database.write() as session:
        if micros is not None:
            plan = CreditPlan(name="Two cents", credit_micros=micros, currency=currency, created_at=clock.now())
            session.add(plan)
            session.flush()
            session.execute(update(Wallet).values(plan_id=plan.id))
        charging.set_policy(session, session.get_one(Location, 1), policy)


def deliver(portal, *texts, **more):
    contact = portal.sandbox.ghl.directory.of_location(PLACE.id)[0]
    for text in texts:
        portal.sandbox.deliveries.send(text, contact=contact, **more)
    work(portal, APPLY)


def out(portal, *texts, **more):
    """Sends them, and carries out what follows once."""
    deliver(portal, *texts, **more)
    while work(portal, SEND):
        pass


def go(portal, time=None, times=1, **forward):
    """What HighLevel is told, again and again, with a pause before each but the first."""
    for number in range(times):
        if number and time is not None:
            time.forward(**(forward or {"minutes": 2}))
        while work(portal, GHL):
            pass


def charges(portal):
    with portal.session() as session:
        return list(session.scalars(select(WalletCharge).order_by(WalletCharge.id)))


def states(portal):
    return [each.state for each in charges(portal)]


def till(portal):
    return [each for each in portal.sandbox.ghl.till.all() if not each.refunded]


def alerts(portal, kind):
    with portal.session() as session:
        return list(session.scalars(select(Alert).where(Alert.kind == kind, Alert.closed_at.is_(None))))


def fail_late(portal, number=0):
    """The provider says of a message that it had taken that it failed."""
    part = portal.parts_of(portal.messages()[number])[0]
    receipt = Receipt(part.external_id, Outcome.FAILED, "9", "It failed.")
    with portal.database.write() as session:
        receipts.take_receipt(session, session.get_one(Sender, part.sender_id), receipt, None)


def test_every_settled_entry_is_charged_once_at_the_plans_price(shop):
    out(shop, "One", "Two")
    assert states(shop) == ["waiting", "waiting"]
    go(shop)
    assert states(shop) == ["charged", "charged"]
    found = till(shop)
    assert [(each.units, each.price, each.amount) for each in found] == [(1, 0.02, 0.02)] * 2
    uuids = [message.uuid for message in shop.messages()]
    assert [each.event_id for each in found] == [f"settle-{uuid}-1" for uuid in uuids]
    assert [(each.charge_id, each.amount_micros) for each in charges(shop)] == [(each.id, 20_000) for each in found]
    with shop.session() as session:
        entries = session.scalars(select(LedgerEntry).where(LedgerEntry.spent > 0)).all()
    assert [each.entry_key for each in charges(shop)] == [each.key for each in entries]
    assert not [job for job in shop.jobs() if job.kind == "charge_wallet"]


def test_the_requests_are_those_of_the_official_specification(shop, time):
    shop.sandbox.faults.arm("ghl.charge", "half_answer")
    out(shop, "One")
    go(shop, time, 3)
    fail_late(shop)
    go(shop)
    with shop.database.write() as session:
        charging.enqueue_looks(session)
    go(shop)
    seen = [call for call in shop.sandbox.records.calls() if call.path.startswith("/marketplace/billing")]
    routes = {f"ghl.{name}" for name in ("charge", "list_charges", "get_charge", "delete_charge", "has_funds")}
    assert {call.route for call in seen} == routes
    for call in seen:
        body = b"" if not call.body else json.dumps(call.body).encode()
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {call.token}"}
        check_request(call.method, call.path, headers, call.query, body)


def test_the_api_lists_them(shop):
    out(shop, "One", "Two")
    go(shop)
    api = Client(shop, new_key(shop))
    page = api.get("/credits/charges?limit=1")
    [newest] = page["data"]
    told = (newest["state"], newest["amount"], newest["units"], newest["message"])
    assert told == ("charged", 0.02, 1, shop.messages()[1].uuid)
    assert newest["charge_id"] == till(shop)[1].id
    [oldest] = api.get(f"/credits/charges?limit=1&cursor={page['next']}")["data"]
    assert oldest["message"] == shop.messages()[0].uuid
    shop.install(OTHER)
    elsewhere = Client(shop, new_key(shop, places=(OTHER.id,), name="another"))
    assert elsewhere("GET", "/credits/charges").json().get("data", []) == []


def test_nothing_is_charged_where_it_is_off(shop):
    allow(shop, "off")
    out(shop, "One")
    go(shop)
    assert charges(shop) == [] and till(shop) == []


def test_an_agencys_policy_counts_for_its_sub_accounts_that_have_none(shop):
    allow(shop, "")
    out(shop, "One")
    assert charges(shop) == []
    with shop.database.write() as session:
        agency = session.get_one(Location, 1).agency_id
        agencies.wallet_of(session, agency)
        charging.set_agency_policy(session, agency, "go_on")
    out(shop, "Two")
    assert len(charges(shop)) == 1
    with shop.session() as session:
        assert session.scalars(select(AgencyWallet.ghl_policy)).all() == ["go_on"]


def test_what_comes_in_is_charged_too(shop):
    address = f"{shop.url}/webhooks/sms/simulator/{shop.sender_key(1)}/receive"
    shop.sandbox.phone.send("Hello", from_number=CONTACT, webhook_url=address)
    work(shop, APPLY)
    go(shop)
    [one] = till(shop)
    [message] = shop.messages("in")
    assert (one.event_id, one.description) == (f"inbound-{message.uuid}", "Message received: 1 credit")


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_is_looked_up_and_never_charged_twice(shop, time, fault):
    shop.sandbox.faults.arm("ghl.charge", fault, status=502)
    out(shop, "One")
    go(shop)
    assert states(shop) == ["asked"] and len(till(shop)) == 1
    go(shop, time, 3)
    assert states(shop) == ["charged"] and len(till(shop)) == 1
    assert len(shop.sandbox.records.calls("ghl.charge")) == 1
    assert charges(shop)[0].charge_id == till(shop)[0].id


@pytest.mark.parametrize("fault", ["reset_before", "status"])
def test_what_was_not_made_is_made_once_it_is_certain(shop, time, fault):
    shop.sandbox.faults.arm("ghl.charge", fault, status=503)
    out(shop, "One")
    go(shop)
    assert states(shop) == ["asked"] and till(shop) == []
    time.forward(seconds=10)
    go(shop)
    assert till(shop) == [], "HighLevel may still be at it"
    go(shop, time, 3)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_a_charge_that_is_there_twice_is_taken_back_once(shop, time):
    """A call that was thought lost for good takes effect after all."""
    shop.sandbox.faults.arm("ghl.charge", "half_answer")
    out(shop, "One")
    go(shop)
    [first] = till(shop)
    body = {"locationId": PLACE.id, "eventId": first.event_id, "description": "", "units": 1, "price": 0.02}
    shop.sandbox.ghl.till.take(body | {"meterId": world.METER_ID})
    assert len(till(shop)) == 2
    go(shop, time, 3)
    assert len(till(shop)) == 1 and charges(shop)[0].charge_id == till(shop)[0].id


def test_a_kill_between_the_mark_and_the_call_charges_once(shop, time, monkeypatch):
    def die(*_):
        raise SystemExit

    out(shop, "One")
    monkeypatch.setattr("portal.ghl.billing.Billing.charge", die)
    with pytest.raises(SystemExit):
        go(shop)
    monkeypatch.undo()
    monkeypatch.setattr(clock, "now", time.now)
    assert states(shop) == ["asked"]
    go(shop, time, 3)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_credits_given_back_take_their_charge_back(shop, time):
    out(shop, "One", "Two")
    go(shop)
    fail_late(shop)
    go(shop)
    assert states(shop) == ["refunded", "charged"]
    assert [each.event_id.split("-", 1)[1][:-2] for each in till(shop)] == [shop.messages()[1].uuid]


@pytest.mark.parametrize("fault", LOST)
def test_a_lost_answer_to_a_refund_is_looked_up(shop, time, fault):
    out(shop, "One")
    go(shop)
    shop.sandbox.faults.arm("ghl.delete_charge", fault, status=502)
    fail_late(shop)
    go(shop)
    assert states(shop) == ["refunding"]
    go(shop, time, 3)
    assert states(shop) == ["refunded"] and till(shop) == []
    assert len(shop.sandbox.records.calls("ghl.delete_charge")) == 1


def test_what_was_given_back_before_it_was_charged_is_never_charged(shop):
    out(shop, "One")
    fail_late(shop)
    go(shop)
    assert states(shop) == ["dropped"]
    assert shop.sandbox.records.calls("ghl.charge") == []


def test_what_failed_before_it_was_taken_is_not_charged(shop):
    deliver(shop, "One")
    with shop.database.write() as session:
        part = session.scalars(select(Part)).one()
        fail(session, part.message, "It failed.", "9")
    work(shop, SEND)
    go(shop)
    assert charges(shop) == [] and till(shop) == []


def test_an_empty_wallet_holds_nothing_up_but_its_charges(shop, time):
    shop.sandbox.ghl.till.funds[PLACE.id] = 0.02
    out(shop, "One", "Two")
    go(shop)
    assert states(shop) == ["charged", "waiting"]
    [alert] = alerts(shop, WALLET_EMPTY)
    assert "messages go out and their charges wait" in alert.text
    out(shop, "Three")
    assert [message.status for message in shop.messages()] == ["accepted"] * 3
    shop.sandbox.ghl.till.funds[PLACE.id] = 5.0
    time.forward(minutes=2)
    with shop.database.write() as session:
        assert charging.enqueue_looks(session) == 1
    go(shop)
    assert states(shop) == ["charged"] * 3 and alerts(shop, WALLET_EMPTY) == []


def test_by_policy_messages_wait_for_funds_and_go_out_in_order(shop, time):
    allow(shop, "hold")
    shop.sandbox.ghl.till.funds[PLACE.id] = 0.0
    with shop.database.write() as session:
        charging.enqueue_looks(session)
    go(shop)
    out(shop, "One", "Two")
    assert [message.status for message in shop.messages()] == ["held", "held"]
    assert shop.messages()[0].reason == refusals.NO_FUNDS
    assert "what it sends waits" in alerts(shop, WALLET_EMPTY)[0].text
    shop.sandbox.ghl.till.funds[PLACE.id] = 1.0
    time.forward(minutes=2)
    with shop.database.write() as session:
        charging.enqueue_looks(session)
    for _ in range(4):
        work(shop, GHL), work(shop, SEND)
    go(shop)
    assert [message.status for message in shop.messages()] == ["accepted", "accepted"]
    assert [each.event_id for each in till(shop)] == [f"settle-{each.uuid}-1" for each in shop.messages()]


def test_switching_it_off_lets_go_what_waits_for_funds(shop):
    allow(shop, "hold")
    with shop.database.write() as session:
        charging.note_funds(session, session.get_one(Location, 1), False)
    out(shop, "One")
    assert shop.messages()[0].status == "held"
    allow(shop, "off")
    with shop.session() as session:
        assert refusals.why(session, 1, 1) == ""


def test_a_refused_token_is_renewed(shop):
    shop.sandbox.ghl.grants.expire_access_tokens()
    out(shop, "One")
    go(shop)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_without_the_scope_charges_wait_and_a_person_is_told(shop, time):
    out(shop, "One")
    shop.sandbox.ghl.grants.scope = shop.sandbox.ghl.grants.scope.replace("charges.write", "")
    shop.install()
    go(shop)
    assert states(shop) == ["waiting"] and alerts(shop, SCOPES_MISSING)
    shop.sandbox.ghl.grants.scope += " charges.write"
    shop.install()
    go(shop, time, 3)
    assert states(shop) == ["charged"]


def test_a_plan_without_a_price_says_so_and_loses_nothing(shop, time):
    with shop.database.write() as session:
        session.execute(update(CreditPlan).values(currency="EUR"))
        charging.forget(session)
    out(shop, "One")
    go(shop)
    assert states(shop) == ["waiting"] and wallet_charges.NO_PRICE in charges(shop)[0].failure
    assert alerts(shop, CHARGES_WAIT)
    with shop.database.write() as session:
        session.execute(update(CreditPlan).values(currency="USD", credit_micros=50_000))
    with shop.database.write() as session:
        assert charging.try_now(session) == 1
    go(shop)
    assert [each.amount for each in till(shop)] == [0.05] and charges(shop)[0].amount_micros == 50_000
    assert alerts(shop, CHARGES_WAIT) == []


def test_a_meter_with_its_own_price_is_sent_none_and_what_it_took_is_learnt(database_url, sandbox, tmp_path, time):
    sandbox.ghl.till.fixed_price = 0.015
    sandbox.ghl.limit.enforced = False
    running = Portal(database_url, sandbox, tmp_path, ghl_meter=Meter(world.METER_ID))
    running.handlers = handlers(running.parts)
    running.install()
    running.add_sender("simulator")
    allow(running, "go_on", micros=20_000)
    out(running, "One")
    go(running)
    assert [each.amount_micros for each in charges(running)] == [15_000]
    running.close()


def test_what_is_refused_for_its_own_sake_steps_aside(shop, time):
    out(shop, "One", "Two")
    first = shop.messages()[0].uuid
    shop.sandbox.faults.arm("ghl.charge", "status", status=422, times=None, only=first)
    go(shop, time, 12)
    assert states(shop) == ["waiting", "charged"]
    assert alerts(shop, CHARGES_WAIT)
    shop.sandbox.faults.clear()
    with shop.database.write() as session:
        charging.try_now(session, 1)
    go(shop)
    assert states(shop) == ["charged", "charged"] and alerts(shop, CHARGES_WAIT) == []


def test_after_a_restore_what_waited_is_looked_up_first(shop, time):
    out(shop, "One")
    with shop.database.write() as session:
        assert charging.doubt(session) == 1
    uuid = shop.messages()[0].uuid
    body = {"locationId": PLACE.id, "eventId": f"settle-{uuid}-1", "description": "", "units": 1, "price": 0.02}
    shop.sandbox.ghl.till.take(body | {"meterId": world.METER_ID})
    go(shop, time, 3)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_a_charge_whose_job_is_gone_gets_one(shop):
    out(shop, "One")
    with shop.database.write() as session:
        session.query(Job).filter(Job.kind == charging.KIND).delete()
        assert charging.enqueue_forgotten(session) == 1
    go(shop)
    assert states(shop) == ["charged"]


def test_a_lane_of_statuses_does_not_wait_for_billing_that_is_down(shop):
    shop.sandbox.faults.arm("ghl.charge", "status", status=503, times=None)
    shop.sandbox.faults.arm("ghl.list_charges", "status", status=503, times=None)
    out(shop, "One")
    go(shop)
    out(shop, "Two")
    go(shop)
    assert [one.status for one in shop.sandbox.ghl.mailbox.messages(direction="outbound")] == ["pending", "pending"]
    with shop.session() as session:
        assert {each.direction for each in session.scalars(select(Message))} == {Direction.OUT}


def there(shop, meter=world.METER_ID):
    """A charge under our id that HighLevel has, and this database knows nothing of."""
    body = {"locationId": PLACE.id, "eventId": f"settle-{shop.messages()[0].uuid}-1", "description": "", "units": 1}
    return shop.sandbox.ghl.till.take(body | {"price": 0.02, "meterId": meter})


def test_a_lost_charge_is_found_although_another_meter_was_set_since(shop, time, monkeypatch):
    shop.sandbox.faults.arm("ghl.charge", "half_answer")
    out(shop, "One")
    go(shop)
    charges_made = shop.parts.wallet_charges
    other = replace(charges_made._settings, ghl_meter=Meter("anothermeter", dynamic=True))
    monkeypatch.setattr(charges_made, "_settings", other)
    go(shop, time, 3)
    assert states(shop) == ["charged"] and len(till(shop)) == 1
    assert len(shop.sandbox.records.calls("ghl.charge")) == 1


def test_who_has_slept_over_the_lease_does_not_charge_what_another_has_charged(shop, monkeypatch):
    make = WalletCharges._make

    def late(self, ghl, token, row, message, location):
        monkeypatch.setattr(WalletCharges, "_make", make)
        self._work(ghl, token, row.id, location)  # another process has taken the job over, and done it
        make(self, ghl, token, row, message, location)

    monkeypatch.setattr(WalletCharges, "_make", late)
    out(shop, "One")
    go(shop)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_an_answer_that_comes_after_all_is_not_forgotten_by_who_found_nothing(shop, time, monkeypatch):
    miss = WalletCharges._not_there

    def late(self, row):
        if clock.now() > row.asked_at + wallet_charges.BELIEVED_AFTER:
            monkeypatch.setattr(WalletCharges, "_not_there", miss)
            self._charged(row.id, there(shop).id, 20_000)  # the answer that the process before was still waiting for
        miss(self, row)

    monkeypatch.setattr(WalletCharges, "_not_there", late)
    shop.sandbox.faults.arm("ghl.charge", "reset_before")
    out(shop, "One")
    go(shop, time, 4)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_what_was_written_before_a_backup_and_is_paid_for_after_it_is_looked_up(shop, time):
    deliver(shop, "One")
    there(shop)
    time.forward(minutes=10)  # the backup is brought back meanwhile
    while work(shop, SEND):
        pass
    go(shop, time, 2)
    assert states(shop) == ["charged"] and len(till(shop)) == 1


def test_switching_it_off_says_no_more_that_the_wallet_is_empty(shop):
    allow(shop, "hold")
    with shop.database.write() as session:
        charging.note_funds(session, session.get_one(Location, 1), False)
    assert alerts(shop, WALLET_EMPTY)
    allow(shop, "off")
    assert alerts(shop, WALLET_EMPTY) == []
    with shop.session() as session:
        assert session.scalars(select(Wallet.ghl_empty_since)).one() is None


def test_a_sub_account_that_moves_to_an_agency_without_charges_does_not_wait_for_funds(shop):
    with shop.database.write() as session:
        place = session.get_one(Location, 1)
        agencies.wallet_of(session, place.agency_id)
        charging.set_policy(session, place, "")
        charging.set_agency_policy(session, place.agency_id, "hold")
        charging.note_funds(session, place, False)
    with shop.database.write() as session:
        assert refusals.why(session, 1, 1) == refusals.NO_FUNDS
        moves.belongs_to(session, session.get_one(Location, 1), ensure_agency(session, "anothercompany"))
    with shop.session() as session:
        assert refusals.why(session, 1, 1) == ""
    assert alerts(shop, WALLET_EMPTY) == []


def test_a_sub_account_that_moved_is_not_priced_by_the_agency_it_left(shop):
    ask = pricing.Ask("simulator", "sms", "out", "text")
    soon = clock.now() + tariffs.SOONEST * 2
    with shop.database.write() as session:
        place, plan = session.get_one(Location, 1), session.scalars(select(CreditPlan)).one()
        plan.agency_id = place.agency_id
        tariffs.add(session, plan.id, [pricing.Rule(50)], soon, "its admin")
    with shop.database.write() as session:
        assert terms.price(session, 1, ask, soon) == 50
        assert charging.tariff(session, 1).unit_micros == 20_000
        moves.belongs_to(session, session.get_one(Location, 1), ensure_agency(session, "anothercompany"))
    with shop.database.write() as session:
        assert terms.price(session, 1, ask, soon) == 1
        assert charging.tariff(session, 1).unit_micros == 0
        assert credit_prices.plan_of(session, session.scalars(select(Wallet)).one()) is None


def test_the_look_for_forgotten_charges_does_not_read_those_that_are_done(shop):
    out(shop, "One")
    go(shop)
    fail_late(shop)
    assert states(shop) == ["refunding"], "one that has to be taken back is open"
    with shop.database.write() as session:
        session.query(Job).delete()
        seen = []
        event.listen(session.connection(), "before_cursor_execute", lambda *given: seen.append(given[2:4]))
        assert charging.enqueue_forgotten(session) == 1
        if shop.database.sqlite:
            [(statement, parameters)] = [each for each in seen if each[0].startswith("SELECT wallet_charge.id")]
            plan = session.connection().exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters).all()
            assert "ix_wallet_charge_open" in str(plan)
    go(shop)
    assert states(shop) == ["refunded"] and till(shop) == []
