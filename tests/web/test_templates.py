"""The pages on templates: what a sender has, and a template to somebody who could not be written to."""

import re
from types import SimpleNamespace

import pytest
from sqlalchemy import select, update

from portal.messaging import outbound, senders, templates
from portal.models import Event, Job, Location, Message, Sender, TemplateRow
from portal.worker.tasks import handlers
from tests import templated
from tests.hand import work
from tests.linked import serving
from tests.templated import BODY, HELLO, OFFER, Provider, said
from tests.web.conftest import Tenant, post

HTMX = {"HX-Request": "true", "HX-Current-URL": "http://localhost/admin"}
BOTH_ENGINES = True
CLOSED = "Anna has not written for 24 hours: only a template reaches her."


@pytest.fixture
def provider(monkeypatch):
    templated.register(monkeypatch)
    listed = [
        said("hello", HELLO),
        said("visit", BODY),
        said("offer", *OFFER, category="MARKETING", language="de"),
        said("old", HELLO, status="PAUSED", detail="Customers complained.", quality="RED"),
        said("many", HELLO, {"type": "CAROUSEL", "cards": []}),
    ]
    with serving(Provider(listed=listed)) as provider:
        yield provider


@pytest.fixture
def line(parts, acme: Tenant, provider) -> int:
    """A sender of Acme's whose templates are known."""
    wanted = senders.NewSender("templated", "Front desk", {"token": "hush-token"}, provider.url, operator=True)
    with parts.database.write() as session:
        sender = senders.add(session, parts.vault, session.get_one(Location, acme.location), wanted)
    parts.template_watch.look(sender.id)
    return sender.id


@pytest.fixture
def failed(database, acme: Tenant, line: int, queue) -> Message:
    """A message that came too late for its window."""
    message = queue(acme, "Your table is ready.", named_sender_id=line)
    with database.write() as session:
        outbound.fail(session, session.get_one(Message, message.id), CLOSED, "window_closed")
    return message


@pytest.fixture
def client(signed_in, acme):
    return signed_in(acme.agency)


def row(database, name: str) -> TemplateRow:
    with database.read() as session:
        return session.scalars(select(TemplateRow).where(TemplateRow.name == name)).one()


def written(database) -> list[Event]:
    with database.read() as session:
        return list(session.scalars(select(Event).where(Event.source == "portal").order_by(Event.id)))


def apply(parts) -> None:
    work(SimpleNamespace(database=parts.database, parts=parts, handlers=handlers(parts)), "apply")


def sent_from(database) -> list[Message]:
    with database.read() as session:
        return list(session.scalars(select(Message).where(Message.author != "").order_by(Message.id)))


# The list


def test_the_list_says_what_each_is_and_whether_it_can_be_sent(client, line) -> None:
    assert f'href="/admin/senders/{line}/templates"' in client.get(f"/admin/senders/{line}").text
    page = client.get(f"/admin/senders/{line}/templates").text
    for words in (
        "Hi {{1}}, we see you on *{{2}}*.",
        "{{1}} in the body",
        "for example <bdi>Ana</bdi>",
        "End of the address that button 2 opens",
        "paused by WhatsApp",
        "Customers complained.",
        "quality low",
        "It has a carousel",
        "The provider listed them",
        "https://shop.example/o/{{1}}",
    ):
        assert words in page, words
    assert "hush-token" not in page


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", {"hello", "visit", "offer", "old", "many"}),
        ("status=PAUSED", {"old"}),
        ("category=MARKETING", {"offer"}),
        ("language=de", {"offer"}),
        ("q=O", {"hello", "offer", "old"}),
        ("status=gone", set()),
        ("status=nothing", set()),
        ("before=50", set()),
    ],
)
def test_filters_find_what_they_name(client, line, query, found) -> None:
    page = client.get(f"/admin/senders/{line}/templates?{query}", headers=HTMX).text
    assert set(re.findall(r'<strong class="row-text">(\w+)</strong>', page)) == found and "<html" not in page
    if not found:
        assert "No template" in page


def test_long_lists_have_pages_and_odd_addresses_none(client, parts, provider, line) -> None:
    provider.listed = [said(f"template_{number:03}", HELLO) for number in range(70)]
    parts.template_watch.look(line)
    first = client.get(f"/admin/senders/{line}/templates").text
    assert "template_049" in first and "template_050" not in first and "before=50" in first
    second = client.get(f"/admin/senders/{line}/templates?before=50").text
    assert "template_050" in second and "template_069" in second and 'id="before"' in second
    gone = client.get(f"/admin/senders/{line}/templates?status=gone").text
    assert "not listed any more" in gone and "visit" in gone
    for odd in ("before=x", "before=9999999999", f"q={'x' * 300}"):
        assert client.get(f"/admin/senders/{line}/templates?{odd}").status_code == 404


