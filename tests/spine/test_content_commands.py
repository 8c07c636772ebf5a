"""Buttons, lists, forms and questions for a place, from HighLevel and the command line: sent once, or refused."""

import json

import pytest

from portal.channels.content import Kind
from portal.errors import InvalidInput
from portal.messaging import content_commands, kinds
from portal.models import Conversation, Location, Message
from tests.hand import settle
from tests.portal import PLACE
from tests.spine.test_whatsapp_cloud import ANA, cloud  # noqa: F401 - a fixture

PHOTO, SONG = "https://pictures.example/a.jpg", "https://pictures.example/a.mp3"
BUTTONS = "/buttons\nAre you coming\non Friday?\n- Yes\n- No"


@pytest.fixture
def line(cloud):  # noqa: F811
    """Ana has written, so that she may be answered."""
    cloud.say(cloud.text("Hello", "m1"))
    cloud.settle()
    return cloud


def deliver(line, text, **more):
    """What somebody writes to her in HighLevel, as far as it goes."""
    ana = next(each for each in line.portal.sandbox.ghl.directory.of_location(PLACE.id) if each.phone == ANA)
    line.portal.sandbox.deliveries.send(text, contact=ana, **more)
    settle(line.portal, line.time)
    return line.portal.messages()[-1]


SENT = [
    (
        BUTTONS,
        "button",
        {
            "buttons": [
                {"type": "reply", "reply": {"id": "1", "title": "Yes"}},
                {"type": "reply", "reply": {"id": "2", "title": "No"}},
            ]
        },
    ),
    (
        "/Buttons\r\nYour bill\r\n- Pay now: https://pay.example/1?a=b:c\r\n",
        "cta_url",
        {"name": "cta_url", "parameters": {"display_text": "Pay now", "url": "https://pay.example/1?a=b:c"}},
    ),
    (
        "/list Choose one\nWhich roof?\n- Tin | 450 a metre\n- Tile",
        "list",
        {
            "button": "Choose one",
            "sections": [
                {"rows": [{"id": "1", "title": "Tin", "description": "450 a metre"}, {"id": "2", "title": "Tile"}]}
            ],
        },
    ),
    (
        "/flow 1234567890 DAYS\nChoose your day\n- Book now",
        "flow",
        {
            "name": "flow",
            "parameters": {
                "flow_message_version": "3",
                "flow_id": "1234567890",
                "flow_cta": "Book now",
                "flow_token": "unused",
                "flow_action": "navigate",
                "flow_action_payload": {"screen": "DAYS"},
            },
        },
    ),
    ("\u200b/ask-location\nWhere shall we come?", "location_request_message", {"name": "send_location"}),
]


def test_a_command_is_sent_as_what_it_asks_for(line):
    for text, kind, action in SENT:
        message = deliver(line, text)
        call = line.graph.sent[-1]
        assert (call["type"], call["interactive"]["type"], call["interactive"]["action"]) == (
            "interactive",
            kind,
            action,
        )
        assert not any("/" in each for each in (call["interactive"]["body"]["text"], message.body))
        assert (message.status, message.credits) == ("accepted", 1)
        with line.portal.session() as session:
            assert "/" not in session.get_one(Conversation, message.conversation_id).last_text.partition("http")[0]
    assert len(line.graph.sent) == len(SENT)


def test_one_attachment_stands_above_the_text(line):
    deliver(line, BUTTONS, attachments=[PHOTO])
    deliver(line, "/flow visit\nChoose\n- Book", attachments=[PHOTO])
    assert [call["interactive"]["header"] for call in line.graph.sent] == [
        {"type": "image", "image": {"link": PHOTO}}
    ] * 2
    assert line.graph.sent[1]["interactive"]["action"]["parameters"]["flow_name"] == "visit"


REFUSED = [
    ("/buttons\nComing?", [], "1 to 3 buttons"),
    ("/buttons\n- Yes", [], "need a text above"),
    ("/buttons now\nComing?\n- Yes", [], "“now” stands in the wrong place"),
    ("/button\nComing?\n- Yes\n- Yes", [], "each different"),
    ("/buttons\nComing?\n- Yes\n- See: https://a.example", [], "cannot stand beside"),
    ("/buttons\nComing?\n- " + "y" * 22, [], "at most 20 characters at WhatsApp Cloud"),
    (BUTTONS, [PHOTO, PHOTO], "There is no place for these files"),
    (BUTTONS, [SONG], "a picture, a video or a document"),
    ("/list\nWhich?\n- Tin", [], "the word that opens it"),
    ("/list Choose\nWhich?\n- Tin", [PHOTO], "There is no place for these files"),
    ("/list Choose\nWhich?", [], "1 to 10 rows"),
    ("/flow\nChoose\n- Book", [], "Write /flow and the Flow's ID"),
    ("/flow 77 A B\nChoose\n- Book", [], "Write /flow and the Flow's ID"),
    ("/flow 77\nChoose\n- Book\n- Or not", [], "Write /flow and the Flow's ID"),
    ("/flow 77\n- Book", [], "needs a text above"),
    ("/ask-location", [], "needs a text"),
    ("/ask-location\nWhere?\n- Here", [], "a button of its own"),
]


