"""imqs/messaging's routes over HTTP: its shapes and codes, the vectors made from its code and README, and its key."""

import json
from pathlib import Path

import pytest
import requests
from sqlalchemy import select, update

from portal.messaging import bulksms
from portal.models import Agency, ApiBulk, Location, Sender
from portal.web.replaced import imqs
from tests.portal import eventually
from tests.spine.api import OTHER, PLACE, new_key

VECTORS = json.loads((Path(__file__).parents[1] / "vectors" / "imqs.json").read_text())


class Caller:
    """A program of before: it knows a host and a key."""

    def __init__(self, portal, key):
        self.portal, self.key = portal, key

    def __call__(self, method, path, body=None, **more):
        headers = {"Authorization": f"Bearer {self.key}"} if self.key else {}
        raw = body if isinstance(body, str) else json.dumps(body) if body is not None else None
        return requests.request(method, self.portal.url + path, data=raw, headers=headers, timeout=60, **more)

    def send(self, text, *numbers):
        said = self("POST", "/sendsms", {"message": text, "msisdns": list(numbers)})
        assert said.status_code == 200, said.text
        return said.json()


def rules(portal, countries=("ZA", "BW"), segments=None, batch=None):
    with portal.database.write() as session:
        place = session.scalars(select(Location).where(Location.ghl_id == PLACE.id)).one()
        bulksms.set_rules(place, countries, segments, batch)


@pytest.fixture
def imqs_client(idle, monkeypatch):
    idle.add_sender("simulator")
    rules(idle)
    monkeypatch.setattr(imqs, "PATIENCE", 0.0)
    return Caller(idle, new_key(idle, "bulksms"))


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["name"])
def test_normalize_keeps_the_vectors(imqs_client, vector):
    rules(imqs_client.portal, vector["countries"])
    said = imqs_client("POST", "/normalize", vector["body"])
    assert (said.status_code, said.json()) == (200, vector["expected"])


def test_a_list_goes_out_and_the_answer_counts_it(portal):
    rules(portal, ("PH",))
    caller = Caller(portal, new_key(portal, "bulksms"))
    said = caller.send("text message to send", "0917 000 0010", "639170000011", "+639170000010", "abc")
    assert said == {
        "refNumber": said["refNumber"],
        "validNumbers": 2,
        "invalidNumbers": 2,
        "sendSuccess": True,
        "statusDescription": "",
        "messagesSent": 2,
    }
    assert said["refNumber"].isdigit()
    eventually(lambda: caller("GET", "/messagestatus/09170000010").text == "delivered")
    assert caller("GET", "/messagestatus/+639170000010").text == "delivered"
    assert [message.address for message in portal.messages()] == ["+639170000010", "+639170000011"]


def test_what_the_provider_has_not_by_then_is_named_queued(imqs_client):
    numbers = [f"083000{number:04}" for number in range(1201)]
    rules(imqs_client.portal, batch=40)
    said = imqs_client.send("hello", *numbers)
    assert (said["validNumbers"], said["messagesSent"], said["sendSuccess"]) == (1201, 0, True)
    assert said["statusDescription"].startswith("1201 queued")
    # One reference over all batches, of at most forty each.
    with imqs_client.portal.session() as session:
        assert [str(row.id) for row in session.scalars(select(ApiBulk))] == [said["refNumber"]]
    sizes = [len(json.loads(event.body)["to"]) for event in imqs_client.portal.events()]
    assert sizes == [40] * 30 + [1]
    assert imqs_client("GET", "/messagestatus/0830000007").text == "sent"


def test_a_refusal_is_200_and_in_words(portal):
    rules(portal, ("PH",))
    with portal.database.write() as session:
        session.execute(update(Sender).values(state="removed"))
    portal.add_sender("simulator")
    caller = Caller(portal, new_key(portal, "bulksms"))
    said = caller.send("hi", "+639170000002")  # the simulator refuses it
    assert (said["sendSuccess"], said["messagesSent"], said["validNumbers"]) == (False, 0, 1)
    assert ":" in said["statusDescription"] and "queued" not in said["statusDescription"]
    assert caller("GET", "/messagestatus/639170000002").text == "failed"


def test_a_list_without_a_good_number_sends_nothing(imqs_client):
    said = imqs_client.send("hi", "abc", "123")
    assert said == {
        "refNumber": "",
        "validNumbers": 0,
        "invalidNumbers": 2,
        "sendSuccess": True,
        "statusDescription": "",
        "messagesSent": 0,
    }
    assert imqs_client.portal.events() == []


