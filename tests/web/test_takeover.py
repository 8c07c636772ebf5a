"""`flask import`: exports of the replaced systems, made by hand in the formats that docs/replacing.md describes."""

import json
from pathlib import Path
from uuid import uuid4

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import func, select

from portal.accounts import passwords
from portal.credits import proof
from portal.database import Database
from portal.models import AuditEntry, CreditPlan, LedgerEntry, Location, Sender, SenderState, User, Wallet
from portal.services import Services
from tests.web.conftest import Tenant

BOTH_ENGINES = True

TOKEN = "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"
CLOUD = "EAAGm0PX4ZCpsBAKZC0123456789"
PASSWORD = "a long enough password"
COLUMNS = "id,email,password,sso_id,role,is_active,whatsapp_token,whatsapp_phone_number_id,monthly_credits"
USERS = """{columns},current_month_credits,deleted_at
1,Ann@Example.com,{ann},location-Acme,CLIENT,true,{cloud},106540352242922,500,120,
2,bob@example.com,md5:abcdef,location-Acme,ADMIN,t,,,0,0,
3,gone@example.com,x,location-Acme,CLIENT,t,,,10,1,2025-05-01
4,,x,location-Acme,CLIENT,t,,,10,1,
5,eve@example.com,x,location-Nowhere,CLIENT,t,,,,,
6,ann@example.com,x,location-Acme,CLIENT,t,,,,,
7,zed@example.com,x,location-Acme,PILOT,t,{cloud},,,,
8,broken
"""


@pytest.fixture
def bring(app: Flask, tmp_path: Path):
    """Runs the command on a file of this text; what it says of each thing, and of all."""

    def run(system: str, text: str | bytes, *more: str, fails: bool = False):
        file = tmp_path / f"{uuid4()}.export"
        file.write_bytes(text if isinstance(text, bytes) else text.encode())
        done = app.test_cli_runner().invoke(args=["import", system, str(file), *more])
        assert (done.exit_code != 0) == fails, (done.output, done.exception)
        if fails:
            assert isinstance(done.exception, SystemExit), repr(done.exception)
            return done.output.strip().splitlines()[-1]
        lines = [json.loads(line) for line in done.output.strip().splitlines()]
        return lines[:-1], lines[-1]

    return run


def counted(database: Database) -> dict[str, int]:
    models = (Sender, User, LedgerEntry, CreditPlan, Location, AuditEntry)
    with database.read() as session:
        return {each.__tablename__: session.scalar(select(func.count()).select_from(each)) or 0 for each in models}


def twice(bring, database: Database, system: str, text: str, *more: str):
    """A dry run, the run, and the same once more: the first writes nothing, the last changes nothing."""
    before = counted(database)
    tried, summary = bring(system, text, *more)
    assert summary["written"] is False and counted(database) == before
    done, summary = bring(system, text, *more, "--apply")
    assert [(each["row"], each["what"], each["outcome"]) for each in tried] == [
        (each["row"], each["what"], each["outcome"]) for each in done
    ], "a dry run says what the run does"
    after = counted(database)
    again, last = bring(system, text, *more, "--apply")
    assert last["made"] == last["changed"] == 0 and len(again) == len(done)
    assert {**counted(database), "audit_entry": 0} == {**after, "audit_entry": 0}
    return done, summary


def line_of(database: Database, channel: str) -> Sender:
    with database.read() as session:
        return session.scalars(select(Sender).where(Sender.channel == channel)).one()


