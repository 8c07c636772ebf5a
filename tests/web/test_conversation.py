"""One conversation: how it is shown, what follows by itself, and what is written there, sent once."""

import io
import json
import re
from datetime import timedelta

import pytest
from sqlalchemy import func, select

from portal import clock
from portal.messaging import contacts, relations, senders, uploads, windows
from portal.models import (
    Contact,
    Conversation,
    ConversationNote,
    Event,
    Location,
    MediaFile,
    Message,
    Status,
)
from portal.web.pages.queries import talk
from tests.talks import ANNA, BEN, Talks
from tests.web.conftest import carry_out, post, token
from tests.web.test_templates import apply, provider  # noqa: F401 - a fixture
from tests.web.test_templates import line as templated  # noqa: F401 - a fixture

BOTH_ENGINES = True
HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin/conversations"}
PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64
EVIL = (
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "{{ 7*7 }}",
    "' onfocus='x",
)


@pytest.fixture
def talks(database, acme) -> Talks:
    return Talks(database, acme.location, acme.sender)


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


def at(message: Message, rest: str = "") -> str:
    return f"/admin/conversations/{message.conversation_id}{rest}"


def fields(page) -> dict[str, str]:
    """The reply form as a browser would send it back."""
    form = page.text[page.text.index('id="reply"') :]
    named = dict(re.findall(r'name="(key|about|answers|seen)"[^>]*value="([^"]*)"', page.text))
    return {"csrf_token": token(page), "sender": re.search(r'<option value="(\d+)"\s+selected', form)[1], **named}


def ours(database) -> list[Message]:
    with database.read() as session:
        return list(session.scalars(select(Message).where(Message.author != "").order_by(Message.id)))


def test_a_conversation_in_its_order_with_days_and_reasons(talks, client) -> None:
    old = talks.say("From another day", at=clock.now() - timedelta(days=2))
    talks.answer("It goes out", status=Status.FAILED, reason="No such number.", sender_reason="The default sender.")
    talks.answer("It arrived", status=Status.DELIVERED)
    page = client.get(at(old))
    text = page.text[page.text.index('id="log"') :]
    assert text.index("From another day") < text.index("It goes out") < text.index("It arrived")
    assert text.count('class="day"') == 2 and 'role="log"' in page.text
    assert "No such number." in text and "The default sender." in text
    assert re.search(r"✓✓</span>\s*delivered", text) and re.search(r"✕</span>\s*failed", text)


def test_quotes_reactions_edits_deletions_and_calls(database, talks, client) -> None:
    first = talks.say("Shall we meet?", external_id="one")
    for kind, relation, body in (
        ("text", "reply", "Yes, at ten"),
        ("reaction", "reaction", "👍"),
        ("edit", "edit", "Shall we meet on Monday?"),
        ("deletion", "deletion", ""),
    ):
        message = talks.say(body, kind=kind, about_relation=relation, about_external_id="one")
        with database.write() as session:
            relations.link(session, session.get_one(Message, message.id))
    talks.say("", kind="call", details={"state": "missed"})
    text = client.get(at(first)).text
    text = text[text.index('id="log"') :]
    assert f'href="#m-{first.id}"' in text, "the quote leads to what it answers"
    assert text.index("Shall we meet on Monday?") < text.index("Changed by its author")
    assert text.count("👍") == 1 and "Its author deleted it" in text
    assert "Incoming call, missed" in text and "bubble-line" in text
    assert text.count("<article") == 3, "what refers to a message stands on it"


def test_older_messages_by_a_cursor_and_a_page_that_follows(database, talks, client) -> None:
    for each in range(120):
        last = talks.say(f"Text {each:03}")
    page = client.get(at(last))
    assert "Text 119" in page.text and "Text 070" in page.text and "Text 069" not in page.text
    older = re.search(r'hx-get="([^"]+/older[^"]+)"', page.text)[1].replace("&amp;", "&")
    block = client.get(older, headers=HTMX)
    assert "Text 069" in block.text and "Text 020" in block.text and "Text 070" not in block.text
    assert "Text 069" in client.get(older).text, "without htmx it is a page"
    live = re.search(r'hx-get="([^"]+/log[^"]+)"', page.text)[1].replace("&amp;", "&")
    first = client.get(live, headers=HTMX)
    assert client.get(live, headers=HTMX | {"If-None-Match": first.headers["ETag"]}).status_code == 204
    with database.write() as session:
        session.get_one(Message, last.id).edited_at = clock.now()
    talks.say("The newest")
    now = client.get(live, headers=HTMX | {"If-None-Match": first.headers["ETag"]})
    assert now.status_code == 200 and "The newest" in now.text and "Text 070" in now.text and "<form" not in now.text


