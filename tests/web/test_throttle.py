"""Guessing passwords: counted by account, by address and in all, before any hash is computed."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from sqlalchemy import select

from portal import clock
from portal.accounts import passwords, throttle, users
from portal.accounts.throttle import TooManyAttempts, count_attempt, forgive
from portal.database import Database
from portal.models.people import LoginCount
from tests.web.conftest import PASSWORD, sign_in

BOTH_ENGINES = True


def test_an_account_is_closed_for_a_while_even_to_the_right_password(client: FlaskClient, person) -> None:
    person("anna@example.com")
    for _ in range(throttle.PER_ACCOUNT):
        assert sign_in(client, "anna@example.com", "wrong password").status_code == 422
    closed = sign_in(client, "anna@example.com")
    assert closed.status_code == 429
    assert 0 < int(closed.headers["Retry-After"]) <= 300
    assert "Too many attempts" in closed.text
    with time_machine.travel(clock.now() + throttle.WINDOW + timedelta(seconds=1)):
        assert sign_in(client, "anna@example.com").status_code == 303


def test_no_hash_is_computed_for_a_closed_account(database: Database, person, monkeypatch) -> None:
    person("anna@example.com")
    for _ in range(throttle.PER_ACCOUNT):
        count_attempt(database, "192.0.2.1", "anna@example.com")
    monkeypatch.setattr(passwords, "matches", lambda *_: pytest.fail("a hash was computed"))
    with pytest.raises(TooManyAttempts):
        users.authenticate(database, "anna@example.com", PASSWORD, "192.0.2.2")


def test_an_address_may_not_try_many_accounts(database: Database) -> None:
    for number in range(throttle.PER_ADDRESS):
        count_attempt(database, "2001:db8::1", f"user{number}@example.com")
    with pytest.raises(TooManyAttempts):
        count_attempt(database, "2001:db8::ffff", "another@example.com")  # the same household
    count_attempt(database, "2001:db8:0:1::1", "another@example.com")


def test_all_together_are_bounded(database: Database, monkeypatch) -> None:
    monkeypatch.setattr(throttle, "IN_ALL", 3)
    for number in range(3):
        count_attempt(database, f"192.0.2.{number}", f"user{number}@example.com")
    with pytest.raises(TooManyAttempts):
        count_attempt(database, "192.0.2.9", "another@example.com")


def test_attempts_at_the_same_moment_are_counted_each(database: Database) -> None:
    def attempt(number: int) -> bool:
        try:
            count_attempt(database, f"192.0.2.{number}", "anna@example.com")
        except TooManyAttempts:
            return False
        return True

    with ThreadPoolExecutor(16) as pool:
        looked_at = sum(pool.map(attempt, range(64)))
    assert looked_at == throttle.PER_ACCOUNT


def test_a_refused_attempt_is_not_counted(database: Database, monkeypatch) -> None:
    """Else somebody who keeps knocking would keep everybody out for ever."""
    monkeypatch.setattr(throttle, "PER_ACCOUNT", 1)
    count_attempt(database, "192.0.2.1", "anna@example.com")
    for _ in range(5):
        with pytest.raises(TooManyAttempts):
            count_attempt(database, "192.0.2.1", "anna@example.com")
    assert {row.tries for row in rows(database)} == {1}


def test_a_good_sign_in_takes_its_attempt_back(database: Database) -> None:
    for _ in range(3):
        count_attempt(database, "192.0.2.1", "anna@example.com")
    forgive(database, "192.0.2.1", "anna@example.com")
    assert sorted((row.key.split(":")[0], row.tries) for row in rows(database)) == [("address", 2), ("all", 2)]


def test_old_counts_go_and_no_address_of_a_stranger_is_kept(database: Database) -> None:
    count_attempt(database, "192.0.2.1", "anna@example.com")
    assert not any("anna" in row.key for row in rows(database))
    with time_machine.travel(clock.now() + timedelta(hours=1)):
        count_attempt(database, "192.0.2.2", "ben@example.com")
    assert len(rows(database)) == 3


def rows(database: Database) -> list[LoginCount]:
    with database.read() as session:
        return list(session.scalars(select(LoginCount)))