def test_what_is_not_exactly_so_is_refused_and_nothing_leaves(line):
    for text, files, says in REFUSED:
        message = deliver(line, text, attachments=files)
        assert message.status == "failed" and says in message.reason, (text, message.reason)
        assert line.graph.sent == [] and message.credits == 0


def test_a_sender_that_has_no_buttons_sends_no_command(line):
    sms = line.portal.add_sender("simulator", name="SMS line")
    with line.portal.database.write() as session:
        from portal.messaging import senders

        senders.make_default(session, sms)
        for each in session.query(Conversation):
            each.sticky_sender_id = None
    assert "SMS line (Simulator) cannot send buttons" in deliver(line, BUTTONS).reason


def test_what_only_looks_like_it_is_a_text(line):
    for text in ("/buttonsare nice", "See /buttons", "/flow-chart", "/listen", "/lists/one"):
        assert content_commands.read(text) is None
    deliver(line, "/flowers are here")
    assert line.graph.sent[0]["text"]["body"] == "/flowers are here"


def run(line, *args):
    """`flask send` to Ana."""
    line.portal.app.extensions["portal"] = line.portal.parts
    given = ["send", "--location", line.place, "--to", ANA, *args]
    said = line.portal.app.test_cli_runner().invoke(args=given)
    settle(line.portal, line.time, "apply")
    settle(line.portal, line.time, "send")
    return said


@pytest.fixture
def shell(line):
    with line.portal.session() as session:
        line.place = session.get_one(Location, 1).ghl_id
    return line


def test_the_command_line_sends_them_too(shell):
    form = ("--text", "Choose", "--flow", "visit", "--button", "Book", "--screen", "DAYS", "--header-url", PHOTO)
    assert run(shell, *form).exit_code == 0
    assert run(shell, "--text", "Where?", "--ask-location").exit_code == 0
    assert run(shell, "--text", "Yes?", "--button", "Yes", "--header-url", PHOTO).exit_code == 0
    card = {"name": "Bo", "phones": ["+639180000000"], "emails": ["bo@reyes.example"]}
    assert run(shell, "--content", json.dumps({"kind": "contact", "contacts": [card]})).exit_code == 0
    flow, place, buttons, contact = shell.graph.sent
    assert flow["interactive"]["action"]["parameters"]["flow_action_payload"] == {"screen": "DAYS"}
    assert (
        flow["interactive"]["header"] == buttons["interactive"]["header"] == {"type": "image", "image": {"link": PHOTO}}
    )
    assert place["interactive"]["type"] == "location_request_message"
    assert contact["contacts"][0]["emails"] == [{"email": "bo@reyes.example", "type": "WORK"}]


SENSELESS = [
    (["--flow", "7"], "one --button"),
    (["--flow", "7", "--button", "a", "--button", "b"], "one --button"),
    (["--screen", "X", "--text", "a"], "belongs to a form"),
    (["--ask-location", "--flow", "7", "--button", "a"], "one thing"),
    (["--header-url", PHOTO, "--text", "a"], "A header belongs to"),
    (["--ask-location"], "needs a text"),
    (["--content", "no json"], "one JSON object"),
    (["--content", "[1]"], "one JSON object"),
    (["--content", '{"kind": "hologram"}'], "one JSON object"),
    (["--content", '{"kind": "reaction"}'], "--react MESSAGE_ID"),
    (["--content", '{"kind": "image"}'], "nothing that can be written here"),
    (["--content", '{"kind": "contact", "contacts": ["Bo"]}'], "not of the shape"),
    (["--content", '{"kind": "flow", "flow": "7", "button": "a", "data": [1]}', "--text", "a"], "one object"),
]


def test_and_refuses_what_makes_no_sense(shell):
    for args, says in SENSELESS:
        said = run(shell, *args)
        assert said.exit_code != 0 and says in f"{said.output}{said.exception}", (args, said.output)
    assert shell.graph.sent == [] and shell.rows(Message.direction == "out") == []


def test_a_file_above_buttons_is_not_lost_on_a_channel_that_has_no_place_for_it():
    from portal.channels import registry

    green, media = registry.get("green_api"), {"media": {"kind": "image", "url": PHOTO}}
    buttons = {"buttons": [{"id": "1", "text": "y" * 25}]}
    assert "puts no such file" in kinds.unfit(green, "Line", Kind.BUTTONS, "Coming?", buttons | media)
    assert kinds.unfit(green, "Line", Kind.BUTTONS, "Coming?", buttons) == ""
    cloud_ = registry.get("whatsapp_cloud")
    assert "at most 20 characters" in kinds.unfit(cloud_, "Line", Kind.BUTTONS, "Coming?", buttons)
    with pytest.raises(InvalidInput):
        kinds.check(content_commands.Content(Kind.BUTTONS, {"buttons": [5]}), "Coming?", [])
