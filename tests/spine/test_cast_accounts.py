"""Cast in the portal: opt-outs that it knows of, test keys, shared accounts, balances, products."""

from datetime import timedelta

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import LOW_BALANCE, SENDER_FAULT, raise_alert
from portal.credits import ledger
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_location
from portal.messaging import contacts, senders
from portal.messaging.account_watch import is_low
from portal.messaging.outbound import Request, queue_message
from portal.models import Alert, Gate, Job, Location, OptOut, ProviderAccount, Sender, Wallet
from portal.queue import gates
from portal.sandbox import world
from tests.portal import PLACE, eventually

CONTACT = world.DEMO_PEOPLE[0][0][1]
SECOND = world.DEMO_LOCATIONS[1]
TEST_KEY = "cast_test_1"


def the(portal, model, *where):
    with portal.session() as session:
        return session.scalars(select(model).where(*where)).one()


def rows(portal, model, *where):
    with portal.session() as session:
        return list(session.scalars(select(model).where(*where).order_by(model.id)))


def alerts(portal, kind):
    return rows(portal, Alert, Alert.kind == kind, Alert.closed_at.is_(None))


def second_location(portal, **more):
    """Another tenant with a sender of its own at the same Cast account."""
    portal.install(SECOND)
    return portal.add_sender("cast", place=SECOND, name="second", **more)


def watch(portal):
    """What the clock does every minute, with every account due now."""
    past = clock.now() - timedelta(seconds=1)
    with portal.database.write() as session:
        session.execute(update(ProviderAccount).values(next_balance_at=past, next_opt_outs_at=past))
    portal.worker._clockwork.watch_senders()
    eventually(lambda: not [job for job in portal.jobs() if job.lane.startswith("account:")], what="accounts asked")


class TestOptOuts:
    def test_a_refusal_is_learnt_and_the_next_message_is_not_tried(self, portal):
        portal.sandbox.cast.unsubscribe(CONTACT, PLACE.sender_name)
        portal.sandbox.deliveries.send("An offer")
        eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed")
        first = portal.messages()[0]
        assert "unsubscribed" in first.reason and "Cast" in first.reason
        learnt = the(portal, OptOut)
        assert (learnt.location_id, learnt.family, learnt.address) == (1, "sms", CONTACT)
        assert learnt.source == f"Cast.ph SMS said ALREADY_UNSUBSCRIBED to message {first.uuid}"
        portal.sandbox.deliveries.send("Another offer")
        eventually(lambda: portal.ghl_statuses() == {"failed": 2}, what="the second failed")
        assert portal.sandbox.records.count("cast.send") == 1, "it was refused before any call"
        assert "opted out" in portal.messages()[1].reason and "ALREADY_UNSUBSCRIBED" in portal.messages()[1].reason
        assert the(portal, Wallet).spent == 0

    def test_the_list_is_imported_for_the_locations_whose_sender_id_was_left(self, portal):
        second_location(portal)
        cast = portal.sandbox.cast
        cast.unsubscribe(CONTACT, PLACE.sender_name)
        cast.unsubscribe("09185550102", PLACE.sender_name)
        cast.unsubscribe("+639275550201", SECOND.sender_name)
        cast.unsubscribe("+639275550202", "STRANGER")
        cast.unsubscribe("no number", PLACE.sender_name)
        watch(portal)
        found = [(row.location_id, row.address) for row in rows(portal, OptOut)]
        assert sorted(found) == [(1, "+639175550101"), (1, "+639185550102"), (2, "+639275550201")]
        assert all("on the list of Cast.ph SMS since 20" in row.source for row in rows(portal, OptOut))
        assert portal.sandbox.records.count("cast.unsubscribed") == 1, "once for the account"
        watch(portal)
        assert len(rows(portal, OptOut)) == 3, "again changes nothing"
        portal.sandbox.deliveries.send("An offer")
        eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed")
        assert portal.sandbox.records.count("cast.send") == 0

    def test_who_came_back_is_not_silenced_by_an_old_entry(self, portal):
        portal.sandbox.cast.unsubscribe(CONTACT, PLACE.sender_name)
        watch(portal)
        with portal.database.write() as session:
            session.execute(update(OptOut).values(lifted_at=clock.now() + timedelta(seconds=1), lifted_by="a test"))
        watch(portal)
        assert len(rows(portal, OptOut)) == 1
        portal.sandbox.cast.accounts[world.CAST_API_KEY].unsubscribed.clear()
        portal.sandbox.clock = portal.sandbox.cast.clock = lambda: clock.now().timestamp() + 60
        portal.sandbox.cast.unsubscribe(CONTACT, PLACE.sender_name)
        watch(portal)
        assert [row.lifted_at is None for row in rows(portal, OptOut)] == [False, True], "who left again is"

    def test_a_list_that_cannot_be_read_is_said_and_asked_for_again(self, portal):
        portal.sandbox.faults.arm("cast.unsubscribed", "status", status=500)
        watch(portal)
        account = the(portal, ProviderAccount)
        assert "error of its own" in account.opt_outs_failure and account.opt_outs_at is None
        assert account.next_opt_outs_at < clock.now() + timedelta(hours=2)
        watch(portal)
        account = the(portal, ProviderAccount)
        assert account.opt_outs_failure == "" and account.opt_outs_at is not None