def test_instances_of_the_adapter_become_senders(bring, database: Database, parts: Services, acme: Tenant) -> None:
    rows = [
        {"userId": acme.ghl_id, "idInstance": 7103000000, "apiTokenInstance": TOKEN, "name": "Front desk"},
        {"userId": acme.ghl_id, "idInstance": "7103000001", "apiTokenInstance": TOKEN, "name": None},
        {"userId": "location-new", "idInstance": 7103000002, "apiTokenInstance": TOKEN, "settings": {"wid": "x"}},
        {"userId": acme.ghl_id, "idInstance": 7103000000, "apiTokenInstance": TOKEN},
        {"userId": acme.ghl_id, "idInstance": "no number", "apiTokenInstance": TOKEN},
        {"userId": acme.ghl_id, "idInstance": 7103000009},
        {"userId": "no id: it has a colon", "idInstance": 7103000004, "apiTokenInstance": TOKEN},
    ]
    export = "\n".join([json.dumps(row) for row in rows] + ["{broken", "[]"])
    done, summary = twice(bring, database, "green-api", export)
    assert [each["outcome"] for each in done] == ["made"] * 3 + ["left out"] * 6
    assert done[3]["reason"] == "Row 1 is the same." and done[7]["reason"] == "This line is no JSON."
    assert (summary["made"], summary["left out"]) == (3, 6)
    assert TOKEN not in json.dumps(done)
    with database.read() as session:
        rows = session.scalars(select(Sender).where(Sender.channel == "green_api").order_by(Sender.id)).all()
        new = session.scalars(select(Location).where(Location.ghl_id == "location-new")).one()
        noted = session.scalars(select(AuditEntry).where(AuditEntry.action == "imported from green-api")).all()
    assert [(row.name, row.address) for row in rows][:2] == [
        ("Front desk", "7103000000"),
        ("WhatsApp 7103000001", "7103000001"),
    ]
    assert parts.vault.open_fields(rows[0].credentials) == {"id_instance": "7103000000", "api_token": TOKEN}
    assert new.install_state == "not_installed" and new.agency_id is None
    assert len(noted) == 3 and TOKEN not in str([each.after for each in noted])
    assert "command line" in noted[0].who


def test_a_line_that_another_sub_account_has_is_refused(bring, database: Database, acme: Tenant, rival: Tenant) -> None:
    row = {"userId": acme.ghl_id, "idInstance": 7103000000, "apiTokenInstance": TOKEN}
    bring("green-api", json.dumps(row), "--apply")
    done, _ = bring("green-api", json.dumps(row | {"userId": rival.ghl_id}), "--apply")
    assert done[0]["outcome"] == "left out" and "in use by a sender of this portal" in done[0]["reason"]
    assert acme.ghl_id not in json.dumps(done)
    assert line_of(database, "green_api").location_id == acme.location


def test_what_was_changed_here_stays(bring, app: Flask, database: Database, parts: Services, acme: Tenant) -> None:
    row = {"userId": acme.ghl_id, "idInstance": 7103000000, "apiTokenInstance": TOKEN, "name": "Desk"}
    bring("green-api", json.dumps(row), "--apply")
    line = line_of(database, "green_api")
    changed = ["sender", "set", str(line.id), "--no-check", "--set", "api_token=another-token-0123456789"]
    assert app.test_cli_runner().invoke(args=changed).exit_code == 0
    done, _ = bring("green-api", json.dumps(row), "--apply")
    assert done[0]["outcome"] == "is there" and "left as it is" in done[0]["reason"]
    kept = parts.vault.open_fields(line_of(database, "green_api").credentials)
    assert kept["api_token"] == "another-token-0123456789"


def test_users_numbers_and_credits_of_whatapp_go(
    bring, database: Database, parts: Services, acme: Tenant, client: FlaskClient
) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    stored = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    done, _ = twice(bring, database, "whatapp-go", USERS.format(columns=COLUMNS, ann=stored, cloud=CLOUD))
    told = [(each["row"], each["what"], each["outcome"]) for each in done]
    assert told == [
        (2, "user", "made"),
        (2, "sender", "made"),
        (2, "credits", "made"),
        (3, "user", "made"),
        (3, "credits", "left out"),
        (4, "row", "left out"),
        (5, "row", "left out"),
        (6, "user", "left out"),
        (7, "user", "left out"),
        (8, "user", "left out"),
        (8, "sender", "left out"),
        (9, "row", "left out"),
    ]
    assert "install the app there" in done[7]["reason"] and "Row 2" in done[8]["reason"]
    assert stored not in json.dumps(done) and CLOUD not in json.dumps(done)
    with database.read() as session:
        ann, bob = session.scalars(select(User).order_by(User.email)).all()
        wallet = session.scalars(select(Wallet).where(Wallet.location_id == acme.location)).one()
        entries = session.scalars(select(LedgerEntry).where(LedgerEntry.wallet_id == wallet.id)).all()
        plan = session.get_one(CreditPlan, wallet.plan_id)
        assert proof.of_location(session, acme.location) == []
    assert (ann.email, ann.role, ann.invited, ann.location_ids) == (
        "ann@example.com",
        "agent",
        False,
        frozenset({acme.location}),
    )
    assert (bob.role, bob.invited) == ("admin", True)
    assert (wallet.unlimited, wallet.available, plan.monthly_credits) == (False, 120, 500)
    assert [entry.key for entry in entries if entry.kind == "grant"] == [f"grant:{wallet.id}:import:whatapp-go:1"]
    assert parts.vault.open_fields(line_of(database, "whatsapp_cloud").credentials)["access_token"] == CLOUD
    # The password as it was signs in, and is argon2id's from then on.
    said = client.post("/api/login", json={"email": "ann@example.com", "password": PASSWORD})
    assert said.status_code == 200, said.json
    with database.read() as session:
        kept = session.get_one(User, ann.id)
    assert kept.password_hash.startswith("$argon2id$") and not kept.must_change_password
    assert passwords.matches(kept.password_hash, PASSWORD)
    assert client.post("/api/login", json={"email": "ann@example.com", "password": "wrong"}).status_code == 401
    assert client.post("/api/login", json={"email": "bob@example.com", "password": "md5:abcdef"}).status_code == 401


