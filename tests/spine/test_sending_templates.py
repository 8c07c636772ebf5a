"""Templates, reactions, answers, lists and buttons that open a page: written in the portal, checked, sent once."""

import json
from datetime import timedelta

import pytest
from sqlalchemy import select

from portal.channels.base import Inbound
from portal.channels.content import Content, Kind, Relation
from portal.errors import InvalidInput, NotFound
from portal.installations.lifecycle import ensure_location
from portal.messaging import composing, senders, template_sending, template_texts
from portal.messaging.composing import Draft
from portal.messaging.releasing import release_held
from portal.models import LedgerEntry, Message, Sender
from tests import templated
from tests.hand import settle, work
from tests.linked import serving
from tests.portal import PLACE
from tests.spine.test_installing import COMPANY, consent
from tests.spine.test_templates import later, rows
from tests.templated import BODY, HELLO, OFFER, Provider, said

ANNA = "+4915112345678"
VISIT = {"1": "Ana", "2": "Friday"}
FRIDAY = "Hi Ana, we see you on *Friday*."


@pytest.fixture
def provider(monkeypatch):
    templated.register(monkeypatch)
    with serving(Provider()) as provider:
        provider.listed.append(said("offer", *OFFER, category="MARKETING"))
        yield provider


@pytest.fixture
def portal(by_hand, time, provider):
    consent(by_hand, COMPANY, PLACE.id)
    settle(by_hand, time)
    by_hand.line = templated.add_sender(by_hand, provider)
    settle(by_hand, time, "send")
    return by_hand


def filled(portal, name: str, values: dict[str, str], sender: int | None = None) -> Content:
    with portal.session() as session:
        row = template_sending.find(session, session.get_one(Sender, sender or portal.line), name)
    return template_texts.content(template_sending.form_of(row), values)


def compose(portal, *to: str, text: str = "", **more):
    with portal.session() as session:
        location = ensure_location(session, PLACE.id)
    return composing.compose(portal.database, portal.parts.journal, location, Draft(to, text, "a test", **more))


def sent(portal, time, provider) -> list[dict]:
    settle(portal, time, "apply")
    settle(portal, time, "send")
    return provider.sent


def heard(portal, text: str = "Are you open?", external_id: str = "wamid.1") -> Message:
    """What Anna wrote to the line."""
    templated.hear(portal, portal.line, Inbound(ANNA, text, external_id))
    work(portal, "apply")
    return portal.messages("in")[-1]


def test_a_template_is_looked_at_while_it_is_still_queued(portal, time, provider, monkeypatch):
    """Were the process to die there, nobody would have to ask whether it went out."""
    judge, seen = template_sending.refusal, []

    def looks(session, sender, message):
        seen.append(portal.parts_of(message)[0].status if message.parts else "new")
        return judge(session, sender, message)

    monkeypatch.setattr(template_sending, "refusal", looks)
    compose(portal, "0917 555 0101", content=filled(portal, "visit", VISIT))
    assert len(sent(portal, time, provider)) == 1
    assert seen == ["queued"] and portal.statuses() == {"accepted": 1}


def test_a_template_that_is_a_text_alone_may_be_as_long_as_meta_takes_it(portal, time, provider):
    """The limit of 10 000 is one of what people type; what a template says has limits of its own."""
    provider.listed.append(said("letter", {"type": "BODY", "text": "Dear {{1}}"}))
    later(portal, time)
    compose(portal, "0917 555 0101", content=filled(portal, "letter", {"1": "a" * 20_000}))
    (call,) = sent(portal, time, provider)
    assert call["content"]["components"][0]["parameters"][0]["text"] == "a" * 20_000
    (message,) = portal.messages()
    assert len(message.body) == 20_005 and message.status == "accepted"
    with pytest.raises(InvalidInput, match="32768: shorten it"):
        filled(portal, "letter", {"1": "a" * 32_768})
    with pytest.raises(InvalidInput, match="10000 characters"):
        compose(portal, "0917 555 0101", text="a" * 10_001)


