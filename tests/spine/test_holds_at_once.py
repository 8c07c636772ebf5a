"""Holds on one wallet from many threads: each once, none too many, whatever comes twice at the same moment."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import func, select, update

from portal import clock
from portal.credits import grants, ledger
from portal.credits.grants import Credit
from portal.models import EntryKind, LedgerEntry, Location, Message, Source, Wallet
from tests.spine.test_credits import Place, database, place  # noqa: F401 - fixtures

THREADS, MESSAGES, CREDITS = 32, 60, 40


def hold(place, message_id, bulk=""):  # noqa: F811
    with place.database.write() as session:
        return ledger.hold(session, place.id, message_id, 1, bulk)


def standing(place):  # noqa: F811
    with place.database.read() as session:
        wallet = session.execute(select(Wallet.available, Wallet.held).where(Wallet.location_id == place.id)).one()
        entries = session.scalar(select(func.count()).where(LedgerEntry.kind == EntryKind.HOLD))
        return wallet.available, wallet.held, entries, ledger.prove(session)[1]


@pytest.mark.parametrize("bulk", ["", "a campaign"])
def test_each_is_held_once_though_it_is_asked_for_twice_at_the_same_moment(place, bulk):  # noqa: F811
    with place.database.write() as session:
        here = session.get_one(Location, place.id)
        grants.set_limit(session, here, False, "a test")
        assert grants.give(session, here, Credit(CREDITS, Source.TOP_UP, "payment", "a test"))
    ids = place.messages(MESSAGES)
    with ThreadPoolExecutor(THREADS) as pool:
        answers = list(pool.map(lambda id_: (id_, hold(place, id_, bulk)), [id_ for id_ in ids for _ in range(3)]))
    assert standing(place) == (0, CREDITS, CREDITS, [])
    held = {id_ for id_, yes in answers if yes}
    assert len(held) == CREDITS
    with place.database.read() as session:
        keys = session.scalars(select(LedgerEntry.message_id).where(LedgerEntry.kind == EntryKind.HOLD)).all()
    assert set(keys) == held


def test_a_wallet_that_is_stopped_holds_nothing_more(place):  # noqa: F811
    with place.database.write() as session:
        here = session.get_one(Location, place.id)
        grants.set_limit(session, here, False, "a test")
        grants.give(session, here, Credit(5, Source.TOP_UP, "payment", "a test"))
    first, second = place.messages(2)
    assert hold(place, first)
    with place.database.write() as session:
        session.execute(update(Wallet).values(ghl_stops=True))
    assert not hold(place, second) and hold(place, first)
    assert standing(place) == (4, 1, 1, [])


def test_no_entry_is_left_of_a_hold_that_is_refused(place):  # noqa: F811
    with place.database.write() as session:
        grants.set_limit(session, session.get_one(Location, place.id), False, "a test")
    [one] = place.messages(1)
    assert not hold(place, one) and standing(place) == (0, 0, 0, [])
    with place.database.read() as session:
        assert session.get_one(Message, one).created_at <= clock.now()


def test_a_part_that_is_charged_late_refunded_and_charged_again_is_paid_for(place):  # noqa: F811
    """Each has an entry of its own, although a release came before them."""
    assert place.give(5)
    [one] = place.messages(1)
    assert hold(place, one)
    place.end(one, 1, sent=False)
    for late in (True, False, True):
        with place.database.write() as session:
            account = ledger.account_of(session, one, 1, 1)
            if late:
                entry = ledger.charge_late(place.wallet_id, one, 1, 1, "late", account.round)
            else:
                entry = ledger.refund(place.wallet_id, one, 1, 1, "no", account.round, account.hold)
            ledger.write(session, [entry])
    assert standing(place)[:2] == (4, 0)