def test_tabs_for_a_contact_of_several_senders(parts, database, talks, acme, client) -> None:
    with database.write() as session:
        wanted = senders.NewSender("simulator", "Night line", {})
        other = senders.add(session, parts.vault, session.get_one(Location, acme.location), wanted).id
    first = talks.say("By day")
    talks.say("By night", sender_id=other)
    page = client.get(at(first))
    assert "talk-tabs" in page.text and "By day" in page.text
    alone = client.get(at(first, f"?via={other}"))
    log = alone.text[alone.text.index('id="log"') :]
    assert "By night" in log and "By day" not in log
    assert fields(alone)["sender"] == str(other), "answers stay in their tab"


@pytest.mark.parametrize("evil", EVIL)
def test_nothing_that_somebody_wrote_runs(talks, client, evil) -> None:
    message = talks.say(evil, name=evil, author_name=evil, about_relation="reply", about_text=evil)
    talks.answer("File", attachments=[evil, "https://docs.example/a.pdf"], sender_reason=evil, reason=evil)
    client.post(at(message, "/notes"), data={"csrf_token": token(client.get("/admin")), "note": evil, "key": "k"})
    for page in (client.get(at(message)), client.get("/admin/conversations"), client.get(at(message, "/log"))):
        assert "<script>alert" not in page.text and "<img src=x" not in page.text
        assert 'href="javascript:' not in page.text and "' onfocus=" not in page.text
        assert "{{" not in evil or evil in page.text, "a template's words are words"
    assert 'href="https://docs.example/a.pdf"' in client.get(at(message)).text


def test_a_reply_goes_out_once_however_often_its_form_comes(parts, database, talks, client) -> None:
    message = talks.say("May I come?")
    page = client.get(at(message))
    form = {**fields(page), "text": "Yes, you may."}
    for _ in range(2):
        answer = client.post(at(message, "/reply"), data=form)
        assert answer.status_code == 303 and answer.headers["Location"].endswith(at(message))
        apply(parts)
    (sent,) = ours(database)
    assert (sent.body, sent.author, sent.conversation_id) == (
        "Yes, you may.",
        "user1@example.com",
        message.conversation_id,
    )
    assert (sent.address, sent.echo_state, sent.priority) == (ANNA, "wanted", 10)
    carry_out(parts)
    with database.read() as session:
        assert session.get_one(Message, sent.id).status in (Status.ACCEPTED, Status.SENT, Status.DELIVERED)
        assert session.get_one(Conversation, message.conversation_id).unread == 0, "who answers has read it"
    client.post(at(message, "/reply"), data={**form, "text": "Another one"})
    apply(parts)
    assert [each.body for each in ours(database)] == ["Yes, you may.", "Another one"]


def test_an_answer_quotes_the_message_it_is_to(parts, database, talks, client) -> None:
    first = talks.say("One or two?", external_id="ext-1")
    talks.say("Are you there?")
    page = client.get(at(first, f"?answer={first.uuid}"))
    assert "Answers: One or two?" in page.text
    client.post(at(first, "/reply"), data={**fields(page), "text": "Two"})
    apply(parts)
    (sent,) = ours(database)
    assert (sent.about_id, sent.about_relation, sent.about_external_id) == (first.id, "reply", "ext-1")


