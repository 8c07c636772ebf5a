"""Workflow actions over HTTP, as the GREEN-API adapter's app sends them: what goes out, once, and for whom."""

import pytest
import requests
from sqlalchemy import select

from portal.models import Message
from portal.sandbox import world
from tests.portal import Portal, eventually
from tests.spine.api import OTHER, PLACE, new_key

TOKEN = "a-workflow-token-of-forty-characters-yes"
PHONE = "+639171234567"


def body(place=PLACE, extras=None, **data):
    """A step's call, in the fields of the adapter's own type."""
    return {
        "data": {"instanceId": world.GREEN_INSTANCE, **data},
        "extras": {"locationId": place.id, "contactId": "contact-1", "workflowId": "flow-1", **(extras or {})},
        "meta": {"key": "send_message", "version": "1.0"},
        "isMarketplaceAction": True,
    }


def act(portal, said, place=PLACE, token=TOKEN, **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    given = {"Authorization": f"Bearer {token}", "locationid": place.id, "contactphone": PHONE} | named
    return requests.post(f"{portal.url}/webhooks/workflow-action", json=said, headers=given, timeout=60)


@pytest.fixture
def served(database_url, sandbox, tmp_path):
    portal = Portal(database_url, sandbox, tmp_path, ghl_workflow_token=TOKEN)
    try:
        portal.install()
        portal.add_sender("green_api")
        portal.start()
        yield portal
    finally:
        portal.close()


def applied(portal, count):
    return eventually(lambda: len(found := portal.messages()) >= count and found)


def test_a_text_goes_out_and_stands_in_the_conversation_once(served):
    run = {"executionId": "run-1", "stepId": "step-1"}
    first = act(served, body(message="Your roof is ready", extras=run))
    assert first.status_code == 200 and first.json()["success"] and first.json()["contactId"] == "contact-1"
    again = act(served, body(message="Your roof is ready", extras=run))
    assert again.json() == first.json() and "warning" not in first.json()
    other = act(served, body(message="Your roof is ready", extras=run | {"stepId": "step-2"}))
    assert other.json()["messageId"] != first.json()["messageId"]
    sent = applied(served, 2)
    assert {each.uuid for each in sent} == {first.json()["messageId"], other.json()["messageId"]}
    assert {(each.body, each.address, each.author) for each in sent} == {("Your roof is ready", PHONE, "a workflow")}
    logged = eventually(lambda: len(found := served.sandbox.ghl.mailbox.messages(direction="outbound")) >= 2 and found)
    assert sorted(each.text for each in logged) == ["Your roof is ready"] * 2


def test_what_names_no_run_is_sent_each_time_and_flagged(served):
    first, second = act(served, body(message="Hi")), act(served, body(message="Hi"))
    assert first.json()["messageId"] != second.json()["messageId"]
    assert "sent again" in first.json()["warning"]
    assert {each.author for each in applied(served, 2)} == {"a workflow, its run unnamed"}
    keyed = [act(served, body(message="Hi"), Idempotency_Key="one").json() for _ in range(2)]
    assert keyed[0] == keyed[1] and "warning" not in keyed[0]


def test_files_and_buttons_take_the_adapters_fields(served):
    doing = {"body": "Pay", "button1Type": "url", "button1Text": "Open", "button1Value": "https://example.com/p"}
    more = {"button2Type": "call", "button2Text": "Call", "button2Value": "+639170000000", "button3Type": "copy"}
    told = [
        act(served, body(url="https://example.com/a.pdf", fileName="a.pdf", caption="See"), Idempotency_Key="1"),
        act(served, body(**doing, **more, header="Bill", footer="Thanks"), Idempotency_Key="2"),
        act(served, body(body="Come?", button1Text="Yes", button2Text="No"), Idempotency_Key="3"),
    ]
    assert [each.status_code for each in told] == [200, 200, 200], [each.text for each in told]
    by_id = {each.uuid: each for each in applied(served, 3)}
    file, doing, replies = (by_id[each.json()["messageId"]] for each in told)
    assert (file.body, file.attachments) == ("See", ["https://example.com/a.pdf"])
    # The third is not filled in.
    assert [each["type"] for each in doing.details["buttons"]] == ["url", "call"]
    assert (doing.body, doing.details["header"], doing.details["footer"]) == ("Pay", "Bill", "Thanks")
    assert [(each["text"], each["type"]) for each in replies.details["buttons"]] == [("Yes", "reply"), ("No", "reply")]


@pytest.mark.parametrize(
    ("said", "headers", "word"),
    [
        (body(message=""), {}, "Message is required"),
        (body(message="x", instanceId="9999999999"), {}, "does not belong"),
        (body(button1Text="Yes"), {}, "Body is required"),
        (body(body="x", button1Type="url", button1Text="Open"), {}, "At least one button"),
        (body(body="x", button1Type="pay", button1Text="Open", button1Value="1"), {}, "open"),
        (body(url="file:///etc/passwd"), {}, "address"),
        (body(message="x", extras={"locationId": OTHER.id}), {}, "another sub-account"),
        (body(message="x"), {"locationid": ""}, "Location ID"),
        (body(message="x"), {"locationid": "nowhere"}, "no such sub-account"),
        (body(message="x"), {"contactphone": ""}, "Contact phone"),
        (body(message="x"), {"contactphone": "12"}, "contactphone"),
        ([], {}, "JSON object"),
    ],
)
def test_what_cannot_be_sent_is_400_in_words(served, said, headers, word):
    answer = act(served, said, **headers)
    assert answer.status_code == 400 and answer.json()["success"] is False
    assert word in answer.json()["error"] or word == "open"
    assert served.messages() == []


def test_nobody_sends_through_anothers_line(served):
    served.install(OTHER)
    assert "does not belong" in act(served, body(OTHER, message="x"), OTHER).json()["error"]
    key = new_key(served, "send", places=(OTHER.id,))
    assert act(served, body(message="x"), token=key).status_code == 400
    reading = new_key(served, "read")
    assert act(served, body(message="x"), token=reading).status_code == 403
    assert act(served, body(message="x"), token=new_key(served, test=True)).status_code == 403
    assert act(served, body(message="x"), token=TOKEN[:-1]).status_code == 401
    assert act(served, body(message="x"), token="").status_code == 401
    assert served.messages() == []
    own = act(served, body(message="x"), token=new_key(served, "send"))
    assert own.status_code == 200
    applied(served, 1)
    with served.session() as session:
        assert session.scalars(select(Message.uuid)).all() == [own.json()["messageId"]]


def test_without_a_token_in_the_settings_keys_alone_are_taken(portal):
    assert act(portal, body(message="x")).status_code == 401
    assert act(portal, body(message="x", instanceId=""), token=new_key(portal, "send")).status_code == 200
