"""What was charged to wallets in HighLevel, on its page and by command."""

import json
from dataclasses import replace

import pytest
from sqlalchemy import select, update

from portal import clock
from portal.alerts.notices import WALLET_EMPTY
from portal.credits import charging, ledger
from portal.ghl.billing import Meter
from portal.models import Alert, ChargeState, Location, Wallet, WalletCharge
from tests.web.framed import framed

BOTH_ENGINES = True
METER = Meter("meter1", dynamic=True)


@pytest.fixture
def metered(app):
    """The portal with a billing meter."""
    parts = app.extensions["portal"]
    app.extensions["portal"] = replace(parts, settings=replace(parts.settings, ghl_meter=METER))
    return app


@pytest.fixture
def flask(metered):
    def run(*words, fails=False):
        result = metered.test_cli_runner().invoke(args=["credits", *words])
        assert (result.exit_code != 0) == fails, result.output
        return result.output if fails else [json.loads(line) for line in result.output.splitlines()]

    return run


def page_of(tenant, query=""):
    return f"/admin/locations/{tenant.location}/credits/charges{query}"


def settle(database, tenant, message, policy="go_on"):
    """Turns charging on, and has a message settled."""
    with database.write() as session:
        wallet = ledger.known_wallet(session, tenant.location)
    with database.write() as session:
        charging.set_policy(session, session.get_one(Location, tenant.location), policy)
    with database.write() as session:
        ledger.write(session, [ledger.settle(wallet, message.id, 1, 2)])


def test_a_charge_is_shown_with_what_was_taken_and_where(database, acme, queue, signed_in, metered):
    settle(database, acme, queue(acme, "One"))
    client = signed_in(acme.agency)
    waiting = client.get(page_of(acme)).text
    assert "waits to be charged" in waiting and "1 to be charged or given back" in waiting
    with database.write() as session:
        paid = {"state": ChargeState.CHARGED, "charge_id": "charge_77", "amount_micros": 40_500}
        session.execute(update(WalletCharge).values(charged_at=clock.now(), **paid))
    shown = client.get(page_of(acme)).text
    assert "charge_77" in shown and "0.0405 USD" in shown and "Nothing waits to be charged" in shown
    assert "No charges of this kind" in client.get(page_of(acme, "?state=refunded")).text
    assert client.get(page_of(acme, "?state=odd")).status_code == 404
    assert client.get(page_of(acme, "?before=x")).status_code == 404


def test_others_do_not_see_it(database, acme, rival, queue, signed_in, metered):
    settle(database, acme, queue(acme, "One"))
    assert signed_in(rival.agency).get(page_of(acme)).status_code == 404


def test_inside_highlevel_it_is_the_same_page(database, acme, queue, signed_in, metered):
    settle(database, acme, queue(acme, "One"))
    assert (
        "waits to be charged"
        in framed(metered.test_client(), acme).get(f"/app/locations/{acme.location}/credits/charges").text
    )


def test_an_empty_wallet_is_said_and_what_to_do(database, acme, queue, signed_in, metered):
    settle(database, acme, queue(acme, "One"), "hold")
    with database.write() as session:
        assert charging.note_funds(session, session.get_one(Location, acme.location), False)
        assert not charging.note_funds(session, session.get_one(Location, acme.location), False)
    shown = signed_in(acme.agency).get(page_of(acme)).text
    assert "top it up in HighLevel" in shown and "messages wait" in shown
    with database.read() as session:
        [alert] = session.scalars(select(Alert).where(Alert.kind == WALLET_EMPTY, Alert.closed_at.is_(None)))
    assert "what it sends waits" in alert.text


def test_the_tab_is_there_where_there_is_a_meter(acme, signed_in, app):
    client = signed_in(acme.agency)
    ledger_page = f"/admin/locations/{acme.location}/credits/ledger"
    assert "/credits/charges" not in client.get(ledger_page).text
    parts = app.extensions["portal"]
    app.extensions["portal"] = replace(parts, settings=replace(parts.settings, ghl_meter=METER))
    assert "/credits/charges" in client.get(ledger_page).text
    assert "is not charged to its wallet" in client.get(page_of(acme)).text


def test_commands_set_the_policy_and_list_charges(database, acme, queue, flask):
    with database.read() as session:
        place = session.get_one(Location, acme.location)
        ghl_id, company = place.ghl_id, place.agency.company_id
    [told] = flask("ghl-wallet", "--location", ghl_id, "--policy", "hold")
    assert (told["policy"], told["own"], told["credit_price"]) == ("hold", True, None)
    [told] = flask("ghl-wallet", "--location", ghl_id, "--policy", "agency")
    assert (told["policy"], told["own"]) == ("off", False)
    told = flask("ghl-wallet", "--agency", company, "--policy", "go-on")
    assert [each["policy"] for each in told if each["location"] == ghl_id] == ["go_on"]
    message = queue(acme, "One")
    with database.write() as session:
        ledger.write(session, [ledger.settle(ledger.known_wallet(session, acme.location), message.id, 1, 2)])
    [one] = flask("charges", "--location", ghl_id)
    assert (one["state"], one["units"], one["message"], one["amount"]) == ("waiting", 2, message.uuid, None)
    assert flask("charges", "--state", "refunded") == []
    assert flask("charges-again") == [{"charges": 1}]
    assert "Name a sub-account or an agency" in flask("ghl-wallet", fails=True)


def test_without_a_meter_nothing_can_be_charged(app, database, acme):
    with database.read() as session:
        ghl_id = session.get_one(Location, acme.location).ghl_id
    words = ["credits", "ghl-wallet", "--location", ghl_id, "--policy", "go-on"]
    result = app.test_cli_runner().invoke(args=words)
    assert result.exit_code and "GHL_METER_ID" in result.output
    with database.read() as session:
        assert set(session.scalars(select(Wallet.ghl_policy))) <= {""}