def test_files_come_with_an_answer_and_are_kept_once(parts, database, talks, client) -> None:
    message = talks.say("A picture, please")
    form = {**fields(client.get(at(message))), "text": "Here"}
    for _ in range(2):
        files = [(io.BytesIO(PNG), "the <garden>.png"), (io.BytesIO(b"%PDF-1.7 text"), "price.exe")]
        answer = client.post(at(message, "/reply"), data={**form, "files": files}, content_type="multipart/form-data")
        assert answer.status_code == 303, answer.text
        apply(parts)
    (sent,) = ours(database)
    assert len(sent.attachments) == 2 and all(each.startswith("/media/") for each in sent.attachments)
    with database.read() as session:
        rows = session.scalars(select(MediaFile).order_by(MediaFile.place)).all()
    assert [(row.type, row.state, row.message_id) for row in rows] == [
        ("image/png", "kept", sent.id),
        ("application/pdf", "kept", sent.id),
    ]
    served = client.get(sent.attachments[0])
    assert served.data == PNG and served.mimetype == "image/png"
    page = client.get(at(message))
    assert "/media/view/" in page.text and "<garden>" not in page.text


@pytest.mark.parametrize(
    ("name", "content", "why"),
    [("a.exe", b"MZ\x90\0", "is a program"), ("a.txt", b"", "is empty"), ("a.bin", None, "larger than 25 MB")],
)
def test_files_that_cannot_go_leave_nothing_behind(parts, database, talks, client, name, content, why) -> None:
    message = talks.say("Hello")
    form = {**fields(client.get(at(message))), "text": "What I typed"}
    content = b"x" * (uploads.MOST_BYTES + 1) if content is None else content
    data = {**form, "files": [(io.BytesIO(content), name)]}
    answer = client.post(at(message, "/reply"), data=data, content_type="multipart/form-data")
    assert answer.status_code == 422 and why in answer.text and "What I typed" in answer.text
    assert "Choose the files again" in answer.text
    folder = parts.settings.media_dir
    assert [path for path in folder.rglob("*") if path.is_file()] == []
    with database.read() as session:
        assert session.scalar(select(func.count()).select_from(Event).where(Event.source == "portal")) == 0


def test_more_than_any_form_may_have_is_refused(client, talks) -> None:
    message = talks.say("Hello")
    data = {"csrf_token": token(client.get("/admin")), "files": [(io.BytesIO(b"x" * 27_000_000), "a.bin")]}
    answer = client.post(at(message, "/reply"), data=data, content_type="multipart/form-data")
    assert answer.status_code == 413
    other = client.post(at(message, "/notes"), data={**data, "files": [(io.BytesIO(b"x" * 5_000_000), "a")]})
    assert other.status_code == 413, "other forms have no more room than before"


@pytest.mark.parametrize("change", [{"text": "  "}, {"sender": "999999"}, {"sender": ""}, {"text": "x" * 10_001}])
def test_what_cannot_be_sent_comes_back_with_what_was_typed(database, talks, client, change) -> None:
    message = talks.say("Hello")
    answer = client.post(at(message, "/reply"), data={**fields(client.get(at(message))), "text": "Typed"} | change)
    assert answer.status_code == 422 and 'role="alert"' in answer.text
    assert (change.get("text") or "Typed") in answer.text
    assert ours(database) == []


def test_an_answer_cannot_follow_another_tenants_message(parts, database, talks, rival, client) -> None:
    theirs = Talks(database, rival.location, rival.sender).say("Theirs", BEN)
    message = talks.say("Mine")
    form = fields(client.get(at(message))) | {"about": theirs.uuid, "answers": theirs.uuid, "text": "Hello"}
    client.post(at(message, "/reply"), data=form)
    apply(parts)
    (sent,) = ours(database)
    assert (sent.conversation_id, sent.about_id, sent.location_id) == (
        message.conversation_id,
        None,
        message.location_id,
    )


def test_the_price_is_said_while_typing(talks, client) -> None:
    message = talks.say("Hello")
    page = client.get(at(message))
    said = client.post(at(message, "/count"), data={**fields(page), "text": "x" * 161}, headers=HTMX).text
    assert "161 characters, 2 SMS parts, 2 credits to" in " ".join(said.split()) and "<form" not in said
    curly = client.post(at(message, "/count"), data={**fields(page), "text": "“" + "x" * 99}, headers=HTMX).text
    assert "Plain letters save 1 part of 2" in curly and 'name="gsm7"' in curly
    plain = client.post(at(message, "/count"), data={**fields(page), "text": "“" + "x" * 99, "gsm7": "1"}, headers=HTMX)
    assert "1 SMS part," in plain.text and "checked" in plain.text


