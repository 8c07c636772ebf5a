"""The GREEN-API adapter's own API over HTTP, with the ownership checks that it lacked."""

import json
from types import SimpleNamespace

import pytest
import requests
from sqlalchemy import select

from portal.models import AuditEntry, Sender
from portal.sandbox import world
from portal.sandbox.ghl.sso import encrypt
from tests.portal import Portal
from tests.spine.api import OTHER, PLACE


def context(place=PLACE, role="admin", secret=world.SHARED_SECRET, **more):
    """The payload of HighLevel's handshake, as the page hands it on."""
    said = {
        "userId": "user-1",
        "companyId": place.company_id,
        "role": role,
        "type": "account",
        "activeLocation": place.id,
        "userName": "Ana",
        "email": "ana@example.com",
    }
    return encrypt(said | more, secret)


@pytest.fixture
def served(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path, allow_private_hosts=True)
    try:
        portal.install()
        portal.install(OTHER)
        yield portal
    finally:
        portal.close()


def ask(portal, method, path="", body=None, payload=None):
    headers = {"X-GHL-Context": context() if payload is None else payload}
    url = f"{portal.url}/api/instances{path}"
    return requests.request(method, url, json=body, headers=headers, timeout=60)


def wanted(portal, **more):
    known = {"locationId": PLACE.id, "instanceId": world.GREEN_INSTANCE, "apiToken": world.GREEN_TOKEN}
    return known | {"name": "Front desk", "apiUrl": portal.sandbox.url} | more


def test_an_instance_is_added_shown_renamed_and_removed(served):
    made = ask(served, "POST", "", wanted(served))
    assert made.status_code == 201, made.text
    instance = made.json()["instance"]
    assert (instance["id"], instance["name"]) == (world.GREEN_INSTANCE, "Front desk")
    shown = ask(served, "GET", f"/{PLACE.id}").json()
    assert shown == {"success": True, "instances": [instance]}
    assert world.GREEN_TOKEN not in json.dumps(shown) and "settings" not in instance
    again = ask(served, "POST", "", wanted(served))
    assert (again.status_code, again.json()["message"]) == (409, "Instance ID already exists")
    named = ask(served, "PATCH", f"/{world.GREEN_INSTANCE}", {"name": "Back office"})
    assert named.json()["instance"]["name"] == "Back office"
    assert ask(served, "PATCH", f"/{world.GREEN_INSTANCE}", {}).json()["instance"]["name"] == "Back office"
    gone = ask(served, "DELETE", f"/{world.GREEN_INSTANCE}")
    assert gone.json() == {"success": True, "message": "Instance deleted successfully"}
    assert ask(served, "DELETE", f"/{world.GREEN_INSTANCE}").status_code == 404
    assert ask(served, "GET", f"/{PLACE.id}").json()["instances"] == []
    with served.session() as session:
        log = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [(entry.action, entry.who, entry.who_id) for entry in log] == [
        (action, "Ana", "ghl:user-1") for action in ("added", "changed", "removed")
    ]


def test_wrong_credentials_and_half_bodies_are_400(served):
    for body in (
        wanted(served, apiToken="wrongwrongwrong"),
        wanted(served, instanceId="not a number"),
        wanted(served, instanceId=None),
        wanted(served, name="x" * 500),
        wanted(served, apiUrl="ftp://example.com"),
        [],
    ):
        said = ask(served, "POST", "", body)
        assert (said.status_code, said.json()["success"]) == (400, False), (body, said.text)
    with served.session() as session:
        assert session.scalars(select(Sender)).all() == []


def test_nobody_reaches_anothers_instances(served):
    ask(served, "POST", "", wanted(served))
    theirs = context(OTHER)
    assert ask(served, "GET", f"/{PLACE.id}", payload=theirs).status_code == 404
    assert ask(served, "POST", "", wanted(served), payload=theirs).status_code == 404
    assert ask(served, "PATCH", f"/{world.GREEN_INSTANCE}", {"name": "mine"}, theirs).status_code == 404
    assert ask(served, "DELETE", f"/{world.GREEN_INSTANCE}", payload=theirs).status_code == 404
    for payload in ("", "x", context(secret="another app's secret"), context()[:-4]):
        assert ask(served, "GET", f"/{PLACE.id}", payload=payload).status_code == 401
    moved = context(companyId="another-company")
    assert ask(served, "GET", f"/{PLACE.id}", payload=moved).status_code == 403
    user = context(role="user")
    assert ask(served, "GET", f"/{PLACE.id}", payload=user).status_code == 200
    assert ask(served, "PATCH", f"/{world.GREEN_INSTANCE}", {"name": "mine"}, user).status_code == 403
    assert ask(served, "DELETE", f"/{world.GREEN_INSTANCE}", payload=user).status_code == 403
    assert ask(served, "POST", "", wanted(served), user).status_code == 403
    assert ask(served, "GET", f"/{PLACE.id}").json()["instances"][0]["name"] == "Front desk"


def test_user_data_is_told_and_the_installation_only_to_its_own(served):
    def told(payload):
        return requests.post(f"{served.url}/app/decrypt-user-data", json={"encryptedData": payload}, timeout=60)

    said = told(context())
    assert said.status_code == 200, said.text
    assert said.json()["locationId"] == PLACE.id and said.json()["userData"]["email"] == "ana@example.com"
    assert said.json()["user"] == {"id": PLACE.id, "companyId": PLACE.company_id, "hasTokens": True}
    assert told(context(companyId="another-company")).json()["user"] is None
    nowhere = SimpleNamespace(id="nowhere", company_id=PLACE.company_id)
    assert told(context(nowhere)).json()["user"] is None
    for payload in ("", "x", context(secret="another app's secret")):
        bad = told(payload)
        assert (bad.status_code, bad.json()["error"]) == (400, "Failed to decrypt user data")
    assert requests.post(f"{served.url}/app/decrypt-user-data", data="x", timeout=60).status_code == 400
