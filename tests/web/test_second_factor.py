"""The second factor: set up, asked for, once for each code, guessed slowly, recovered, and taken away."""

import re
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
import time_machine
from flask.testing import FlaskClient
from pyotp import TOTP
from sqlalchemy import select

from portal import clock
from portal.accounts import second_factor
from portal.errors import InvalidInput
from portal.models import Agency, AuditEntry, RecoveryCode, User
from tests.web.conftest import PASSWORD, post, sign_in, token

BOTH_ENGINES = True
PAGE = "/account/second-factor"


def secret_on(page) -> str:
    return re.search(r'totp-secret">([A-Z2-7]{32})<', page.text)[1]


def now_code(secret: str, steps: int = 0) -> str:
    return TOTP(secret).at(int(clock.now().timestamp()) + 30 * steps)


def turn_on(client: FlaskClient) -> tuple[str, list[str]]:
    """Sets it up as a person would; the secret, and the recovery codes."""
    assert post(client, f"{PAGE}/begin", page=PAGE, password=PASSWORD).status_code == 303
    secret = secret_on(client.get(PAGE))
    answer = post(client, f"{PAGE}/confirm", page=PAGE, code=now_code(secret, -1))
    assert answer.status_code == 200, answer.text
    return secret, re.findall(r"<code>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</code>", answer.text)


def half_in(client: FlaskClient, email: str = "anna@example.com"):
    assert sign_in(client, email).headers["Location"].startswith("/login/code")
    return client


def give(client: FlaskClient, code: str):
    return client.post("/login/code", data={"csrf_token": token(client.get("/login/code")), "code": code})


@pytest.fixture
def anna(client: FlaskClient, person) -> FlaskClient:
    person("anna@example.com")
    sign_in(client, "anna@example.com")
    return client


def test_the_way_in_with_a_code_that_works_once(app, database, anna) -> None:
    elsewhere = app.test_client()
    sign_in(elsewhere, "anna@example.com")
    secret, codes = turn_on(anna)
    assert len(set(codes)) == second_factor.RECOVERY_CODES
    assert anna.get("/admin").status_code == 200 and elsewhere.get("/admin").status_code == 303
    with database.read() as session:
        user = session.scalars(select(User)).one()
        assert secret not in (user.totp_secret or "") and user.totp_secret.startswith("gAAAAA")
        kept = {row.code for row in session.scalars(select(RecoveryCode))}
        assert not kept & set(codes) and all(len(each) == 64 for each in kept)

    client = half_in(app.test_client())
    assert client.get("/admin").status_code == 303, "half a sign-in opens nothing"
    good = now_code(secret)
    assert give(client, "000000").status_code == 422
    assert give(client, f"{good[:3]} {good[3:]}").headers["Location"] == "/admin"
    assert client.get("/admin").status_code == 200
    again = half_in(app.test_client())
    assert "used already" in give(again, good).text
    assert give(again, now_code(secret, -1)).status_code == 422, "one before the last is over too"
    assert give(again, now_code(secret, 1)).status_code == 303, "a clock that is half a minute ahead"


def test_recovery_codes_work_once_each_and_new_ones_take_their_place(app, anna) -> None:
    _, codes = turn_on(anna)
    assert give(half_in(app.test_client()), codes[0].upper().replace("-", " ")).status_code == 303
    assert give(half_in(app.test_client()), codes[0]).status_code == 422
    assert "9 of your recovery codes" in anna.get(PAGE).text
    assert post(anna, f"{PAGE}/recovery-codes", page=PAGE, password="not mine, is it").status_code == 422
    answer = post(anna, f"{PAGE}/recovery-codes", page=PAGE, password=PASSWORD)
    fresh = re.findall(r"<code>((?:[a-z2-9]{4}-){3}[a-z2-9]{4})</code>", answer.text)
    assert len(fresh) == 10
    assert give(half_in(app.test_client()), codes[1]).status_code == 422
    assert give(half_in(app.test_client()), fresh[1]).status_code == 303


def test_codes_are_guessed_slowly_and_not_for_ever(app, database, anna) -> None:
    secret, _ = turn_on(anna)
    client = half_in(app.test_client())
    answers = [give(client, "123456") for _ in range(6)]
    assert [each.status_code for each in answers] == [422] * 5 + [429]
    assert 0 < int(answers[-1].headers["Retry-After"]) <= 300
    with time_machine.travel(clock.now() + timedelta(minutes=6)):
        later = half_in(app.test_client())
        assert give(later, now_code(secret)).status_code == 303
    with database.write() as session:
        session.scalars(select(User)).one().totp_failures = second_factor.MOST_FAILURES
    with time_machine.travel(clock.now() + timedelta(minutes=12)):
        closed = give(half_in(app.test_client()), now_code(secret))
        assert closed.status_code == 422 and "Too many wrong codes" in closed.text
        ran = app.test_cli_runner().invoke(args=["admin", "reset-second-factor", "--email", "anna@example.com"])
        assert ran.exit_code == 0, ran.output
        assert sign_in(app.test_client(), "anna@example.com").headers["Location"] == "/admin"


