"""The page on a sender's speed and stand-ins, what the overview shows of it, and the same from the command line."""

import json
import re

import pytest
from sqlalchemy import select

from portal import clock
from portal.messaging import senders
from portal.models import AccountHealth, Location, Sender, SenderSwitch
from portal.queue.gates import sender_gate
from tests.web.conftest import Tenant, post


@pytest.fixture
def other(parts, acme: Tenant) -> int:
    with parts.database.write() as session:
        location = session.get_one(Location, acme.location)
        return senders.add(session, parts.vault, location, senders.NewSender("simulator", "Spare line", {})).id


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


@pytest.fixture
def measured(database, acme: Tenant) -> None:
    with database.write() as session:
        numbers = {"messages": 40, "slow": 12, "calls": 50, "faults": 1, "unknowns": 2, "call_ms": 180}
        moment = clock.now()
        session.add(AccountHealth(key=sender_gate(acme.sender), measured_at=moment, slow_since=moment, **numbers))


def test_the_numbers_stand_on_the_page_the_sender_and_the_overview(client, acme, other, measured) -> None:
    for path in (f"/admin/senders/{acme.sender}/stand-ins", f"/admin/senders/{acme.sender}", "/admin"):
        page = client.get(path).text
        assert "12 of 40 messages slow (30%), 3 of 50 calls failed (6%), 180 ms a call" in page, path
    assert "Nothing went out through it" in client.get(f"/admin/senders/{other}/stand-ins").text


def test_a_person_switches_and_back(client, database, acme, other, queue) -> None:
    page = f"/admin/senders/{acme.sender}/stand-ins"
    wrong = post(client, f"/admin/senders/{acme.sender}/switch", page, to=str(other), hours="4", reason=" ")
    assert wrong.status_code == 422 and "Say why" in wrong.text and "selected>Spare line" in wrong.text
    for to, hours in ((str(acme.sender), ""), ("x", ""), ("9" * 30, ""), ("", "5")):
        form = {"to": to, "hours": hours, "reason": "so"}
        assert post(client, f"/admin/senders/{acme.sender}/switch", page, **form).status_code == 422
    form = {"to": str(other), "hours": "4", "reason": "Carrier trouble"}
    assert post(client, f"/admin/senders/{acme.sender}/switch", page, **form).status_code == 303
    shown = client.get(page).text
    assert "go through Spare line" in shown and "Carrier trouble" in shown and "user" in shown
    assert "go through Spare line" in client.get(f"/admin/senders/{acme.sender}").text
    message = queue(acme, named_sender_id=acme.sender)
    assert message.sender_id == other
    assert "Spare line stands in for Acme line, which is switched away from: Carrier trouble" in message.sender_reason
    assert post(client, f"/admin/senders/{acme.sender}/switch-back", page).status_code == 303
    assert queue(acme, named_sender_id=acme.sender).sender_id == acme.sender
    with database.read() as session:
        assert session.scalars(select(SenderSwitch)).one().ended_by == f"user{acme.agency}@example.com"
    assert "Switched back." in client.get(page).text


def test_the_policy_and_the_order(client, database, acme, other) -> None:
    page = f"/admin/senders/{other}/stand-ins"
    assert post(client, f"/admin/senders/{other}/policy", page, policy="family", itself="on").status_code == 303
    with database.read() as session:
        place = session.get_one(Location, acme.location)
        assert (place.failover, place.family_stands_in, place.switches_itself) == ("same_channel", True, True)
    assert re.search(r'value="family"\s+checked', client.get(page).text)
    assert post(client, f"/admin/senders/{other}/policy", page, policy="none").status_code == 422
    assert post(client, f"/admin/senders/{other}/policy", page, policy="hold", itself="on").status_code == 303
    with database.read() as session:
        assert not session.get_one(Location, acme.location).switches_itself, "nobody may stand in"
    assert post(client, f"/admin/senders/{other}/earlier", page).status_code == 303
    with database.read() as session:
        named = select(Sender.id).where(Sender.location_id == acme.location).order_by(Sender.position)
        assert list(session.scalars(named)) == [other, acme.sender]


def test_a_sender_alone_has_nobody_to_switch_to(client, acme) -> None:
    page = f"/admin/senders/{acme.sender}/stand-ins"
    assert "nobody can stand in" in client.get(page).text
    refused = post(client, f"/admin/senders/{acme.sender}/switch", page, reason="so")
    assert refused.status_code == 422


def test_the_same_from_the_command_line(app, acme, other, measured) -> None:
    runner = app.test_cli_runner()

    def run(*words: str):
        result = runner.invoke(args=["sender", *words])
        return result.exit_code, [json.loads(line) for line in result.output.splitlines() if line.startswith("{")]

    assert run("policy", "--location", acme.ghl_id)[1][0]["policy"] == "hold"
    _, [set_] = run("policy", "--location", acme.ghl_id, "--set", "channel", "--by-itself")
    assert (set_["policy"], set_["by_itself"]) == ("channel", True)
    assert run("order", "--location", acme.ghl_id, str(other))[0] == 0
    assert run("order", "--location", acme.ghl_id, "999")[0] == 1
    _, [begun] = run("switch", str(acme.sender), "--to", str(other), "--reason", "Carrier trouble")
    assert (begun["from"], begun["to"], begun["ended_at"]) == (acme.sender, other, None)
    assert run("switch", str(acme.sender), "--reason", "x", "--until", "tomorrow")[0] == 1
    assert run("switch-back", str(acme.sender))[1][0]["switched_back"] is True
    assert run("switches", str(acme.sender))[1][0]["ended_by"] == "the command line"
    _, [first, second] = run("health", "--location", acme.ghl_id)
    assert (first["slow"], first["messages"], first["window_minutes"]) == (12, 40, 10)
    assert second["measured_at"] is None


def test_the_sender_says_what_becomes_of_its_id_abroad(client, parts, acme, database, queue) -> None:
    assert 'id="countries"' not in client.get(f"/admin/senders/{acme.sender}").text
    with database.write() as session:
        session.get_one(Sender, acme.sender).address = "ACME"
    page = client.get(f"/admin/senders/{acme.sender}").text
    assert "South Africa people see a long number instead of ACME" in page and "Botswana" not in page


def test_a_message_shows_its_text_as_it_was_written(client, acme, queue) -> None:
    message = queue(acme, "It's", written="It’s <b>")
    page = client.get(f"/admin/messages/{message.uuid}").text
    assert "It’s &lt;b&gt;" in page and "chose plain letters" in page
    assert 'id="written"' not in client.get(f"/admin/messages/{queue(acme).uuid}").text
