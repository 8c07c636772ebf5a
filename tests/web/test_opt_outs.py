"""The page of opt-outs: found by number, lifted and added with a reason, words, the export, and nobody else's."""

import csv
import io
import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal import clock
from portal.messaging import contacts, opt_out_lists, optouts
from portal.models import ContactDnd, Job, Location, Message, OptOut, Origin
from portal.models.base import new_uuid
from tests.web.conftest import Tenant, post

BOTH_ENGINES = True
ANNA, BEN = "+639170000042", "+639170000043"


@pytest.fixture
def wrote(database, acme):
    """Anna wrote STOP to Acme; the message is there."""
    with database.write() as session:
        contact = contacts.for_ghl(session, acme.location, "contact-anna", ANNA)
        place = contacts.conversation(session, acme.location, contact.id)
        message = Message(
            uuid=new_uuid(), location_id=acme.location, conversation_id=place.id, position=1, direction="in",
            body="Stop!", address=ANNA, family="sms", status="received", status_at=clock.now(), created_at=clock.now(),
        )  # fmt: skip
        session.add(message)
        session.flush()
        optouts.notice(session, session.get_one(Location, acme.location), message, contact.id, contacts.PHONE)
        row = session.scalars(select(OptOut)).one()
        return row.id, message.uuid


def add(database, tenant: Tenant, address: str, source: str = "a test", family: str = "sms", **evidence) -> int:
    with database.write() as session:
        row = optouts.add(session, tenant.location, family, address, source, optouts.Evidence(**evidence))
        assert row is not None
        return row.id


def test_who_when_and_by_what_message(wrote, acme, signed_in) -> None:
    id_, message = wrote
    client = signed_in(acme.agency)
    listed = client.get("/admin/opt-outs").text
    assert ANNA in listed and "the contact wrote Stop!" in listed and f"/admin/messages/{message}" in listed
    page = client.get(f"/admin/opt-outs/{id_}").text
    for words in ("standing", "their own words", "Stop!", message, "contact-anna", "waits to hear that DND is on"):
        assert words in page


@pytest.mark.parametrize("typed", ["+639170000042", "0917 000 0042", "(0917) 000-0042", " +63 917 000 0042 "])
def test_a_number_is_found_however_it_is_written(database, wrote, acme, rival, signed_in, typed) -> None:
    add(database, acme, BEN)
    add(database, rival, ANNA)
    for client, count in ((signed_in(acme.agency), 1), (signed_in(), 2)):
        page = client.get("/admin/opt-outs", query_string={"q": typed}).text
        assert page.count('id="opt-out-') == count and BEN not in page
    assert "Nobody with this number" in client.get("/admin/opt-outs?q=0918").text


def test_the_filters_and_the_pages(database, acme, rival, signed_in) -> None:
    ids = [add(database, acme, f"+63919000{number:04}", origin=Origin.IMPORT) for number in range(60)]
    add(database, rival, ANNA)
    client = signed_in()
    first = client.get(f"/admin/opt-outs?location={acme.ghl_id}&origin=import&state=standing").text
    assert first.count('id="opt-out-') == 50 and ANNA not in first
    older = client.get(f"/admin/opt-outs?location={acme.ghl_id}&before={ids[10]}").text
    assert older.count('id="opt-out-') == 10
    assert client.get("/admin/opt-outs?origin=words").text.count('id="opt-out-') == 0
    fragment = client.get("/admin/opt-outs?state=lifted", headers={"HX-Request": "true"}).text
    assert "<html" not in fragment and "No opt-outs" in fragment
    for bad in ("state=x", "origin=x", "location=x", "before=x", "q=" + "1" * 161):
        assert client.get(f"/admin/opt-outs?{bad}").status_code == 404, bad


def test_lifting_takes_a_reason_and_lifts_all_that_stands_for_the_person(database, wrote, acme, signed_in) -> None:
    id_, _ = wrote
    add(database, acme, ANNA, "a list", origin=Origin.PERSON)
    other = add(database, acme, ANNA, family="whatsapp")
    client = signed_in(acme.agency)
    refused = post(client, f"/admin/opt-outs/{id_}/lift", reason="  ")
    assert refused.status_code == 422 and "Say why" in refused.text
    assert post(client, f"/admin/opt-outs/{id_}/lift", reason="She called us").status_code == 303
    with database.read() as session:
        rows = {row.id: row for row in session.scalars(select(OptOut))}
        wish = session.scalars(select(ContactDnd).where(ContactDnd.family == "sms")).one().wanted
        kinds = set(session.scalars(select(Job.kind)))
    assert rows[id_].lift_reason == "She called us" and rows[id_].lifted_by.startswith("user")
    assert [row.lifted_at is None for row in rows.values()] == [each == other for each in rows]
    assert wish == "off" and "push_dnd" in kinds
    page = client.get(f"/admin/opt-outs/{id_}").text
    assert "She called us" in page and "Lift the opt-out" not in page
    again = post(client, f"/admin/opt-outs/{id_}/lift", reason="Again")
    assert again.status_code == 422 and len(rows) == 3


