"""The audit log: every deed leaves an entry, none can be changed, each is read by those whom it concerns alone."""

from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import delete, select, text, update
from sqlalchemy.exc import DBAPIError

from portal.accounts import audit
from portal.database import Database
from portal.models import AuditEntry
from portal.web import admin, pages
from tests.web.conftest import PASSWORD, Tenant, post, record
from tests.web.test_sender_adding import add, entered

BOTH_ENGINES = True
ME = audit.Person("Anna", "7", "192.0.2.1")


def entries(database: Database) -> list[AuditEntry]:
    with database.read() as session:
        return list(session.scalars(select(AuditEntry).order_by(AuditEntry.id)))


def write(database: Database, subject: audit.Subject, action: str = "changed", **fields: object) -> None:
    with database.write() as session:
        audit.note(session, ME, action, subject, **fields)


@pytest.mark.parametrize(
    "deed", [update(AuditEntry).values(who="nobody"), delete(AuditEntry), text("TRUNCATE audit_entry")]
)
def test_the_database_itself_refuses_to_change_it(app: Flask, database: Database, deed) -> None:
    write(database, audit.Subject("sender", "1", "Main"))
    with pytest.raises(DBAPIError), database.write() as session:
        session.execute(deed)
    assert [row.who for row in entries(database)] == ["Anna"]


def test_what_is_a_secret_is_not_kept_and_what_stayed_is_not_told(app: Flask, database: Database, acme: Tenant) -> None:
    before = {"api_key": "sk-one", "name": "Main", "pace": 1, "number": "+639170000042"}
    after = {
        "api_key": "sk-two",
        "name": "Main",
        "pace": 2,
        "note": "password=hunter22",
        "list": ["Bearer abcdefgh12345"],
        "long": "x" * 9000,
        "nul": "a\x00b\ud800",
    }
    write(database, audit.Subject("sender", "1", "Main", acme.location), before=before, after=after)
    row = entries(database)[0]
    assert row.before == {"api_key": "[redacted]", "pace": 1, "number": "+639170000042"}
    assert row.after["api_key"] == "[redacted]" and row.after["pace"] == 2 and "name" not in row.after
    assert "hunter22" not in str(row.after) and "abcdefgh" not in str(row.after)
    assert len(row.after["long"]) == audit.LONGEST_VALUE and row.after["nul"].startswith("a\ufffdb")
    assert (row.agency_id, row.location_id, row.address) == (acme.agency, acme.location, "192.0.2.1")


def test_a_deed_that_fails_leaves_no_entry(database, acme: Tenant, signed_in) -> None:
    client = signed_in(acme.agency)
    before = len(entries(database))
    path = f"/admin/opt-outs/locations/{acme.location}"
    assert post(client, f"{path}/add", family="sms", number="none", reason="").status_code == 422
    assert len(entries(database)) == before
    form = {"family": "sms", "number": "+639170000042", "reason": "asked by phone"}
    assert post(client, f"{path}/add", **form).status_code == 303
    told = entries(database)[-1]
    assert (told.action, told.kind, told.location_id) == ("added", "opt-out", acme.location)
    assert told.after == {"family": "sms", "reason": "asked by phone"} and told.who.startswith("user")


def test_deeds_on_the_pages_say_what_became_of_it(database, acme: Tenant, queue, signed_in) -> None:
    client, message = signed_in(acme.agency), queue(acme)
    parked = record(database, f"ghl:{acme.ghl_id}:contact")
    before = len(entries(database))
    post(client, f"/admin/senders/{acme.sender}/pause")
    post(client, f"/admin/senders/{acme.sender}/resume")
    post(client, f"/admin/messages/{message.uuid}/cancel")
    post(client, f"/admin/events/{parked.id}/replay")
    post(client, f"/admin/opt-outs/locations/{acme.location}/words", stop="STOP\nHALT", start="")
    post(client, f"/admin/senders/{acme.sender}/policy", policy="fail")
    post(client, f"/admin/installations/{acme.location}/disconnect")
    told = [(row.action, row.kind, row.before, row.after) for row in entries(database)[before:]]
    assert told[0] == ("paused", "sender", {"state": "active"}, {"state": "paused"})
    assert told[1] == ("resumed", "sender", {"state": "paused"}, {"state": "active"})
    assert told[2] == ("cancelled", "message", {"status": "queued"}, {"status": "cancelled"})
    assert told[3] == ("replayed", "webhook", {"state": "parked"}, {"state": "pending"})
    assert told[4][:2] == ("changed the opt-out words of", "sub-account") and "HALT" in told[4][3]["words that stop"]
    assert told[5][2:] == ({"when a sender is down": "hold"}, {"when a sender is down": "fail"})
    assert told[6][0] == "disconnected" and told[6][3] == {"app": "not_installed"}
    page = client.get("/admin/audit").text
    assert "active → paused" in page and f"/admin/messages/{message.uuid}" in page