def test_a_closed_window_offers_a_template(parts, database, talks, client, templated, monkeypatch) -> None:  # noqa: F811
    message = talks.say("Long ago", sender_id=templated)
    sentence = "The customer last wrote long ago: only a template."
    real = windows.why_closed
    monkeypatch.setattr(windows, "why_closed", lambda *_: sentence)
    page = client.get(at(message))
    assert sentence in page.text
    template = re.search(r'href="([^"]+/template/\d+)"', page.text)[1]
    refused = client.post(at(message, "/reply"), data={**fields(page), "text": "All the same"})
    assert refused.status_code == 422 and "All the same" in refused.text and ours(database) == []
    chosen = client.get(template)
    row = re.search(r'<option value="(\d+)"\s*>\s*visit', chosen.text)[1]
    form_page = client.get(f"{template}?template={row}")
    form = dict(re.findall(r'name="(template|edition|key)" value="([^"]+)"', form_page.text))
    form |= {"csrf_token": token(form_page), "send": "1"}
    names = re.findall(r'name="(v-[^"]+)"', form_page.text)
    form |= dict(zip(names, ("Ana", "Monday"), strict=True))
    monkeypatch.setattr(windows, "why_closed", real)
    for _ in range(2):
        answer = client.post(template, data=form)
        assert answer.status_code == 303, re.findall(
            r'role="alert">([^<]+)|id="v-[^"]+-fault"[^>]*>([^<]+)', answer.text
        )
        apply(parts)
    (sent,) = ours(database)
    assert (sent.kind, sent.body, sent.conversation_id) == (
        "template",
        "Hi Ana, we see you on *Monday*.",
        message.conversation_id,
    )


def test_read_and_unread(database, talks, client) -> None:
    message = talks.say("One")
    page = client.get(at(message))
    seen = re.search(r'name="seen" form="actions" value="([^"]+)"', page.text)[1]
    talks.say("Two, meanwhile")
    post(client, at(message, "/read"), seen=seen)
    assert talks.talk(message).unread == 1, "what came in since stays unread"
    newer = re.search(r'name="seen" form="actions" value="([^"]+)"', client.get(at(message)).text)[1]
    post(client, at(message, "/read"), seen=newer)
    assert talks.talk(message).unread == 0
    post(client, at(message, "/unread"))
    assert talks.talk(message).unread == 1


def test_notes_stand_where_they_were_written(database, talks, client, signed_in) -> None:
    message = talks.say("First")
    form = {"note": "She prefers mornings.", "key": "one form"}
    for _ in range(2):
        assert post(client, at(message, "/notes"), **form).status_code == 303
    talks.say("Second")
    text = client.get(at(message)).text
    text = text[text.index('id="log"') :]
    assert text.index("First") < text.index("She prefers mornings.") < text.index("Second")
    with database.read() as session:
        (note,) = session.scalars(select(ConversationNote)).all()
    empty = post(client, at(message, "/notes"), note=" ")
    assert empty.status_code == 422 and "The note is empty" in empty.text
    assert post(client, at(message, f"/notes/{note.id}/remove")).status_code == 303
    assert "She prefers mornings." not in client.get(at(message)).text
    assert post(client, at(message, f"/notes/{note.id}/remove")).status_code == 404


def test_notes_follow_their_contact(database, talks, client) -> None:
    one, other = talks.say("From one number", ANNA), talks.say("From the other", BEN)
    post(client, at(one, "/notes"), note="It is the same person.", key="k")
    with database.write() as session:
        people = [
            session.get_one(Contact, session.get_one(Conversation, each.conversation_id).contact_id)
            for each in (one, other)
        ]
        contacts.join(session, *people)
    text = client.get(at(one)).text
    assert "It is the same person." in text and "From the other" in text, "the old address leads to what it became"


def test_a_conversation_is_a_file(database, talks, client, monkeypatch) -> None:
    monkeypatch.setattr(talk.all_of, "__defaults__", (2,))
    for each in range(5):
        message = talks.say(f"Text {each}", name="Anna")
    post(client, at(message, "/notes"), note="A note", key="k")
    answer = client.get(at(message, "/export.json"))
    said = json.loads(answer.text)
    assert [each["text"] for each in said["messages"]] == [f"Text {each}" for each in range(5)]
    assert said["contact"]["name"] == "Anna" and said["notes"][0]["text"] == "A note"
    assert "attachment" in answer.headers["Content-Disposition"]