def test_a_template_goes_out_in_one_call_and_everybody_reads_what_it_said(portal, time, provider):
    compose(portal, "0917 555 0101", content=filled(portal, "visit", VISIT))
    (call,) = sent(portal, time, provider)
    assert call["content"]["kind"] == "template" and call["text"] == "", "its words are not sent besides"
    assert call["content"]["components"] == [
        {"type": "body", "parameters": [{"type": "text", "text": "Ana"}, {"type": "text", "text": "Friday"}]}
    ]
    (message,) = portal.messages()
    assert (message.kind, message.body, message.credits, message.status) == ("template", FRIDAY, 1, "accepted")
    assert len(portal.parts_of(message)) == 1
    settle(portal, time)
    assert [each.text for each in portal.sandbox.ghl.mailbox.messages(direction="outbound")] == [FRIDAY]


def test_the_words_are_those_of_the_template_whatever_else_is_claimed(portal, time, provider):
    values = {"header-url": "https://x.example/a.jpg", "first_name": "Ana", "button-2": "9"}
    compose(portal, "0917 555 0101", text="We owe you money.", content=filled(portal, "offer", values))
    sent(portal, time, provider)
    assert portal.messages()[0].body == (
        "Photo: https://x.example/a.jpg\nOnly for you, Ana.\nReply STOP to hear no more\n[Yes]\n"
        "[Look] https://shop.example/o/9"
    )


@pytest.mark.parametrize(
    ("details", "says"),
    [
        ({"name": "nothing"}, "has no template nothing"),
        ({}, "has no template"),
        ({"name": "visit", "language": "de"}, "no template visit in de: there is en"),
        ({"name": "visit", "language": "en"}, "in the body: fill it in."),
        ({"name": "visit", "components": [{"type": "body", "parameters": ["x"]}]}, "does not fit the template visit"),
        ({"name": "hello", "components": [{"type": "body", "parameters": []}]}, "does not fit the template hello"),
    ],
)
def test_what_does_not_fit_a_template_is_never_queued(portal, details, says):
    with pytest.raises(InvalidInput, match=says):
        compose(portal, ANNA, content=Content(Kind.TEMPLATE, details))
    assert [event for event in portal.events() if event.source == "portal"] == []


@pytest.mark.parametrize(
    ("listed", "says"),
    [
        ([said("visit", HELLO, status="PAUSED", detail="Low quality.")], "paused by WhatsApp. Low quality"),
        ([said("visit", HELLO, status="NEWLY_MADE")], "is newly made"),
        ([], "not listed any more"),
        ([said("visit", HELLO, {"type": "CAROUSEL", "cards": []})], "It has a carousel"),
        ([said("visit", HELLO, language="en"), said("visit", HELLO, language="de")], "several languages: de, en"),
    ],
)
def test_what_cannot_be_sent_now_is_said(portal, time, provider, listed, says):
    provider.listed = listed
    later(portal, time)
    with pytest.raises(InvalidInput, match=says):
        compose(portal, ANNA, content=Content(Kind.TEMPLATE, {"name": "visit"}))


def test_of_several_languages_the_one_that_can_be_sent_is_taken(portal, time, provider):
    provider.listed = [said("hello", HELLO, language="de", status="REJECTED"), said("hello", HELLO)]
    later(portal, time)
    compose(portal, ANNA, content=Content(Kind.TEMPLATE, {"name": "hello"}))
    assert sent(portal, time, provider)[0]["content"]["language"] == "en"