def test_commands_leave_entries_without_credentials(app: Flask, database, acme: Tenant) -> None:
    run = app.test_cli_runner().invoke
    assert run(args=["sender", "pause", str(acme.sender), "--reason", "a test"]).exit_code == 0
    assert run(args=["sender", "list"]).exit_code == 0
    assert run(args=["sender", "pause", "4711"]).exit_code == 1
    set_ = ["sender", "add", "--location", acme.ghl_id, "--channel", "simulator", "--name", "Two", "--no-check"]
    assert run(args=[*set_, "--set", "api_key=sk-secret"]).exit_code in (0, 1)
    assert run(args=["admin", "create", "--email", "op@example.com", "--agency", acme.company]).exit_code == 0
    told = entries(database)
    assert told[0].action == "flask sender pause" and told[0].who.endswith("(command line)")
    assert told[0].before == {"state": "active"}
    assert told[0].after == {"state": "paused", "--reason": "a test", "--sender-id": acme.sender}
    assert (told[0].agency_id, told[0].location_id) == (acme.agency, acme.location)
    assert "sk-secret" not in str([row.after for row in told])
    assert told[-1].action == "created" and told[-1].subject == "op@example.com"
    assert [row.action for row in told if "list" in row.action] == []


def test_it_is_read_by_those_whom_it_concerns(database, acme: Tenant, rival: Tenant, signed_in, parts) -> None:
    write(database, audit.Subject("sender", "1", "Of Acme", acme.location))
    write(database, audit.Subject("agency", "1", "All of Acme", agency_id=acme.agency))
    write(database, audit.Subject("sender", "2", "Of Rival", rival.location))
    write(database, audit.Subject("command", "", "Of the portal"))

    def seen(client) -> list[str]:
        page = client.get("/admin/audit").text
        return [name for name in ("Of Acme", "All of Acme", "Of Rival", "Of the portal") if name in page]

    assert seen(signed_in(acme.agency)) == ["Of Acme", "All of Acme"]
    assert seen(signed_in(acme.agency, "admin", [acme.location])) == ["Of Acme"]
    assert seen(signed_in()) == ["Of Acme", "All of Acme", "Of Rival"], "a command is named by what it does"
    assert signed_in(acme.agency, "agent").get("/admin/audit").status_code == 403


def test_filters_and_pages(database, acme: Tenant, signed_in) -> None:
    client = signed_in(acme.agency)
    for number in range(60):
        write(database, audit.Subject("sender", str(number), f"Line {number}.", acme.location), "paused")
    first = client.get("/admin/audit?kind=sender").text
    assert "Line 59." in first and "Line 10." in first and "Line 9." not in first
    older = first.split('rel="next"')[0].rpartition('href="')[2].split('"')[0].replace("&amp;", "&")
    second = client.get(older).text
    assert "Line 9." in second and "Line 0." in second and "Line 10." not in second
    assert "Line 7." in client.get("/admin/audit?kind=sender&id=7").text
    assert "Line 8." not in client.get("/admin/audit?kind=sender&id=7").text
    assert "No entries." in client.get("/admin/audit?who=nobody%25").text
    assert "Line 59." in client.get("/admin/audit?who=ANNA").text
    assert "No entries." in client.get("/admin/audit?until=2020-01-01").text
    for wrong in ("kind=x", "since=yesterday", "before=x", "since=0001-01-01"):
        assert client.get(f"/admin/audit?{wrong}").status_code == 404, wrong


def test_signing_in_and_the_password_are_there(database, signed_in) -> None:
    client = signed_in()
    form = {"current": PASSWORD, "new": "quite another password", "again": "quite another password"}
    assert post(client, "/password", page="/password", **form).status_code == 303
    assert [(row.action, row.address) for row in entries(database)] == [
        ("signed in", "127.0.0.1"),
        ("changed the password", "127.0.0.1"),
    ]