def test_a_short_password_has_to_be_changed(bring, database: Database, acme: Tenant, client: FlaskClient) -> None:
    bcrypt = pytest.importorskip("bcrypt")
    stored = bcrypt.hashpw(b"short", bcrypt.gensalt(4)).decode()
    row = {"email": "ann@example.com", "password": stored, "sso_id": acme.ghl_id}
    bring("whatapp-go", json.dumps([row]), "--apply")
    said = client.post("/api/login", json={"email": "ann@example.com", "password": "short"})
    assert said.status_code == 403 and "own password" in said.json["error"]
    with database.read() as session:
        kept = session.scalars(select(User)).one()
    assert kept.must_change_password and kept.password_hash.startswith("$argon2id$")


@pytest.mark.parametrize(
    ("stored", "good"),
    [
        ("$2a$10$" + "a" * 53, True),
        ("$2y$04$" + "./" * 26 + "9", True),
        ("$2b$31$" + "a" * 53, False),
        ("$2b$10$" + "a" * 52, False),
        ("$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHRzb21l$" + "A" * 43, True),
        ("$argon2id$v=19$m=99999999,t=3,p=4$c29tZXNhbHRzb21l$" + "A" * 43, False),
        ("5f4dcc3b5aa765d61d8327deb882cf99", False),
        ("", False),
    ],
)
def test_which_hashes_can_be_checked(stored: str, good: bool) -> None:
    assert passwords.verifiable(stored) is good


def test_whoever_has_no_password_is_invited(bring, acme: Tenant, client: FlaskClient, database: Database) -> None:
    row = json.dumps({"email": "bob@example.com", "password": "", "sso_id": acme.ghl_id})
    tried, _ = bring("whatapp-go", row, "--invite")
    assert "link" not in tried[0]
    done, _ = bring("whatapp-go", row, "--invite", "--apply")
    page = client.get(done[0]["link"].removeprefix("http://localhost"))
    assert page.status_code == 200 and done[0]["reason"]
    again, _ = bring("whatapp-go", row, "--invite", "--apply")
    assert "link" not in again[0] and again[0]["outcome"] == "is there"


def test_users_of_another_agency_are_left_alone(bring, database: Database, acme: Tenant, rival: Tenant, person) -> None:
    person("ann@example.com", rival.agency)
    rows = [
        {"email": "ann@example.com", "sso_id": acme.ghl_id, "monthly_credits": 5},
        {"email": "bob@example.com", "sso_id": rival.ghl_id, "monthly_credits": 5},
    ]
    done, _ = bring("whatapp-go", json.dumps(rows), "--agency", acme.company, "--apply")
    assert [(each["what"], each["outcome"]) for each in done] == [
        ("user", "left out"),
        ("credits", "made"),
        ("user", "left out"),
        ("credits", "left out"),
    ]
    assert rival.company not in json.dumps(done) and "already" in done[0]["reason"]


def test_a_second_user_of_a_sub_account_shares_its_plan(bring, database: Database, acme: Tenant) -> None:
    rows = [
        {"id": 1, "email": "a@example.com", "sso_id": acme.ghl_id, "monthly_credits": 5, "current_month_credits": 3},
        {"id": 2, "email": "b@example.com", "sso_id": acme.ghl_id, "monthly_credits": 9, "current_month_credits": 4},
    ]
    done, _ = bring("whatapp-go", json.dumps(rows), "--apply")
    assert "has the plan 5 a month" in done[3]["reason"] and done[3]["outcome"] == "made"
    with database.read() as session:
        wallet = session.scalars(select(Wallet)).one()
        assert wallet.available == 7 and session.get_one(CreditPlan, wallet.plan_id).monthly_credits == 5
    again, _ = bring("whatapp-go", json.dumps(rows), "--apply")
    assert {each["outcome"] for each in again} == {"is there"}