def test_the_sender_is_named_found_or_asked_for(portal, time, provider):
    with serving(Provider(listed=[said("other", HELLO)])) as second:
        another = templated.add_sender(portal, second, name="Second line")
        settle(portal, time, "send")
        compose(portal, ANNA, content=Content(Kind.TEMPLATE, {"name": "other"}))
        sent(portal, time, provider)
        assert [each["content"]["name"] for each in second.sent] == ["other"]
        with pytest.raises(InvalidInput, match="Second line has no template visit"):
            compose(portal, ANNA, sender_id=another, content=filled(portal, "visit", VISIT))
        second.listed.append(said("hello", HELLO))
        later(portal, time)
        with pytest.raises(InvalidInput, match=rf"name one of {portal.line} \(Front desk\), {another} \(Second line\)"):
            compose(portal, ANNA, content=Content(Kind.TEMPLATE, {"name": "hello"}))
    sms = portal.add_sender("simulator", name="SMS line")
    with pytest.raises(InvalidInput, match="knows no templates"):
        compose(portal, ANNA, sender_id=sms, content=Content(Kind.TEMPLATE, {"name": "hello"}))


def test_held_and_paused_at_its_provider_meanwhile_it_fails_and_frees_its_credits(portal, time, provider):
    with portal.database.write() as session:
        senders.pause(session, portal.line, "on holiday")
    compose(portal, ANNA, content=filled(portal, "visit", VISIT))
    settle(portal, time, "apply")
    assert portal.messages()[0].status == "held"
    provider.listed = [said("visit", HELLO, status="PAUSED")]
    later(portal, time, hours=7)
    assert rows(portal)["visit"].status == "PAUSED"
    with portal.database.write() as session:
        senders.resume(session, portal.line)
    settle(portal, time)
    (message,) = portal.messages()
    assert (message.status, message.error_code) == ("failed", "unfit") and "is paused by WhatsApp" in message.reason
    assert provider.sent == []


OTHER_WORDS = said("visit", {"type": "BODY", "text": "Dear {{1}}, you owe us {{2}}."})
OTHER_VARIABLES = said("visit", {"type": "BODY", "text": "Hi {{1}}, we see you."})


@pytest.mark.parametrize(
    ("listed", "says"),
    [(OTHER_WORDS, "says something else than what was written"), (OTHER_VARIABLES, "does not fit the template visit")],
)
@pytest.mark.parametrize("who", ["edited", "a stand-in"])
def test_nobody_reads_other_words_than_those_that_were_agreed_to(portal, time, provider, who, listed, says):
    with portal.database.write() as session:
        senders.pause(session, portal.line, "on holiday")
    compose(portal, ANNA, content=filled(portal, "visit", VISIT))
    settle(portal, time, "apply")
    assert portal.messages()[0].status == "held"
    with serving(Provider(listed=[listed])) as second:
        if who == "edited":
            provider.listed = [listed]
            later(portal, time)
        else:
            templated.add_sender(portal, second, name="Second line")
            settle(portal, time, "send")
        with portal.database.write() as session:
            location = ensure_location(session, PLACE.id)
            location.failover = "same_channel"
            if who == "edited":
                senders.resume(session, portal.line)
            release_held(session, location.id)
        settle(portal, time)
        assert (provider.sent, second.sent) == ([], [])
    (message,) = portal.messages()
    assert (message.status, message.error_code) == ("failed", "unfit") and says in message.reason
    assert message.body == FRIDAY


def test_a_scheduled_template_is_looked_at_again_when_it_goes(portal, time, provider):
    at = time.now() + timedelta(hours=9)
    compose(portal, ANNA, content=filled(portal, "visit", VISIT), scheduled_at=at)
    compose(portal, ANNA, content=filled(portal, "hello", {}), scheduled_at=at)
    settle(portal, time, "apply")
    provider.listed = [OTHER_WORDS, said("hello", HELLO)]
    later(portal, time)
    settle(portal, time)
    visit, hello = portal.messages()
    assert (visit.status, visit.error_code) == ("failed", "unfit") and "write it anew" in visit.reason
    with portal.session() as session:
        entries = session.scalars(select(LedgerEntry.kind).where(LedgerEntry.message_id == visit.id)).all()
    assert entries == ["hold", "release"]
    assert hello.status == "accepted" and [each["content"]["name"] for each in provider.sent] == ["hello"]