def test_what_is_set_of_senders_is_told_without_what_was_typed(database, acme: Tenant, signed_in, sandbox) -> None:
    client = signed_in()
    seen = len(entries(database))
    typed = entered("twilio", sandbox.url)
    assert add(client, acme, "twilio", **typed, name="First").status_code == 303
    path = f"/admin/senders/{acme.sender + 1}"
    assert post(client, f"{path}/name", name="Second").status_code == 303
    assert post(client, f"{path}/name", name="").status_code == 422
    assert post(client, f"{path}/pace", pace="2").status_code == 303
    assert post(client, f"{path}/default", wanted="yes").status_code == 303
    assert post(client, f"{path}/default", wanted="no").status_code == 303
    assert post(client, f"{path}/move", to="up").status_code == 303
    again = typed | {"field-auth_token": "", "field-from": "ACME", "field-mms": "yes"}
    assert post(client, f"{path}/credentials", **again).status_code == 303
    assert post(client, f"{path}/remove").status_code == 303
    told = entries(database)[seen:]
    assert {(row.kind, row.subject_id, row.location_id) for row in told} == {
        ("sender", str(acme.sender + 1), acme.location)
    }
    assert told[0].action == "added" and told[0].after["channel"] == "twilio"
    assert "auth_token" in told[0].after["fields that were set"] and told[0].after["API address"] == typed["api_url"]
    assert [(row.action, row.before, row.after) for row in told[1:6]] == [
        ("renamed", {"name": "First"}, {"name": "Second"}),
        ("changed the pace of", {"messages a second": "no limit of ours"}, {"messages a second": "2"}),
        ("made the default", {"default": False}, {"default": True}),
        ("made the default no longer", {"default": True}, {"default": False}),
        ("moved in the order", {"place": 1}, {"place": 0}),
    ]
    assert told[6].action == "changed the credentials of" and told[6].before == {}
    assert set(told[6].after) == {"fields that were set"} and "from" in told[6].after["fields that were set"]
    assert (told[-1].action, told[-1].after) == ("removed", {"state": "removed"})
    secret = typed["field-auth_token"]
    assert secret not in str([(row.before, row.after) for row in told])


def test_what_is_set_of_a_sub_account_is_told(database, acme: Tenant, signed_in) -> None:
    client = signed_in(acme.agency)
    path, seen = f"/admin/locations/{acme.location}", len(entries(database))
    sender = str(acme.sender)
    assert post(client, f"{path}/routing/rules", kind="tag", value="VIP", sender=sender).status_code == 303
    assert post(client, f"{path}/routing/default", default=sender).status_code == 303
    assert post(client, f"{path}/routing/policy", policy="fail").status_code == 303
    assert post(client, f"{path}/routing/rules/move", rule="1").status_code == 303
    assert post(client, f"{path}/routing/rules/remove", rule="1").status_code == 303
    assert post(client, f"{path}/routing/rules", kind="tag", value="", sender=sender).status_code == 422
    assert post(client, f"{path}/numbers", country="DE").status_code == 303
    assert post(client, f"{path}/checks/webhooks").status_code == 303
    assert post(client, f"{path}/test", number="+639170000042", text="Private words", key="k").status_code == 303
    told = entries(database)[seen:]
    assert {(row.kind, row.subject_id, row.location_id) for row in told} == {
        ("sub-account", str(acme.location), acme.location)
    }
    assert [(row.action, row.before, row.after) for row in told[:3]] == [
        ("set a routing rule of", {"rules": []}, {"rules": ["tag VIP: Acme line"]}),
        ("chose the default sender of", {"default": ""}, {"default": "Acme line"}),
        (
            "changed what happens when a sender is down in",
            {"when a sender is down": "hold"},
            {"when a sender is down": "fail"},
        ),
    ]
    assert told[4].action == "removed a routing rule of" and told[4].before == {"rules": ["tag VIP: Acme line"]}
    assert told[5].after["country of numbers"] == "DE"
    assert [row.action for row in told[6:]] == ["had the settings looked at of", "sent a test message from"]
    assert "Private words" not in str([row.after for row in told])


def test_every_page_that_does_something_tells_the_log() -> None:
    folders = (Path(pages.__file__).parent, Path(admin.__file__).parent)
    doing = [path for folder in folders for path in folder.glob("*.py") if "@routes.post(" in path.read_text()]
    assert len(doing) > 15
    # A message names who wrote it, in its own history.
    written = {"reply.py", "conversation_template.py"}
    assert [path.name for path in doing if "audit." not in path.read_text() and path.name not in written] == []