def test_half_a_sign_in_is_over_after_five_minutes(app, anna) -> None:
    turn_on(anna)
    client = half_in(app.test_client())
    with time_machine.travel(clock.now() + timedelta(minutes=5, seconds=1)):
        assert client.get("/login/code").headers["Location"] == "/login"
    assert app.test_client().get("/login/code").headers["Location"] == "/login"


def test_setting_up_and_turning_off_want_the_password(database, anna) -> None:
    assert post(anna, f"{PAGE}/begin", page=PAGE, password="not mine, is it").status_code == 422
    post(anna, f"{PAGE}/begin", page=PAGE, password=PASSWORD)
    first = secret_on(anna.get(PAGE))
    wrong = post(anna, f"{PAGE}/confirm", page=PAGE, code="000000")
    assert wrong.status_code == 422 and "not right" in wrong.text and first in wrong.text
    assert "data:image/svg+xml" in wrong.text
    with database.read() as session:
        assert session.scalars(select(User)).one().totp_since is None, "nothing asks for it before the first code"
    turn_on(anna)
    assert post(anna, f"{PAGE}/begin", page=PAGE, password=PASSWORD).status_code == 422
    assert post(anna, f"{PAGE}/off", page=PAGE, password="not mine, is it").status_code == 422
    assert post(anna, f"{PAGE}/off", page=PAGE, password=PASSWORD).status_code == 303
    with database.read() as session:
        assert session.scalars(select(User)).one().totp_secret is None
        assert session.scalars(select(RecoveryCode)).all() == []
        told = [row.action for row in session.scalars(select(AuditEntry).order_by(AuditEntry.id))]
    assert told == ["signed in", "turned the second factor on", "turned the second factor off"]


def test_an_agency_that_asks_for_it_leads_everybody_there(app, database, acme, signed_in) -> None:
    owner, agent = signed_in(acme.agency), signed_in(acme.agency, "agent")
    path = f"/admin/users/agencies/{acme.agency}/second-factor"
    assert post(agent, path, asks="1").status_code == 403
    assert post(signed_in(acme.agency, "admin"), path, asks="1").status_code == 403, "an owner's to decide"
    assert post(owner, path, asks="1").status_code == 303
    with database.read() as session:
        assert session.scalars(select(Agency)).one().asks_second_factor
    for client in (owner, agent):
        assert client.get("/admin").headers["Location"] == PAGE
    by_htmx = agent.get("/admin/live/health", headers={"HX-Request": "true"})
    assert (by_htmx.status_code, by_htmx.headers["HX-Redirect"]) == (403, PAGE)
    assert "asks for a second factor" in agent.get(PAGE).text
    turn_on(agent)
    assert agent.get("/admin").status_code == 200
    assert post(agent, f"{PAGE}/off", page=PAGE, password=PASSWORD).status_code == 303
    assert agent.get("/admin").headers["Location"] == PAGE, "to another phone, but not to none"


def test_a_new_encryption_key_opens_it_still(app, parts, anna) -> None:
    turn_on(anna)
    assert app.test_cli_runner().invoke(args=["keys", "rotate"]).exit_code == 0
    with parts.database.read() as session:
        user = session.scalars(select(User)).one()
    assert len(second_factor.secret_of(parts.vault, user)) == 32


@pytest.mark.parametrize("kind", ["code", "recovery code"])
def test_of_two_who_give_the_same_code_at_once_one_gets_in(parts, anna, kind) -> None:
    secret, codes = turn_on(anna)
    with parts.database.read() as session:
        user = session.scalars(select(User)).one()
    given = now_code(secret) if kind == "code" else codes[0]

    def check(address: str) -> str:
        try:
            return second_factor.check(parts.database, parts.vault, user, given, address)
        except InvalidInput:
            return ""

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(check, [f"192.0.2.{number}" for number in range(4)])) == ["", "", "", kind]


def test_the_command_line_turns_people_off_and_on(app, anna) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["admin", "off", "--email", "Anna@example.com"]).exit_code == 0
    assert anna.get("/admin").status_code == 303
    assert '"active": false' in run(args=["admin", "list"]).output
    assert run(args=["admin", "on", "--email", "anna@example.com"]).exit_code == 0
    assert sign_in(anna, "anna@example.com").status_code == 303
    assert run(args=["admin", "off", "--email", "nobody@example.com"]).exit_code == 1
    assert run(args=["admin", "create", "--email", "x@example.com", "--role", "agent"]).exit_code == 1