def test_the_same_key_sends_a_template_once(portal, time, provider):
    for _ in range(2):
        compose(portal, ANNA, content=filled(portal, "visit", VISIT), key="monday")
    assert len(sent(portal, time, provider)) == 1


def test_a_reaction_costs_nothing_and_can_be_taken_back(portal, time, provider):
    target = heard(portal)
    react = Content(Kind.REACTION)
    compose(portal, text="\U0001f44d", content=react, about=target.uuid)
    compose(portal, text="", content=react, about=target.uuid)
    calls = sent(portal, time, provider)
    assert [(each["text"], each["quotes"], each["to"]) for each in calls] == [
        ("\U0001f44d", "wamid.1", ANNA),
        ("", "wamid.1", ANNA),
    ]
    assert [each["content"]["kind"] for each in calls] == ["reaction"] * 2
    for message in portal.messages():
        assert (message.credits, message.status, message.about_id) == (0, "accepted", target.id)
    settle(portal, time)
    shown = [each.text for each in portal.sandbox.ghl.mailbox.messages(direction="outbound")]
    assert shown == ["\U0001f44d to “Are you open?”", "Took back the reaction to “Are you open?”"]


def test_an_answer_quotes_and_goes_to_the_same_conversation(portal, time, provider):
    target = heard(portal)
    compose(portal, text="Until six.", about=target.uuid, relation=Relation.REPLY)
    compose(portal, about=target.uuid, content=filled(portal, "visit", VISIT))
    calls = sent(portal, time, provider)
    assert [(each["to"], each["quotes"]) for each in calls] == [(ANNA, "wamid.1"), (ANNA, "")]
    assert {each.conversation_id for each in portal.messages()} == {target.conversation_id}


def test_our_own_message_can_be_reacted_to_once_its_provider_has_it(portal, time, provider):
    (taken,) = compose(portal, ANNA, text="Hello")
    settle(portal, time, "apply")
    with pytest.raises(InvalidInput, match="has no id for that message"):
        compose(portal, text="\U0001f44d", content=Content(Kind.REACTION), about=taken.message)
    sent(portal, time, provider)
    compose(portal, text="\U0001f44d", content=Content(Kind.REACTION), about=taken.message)
    assert sent(portal, time, provider)[-1]["quotes"] == "m-1"


@pytest.mark.parametrize(
    ("to", "more", "says"),
    [
        ((ANNA,), {"text": "x"}, "leave the recipients out"),
        ((), {"text": "x", "content": Content(Kind.REACTION)}, "one emoji"),
        ((), {"text": "\U0001f44d\U0001f44d " * 3, "content": Content(Kind.REACTION)}, "one emoji"),
        ((), {"text": "x", "relation": Relation.REPLY, "sender_id": 99}, "Only the sender that has the message"),
        ((), {"text": "x", "sender_id": 99}, "There is no sender 99"),
    ],
)
def test_an_answer_that_makes_no_sense_is_said(portal, to, more, says):
    target = heard(portal)
    with pytest.raises(InvalidInput, match=says):
        compose(portal, *to, about=target.uuid, **more)


def test_an_answer_to_nothing_is_none(portal):
    with pytest.raises(InvalidInput, match="needs the message"):
        compose(portal, ANNA, text="\U0001f44d", content=Content(Kind.REACTION))
    for uuid in ("nothing", "x" * 50):
        with pytest.raises(NotFound):
            compose(portal, text="x", about=uuid)


def test_another_sub_accounts_message_is_not_found(portal, time):
    target = heard(portal)
    with portal.database.write() as session:
        other = ensure_location(session, "another-location")
    with pytest.raises(NotFound):
        draft = Draft((), "x", "a test", about=target.uuid)
        composing.compose(portal.database, portal.parts.journal, other, draft)
    with pytest.raises(InvalidInput, match="no sender"):
        draft = Draft((ANNA,), "", "a test", sender_id=portal.line, content=Content(Kind.TEMPLATE, {"name": "hello"}))
        composing.compose(portal.database, portal.parts.journal, other, draft)