def test_a_plan_without_what_is_left_begins_at_once(bring, database: Database, acme: Tenant) -> None:
    rows = [{"id": 1, "email": "a@example.com", "sso_id": acme.ghl_id, "monthly_credits": 5}]
    bring("whatapp-go", json.dumps(rows), "--apply")
    with database.read() as session:
        assert session.scalars(select(Wallet.available)).one() == 5
    bring("whatapp-go", json.dumps(rows), "--apply")
    with database.read() as session:
        assert session.scalars(select(Wallet.available)).one() == 5


@pytest.mark.parametrize("monthly", ["-1", "0", "9" * 15])
def test_credits_a_month_that_no_plan_can_give_leave_the_wallet_unlimited(
    bring, database: Database, acme: Tenant, monthly: str
) -> None:
    row = {"email": "ann@example.com", "password": "x", "sso_id": acme.ghl_id, "monthly_credits": monthly}
    done, _ = bring("whatapp-go", json.dumps([row]), "--apply")
    assert [(each["what"], each["outcome"]) for each in done] == [("user", "made"), ("credits", "left out")]
    with database.read() as session:
        assert session.scalars(select(CreditPlan)).all() == []
        assert not [each for each in session.scalars(select(Wallet)) if not each.unlimited]


def test_sub_accounts_of_the_cast_plugin(bring, database: Database, parts: Services, acme: Tenant) -> None:
    rows = [
        {"_id": {"$oid": "65fe"}, "location_id": acme.ghl_id, "sender_id": "SHOP", "expires_at": {"$date": "2026"}},
        {"_id": {"$oid": "65ff"}, "locationId": "location-two", "senderId": "CLINIC", "access_token": "at"},
    ]
    export = "\n".join(json.dumps(row) for row in rows)
    done, _ = bring("cast", export)
    assert {each["outcome"] for each in done} == {"left out"} and "CAST_API_KEY" in done[0]["reason"]
    done, _ = twice(bring, database, "cast", export, "--set", "api_key=cast_test_0123456789abcdef")
    assert [each["subject"] for each in done] == ["cast SHOP", "cast CLINIC"]
    with database.read() as session:
        row = session.scalars(select(Sender).where(Sender.address == "SHOP")).one()
    kept = parts.vault.open_fields(row.credentials)
    assert kept == {"api_key": "cast_test_0123456789abcdef", "sender_id": "SHOP"}


def channel(kind: str, address: str, config: object, **more: object) -> dict[str, object]:
    return {"channel_type": kind, "uuid": str(uuid4()), "name": "", "address": address, "config": config, **more}


def test_channels_of_courier_keep_their_addresses(bring, database: Database, parts: Services, acme: Tenant) -> None:
    sid = "AC" + "0" * 32
    form = {
        "send_url": "https://gateway.example.com/send?id={{id}}",
        "method": "POST",
        "body": '{"to": {{to}}, "text": "{{text}}", "from": {{from_no_plus}}, "replies": {{quick_replies}}}',
        "content_type": "json",
        "send_authorization": "Token abc",
        "headers": {"X-One": "1", "Content-Type": "application/json"},
        "mt_response_check": "ok",
        "use_national": True,
    }
    rows = [
        channel("AT", "21000", json.dumps({"username": "app", "api_key": "k" * 40, "is_shared": False})),
        channel("EX", "+27830000000", form),
        channel("T", "+12065551234", {"account_sid": sid, "auth_token": "t" * 32}),
        channel(
            "KN", "2020", {"username": "u", "password": "p", "send_url": "https://kannel.example.com/cgi-bin/sendsms"}
        ),
        channel("NX", "12065551234", {"nexmo_api_key": "key12345", "nexmo_api_secret": "secret12345"}),
        channel("TG", "bot", {"auth_token": "x"}),
        channel("CT", "", {"api_key": "k" * 20}, is_active="f"),
        channel("KN", "2020", {"username": "u", "password": "p", "send_url": "http://10.0.0.5:13013/cgi-bin/sendsms"}),
        channel("GL", "21581234", "no json"),
        channel("AT", "21001", {"username": "app", "api_key": "k" * 40}, uuid="00000000-0000-1000-8000-000000000000"),
    ]
    done, _ = twice(bring, database, "courier", json.dumps(rows), "--location", acme.ghl_id)
    assert [each["outcome"] for each in done] == ["made"] * 5 + ["left out"] * 5, done
    assert "no channel for the type TG" in done[5]["reason"] and "turned off" in done[6]["reason"]
    assert "public" in done[7]["reason"] and "no JSON" in done[8]["reason"] and "guessed" in done[9]["reason"]
    assert "signature" in done[4]["reason"]
    with database.read() as session:
        row = session.scalars(select(Sender).where(Sender.key == rows[1]["uuid"])).one()
    known = parts.vault.open_fields(row.credentials)
    assert known["body"] == (
        '{"to": "{{to_national}}", "text": "{{text}}", "from": "{{from_no_plus}}", "replies": "{{quick_replies}}"}'
    )
    assert known["send_url"] == "https://gateway.example.com/send?id={{key}}"
    assert known["headers"] == "Authorization: Token abc\nX-One: 1"
    assert (known["success_text"], known["report_reference"], known["method"]) == ("ok", "id", "POST")
    done, _ = bring("courier", json.dumps([rows[7]]), "--location", acme.ghl_id, "--private", "--apply")
    assert done[0]["outcome"] == "made"