class TestSandboxKeys:
    @pytest.fixture
    def testing(self, portal):
        portal.sandbox.cast.add_key(TEST_KEY)
        with portal.database.write() as session:
            senders.change(session, portal.parts.vault, 1, {"api_key": TEST_KEY})
        portal.parts.accounts._kept.clear()
        return portal

    def test_nothing_is_sent_nothing_costs_and_nothing_is_called_delivered(self, testing):
        testing.sandbox.deliveries.send("A try")
        eventually(lambda: testing.statuses() == {"accepted": 1}, what="accepted")
        eventually(lambda: not testing.jobs(), what="nothing more to do")
        message = testing.messages()[0]
        part = testing.parts_of(message)[0]
        assert part.external_id.startswith("SANDBOX_") and part.next_poll_at is None
        assert "sends nothing and costs nothing" in message.reason
        assert testing.sandbox.cast.accepted() == []
        assert testing.sandbox.records.count("cast.status") == 0
        wallet = the(testing, Wallet)
        assert (wallet.available, wallet.held, wallet.spent) == (0, 0, 0)
        with testing.session() as session:
            assert ledger.prove(session)[1] == []
        assert testing.ghl_statuses() == {"pending": 1}

    def test_the_sender_is_marked_until_it_has_a_real_key(self, testing):
        assert the(testing, Sender).sandbox
        with testing.database.write() as session:
            senders.change(session, testing.parts.vault, 1, {"api_key": world.CAST_API_KEY})
        assert not the(testing, Sender).sandbox

    def test_acceptance_never_counts_for_them(self, testing):
        with testing.database.write() as session:
            session.execute(update(Sender).values(acceptance_counts=True))
        testing.parts.accounts._kept.clear()
        testing.sandbox.deliveries.send("A try")
        eventually(lambda: testing.statuses() == {"accepted": 1}, what="accepted")
        eventually(lambda: not testing.jobs(), what="nothing more to do")
        assert testing.ghl_statuses() == {"pending": 1}


