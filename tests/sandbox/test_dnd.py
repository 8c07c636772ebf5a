"""DND in the stand-in: set by the app, its page or its controls, told by an event; odd bodies are refused."""

import json
from collections.abc import Iterator

import pytest

from portal.sandbox import Sandbox
from portal.sandbox.world import Contact
from tests.portal import eventually
from tests.sandbox.conftest import LOCATION, Caller
from tests.sandbox.tiny_portal import TinyPortal

VERSION = "2021-07-28"


@pytest.fixture
def contact(sandbox: Sandbox) -> Contact:
    return sandbox.ghl.directory.of_location(LOCATION)[0]


@pytest.fixture
def heard(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[dict]]:
    """The events that a portal was told, their signatures checked."""
    portal, events = TinyPortal(sandbox), []
    take = portal.take

    def note(path: str, body: bytes, signature: str) -> int:
        events.append(json.loads(body))
        return take(path, body, signature)

    monkeypatch.setattr(portal, "take", note)
    sandbox.portal_url = portal.url
    yield events
    portal.stop()


def put(call: Caller, contact: Contact, body: dict) -> int:
    token = call.grant()["access_token"]
    return call.ghl("PUT", f"/contacts/{contact.id}", token, VERSION, json=body).status_code


def test_one_channel_is_set_and_the_others_stay(call: Caller, contact: Contact, heard: list[dict]) -> None:
    contact.dnd["Email"] = {"status": "active", "message": "", "code": ""}
    body = {"dndSettings": {"SMS": {"status": "active", "message": "They wrote STOP"}}}
    assert put(call, contact, body) == 200
    assert {name: each["status"] for name, each in contact.dnd.items()} == {"Email": "active", "SMS": "active"}
    [event] = eventually(lambda: heard)
    assert (event["type"], event["id"], event["locationId"]) == ("ContactDndUpdate", contact.id, LOCATION)
    assert event["dndSettings"]["SMS"] == {"status": "active", "message": "They wrote STOP", "code": ""}
    assert put(call, contact, body) == 200
    assert put(call, contact, {"dndSettings": {"SMS": {"status": "inactive"}}}) == 200
    eventually(lambda: len(heard) == 2)
    assert heard[-1]["dndSettings"]["SMS"]["status"] == "inactive", "no event where nothing changed"


@pytest.mark.parametrize(
    "body",
    [
        {"dndSettings": {"Fax": {"status": "active"}}},
        {"dndSettings": {"SMS": {"status": "on"}}},
        {"dndSettings": {"SMS": "active"}},
        {"dndSettings": ["SMS"]},
        {"locationId": LOCATION},
        {"colour": "red"},
    ],
)
def test_what_highlevel_would_not_take(call: Caller, contact: Contact, body: dict) -> None:
    assert put(call, contact, body) == 422 and contact.dnd == {}


def test_a_person_turns_it_on_the_page_and_by_the_controls(call: Caller, contact: Contact, heard: list[dict]) -> None:
    form = {"location": LOCATION, "phone": contact.phone, "turn": "on"}
    page = call.request("POST", "/dnd/SMS", data=form)
    assert contact.dnd["SMS"]["status"] == "active" and "SMS: on" in page.text and "WhatsApp: off" in page.text
    assert call.request("POST", "/dnd/Fax", data=form).status_code == 404
    told = call.request("PATCH", f"/control/contacts/{contact.id}/dnd", json={"WhatsApp": "permanent"})
    assert told.json()["dnd"]["WhatsApp"]["status"] == "permanent"
    assert call.request("PATCH", "/control/contacts/x/dnd", json={}).status_code == 400
    eventually(lambda: len(heard) == 2)