def test_what_cannot_be_used_is_406_in_plain_text(imqs_client):
    rules(imqs_client.portal, segments=1)
    for path, body in (
        ("/sendsms", "not json"),
        ("/sendsms", {"message": "", "msisdns": ["0830000000"]}),
        ("/sendsms", {"message": "hi", "msisdns": []}),
        ("/sendsms", {"message": "hi"}),
        ("/sendsms", {"message": "ä" * 161, "msisdns": ["0830000000"]}),
        ("/sendsms", {"message": "ж" * 71, "msisdns": ["0830000000"]}),
        ("/normalize", "not json"),
        ("/normalize", {"msisdns": "0830000000"}),
    ):
        said = imqs_client("POST", path, body)
        assert (said.status_code, said.headers["Content-Type"].split(";")[0]) == (406, "text/plain"), (path, body)
    assert imqs_client.portal.events() == []
    assert imqs_client.send("ä" * 160, "0830000000")["validNumbers"] == 1


def test_a_number_nobody_wrote_to_has_no_data(imqs_client):
    for number in ("0830000000", "nothing"):
        said = imqs_client("GET", f"/messagestatus/{number}")
        assert (said.status_code, said.text) == (200, "Error: no data available")


def test_ping_asks_for_nothing(idle):
    said = Caller(idle, "")("GET", "/ping")
    assert said.status_code == 200 and said.headers["Content-Type"].startswith("text/plain")
    assert list(said.json()) == ["Timestamp"] and isinstance(said.json()["Timestamp"], int)


def test_a_key_needs_the_scope_and_reaches_its_own_alone(imqs_client):
    portal = imqs_client.portal
    for key in ("", "sk_live_wrong", new_key(portal, "send", "read", "admin")):
        said = Caller(portal, key)("POST", "/normalize", {"msisdns": []})
        assert said.status_code == 401 and said.text.startswith("User unauthorized")
        assert Caller(portal, key)("GET", "/messagestatus/0830000000").status_code == 401
        assert Caller(portal, key)("POST", "/sendsms", {"message": "x", "msisdns": ["0830000000"]}).status_code == 401
    imqs_client.send("ours", "0830000000")
    portal.install(OTHER)
    stranger = Caller(portal, new_key(portal, "bulksms", places=(OTHER.id,)))
    assert stranger("GET", "/messagestatus/+27830000000").text == "Error: no data available"
    assert stranger("GET", f"/messagestatus/+27830000000?location={PLACE.id}").status_code == 404
    basic = requests.post(f"{portal.url}/normalize", json={"msisdns": []}, auth=("imqs", imqs_client.key), timeout=60)
    assert (basic.status_code, basic.json()) == (200, [])


def test_a_key_to_several_sub_accounts_has_to_name_one(imqs_client):
    portal = imqs_client.portal
    portal.install(OTHER)
    with portal.session() as session:
        company = session.scalars(
            select(Agency.company_id).join(Location, Location.agency_id == Agency.id).where(Location.ghl_id == PLACE.id)
        ).one()
    whole = Caller(portal, new_key(portal, "bulksms", places=(), company=company))
    said = whole("POST", f"/normalize?location={PLACE.id}", {"msisdns": ["0830000000"]})
    assert (said.status_code, said.json()) == (200, ["27830000000"])


def test_a_test_key_rehearses(imqs_client):
    caller = Caller(imqs_client.portal, new_key(imqs_client.portal, "bulksms", test=True))
    said = caller.send("hi", "0830000010", "0830000002")
    assert (said["validNumbers"], said["messagesSent"], said["sendSuccess"]) == (2, 1, True)
    assert "refused" in said["statusDescription"]
    assert imqs_client.portal.messages() == [] and imqs_client.portal.events() == []
    assert caller("GET", "/messagestatus/0830000002").text == "failed"
    assert imqs_client("GET", "/messagestatus/0830000002").text == "Error: no data available"


def test_the_rules_are_set_from_the_command_line(idle):
    run = idle.app.test_cli_runner().invoke
    said = run(args=["installation", "bulksms", "--location", PLACE.id, "--countries", "za, bw", "--segments", "2"])
    assert said.exit_code == 0 and json.loads(said.output)["countries"] == ["ZA", "BW"]
    again = run(args=["installation", "bulksms", "--location", PLACE.id, "--countries", "", "--segments", "0"])
    told = json.loads(again.output)
    assert (told["countries"], told["segments"]) == (["PH"], None)
    for wrong in (["--countries", "XX"], ["--segments", "99"], ["--batch", "-1"]):
        assert run(args=["installation", "bulksms", "--location", PLACE.id, *wrong]).exit_code == 1