class TestSharedAccounts:
    def test_senders_of_one_key_share_a_gate_and_a_pace(self, idle):
        idle.add_sender("cast", pace=10.0)
        second_location(idle, pace=10.0)
        first, other = rows(idle, Sender)
        assert first.account_key == other.account_key != ""
        gate = the(idle, Gate, Gate.key == f"account:{first.account_key}")
        assert (gate.pace, gate.burst) == (10.0, 1.0)
        assert len(rows(idle, ProviderAccount)) == 1
        assert world.CAST_API_KEY not in first.account_key

    def test_the_usual_pace_is_the_providers(self, idle):
        wanted = senders.NewSender("cast", "plain", {"api_key": "cast_plain"}, operator=True)
        with idle.database.write() as session:
            key = senders.add(session, idle.parts.vault, ensure_location(session, PLACE.id), wanted).account_key
        assert the(idle, Gate, Gate.key == f"account:{key}").pace == 10.0
        assert the(idle, Gate, Gate.key == f"polls:{key}").pace == 15.0

    def test_a_429_stops_the_whole_account(self, portal):
        second_location(portal)
        portal.sandbox.faults.arm("cast.send", "status", status=429, retry_after=600, times=1)
        portal.sandbox.deliveries.send("One too many")
        eventually(lambda: portal.sandbox.records.count("cast.send") == 1, what="refused")
        gate = eventually(
            lambda: rows_of_gates(portal, Gate.key.startswith("account:"), Gate.blocked_until.is_not(None)), what="shut"
        )[0]
        assert gate.blocked_until > clock.now() + timedelta(seconds=500) and gate.failures == 0
        other = portal.sandbox.ghl.directory.of_location(SECOND.id)[0]
        portal.sandbox.deliveries.send("Waits with it", contact=other)
        waiting = eventually(
            lambda: len(jobs := [job for job in portal.jobs() if job.kind == "send"]) == 2 and jobs, what="both wait"
        )
        assert {job.gate for job in waiting} == {gate.key}
        assert portal.sandbox.records.count("cast.send") == 1

    def test_all_pass_at_casts_own_limit(self, portal):
        portal.sandbox.cast.rate = 10
        sender = the(portal, Sender)
        with portal.database.write() as session:
            session.execute(update(Gate).where(Gate.key == f"account:{sender.account_key}").values(pace=10.0))
        for number in range(12):
            portal.sandbox.deliveries.send(f"Number {number}")
        eventually(lambda: portal.ghl_statuses() == {"delivered": 12}, what="delivered")
        assert portal.sandbox.cast.repeats() == {}

    def test_a_new_key_takes_what_waits_along(self, idle):
        sender = idle.add_sender("cast")
        with idle.database.write() as session:
            location = session.get_one(Location, 1)
            contact = contacts.for_ghl(session, 1, "contact", CONTACT)
            queue_message(session, location, Request(contact, CONTACT, "Hi", 1, clock.now()))
        old = the(idle, Job, Job.kind == "send").gate
        with idle.database.write() as session:
            senders.change(session, idle.parts.vault, sender, {"api_key": "cast_new"})
        new = the(idle, Job, Job.kind == "send").gate
        assert new == f"account:{the(idle, Sender).account_key}" != old
        assert the(idle, Gate, Gate.key == new)

    @pytest.mark.parametrize(("api_url", "paces"), [("", (10.0, 15.0)), ("https://cast.example", (0.0, 200.0))])
    def test_casts_own_limits_hold_at_its_public_address(self, idle, api_url, paces):
        wanted = senders.NewSender("cast", "shop", {"api_key": "cast_key", "sender_id": "SHOP"}, api_url)
        with idle.database.write() as session:
            sender = senders.add(session, idle.parts.vault, session.get_one(Location, 1), wanted)
        key = sender.account_key
        found = [the(idle, Gate, Gate.key == name).pace for name in (f"account:{key}", f"polls:{key}")]
        assert tuple(found) == paces

    def test_a_success_closes_the_alerts_of_all_its_senders(self, portal):
        other = second_location(portal)
        key = the(portal, Sender, Sender.id == other).account_key
        with portal.database.write() as session:
            for sender in (1, other):
                raise_alert(session, SENDER_FAULT, gates.sender_gate(sender), "It cannot send.", None)
            session.execute(update(Gate).where(Gate.key == f"account:{key}").values(failures=3))
        portal.sandbox.deliveries.send("Well again")
        eventually(lambda: portal.statuses() == {"delivered": 1}, what="delivered")
        assert alerts(portal, SENDER_FAULT) == []

    def test_a_repair_closes_the_alert_and_a_removal_all_of_them(self, portal):
        with portal.database.write() as session:
            raise_alert(session, SENDER_FAULT, gates.sender_gate(1), "It cannot send.", 1)
            raise_alert(session, LOW_BALANCE, gates.sender_gate(1), "Little is left.", 1)
            senders.change(session, portal.parts.vault, 1, {"sender_id": SECOND.sender_name})
        assert not alerts(portal, SENDER_FAULT) and alerts(portal, LOW_BALANCE)
        assert the(portal, Sender).address == SECOND.sender_name
        with portal.database.write() as session:
            senders.remove(session, 1)
        assert not alerts(portal, LOW_BALANCE)


def rows_of_gates(portal, *where):
    with portal.session() as session:
        return list(session.scalars(select(Gate).where(*where)))


class TestBalance:
    def test_it_is_read_once_for_all_senders_of_the_account(self, portal):
        second_location(portal)
        watch(portal)
        account = the(portal, ProviderAccount)
        assert (account.balance, account.currency, account.postpaid) == (1_000_000, "PHP", False)
        assert account.balance_at is not None and account.balance_failure == ""
        assert portal.sandbox.records.count("cast.balance") == 1

    def test_crossing_downwards_warns_once_and_well_above_ends_it(self, portal):
        other = second_location(portal, credentials={"low_balance": "50"})
        cast = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        for credits, warned in ((100, 0), (99, 1), (80, 1), (110, 1), (120, 0), (99, 1)):
            cast.credits = credits
            watch(portal)
            assert len(alerts(portal, LOW_BALANCE)) == warned, credits
        cast.credits = 49
        watch(portal)
        [first, second] = alerts(portal, LOW_BALANCE)
        assert (first.location_id, first.count, first.returns) == (1, 2, 1) and "99 credits left" in first.text
        assert (second.location_id, "fewer than 50" in second.text) == (2, True)
        assert the(portal, Sender, Sender.id == other).balance_low_at is not None

    def test_what_a_person_has_closed_stays_closed_until_it_is_crossed_again(self, portal):
        cast = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        cast.credits = 10
        watch(portal)
        with portal.database.write() as session:
            session.execute(update(Alert).values(closed_at=clock.now()))
        watch(portal)
        assert alerts(portal, LOW_BALANCE) == []

    @pytest.mark.parametrize("credits", [0, -500])
    def test_postpaid_accounts_go_below_zero_without_alarm(self, portal, credits):
        cast = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        cast.credits, cast.postpaid = credits, True
        watch(portal)
        account = the(portal, ProviderAccount)
        assert (account.balance, account.postpaid) == (credits, True)
        assert alerts(portal, LOW_BALANCE) == []

    def test_a_balance_that_cannot_be_read_keeps_the_last_one(self, portal):
        watch(portal)
        before = the(portal, ProviderAccount)
        portal.sandbox.faults.arm("cast.balance", "status", status=503)
        watch(portal)
        after = the(portal, ProviderAccount)
        assert (after.balance, after.balance_at) == (before.balance, before.balance_at)
        assert "not available now" in after.balance_failure
        assert after.next_balance_at > clock.now()

    def test_accounts_without_a_sender_are_left_alone(self, portal):
        with portal.database.write() as session:
            senders.remove(session, 1)
        watch(portal)
        assert portal.sandbox.records.count("cast.balance") == 0

    def test_thresholds(self):
        assert [is_low(n, 100, False) for n in (100, 99)] == [False, True]
        assert [is_low(n, 100, True) for n in (119, 120)] == [True, False]
        assert not is_low(-5, 0, False) and not is_low(-5, 0, True)
        assert is_low(1, 1, True) and not is_low(2, 1, True)


