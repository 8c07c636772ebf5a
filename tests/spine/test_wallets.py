"""Wallets move at the end of a transaction, exactly, and keep nobody waiting before."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import update

from portal import clock
from portal.credits import ledger, totals
from portal.models import EntryKind, LedgerEntry, Wallet
from portal.queue.jobs import SEND
from tests.spine.test_attacks import queued, wallet, work
from tests.spine.test_conflicts import at_once


@pytest.fixture
def ids(idle):
    """Messages to hold credits for; nothing is set aside for them yet."""
    idle.add_sender("cast")
    found = [queued(idle, f"Message {number}").id for number in range(4)]
    work(idle, SEND)
    return found


def entry(wallet_id, message_id, available, held, key):
    return ledger.Movement(wallet_id, key, EntryKind.CORRECTION, message_id, available, held)


def take(session, amount, name):
    """Takes credits as a hold does: the entry, then the wallet."""
    wallet_id = ledger.known_wallet(session, 1)
    if not totals.take(session, wallet_id, amount):
        return False
    row = {"wallet_id": wallet_id, "key": f"correction:{name}", "kind": EntryKind.CORRECTION, "at": clock.now()}
    session.add(LedgerEntry(**row, available=-amount, held=amount))
    return True


def proven(portal):
    with portal.database.read() as session:
        return ledger.prove(session)[1] == []


def test_a_result_is_written_while_another_transaction_holds_credits(idle):
    if idle.database.sqlite:
        pytest.skip("SQLite has one writer")
    idle.add_sender("cast")
    first = queued(idle, "One")
    with idle.database.write() as session:
        wallet_id = ledger.known_wallet(session, first.location_id)
        ledger.write(session, [entry(wallet_id, None, -1, 1, "correction:open")])
        session.flush()
        assert at_once(lambda: work(idle, SEND))
    assert {message.status for message in idle.messages()} == {"accepted"}
    assert proven(idle)


def test_what_is_given_back_may_be_taken_in_the_same_transaction(idle, ids):
    with idle.database.write() as session:
        session.execute(update(Wallet).values(unlimited=False))
        wallet_id = ledger.known_wallet(session, 1)
    taken = wallet(idle)[0]
    with idle.database.write() as session:
        ledger.write(session, [entry(wallet_id, ids[0], 5 - taken, taken, "correction:up")])
        assert take(session, 5, "one")
        assert not take(session, 1, "two")
    assert wallet(idle)[0] == 0 and proven(idle)


def test_a_wallet_that_gets_a_limit_is_asked_from_the_next_transaction_on(idle, ids):
    with idle.database.write() as session:
        assert take(session, 3, "one")
    with idle.database.write() as session:
        session.execute(update(Wallet).values(unlimited=False))
    with idle.database.write() as session:
        assert not take(session, 10**9, "two")
    assert proven(idle)


def test_what_is_rolled_back_moves_no_wallet(idle, ids):
    before = wallet(idle)
    with pytest.raises(ZeroDivisionError), idle.database.write() as session:
        assert take(session, 3, "one")
        raise ZeroDivisionError
    assert wallet(idle) == before and proven(idle)


def test_many_at_once_add_up(idle, ids):
    before = wallet(idle)

    def one(number):
        with idle.database.write() as session:
            change = -1 if number % 2 else 1
            wallet_id = ledger.known_wallet(session, 1)
            ledger.write(session, [entry(wallet_id, ids[0], change, -change, f"correction:{number}")])

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, range(60)))
    assert wallet(idle) == before and proven(idle)