def test_asking_again_is_a_job_and_its_failure_is_shown(client, database, parts, provider, line) -> None:
    answer = post(client, f"/admin/senders/{line}/templates/ask", f"/admin/senders/{line}/templates")
    assert answer.status_code == 303
    page = client.get(f"/admin/senders/{line}/templates").text
    assert "The provider is asked" in page and "It is being asked now." in page
    with database.read() as session:
        assert session.scalars(select(Job.subject).where(Job.kind == templates.KIND)).all() == [line]
    provider.faults = [401]
    first = client.get(f"/admin/senders/{line}/templates", headers=HTMX)
    work(SimpleNamespace(database=parts.database, parts=parts, handlers=handlers(parts)), "send")
    later = client.get(f"/admin/senders/{line}/templates", headers={**HTMX, "If-None-Match": first.headers["ETag"]})
    assert later.status_code == 200 and "It could not be asked: It answered 401." in later.text
    again = {**HTMX, "If-None-Match": later.headers["ETag"]}
    assert client.get(f"/admin/senders/{line}/templates", headers=again).status_code == 204


def test_an_empty_list_and_a_sender_without_templates_say_so(client, acme, parts, provider, line) -> None:
    provider.listed = []
    parts.template_watch.look(line)
    assert "write one in WhatsApp Manager" in client.get(f"/admin/senders/{line}/templates").text
    assert "Simulator knows no templates." in client.get(f"/admin/senders/{acme.sender}/templates").text
    post(client, f"/admin/senders/{acme.sender}/templates/ask")
    assert "Simulator knows no templates." in client.get("/admin").text


# Instead of a message


def test_the_failure_offers_a_template_and_the_page_its_form(client, database, failed) -> None:
    page = client.get(f"/admin/messages/{failed.uuid}").text
    assert "Send a template instead" in page and f'href="/admin/messages/{failed.uuid}/template"' in page
    page = client.get(f"/admin/messages/{failed.uuid}/template").text
    for words in ("Your table is ready.", CLOSED, "hello (en)", "visit (en)", "offer (de)"):
        assert words in page
    assert "old (en)" not in page and "many (en)" not in page, "only what can be sent"
    chosen = client.get(f"/admin/messages/{failed.uuid}/template?template={row(database, 'visit').id}").text
    assert 'name="v-1"' in chosen and 'name="v-2"' in chosen and "Hi {{1}}, we see you on *{{2}}*." in chosen


def form_of(client, message: Message, template: int) -> dict[str, str]:
    page = client.get(f"/admin/messages/{message.uuid}/template?template={template}").text
    return dict(
        re.findall(r'<input type="hidden"[^>]*?name="(csrf_token|template|edition|key)"[^>]*?value="([^"]*)"', page)
    )


def test_the_preview_follows_what_is_typed_and_sends_nothing(client, database, failed) -> None:
    path = f"/admin/messages/{failed.uuid}/template"
    form = form_of(client, failed, row(database, "visit").id)
    live = client.post(path, data={**form, "v-1": "Ana <b>", "v-2": ""}, headers=HTMX).text
    assert "Hi Ana &lt;b&gt;, we see you on *{{2}}*." in live and "<form" not in live and "<html" not in live
    assert "fill it in" not in live and "no line breaks" in client.post(path, data={**form, "v-1": "a\nb"}).text
    plain = client.post(path, data={**form, "v-1": "Ana", "v-2": "Friday"})
    assert (
        plain.status_code == 200 and "Hi Ana, we see you on *Friday*." in plain.text and 'value="Friday"' in plain.text
    )
    assert f'name="key" value="{form["key"]}"' in plain.text, "the same form, the same message"
    assert written(database) == []


def test_it_goes_to_the_same_person_by_the_same_sender_once(client, database, parts, provider, failed, line) -> None:
    path = f"/admin/messages/{failed.uuid}/template"
    form = form_of(client, failed, row(database, "visit").id)
    for _ in range(2):
        answer = client.post(path, data={**form, "v-1": "Ana", "v-2": "Friday", "send": "1"})
        assert answer.status_code == 303 and answer.headers["Location"] == f"/admin/messages/{failed.uuid}"
    apply(parts)
    (message,) = sent_from(database)
    assert (message.kind, message.body, message.status) == ("template", "Hi Ana, we see you on *Friday*.", "queued")
    assert (message.sender_id, message.conversation_id, message.address) == (
        line,
        failed.conversation_id,
        failed.address,
    )
    assert message.author.startswith("user")
    shown = client.get(f"/admin/messages/{message.uuid}").text
    assert "template visit (en)" in shown and "Send a template instead" not in shown
    client.post(path, data={**form, "v-1": "Anna", "v-2": "Friday", "send": "1"})
    apply(parts)
    assert [each.body for each in sent_from(database)][1:] == ["Hi Anna, we see you on *Friday*."], "gone back, changed"
    another = form_of(client, failed, row(database, "hello").id)
    client.post(path, data={**another, "send": "1"})
    apply(parts)
    assert [each.body for each in sent_from(database)][2:] == [HELLO["text"]], "another form is another message"