class TestProducts:
    def test_a_product_that_is_not_enabled_stops_the_sender_and_only_it(self, portal):
        with portal.database.write() as session:
            senders.change(session, portal.parts.vault, 1, {"product": "sim", "sender_id": "SIM1"})
        portal.parts.accounts._kept.clear()
        portal.sandbox.deliveries.send("Over SIM")
        eventually(lambda: portal.statuses() == {"held": 1}, what="held")
        sender = the(portal, Sender)
        assert sender.state == "paused" and "ask Cast to enable it" in sender.state_reason
        assert "over SIM cards" in alerts(portal, SENDER_FAULT)[0].text
        assert not rows_of_gates(portal, Gate.failures > 0), "the account's other senders go on"
        assert portal.sandbox.records.count("cast.send_sim") == 1
        account = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        account.channels, account.sim_ids = (*account.channels, "sim"), ("SIM1",)
        with portal.database.write() as session:
            assert senders.resume(session, 1) == 1
        eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
        assert alerts(portal, SENDER_FAULT) == []
        assert portal.sandbox.records.count("cast.status_sim") > 0

    def test_viber_is_a_family_of_its_own(self, portal):
        account = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        account.channels = (*account.channels, "viber")
        with portal.database.write() as session:
            senders.remove(session, 1)
            session.add(OptOut(location_id=1, family="sms", address=CONTACT, source="a test", created_at=clock.now()))
        portal.add_sender("cast", name="viber", credentials={"product": "viber", "sender_code": "CODE"})
        portal.sandbox.deliveries.send("x" * 500)
        eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered")
        message = portal.messages()[0]
        [part] = portal.parts_of(message)
        assert (message.family, message.credits, part.segments) == ("viber", 1, 1)
        assert part.external_id.startswith("cstvbr_") and part.code == "70"
        [call] = portal.sandbox.records.calls("cast.send_viber")
        assert call.key == f"{message.uuid}:1"

    def test_who_is_not_on_viber(self, portal):
        account = portal.sandbox.cast.accounts[world.CAST_API_KEY]
        account.channels = (*account.channels, "viber")
        with portal.database.write() as session:
            senders.remove(session, 1)
        portal.add_sender("cast", name="viber", credentials={"product": "viber"})
        portal.sandbox.cast.decide(CONTACT, "undelivered")
        portal.sandbox.deliveries.send("Hi")
        eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed")
        assert "not on Viber" in portal.messages()[0].reason
        assert the(portal, Wallet).spent == 0, "failed is free"

    def test_a_sender_keeps_its_family(self, idle):
        sender = idle.add_sender("cast")
        with pytest.raises(InvalidInput, match="another sender"), idle.database.write() as session:
            senders.change(session, idle.parts.vault, sender, {"product": "viber"})
        with idle.database.write() as session:
            senders.change(session, idle.parts.vault, sender, {"product": "otp"})
        assert the(idle, Sender).family == "sms"

    @pytest.mark.parametrize(
        ("field", "value"),
        [
            ("product", "fax"),
            ("number_format", "fancy"),
            ("low_balance", "-1"),
            ("low_balance", "many"),
            ("ttl", "59"),
            ("ttl", "1e3"),
            ("sender_id", "A" * 21),
            ("sender_id", "Ünicode"),
        ],
    )
    def test_settings_that_make_no_sense(self, field, value):
        with pytest.raises(InvalidInput, match=r"\.$"):
            senders.validate(senders.NewSender("cast", "x", {"api_key": "cast_1", field: value}))
