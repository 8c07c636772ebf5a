"""`flask credits`: what an operator does with wallets, plans and prices from a shell."""

import json

import pytest
from flask import Flask
from sqlalchemy import select

from portal import clock
from portal.credits import ledger
from portal.database import Database
from portal.models import Agency, LedgerEntry, Location, PriceRule, Wallet

BOTH_ENGINES = True
HERE = ("--location", "loc1")


@pytest.fixture
def place(database: Database) -> int:
    with database.write() as session:
        agency = Agency(company_id="agency1", name="Agency", created_at=clock.now())
        session.add(agency)
        session.flush()
        row = Location(ghl_id="loc1", name="One", agency_id=agency.id, created_at=clock.now())
        session.add(row)
        session.flush()
        return row.id


@pytest.fixture
def flask(app: Flask, place: int):
    def run(*words: str, fails: bool = False):
        result = app.test_cli_runner().invoke(args=["credits", *words])
        assert (result.exit_code != 0) == fails, result.output
        if fails:
            assert isinstance(result.exception, SystemExit), repr(result.exception)
            return result.output.strip().splitlines()[-1]
        lines = result.output.strip().splitlines()
        return [json.loads(line) if line.startswith("{") else line for line in lines]

    return run


def test_a_wallet_is_limited_filled_corrected_and_proven(flask, database: Database) -> None:
    [told] = flask("set", *HERE, "--limited", "--opening", "5", "--overdraft", "2", "--settle", "delivered")
    assert told["available"] == 5
    [told] = flask("top-up", *HERE, "--amount", "10", "--reference", "invoice 7", "--reason", "bought")
    assert told["given"] is True and told["available"] == 15
    [told] = flask("top-up", *HERE, "--amount", "10", "--reference", "invoice 7")
    assert told["given"] is False and told["available"] == 15
    flask("gift", *HERE, "--amount", "3", "--expires", "2100-01-31")
    flask("grant", *HERE, "--amount", "1", "--expires", "2100-01-01")
    [balance] = flask("balance", *HERE)
    assert [lot["left"] for lot in balance["buckets"]] == [1, 3, 5, 10] and balance["available"] == 19
    wrong = flask("entries", *HERE, "--kind", "grant")[-1]
    [told] = flask("correct", *HERE, "--amount", "-4", "--reason", "typed wrong", "--entry", str(wrong["id"]))
    assert told["available"] == 15
    lines = flask("statement", *HERE)
    assert lines[0] == "section,what,entries,credits" and lines[-1] == "closing,,,15"
    assert any("typed wrong" in line for line in lines)
    assert len(flask("statement", *HERE, "--entries")) == 6
    assert flask("use", *HERE) == []
    assert flask("prove") == [{"wallets": 2, "wrong": 0}]
    with database.write() as session:
        session.query(Wallet).update({"available": 1})
    assert json.loads(flask("prove", *HERE, fails=True)) == {"wallets": 1, "wrong": 2}, "the wallet, and its buckets"


def test_an_agency_gives_what_it_has(flask) -> None:
    flask("set", *HERE, "--limited")
    [told] = flask("agency", "--agency", "agency1", "--limited", "--top-up", "5", "--timezone", "Asia/Manila")
    assert (told["available"], told["timezone"]) == (5, "Asia/Manila")
    assert "too few" in flask("top-up", *HERE, "--amount", "6", fails=True)
    flask("top-up", *HERE, "--amount", "5")
    [told] = flask("agency", "--agency", "agency1")
    assert (told["available"], told["given"]) == (0, 5)


def test_a_plan_gives_its_first_month_at_once(flask, database: Database, place: int) -> None:
    flask("set", *HERE, "--limited")
    flask("plan", "basic", "--monthly", "40", "--inbound", "free")
    flask("assign", *HERE, "--plan", "basic")
    flask("assign", *HERE, "--plan", "basic")
    [balance] = flask("balance", *HERE)
    assert (balance["available"], balance["plan"], balance["buckets"][0]["source"]) == (40, "basic", "plan")
    assert flask("plans") == [{"plan": "basic", "monthly": 40, "inbound": "free"}]
    flask("price-list", "--plan", "basic", "--from", "2100-01-01", "sms/out/*/FR=4", "*/*/image/*=3!")
    [own, default] = flask("prices", "--plan", "basic")
    assert own["prices"] == {"sms/out/*/FR": 4, "*/*/image/*!": 3} and default["prices"]["document"] == 2
    assert len(flask("prices", "--plan", "basic", "--at", "2099-12-31")) == 1
    with database.read() as session:
        assert len(session.scalars(select(PriceRule)).all()) == 2
        wallet = ledger.known_wallet(session, place)
        assert [entry.kind for entry in session.scalars(select(LedgerEntry))] == ["grant"] and wallet


@pytest.mark.parametrize(
    "words",
    [
        ("balance", "--location", "nowhere"),
        ("top-up", *HERE),
        ("top-up", *HERE, "--amount", "0"),
        ("top-up", *HERE, "--amount", "99999999999999999999999"),
        ("gift", *HERE, "--amount", "5", "--expires", "2020-01-01"),
        ("gift", *HERE, "--amount", "5", "--expires", "soon"),
        ("correct", *HERE, "--amount", "0", "--reason", "x"),
        ("correct", *HERE, "--amount", "5", "--reason", " "),
        ("correct", *HERE, "--amount", "5", "--reason", "x", "--entry", "99"),
        ("set", *HERE),
        ("set", *HERE, "--day-cap", "-1"),
        ("agency", "--agency", "no id"),
        ("agency", "--agency", "agency1", "--timezone", "Nowhere/Land"),
        ("agency", "--agency", "agency1", "--correct", "0"),
        ("assign", *HERE, "--plan", "none such"),
        ("price-list", "sms=4"),
        ("price-list", "pigeon/*/*/*=4"),
        ("price-list", "sms/up/*/*=4"),
        ("price-list", "sms/*/*/fra=4"),
        ("price-list", "sms/*/*/FR=4", "sms/*/*/FR=5"),
        ("price-list", "--from", "2020-01-01", "sms/*/*/*=4"),
        ("statement", *HERE, "--month", "March"),
        ("entries", *HERE, "--limit", "0"),
    ],
    ids=" ".join,
)
def test_wrong_input_is_a_sentence_and_moves_nothing(flask, database: Database, words: tuple[str, ...]) -> None:
    assert flask(*words, fails=True).startswith("Error: ")
    with database.read() as session:
        assert session.scalars(select(LedgerEntry)).all() == []