def test_htmx_is_led_to_the_page_and_shown_what_is_wrong(wrote, acme, signed_in) -> None:
    client, path = signed_in(acme.agency), f"/admin/opt-outs/{wrote[0]}"
    told = {"HX-Request": "true"}
    form = {"csrf_token": _token(client), "reason": ""}
    wrong = client.post(f"{path}/lift", data=form, headers=told)
    assert wrong.status_code == 422 and "<html" not in wrong.text and 'aria-invalid="true"' in wrong.text
    good = client.post(f"{path}/lift", data=form | {"reason": "She called"}, headers=told)
    assert good.status_code == 200 and good.headers["HX-Redirect"] == path


def _token(client) -> str:
    from tests.web.conftest import token

    return token(client.get("/admin"))


def test_adding_one_by_hand(database, acme, queue, signed_in) -> None:
    message = queue(acme, phone=ANNA)
    assert message.status == "queued"
    client, path = signed_in(acme.agency), f"/admin/opt-outs/locations/{acme.location}/add"
    good = {"number": "0917 000 0042", "family": "sms", "reason": "Asked in the shop"}
    for change, says in (({"number": "12"}, "number"), ({"reason": ""}, "Say why"), ({"family": "fax"}, "Choose one")):
        answer = post(client, path, **good | change)
        assert answer.status_code == 422 and says in answer.text, change
    assert 'value="Asked in the shop"' in post(client, path, **good | {"number": "12"}).text, "nothing is typed twice"
    assert post(client, path, **good).status_code == 303
    with database.read() as session:
        row = session.scalars(select(OptOut)).one()
        assert session.scalars(select(Job).where(Job.kind == optouts.KIND)).one().subject == row.id
    assert (row.address, row.origin, row.detail) == (ANNA, "person", "Asked in the shop") and "user" in row.by
    assert post(client, path, **good).status_code == 422
    refused = queue(acme, phone=ANNA)
    assert refused.error_code == "opted_out"
    page = client.get(f"/admin/messages/{refused.uuid}").text
    assert f"/admin/opt-outs?location={acme.ghl_id}&amp;q=%2B639170000042" in page


def test_words_of_a_sub_account(database, acme, signed_in) -> None:
    client, path = signed_in(acme.agency), f"/admin/opt-outs/locations/{acme.location}"
    page = client.get(path).text
    assert "CANCEL is among" in page and "ARRÊT" in page and "These are the usual words" in page
    wrong = post(client, f"{path}/words", stop="CANCEL", start="")
    assert wrong.status_code == 422 and "STOP has to stay" in wrong.text and ">CANCEL</textarea>" in wrong.text
    assert post(client, f"{path}/words", stop="STOP\r\nCANCEL", start="GO").status_code == 303
    with database.read() as session:
        place = session.get_one(Location, acme.location)
    assert (place.stop_words, place.start_words) == ("STOP\nCANCEL", "GO")
    assert "own lists" in client.get(path).text
    assert post(client, f"{path}/words", stop="", start=" ").status_code == 303
    with database.read() as session:
        place = session.get_one(Location, acme.location)
    assert (place.stop_words, place.start_words) == (None, None)


def test_the_export_is_whole_streamed_and_holds_no_formula(
    database, wrote, acme, rival, signed_in, monkeypatch
) -> None:
    monkeypatch.setattr(opt_out_lists, "AT_ONCE", 7)
    id_, message = wrote
    for number in range(20):
        add(database, acme, f"+63918000{number:04}", "=cmd|' /C calc'!A0", detail="@SUM(1)", by="-1+1")
    add(database, rival, BEN)
    with database.write() as session:
        optouts.lift(session, acme.location, "sms", ANNA, "the contact wrote START")
    answer = signed_in(acme.agency).get("/admin/opt-outs/export.csv")
    assert answer.is_streamed and answer.content_type == "text/csv; charset=utf-8"
    assert "attachment" in answer.headers["Content-Disposition"] and answer.headers["Cache-Control"] == "no-store"
    head, *rows = csv.reader(io.StringIO(answer.text))
    assert tuple(head) == opt_out_lists.COLUMNS and len(rows) == 21 and BEN not in answer.text
    first = dict(zip(head, rows[0], strict=True))
    assert (first["id"], first["message"], first["words"]) == (str(id_), message, "Stop!")
    assert first["address"] == f"'{ANNA}" and first["lifted_by"] == "the contact wrote START"
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), cell
    few = signed_in().get(f"/admin/opt-outs/export.csv?state=standing&q={BEN}&location={rival.ghl_id}").text
    assert len(few.splitlines()) == 2