def test_a_stand_in_never_reacts_for_the_line_that_has_the_message(portal, time, provider):
    target = heard(portal)
    templated.add_sender(portal, provider, name="Second line")
    with portal.database.write() as session:
        ensure_location(session, PLACE.id).failover = "same_channel"
        senders.pause(session, portal.line, "on holiday")
    compose(portal, text="\U0001f44d", content=Content(Kind.REACTION), about=target.uuid)
    assert sent(portal, time, provider) == []
    (message,) = portal.messages()
    assert message.status == "failed" and "Second line does not have the message" in message.reason


ROWS = [{"id": "1", "text": "Monday", "description": "from nine"}, {"id": "2", "text": "Tuesday"}]


def test_lists_and_buttons_that_open_a_page(portal, time, provider):
    menu = {"title": "Choose", "footer": "", "sections": [{"title": "", "rows": ROWS}]}
    page = {"buttons": [{"id": "1", "text": "Book", "type": "url", "value": "https://x.example/book"}]}
    compose(portal, ANNA, text="When?", content=Content(Kind.LIST, menu))
    compose(portal, ANNA, text="Book here:", content=Content(Kind.BUTTONS, page))
    calls = sent(portal, time, provider)
    assert [(each["text"], each["content"]["kind"]) for each in calls] == [("When?", "list"), ("Book here:", "buttons")]
    assert calls[1]["content"]["buttons"][0]["value"] == "https://x.example/book"


@pytest.mark.parametrize(
    ("text", "kind", "details", "says"),
    [
        ("", Kind.LIST, {"title": "Choose", "sections": [{"rows": ROWS}]}, "needs a text"),
        ("x", Kind.LIST, {"sections": [{"rows": ROWS}]}, "the word that opens it"),
        ("x", Kind.LIST, {"title": "Choose", "sections": []}, "1 to 10 rows"),
        ("x", Kind.LIST, {"title": "Choose", "sections": [{"rows": ROWS * 2}]}, "an id of its own"),
        ("x", Kind.LIST, {"title": "Choose", "sections": [{"rows": [{"id": "1", "text": "a" * 25}]}]}, "24 characters"),
        ("x", Kind.BUTTONS, {"buttons": [{"text": "Go", "type": "url", "value": "ftp://x"}]}, "needs its address"),
        (
            "x",
            Kind.BUTTONS,
            {"buttons": [{"text": "Go", "type": "url", "value": "https://x"}, {"text": "No"}]},
            "cannot stand beside",
        ),
    ],
)
def test_menus_that_nobody_could_show_are_said(portal, text, kind, details, says):
    with pytest.raises(InvalidInput, match=says):
        compose(portal, ANNA, text=text, content=Content(kind, details))


def test_a_line_without_the_kind_refuses_it(portal, time, provider, monkeypatch):
    monkeypatch.setattr(templated.Templated, "kinds", frozenset({Kind.TEMPLATE}))
    target = heard(portal)
    with pytest.raises(InvalidInput, match="cannot send a reaction"):
        compose(portal, text="\U0001f44d", content=Content(Kind.REACTION), about=target.uuid)


# The command line


def run(portal, *words: str):
    return portal.app.test_cli_runner().invoke(args=list(words))