@pytest.mark.parametrize(
    ("typed", "says"),
    [
        ({"v-1": "Ana"}, "{{2}} in the body: fill it in."),
        ({"v-1": "a     b", "v-2": "x"}, "at most four spaces"),
        ({"v-1": "x" * 33_000, "v-2": "x"}, "The text has"),
        ({"v-1": "Ana", "v-2": "x", "v-3": "y"}, "has no variable 3"),
        ({"template": "999", "v-1": "Ana"}, "Choose a template first."),
        ({"template": ""}, "Choose a template first."),
    ],
)
def test_what_is_missing_is_said_beside_its_field(client, database, failed, typed, says) -> None:
    form = {**form_of(client, failed, row(database, "visit").id), **typed, "send": "1"}
    answer = client.post(f"/admin/messages/{failed.uuid}/template", data=form)
    assert answer.status_code == 422 and says in answer.text
    if typed.get("v-1") == "Ana" and "v-2" not in typed and "template" not in typed:
        assert 'aria-invalid="true"' in answer.text and 'value="Ana"' in answer.text, "what was typed stays"
    assert written(database) == []


def test_a_template_that_was_paused_meanwhile_is_not_sent(client, database, failed) -> None:
    form = form_of(client, failed, row(database, "hello").id)
    with database.write() as session:
        session.execute(update(TemplateRow).values(status="PAUSED"))
    answer = client.post(f"/admin/messages/{failed.uuid}/template", data={**form, "send": "1"})
    assert answer.status_code == 422 and "has no approved template" in answer.text and written(database) == []


def test_a_template_that_was_edited_meanwhile_is_shown_anew_and_not_sent(
    client, database, parts, provider, failed, line
) -> None:
    path = f"/admin/messages/{failed.uuid}/template"
    form = form_of(client, failed, row(database, "visit").id)
    provider.listed = [said("visit", {"type": "BODY", "text": "Dear {{1}}, you owe us {{2}}."})]
    parts.template_watch.look(line)
    typed = {**form, "v-1": "Ana", "v-2": "Friday", "send": "1"}
    answer = client.post(path, data=typed)
    assert answer.status_code == 422 and "was changed at its provider meanwhile" in answer.text
    assert "Dear Ana, you owe us Friday." in answer.text and 'value="Friday"' in answer.text
    assert written(database) == []
    edition = re.findall(r'name="edition" value="(\w+)"', answer.text)[0]
    assert client.post(path, data=typed | {"edition": edition}).status_code == 303


def test_strangers_and_rivals_find_nothing(client, signed_in, database, rival, failed, line) -> None:
    form = form_of(client, failed, row(database, "hello").id)
    stranger = signed_in(rival.agency)
    path = f"/admin/messages/{failed.uuid}/template"
    assert stranger.get(path).status_code == 404 and stranger.get(f"/admin/senders/{line}/templates").status_code == 404
    assert post(stranger, path, template=form["template"], send="1").status_code == 404
    assert post(stranger, f"/admin/senders/{line}/templates/ask").status_code == 404
    assert client.post(path, data={**form, "csrf_token": "guess", "send": "1"}).status_code == 400
    assert written(database) == []


def test_a_template_of_another_sender_is_none_to_choose(client, parts, acme, database, failed, provider) -> None:
    with serving(Provider(listed=[said("theirs", HELLO)])) as second, parts.database.write() as session:
        wanted = senders.NewSender("templated", "Second", {"token": "x"}, second.url, operator=True)
        sender = senders.add(session, parts.vault, session.get_one(Location, acme.location), wanted)
        listed = [templates.Template("", "theirs", "en", "UTILITY", "APPROVED", [HELLO])]
        templates.take_list(session, session.get_one(Sender, sender.id), listed)
    form = form_of(client, failed, row(database, "hello").id)
    form |= {"template": str(row(database, "theirs").id), "send": "1"}
    assert client.post(f"/admin/messages/{failed.uuid}/template", data=form).status_code == 422
    assert written(database) == []


def test_what_went_out_or_has_no_templates_is_told_why(client, database, acme, line, queue) -> None:
    waiting = queue(acme, "Hello", named_sender_id=line)
    assert "Send a template" not in client.get(f"/admin/messages/{waiting.uuid}").text
    assert "on its way" in client.get(f"/admin/messages/{waiting.uuid}/template").text
    simulated = queue(acme, "Hello", named_sender_id=acme.sender)
    with database.write() as session:
        outbound.fail(session, session.get_one(Message, simulated.id), "No.", "unfit")
    assert "knows no templates" in client.get(f"/admin/messages/{simulated.uuid}/template").text
    answer = post(client, f"/admin/messages/{simulated.uuid}/template", template="1", send="1")
    assert answer.status_code == 422 and written(database) == []


def test_a_held_message_says_that_the_template_waits_behind_it(client, database, acme, line, queue) -> None:
    with database.write() as session:
        senders.pause(session, line, "on holiday")
    held = queue(acme, "Hello", named_sender_id=line)
    assert "Send a template instead" in client.get(f"/admin/messages/{held.uuid}").text
    assert "waits behind it" in client.get(f"/admin/messages/{held.uuid}/template").text
