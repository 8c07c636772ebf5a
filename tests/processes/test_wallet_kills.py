"""Killed while credits run out and top-ups come: nothing hangs, nothing is paid twice, all of it goes out in order.

What the ledger settles is charged to wallets in HighLevel at the same time, whose answers get lost: each entry once.
"""

import random
import threading
from collections import Counter, defaultdict
from dataclasses import replace

import pytest

from portal.sandbox import Progress
from portal.sandbox import world as demo
from tests import postgres
from tests.portal import eventually
from tests.processes.aftermath import Aftermath
from tests.processes.chaos import HIGHLEVEL, Chaos, arm, decide_outcomes
from tests.processes.harness import Deployment, Spread, free_port, people
from tests.processes.load import Load
from tests.processes.scale import FULL, IS_FULL, SEED, SMALL

PLACES, TOP_UPS = (4, 5) if IS_FULL else (2, 1)
SCALE = (
    replace(FULL, ids=1600, contacts=160, faults=90, kills=12, silences=3)
    if IS_FULL
    else replace(SMALL, ids=160, contacts=24, faults=16, fault_every=8, kills=2, silences=0)
)
# Of every ten credits that will be needed so many are there at first.
AT_FIRST = 3
CENTS = 2
ROLES = {"sqlite": ("all",), "postgresql": ("web", "worker", "worker")}


class Payer(threading.Thread):
    """Tops the wallets up while the load lasts; one payment is told twice."""

    def __init__(self, deployment: Deployment, wanted: dict[str, int], load: Load) -> None:
        super().__init__(name="payer", daemon=True)
        self.error: Exception | None = None
        self._deployment, self._wanted, self._load = deployment, wanted, load

    def run(self) -> None:
        try:
            for number in range(TOP_UPS):
                share = (number + 1) / (TOP_UPS + 1)
                eventually(lambda share=share: self._load.answered() >= share * self._load.count, 240, "the load")
                for place, all_of_it in self._wanted.items():
                    first = all_of_it * AT_FIRST // 10
                    amount = (all_of_it - first) // TOP_UPS
                    if number == TOP_UPS - 1:
                        amount = all_of_it - first - amount * (TOP_UPS - 1)
                    self._pay(place, amount, f"payment-{number}")
        except Exception as error:
            self.error = error

    def _pay(self, place: str, amount: int, reference: str) -> None:
        words = ("credits", "top-up", "--location", place, "--amount", str(amount), "--reference", reference)
        self._deployment.flask(*words)
        if place == min(self._wanted):
            self._deployment.flask(*words)  # told twice, paid once

    def finish(self) -> None:
        self.join(400)
        assert not self.is_alive()
        if self.error is not None:
            raise self.error


@pytest.fixture
def sandbox():
    sandbox = Spread(keep=500_000)
    server = sandbox.serve(0)
    sandbox.ghl.limit.most = 1_000_000
    sandbox.cast.rate, sandbox.cast.progress = None, Progress(sent_after=0.2, final_after=0.6)
    yield sandbox
    server.stop()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.postgres)])
def deployment(request, sandbox, tmp_path):
    """The portal's processes, started, with the sandbox's meter among their settings."""
    url = f"sqlite:///{tmp_path / 'portal.db'}"
    if request.param == "postgresql":
        if why_not := postgres.missing():
            pytest.skip(why_not)
        server = request.getfixturevalue("postgres_server")
        url = server.create_database("wallets")
    made = Deployment(sandbox, tmp_path, url, module="tests.processes.hurried")
    made.environment["GHL_METER_ID"] = f"{demo.METER_ID}:dynamic"
    ports = {number: free_port() for number in range(1, len(ROLES[request.param]))} | {0: made.port}
    started = [made.launch(role, PORT=str(ports[number])) for number, role in enumerate(ROLES[request.param])]
    for process in started:
        process.wait_ready()
    sandbox.spread_over([process.url for process in started if process.role != "worker"])
    yield made
    made.close()
    if request.param == "postgresql":
        server.drop_database(url)