def test_a_stranger_sees_and_changes_nothing(database, wrote, acme, rival, signed_in) -> None:
    id_, message = wrote
    client = signed_in(rival.agency)
    for path in (f"/admin/opt-outs/{id_}", f"/admin/opt-outs/locations/{acme.location}"):
        assert client.get(path).status_code == 404
    for query in (f"location={acme.ghl_id}", f"q={ANNA}"):
        for page in ("/admin/opt-outs", "/admin/opt-outs/export.csv"):
            seen = client.get(f"{page}?{query}")
            assert seen.status_code == (404 if "location" in query else 200)
            assert message not in seen.text and "Acme" not in seen.text and ">Stop!" not in seen.text
    form = {"reason": "x", "number": BEN, "family": "sms", "stop": "STOP", "start": ""}
    place = f"/admin/opt-outs/locations/{acme.location}"
    for path in (f"/admin/opt-outs/{id_}/lift", f"{place}/add", f"{place}/words"):
        assert post(client, path, **form).status_code == 404
    with database.read() as session:
        assert session.scalars(select(OptOut)).one().lifted_at is None
        assert session.get_one(Location, acme.location).stop_words is None


class TestCommands:
    @pytest.fixture
    def run(self, app):
        def run(*words: str, stdin: str = "", fails: bool = False):
            result = app.test_cli_runner().invoke(args=["opt-outs", *words], input=stdin)
            assert (result.exit_code != 0) == fails, result.output
            return result.output

        return run

    def test_add_list_and_lift(self, run, database, acme) -> None:
        here = ("--location", acme.ghl_id)
        added = json.loads(run("add", *here, "--address", "0917 000 0042", "--reason", "They asked"))
        assert added["address"] == ANNA
        assert json.loads(run("list", *here, "--address", ANNA))["source"] == "the command line added it: They asked"
        assert "Say why" in run("lift", str(added["id"]), "--reason", " ", fails=True)
        assert "no opt-out 99" in run("lift", "99", "--reason", "x", fails=True)
        assert json.loads(run("lift", str(added["id"]), "--reason", "They came back"))["lifted"] == 1
        assert run("list") == "" and json.loads(run("list", "--all"))["lift_reason"] == "They came back"
        assert "no sub-account" in run("add", "--location", "x", "--address", ANNA, "--reason", "y", fails=True)

    def test_a_list_is_read_and_again_changes_nothing(self, run, acme) -> None:
        words = ("import", "--location", acme.ghl_id, "-")
        listed = f"{ANNA}\n\n0917 000 0043\nnobody\n{ANNA}\n"
        found = [json.loads(line) for line in run(*words, stdin=listed).splitlines()]
        assert [(each["address"], each["new"]) for each in found] == [
            (ANNA, True), (BEN, True), ("nobody", False), (ANNA, False),
        ]  # fmt: skip
        assert found[2]["reason"]
        assert not any(json.loads(line)["new"] for line in run(*words, stdin=listed).splitlines())
        assert "standard input" in run("list", "--address", ANNA)

    def test_what_was_exported_is_read_in_again(self, run, database, acme, rival) -> None:
        add(database, acme, ANNA, family="whatsapp")
        add(database, acme, BEN)
        with database.write() as session:
            optouts.lift(session, acme.location, "sms", BEN, "a person")
        exported = run("export", "--location", acme.ghl_id)
        assert len(exported.splitlines()) == 3 and len(run("export", "--standing").splitlines()) == 2
        found = [
            json.loads(line) for line in run("import", "--location", rival.ghl_id, "-", stdin=exported).splitlines()
        ]
        assert [(each["address"], each["family"], each["new"]) for each in found] == [(ANNA, "whatsapp", True)]

    def test_who_came_back_after_the_list_was_made_stays(self, run, database, acme) -> None:
        add(database, acme, ANNA)
        with database.write() as session:
            optouts.lift(session, acme.location, "sms", ANNA, "the contact wrote START")
        at = (clock.now() - timedelta(days=1)).isoformat()
        listed = f"number,family,opted_out_at\n{ANNA},sms,{at}\n{BEN},fax,\n{BEN},sms,yesterday\n"
        found = [json.loads(line) for line in run("import", "--location", acme.ghl_id, "-", stdin=listed).splitlines()]
        assert [each["new"] for each in found] == [False] * 3
        assert "none of sms" in found[1]["reason"] and "time" in found[2]["reason"]
