"""Templates that are sent from HighLevel: read exactly, or refused with a sentence; never sent as they were typed."""

import pytest

from portal.errors import InvalidInput
from portal.messaging import senders, template_commands
from portal.models import Conversation
from tests.hand import settle
from tests.spine.test_sending_templates import FRIDAY, portal, provider  # noqa: F401 - fixtures

VISIT = "/template visit\n1: Ana\n2: Friday"
OFFER = "/template offer en\nfirst_name: Ana\nbutton-2: 9"
PHOTO = "https://pictures.example/a.jpg"


def deliver(portal, time, text: str, **more):  # noqa: F811
    """What somebody writes in HighLevel, as far as it goes."""
    portal.sandbox.deliveries.send(text, **more)
    settle(portal, time)
    return portal.messages()[-1]


def told(portal) -> list[tuple[str, str]]:  # noqa: F811
    return [
        (each.status, (each.error or {}).get("message", ""))
        for each in portal.sandbox.ghl.mailbox.messages(direction="outbound")
    ]


def test_the_command_sends_the_template_and_the_portal_shows_its_words(portal, time, provider):  # noqa: F811
    message = deliver(portal, time, VISIT)
    (call,) = provider.sent
    assert (call["content"]["kind"], call["content"]["name"], call["text"]) == ("template", "visit", "")
    assert (message.kind, message.body, message.status, message.credits) == ("template", FRIDAY, "accepted", 1)
    with portal.session() as session:
        assert session.get_one(Conversation, message.conversation_id).last_text == FRIDAY
    again = deliver(portal, time, "  /Template visit en\r\n\r\n1 : Ben\r\n2:  Monday\r\n")
    assert again.body == "Hi Ben, we see you on *Monday*."


def test_an_attachment_is_the_file_above_the_text(portal, time, provider):  # noqa: F811
    message = deliver(portal, time, OFFER, attachments=[PHOTO])
    header = provider.sent[0]["content"]["components"][0]
    assert header["parameters"] == [{"type": "image", "image": {"link": PHOTO}}]
    assert message.marketing and message.attachments == [] and message.body.startswith(f"Photo: {PHOTO}")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("/template", "Write /template NAME"),
        ("/template Visit", "Write /template NAME"),
        ("/templates", "Write /template NAME"),
        ("/TEMPLATE: visit\n1: Ana\n2: Friday", "Write /template NAME"),
        (f"\u200b\ufeff{VISIT}", "Write /template NAME"),
        ("/template visit en please", "Write /template NAME"),
        ("/template visit 1: Ana", "Write /template NAME"),
        ("/template visit\nAna", "The line “Ana” is not understood"),
        ("/template visit\n1: Ana\n1: Ben", "stands there twice"),
        ("/template visit\n1: Ana", "{{2}} in the body: fill it in."),
        (f"{VISIT}\n3: x", "has no variable 3"),
        ("/template visit de\n1: Ana\n2: Friday", "no template visit in de"),
        ("/template nothing", "has no template nothing"),
        ("\n/template hello\nheader-url: x", "has no variable header-url"),
    ],
)
def test_what_is_not_exactly_so_is_refused_and_nothing_leaves(portal, time, provider, text, says):  # noqa: F811
    message = deliver(portal, time, text)
    assert message.status == "failed" and says in message.reason and message.reason.endswith("Nothing was sent.")
    assert provider.sent == [] and message.credits == 0
    assert told(portal)[0][0] == "failed" and says in told(portal)[0][1], "HighLevel says why"


@pytest.mark.parametrize("files", [[PHOTO], [PHOTO, PHOTO]])
def test_files_that_the_template_has_no_place_for_are_refused(portal, time, provider, files):  # noqa: F811
    text = VISIT if len(files) == 1 else OFFER
    assert "takes no such file" in deliver(portal, time, text, attachments=files).reason
    assert provider.sent == []


def test_a_sender_without_templates_never_sends_the_command(portal, time, provider):  # noqa: F811
    sms = portal.add_sender("simulator", name="SMS line")
    with portal.database.write() as session:
        senders.make_default(session, sms)
    assert "SMS line (Simulator) knows no templates." in deliver(portal, time, VISIT).reason


def test_what_only_looks_like_it_is_a_text(portal, time, provider):  # noqa: F811
    texts = ["See /template visit", "template visit", "/ template visit", "\u201c/template\u201d it is"]
    for text in texts:
        deliver(portal, time, text)
    assert [each["text"] for each in provider.sent] == texts


def test_a_held_command_goes_out_as_a_template(portal, time, provider):  # noqa: F811
    with portal.database.write() as session:
        senders.pause(session, portal.line, "on holiday")
    assert deliver(portal, time, VISIT).status == "held"
    with portal.database.write() as session:
        senders.resume(session, portal.line)
    settle(portal, time)
    assert [each["content"]["name"] for each in provider.sent] == ["visit"]


def test_reading_alone():
    assert template_commands.read(OFFER) == ("offer", "en", {"first_name": "Ana", "button-2": "9"})
    assert template_commands.read("/template a pt_BR\nx: a: b") == ("a", "pt_BR", {"x": "a: b"})
    with pytest.raises(InvalidInput):
        template_commands.read("/template a\n: b")