def spoil(sandbox, chance):
    """HighLevel's answers to charges, look-ups and refunds get lost, or it refuses them."""
    for route in ("ghl.charge", "ghl.list_charges", "ghl.delete_charge", "ghl.get_charge"):
        for number in range(SCALE.faults // 2):
            fault = HIGHLEVEL[number % len(HIGHLEVEL)]
            sandbox.faults.arm(route, skip=chance.randrange(2 * SCALE.fault_every), **fault)


def test_wallets_that_run_out_under_kills_end_exact(deployment, sandbox):
    chance = random.Random(f"{SEED} wallets")
    places = [sandbox.world.add_location(f"wallet {number}") for number in range(PLACES)]
    deployment.prepare(*places)
    contacts = people(sandbox, places, SCALE.contacts)
    decide_outcomes(sandbox, contacts)
    needed = Counter(contacts[n % len(contacts)].location_id for n in range(SCALE.ids))
    deployment.flask("credits", "plan", "Two cents", "--credit-price", f"0.0{CENTS}", "--currency", "USD")
    for place, count in needed.items():
        opening = str(count * AT_FIRST // 10)
        deployment.flask("credits", "set", "--location", place, "--limited", "--opening", opening)
    # Each command costs seconds: what `credits assign` and `credits ghl-wallet` do, in one.
    deployment.change("UPDATE wallet SET ghl_policy = 'go_on', plan_id = (SELECT max(id) FROM credit_plan)")
    arm(sandbox, SCALE, chance)
    spoil(sandbox, chance)
    load = Load(deployment, contacts, SCALE.ids)
    chaos = Chaos(deployment, SCALE, chance, lambda: load.answered() / load.count)
    payer = Payer(deployment, dict(needed), load)
    for thread in (chaos, payer):
        thread.start()
    sent = load.finish()
    kills = chaos.finish()
    payer.finish()
    channels = {place.id: "cast" for place in places}
    after = Aftermath(deployment, sent, {}, set(), kills, channels)
    after.facts.append(chaos.words())
    try:
        after.await_rest(SCALE.patience)
        eventually(lambda: set(deployment.jobs()) <= {"check_status"}, SCALE.patience, "the last charge")
        after.check_taken()
        after.check_calls()
        after.check_doubts()
        after.check_order()
        after.check_credits()
        check_wallets(deployment, needed, after)
        check_charges(deployment, sandbox, after)
        after.check_nothing_is_stuck()
    except Exception as error:
        error.add_note(f"DRILL_SEED={SEED}, logs in {deployment.folder}")
        raise
    finally:
        print("\n  ".join([f"\nlimited wallets, seed {SEED}:", *after.facts]))


def check_wallets(deployment, needed, after):
    """They did run out; now no hold is left, and what is left is what was given less what was settled and stayed so."""
    held = deployment.rows("SELECT count(DISTINCT message_id) FROM status_change WHERE after = 'held'")[0][0]
    assert held > 0, "no wallet ran out"
    wallets = deployment.rows(
        "SELECT location.ghl_id, wallet.available, wallet.held, wallet.spent FROM wallet"
        " JOIN location ON location.id = wallet.location_id"
    )
    paid = Counter(
        dict(
            deployment.rows(
                "SELECT location.ghl_id, sum(ledger_entry.spent) FROM ledger_entry"
                " JOIN wallet ON wallet.id = ledger_entry.wallet_id JOIN location ON location.id = wallet.location_id"
                " WHERE ledger_entry.kind IN ('settle', 'refund', 'charge_late') GROUP BY location.ghl_id"
            )
        )
    )
    for place, available, still_held, spent in wallets:
        assert still_held == 0, place
        assert spent == paid[place] and available == needed[place] - spent, (place, available, spent, needed[place])
    after.facts.append(f"{held} messages waited for credits, {sum(paid.values())} of {sum(needed.values())} are spent")


def check_charges(deployment, sandbox, after):
    """At HighLevel: one charge for each entry that was settled, given back where its credits were, and no other."""
    rows = deployment.rows(
        "SELECT wallet_charge.entry_key, wallet_charge.state, wallet_charge.event_id, wallet_charge.charge_id,"
        " message.uuid FROM wallet_charge JOIN message ON message.id = wallet_charge.message_id"
    )
    settled = deployment.rows("SELECT key FROM ledger_entry WHERE kind IN ('settle', 'charge_late')")
    assert sorted(row[0] for row in rows) == sorted(key for (key,) in settled)
    refunds = deployment.rows("SELECT message_id FROM ledger_entry WHERE kind = 'refund'")
    there = defaultdict(list)
    for each in sandbox.ghl.till.all():
        there[each.event_id].append(each)
    states = Counter(state for _, state, *_ in rows)
    assert set(states) <= {"charged", "refunded", "dropped"}, states
    assert states["refunded"] + states["dropped"] == len(refunds)
    for _, state, event_id, charge_id, uuid in rows:
        found = there.pop(event_id, [])
        if state == "dropped":
            assert found == [], event_id
            continue
        [one] = found
        assert event_id == f"settle-{uuid}-1" or event_id.startswith(f"charge-late-{uuid}-1")
        assert (one.id, one.units, one.price) == (charge_id, 1, CENTS / 100)
        assert one.refunded is (state == "refunded"), event_id
    assert not there, "charged for nothing"
    struck = Counter(call.fault for call in sandbox.records.calls("ghl.charge") if call.fault)
    after.facts.append(f"charges: {dict(states)}, faults {dict(struck)}")
    assert struck