def test_a_uuid_of_another_sub_account_is_refused(bring, acme: Tenant, rival: Tenant) -> None:
    row = channel("AT", "21000", {"username": "app", "api_key": "k" * 40})
    bring("courier", json.dumps(row), "--location", acme.ghl_id, "--apply")
    done, _ = bring("courier", json.dumps(row), "--location", rival.ghl_id, "--apply")
    assert done[0]["outcome"] == "left out" and "in use" in done[0]["reason"]
    done, _ = bring("courier", json.dumps(row | {"uuid": str(uuid4())}), "--location", rival.ghl_id, "--apply")
    assert done[0]["outcome"] == "left out" and "in use" in done[0]["reason"], "the same account under another uuid"


def test_the_configuration_of_imqs(bring, database: Database, acme: Tenant) -> None:
    config = {
        "HTTPPort": 2016,
        "smsProvider": {
            "name": "Clickatell",
            "token": "12345",
            "maxMessageSegments": 2,
            "maxBatchSize": 5000,
            "countries": ["za", "BW"],
        },
    }
    done, _ = bring("imqs", json.dumps(config, indent=2), "--location", acme.ghl_id)
    assert [each["outcome"] for each in done] == ["changed", "left out"] and "One API" not in done[0].get("reason", "")
    given = ("--location", acme.ghl_id, "--set", "api_key=clickatell-key-0123456789")
    done, _ = twice(bring, database, "imqs", json.dumps(config, indent=2), *given)
    assert [each["outcome"] for each in done] == ["changed", "made"]
    with database.read() as session:
        row = session.get_one(Location, acme.location)
    assert (row.bulksms_countries, row.bulksms_segments, row.bulksms_batch) == ("ZA,BW", 2, 500)
    assert line_of(database, "clickatell").state == SenderState.ACTIVE
    wrong, _ = bring("imqs", json.dumps({"smsProvider": {"countries": ["Atlantis"]}}), "--location", acme.ghl_id)
    assert wrong[0]["outcome"] == "left out" and "countries" in wrong[0]["reason"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (b"", "empty"),
        (b"\xff\xfe\x00", "UTF-8"),
        (b"   \n", "empty"),
    ],
)
def test_a_file_that_is_none_is_a_sentence(bring, text: bytes, words: str) -> None:
    assert words in bring("green-api", text, fails=True)


def test_separated_values_of_all_kinds(bring, database: Database, acme: Tenant) -> None:
    head = ("userId", "idInstance", "apiTokenInstance", "name")
    lines = [(acme.ghl_id, f"71030000{number}", TOKEN, "NULL") for number in range(10, 13)]
    for mark in "\t;,":
        export = "\r\n".join(mark.join(each) for each in (head, *lines))
        done, _ = bring("green-api", "\ufeff" + export)
        assert [(each["row"], each["outcome"]) for each in done] == [(2, "made"), (3, "made"), (4, "made")]
    done, _ = bring("green-api", ",".join(head) + '\n"' + "x" * 50)
    assert done[0]["outcome"] == "left out" and "quote" in done[0]["reason"]
    done, _ = bring(
        "green-api", json.dumps({"userId": acme.ghl_id, "idInstance": 7103000010, "apiTokenInstance": "a\x00b"})
    )
    assert done[0]["outcome"] == "left out"