def test_the_command_line_lists_what_can_be_sent_and_how(portal, time, provider):
    provider.listed = [said("visit", BODY), said("old", HELLO, status="PAUSED")]
    answered = run(portal, "templates", "--sender", str(portal.line), "--sync")
    lines = {each["name"]: each for each in map(json.loads, answered.output.splitlines()) if "name" in each}
    assert lines["visit"]["sendable"] and lines["visit"]["text"] == "Hi {{1}}, we see you on *{{2}}*."
    assert [(each["name"], each["example"]) for each in lines["visit"]["variables"]] == [("1", "Ana"), ("2", "Monday")]
    assert "paused by WhatsApp" in lines["old"]["reason"] and lines["hello"]["gone_at"]
    provider.faults = [401]
    failed = run(portal, "templates", "--sender", str(portal.line), "--sync")
    assert failed.exit_code != 0 and "It answered 401." in failed.output and '"visit"' in failed.output
    sms = portal.add_sender("simulator", name="SMS line")
    assert "knows no templates" in run(portal, "templates", "--sender", str(sms)).output
    assert "no sender 99" in run(portal, "templates", "--sender", "99").output


def test_the_command_line_sends_templates_answers_and_reactions(portal, time, provider):
    target = heard(portal)
    send = ("send", "--location", PLACE.id)
    fill = ("--var", "1=Ana", "--var", "2=Friday")
    for words in (
        ("--to", "09175550101", "--template", "visit", *fill),
        ("--answers", target.uuid, "--template", "visit", "--language", "en", *fill),
        ("--answers", target.uuid, "--text", "Until six."),
        ("--react", target.uuid, "--emoji", "\U0001f44d"),
        ("--react", target.uuid, "--emoji", ""),
        ("--to", "09175550101", "--text", "When?", "--list", "Choose", "--row", "Monday|from nine", "--row", "Tuesday"),
        ("--to", "09175550101", "--text", "Book, now:", "--link", "Book, now,https://x.example/@14.5,121"),
    ):
        answered = run(portal, *send, *words)
        assert answered.exit_code == 0, answered.output
    calls = sent(portal, time, provider)
    told = [(each["to"][-4:], (each["content"] or {}).get("kind"), each["text"], each["quotes"]) for each in calls]
    assert sorted(told, key=str) == sorted(
        [
            ("0101", "template", "", ""),
            ("5678", "template", "", ""),
            ("5678", None, "Until six.", "wamid.1"),
            ("5678", "reaction", "\U0001f44d", "wamid.1"),
            ("5678", "reaction", "", "wamid.1"),
            ("0101", "list", "When?", ""),
            ("0101", "buttons", "Book, now:", ""),
        ],
        key=str,
    )
    (page,) = (each["content"]["buttons"][0] for each in calls if (each["content"] or {}).get("kind") == "buttons")
    assert (page["text"], page["value"]) == ("Book, now", "https://x.example/@14.5,121")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("--template", "visit"), "{{1}} in the body: fill it in."),
        (("--template", "visit", "--var", "1=Ana", "--var", "2=x", "--var", "3=y"), "has no variable 3"),
        (("--template", "visit", "--var", "1=a\nb", "--var", "2=x"), "no line breaks"),
        (("--template", "offer", "--var", "first_name=Ana", "--var", "button-2=7"), "the photo above the text: fill"),
        (("--template", "nope"), "has no template nope"),
        (("--template", "visit", "--text", "x"), "leave --text out"),
        (("--template", "visit", "--sender", "99"), "There is no sender 99"),
        (("--var", "1=x", "--text", "x"), "name it with --template"),
        (("--emoji", "x", "--text", "x"), "--react MESSAGE_ID --emoji EMOJI"),
        (("--react", "nobody", "--emoji", "\U0001f44d"), "There is no message nobody"),
        (("--row", "x", "--text", "x"), "name the word that opens it"),
        (("--template", "visit", "--place", "1,1"), "One message is one thing"),
        (("--react", "a", "--emoji", "", "--answers", "b"), "A reaction is no answer"),
    ],
)
def test_the_command_line_says_what_is_missing(portal, words, says):
    to = () if words[0] == "--react" else ("--to", "09175550101")
    answered = run(portal, "send", "--location", PLACE.id, *to, *words)
    assert answered.exit_code != 0 and says in answered.output, answered.output
