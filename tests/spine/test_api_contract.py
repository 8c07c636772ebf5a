"""The API against its own specification: every operation reaches its 2xx, and nothing else than documented comes."""

import json

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlalchemy import update

from portal.models import Event
from portal.sandbox import Sandbox
from portal.web.api.operations import OPERATIONS
from tests.portal import Portal
from tests.spine.api import Client, new_key

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
    response_headers_conformance,
]
TO = "09171234567"
# What each operation that takes a body is given to succeed.
BODIES = {
    "send_message": {"to": TO, "text": "Hello"},
    "send_bulk": {"to": [TO, "x"], "text": "Hello"},
    "add_opt_out": {"address": "09180000000", "reason": "asked"},
    "lift_opt_out": {"reason": "asked again"},
    "normalise_numbers": {"numbers": [TO, "x"], "countries": ["PH"]},
    "count_segments": {"text": "Hello €"},
    "add_webhook": {"url": "http://127.0.0.1:9/x", "events": ["message.failed"]},
    "pause_webhook": {"paused": True},
}


def started(url, folder):
    """A portal whose worker does not run, with a key to all of it that has time enough."""
    sandbox = Sandbox()
    server = sandbox.serve(0)
    running = Portal(url, sandbox, folder, allow_private_hosts=True)
    running.install()
    running.add_sender("simulator")
    running.key = new_key(running, per_minute=60_000)
    return running, server


@pytest.fixture(scope="module")
def portal(tmp_path_factory):
    folder = tmp_path_factory.mktemp("contract")
    running, server = started(f"sqlite:///{folder / 'x.db'}", folder)
    yield running
    running.close()
    server.stop()


@pytest.fixture(scope="module")
def specified(portal):
    return schemathesis.openapi.from_url(f"{portal.url}/api/v1/openapi.json")


@pytest.fixture(scope="module")
def things(portal):
    return prepared(Client(portal, portal.key))


def lead_in(case, things):
    """Has a request name what there is, so that it is not turned away before the rest of it is looked at."""
    case.path_parameters = {name: things[name] for name in case.path_parameters or {}}
    if isinstance(case.body, dict):
        case.body = {name: value for name, value in case.body.items() if name not in ("location", "sender")}
        if "to" in case.body:
            case.body["to"] = [TO, *case.body["to"]] if isinstance(case.body["to"], list) else TO


def template(each) -> str:
    """The operation's path as the specification has it."""
    return each.rule.replace("<int:", "{").replace("<string:", "{").replace(">", "}")


@pytest.mark.parametrize("each", OPERATIONS, ids=[each.name for each in OPERATIONS])
def test_whatever_is_sent_the_answer_is_one_of_those_written_down(portal, specified, things, each):
    headers = {"Authorization": f"Bearer {portal.key}"}
    tries = (specified[template(each)][each.method].as_strategy(generation_mode=mode) for mode in GenerationMode)

    @settings(max_examples=16, deadline=None, derandomize=True, database=None, suppress_health_check=[*HealthCheck])
    @given(case=st.one_of(*tries), known=st.booleans())
    def tried(case, known):
        if known:
            lead_in(case, things)
        response = case.call(base_url=f"{portal.url}/api/v1", headers=headers, timeout=30)
        case.validate_response(response, checks=CHECKS)

    tried()


def prepared(api) -> dict[str, object]:
    """One of each thing, by the name of the parameter that names it."""
    portal = api.portal
    sent = api.post("/messages", {**BODIES["send_message"], "callback_url": "http://127.0.0.1:9/y"})
    hook = api.post("/webhooks", BODIES["add_webhook"], 201)
    with portal.database.write() as session:
        session.execute(update(Event).values(state="parked"))
    return {
        "message_id": sent["id"],
        "bulk_id": api.post("/bulk", BODIES["send_bulk"])["id"],
        "conversation_id": sent["conversation"],
        "contact_id": api.get("/contacts")["data"][0]["id"],
        "sender_id": 1,
        "opt_out_id": api.post("/opt-outs", {"address": "09190000000", "reason": "asked"}, 201)["id"],
        "event_id": api.get("/events?state=parked")["data"][0]["id"],
        "webhook_id": hook["id"],
        "delivery_id": api.post(f"/webhooks/{hook['id']}/ping", None)["id"],
    }


def test_every_operation_reaches_what_it_promises(database_url, tmp_path):
    """On both engines, each answer held against the specification."""
    running, server = started(database_url, tmp_path)
    api = Client(running, running.key)
    spec = json.loads(requests.get(f"{running.url}/api/v1/openapi.json", timeout=60).content)
    schema = schemathesis.openapi.from_dict(spec)
    ids = prepared(api)
    # What ends a thing comes last.
    for each in sorted(OPERATIONS, key=lambda one: one.method == "DELETE"):
        path = each.rule
        for name, value in ids.items():
            path = path.replace(f"<int:{name}>", str(value)).replace(f"<string:{name}>", str(value))
        said = api(each.method, path, BODIES.get(each.name))
        assert said.status_code == each.status, (each.name, said.text)
        schema[template(each)][each.method].validate_response(said)
    assert set(BODIES) == {each.name for each in OPERATIONS if each.body is not None}
    running.close()
    server.stop()


def test_the_specification_names_every_route_and_the_page_names_every_operation(portal):
    spec = requests.get(f"{portal.url}/api/v1/openapi.json", timeout=60).json()
    routed = {
        (template(rule), method)
        for rule in portal.app.url_map.iter_rules()
        if rule.endpoint.startswith("api_v1.") and rule.endpoint not in ("api_v1.openapi", "api_v1.docs")
        for method in rule.methods - {"HEAD", "OPTIONS"}
    }
    written = {(f"/api/v1{path}", method.upper()) for path, methods in spec["paths"].items() for method in methods}
    assert written == routed and spec["openapi"].startswith("3.1")
    page = requests.get(f"{portal.url}/api/v1/docs", timeout=60)
    assert all(f'id="{each.name}"' in page.text for each in OPERATIONS)
    assert 'src="http' not in page.text and 'href="http' not in page.text
    for path in ("/api/v1/nothing", "/api/v1/messages/x/y"):
        said = requests.get(f"{portal.url}{path}", timeout=60)
        assert (said.status_code, said.headers["Content-Type"]) == (404, "application/problem+json")
    assert requests.delete(f"{portal.url}/api/v1/messages", timeout=60).status_code == 405
