"""A WhatsApp Cloud number end to end: the portal, its database, and the stand-in for Meta around it."""

import secrets

import pytest
from sqlalchemy import select

from portal.alerts import notices
from portal.channels.content import Content, Kind, Relation
from portal.credits import ledger
from portal.errors import InvalidInput
from portal.installations.lifecycle import ensure_location
from portal.messaging import composing, senders, setbacks, template_sending, template_texts
from portal.messaging.composing import Draft
from portal.messaging.provider_accounts import gates_of
from portal.models import Alert, Gate, Sender, TemplateRow, Wallet
from portal.queue import gates
from portal.sandbox import Effect, Signature, world
from portal.sandbox.whatsapp_cloud import people
from portal.sandbox.whatsapp_cloud.numbers import Number, Progress
from tests.portal import PLACE, Portal, eventually

MARIA = world.DEMO_PEOPLE[0][0][1]
PLACE_TWO = world.DEMO_LOCATIONS[1]


def numbered(sandbox, place=PLACE) -> Number:
    """A number of its own: processes remember for a while whose a number is, and all these portals share this one."""
    name = str(106_540_352_000_000 + secrets.randbelow(10**9))
    made = Number(name, world.CLOUD_ACCOUNT, "+639171110099", location_id=place.id)
    sandbox.cloud.numbers[name] = made
    return made


@pytest.fixture
def line(database_url, sandbox, tmp_path):
    """A portal whose one sender is a WhatsApp Cloud number of the shared app."""
    cloud = sandbox.cloud
    cloud.limits.enforced, cloud.again_after = False, 0.2
    cloud.progress = Progress(0.0, 0.1, 0.2)
    more = {"whatsapp_app_secret": world.CLOUD_APP_SECRET, "whatsapp_webhook_token": world.CLOUD_VERIFY_TOKEN}
    portal = Portal(database_url, sandbox, tmp_path, whatsapp_graph_url=f"{sandbox.url}/v26.0", **more)
    portal.install()
    number = numbered(sandbox)
    portal.add_sender("whatsapp_cloud", credentials={"phone_number_id": number.id})
    portal.start()
    yield portal, number
    portal.close()


@pytest.fixture
def chat(line):
    """Maria has just written, so that she may be answered."""
    portal, number = line
    people.write(portal.sandbox, number, MARIA, text="Is ten o'clock free?", name="Maria Santos")
    eventually(lambda: inbound(portal), what="the text in HighLevel")
    return line


def inbound(portal):
    return portal.sandbox.ghl.mailbox.messages(direction="inbound")


def test_a_conversation_survives_whatever_happens_to_the_webhooks(chat):
    portal, number = chat
    cloud = portal.sandbox.cloud
    cloud.copies, cloud.shuffled, cloud.batch, cloud.gather = 2, True, 5, 0.1
    cloud.decide(MARIA, "read")
    portal.sandbox.deliveries.send("Yes, come", copies=2)
    eventually(lambda: portal.ghl_statuses() == {"read": 1}, what="read in HighLevel")
    assert [one.text for one in number.sent.values()] == ["Yes, come"] and cloud.repeats() == {}
    assert [one.text for one in inbound(portal)] == ["Is ten o'clock free?"]
    key = next(iter(number.sent.values())).key
    assert key.split(":")[0].startswith(portal.messages()[0].uuid)


@pytest.mark.parametrize("effect", [Effect.RESET_AFTER, Effect.HALF_ANSWER, Effect.STATUS_AFTER])
def test_a_lost_answer_is_settled_by_the_status(chat, effect):
    portal, number = chat
    portal.sandbox.faults.arm("cloud.messages", effect, status=502)
    portal.sandbox.deliveries.send("Yes, come")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered in HighLevel")
    assert len(number.sent) == 1 and len(portal.parts_of(portal.messages()[0])) == 1


def test_nothing_is_lost_or_doubled_in_a_storm(chat):
    portal, number = chat
    here = portal.sandbox
    here.cloud.copies, here.cloud.shuffled, here.cloud.batch, here.cloud.gather = 2, True, 7, 0.2
    here.cloud.decide(MARIA, "read")
    effects = (Effect.RESET_AFTER, Effect.HALF_ANSWER, Effect.STATUS_AFTER, Effect.RESET_BEFORE)
    for place, effect in enumerate(effects):
        here.faults.arm("cloud.messages", effect, times=1, only=f"text {3 * place + 1} ", status=502)
    here.cloud.refuse(130429)
    for count in range(15):
        here.deliveries.send(f"text {count} of the storm")
        people.write(here, number, MARIA, text=f"answer {count}")
    eventually(lambda: len(inbound(portal)) == 16, what="every answer in HighLevel, once")
    # What was broken off before Meta had it is in doubt for ever: no status can tell of it, so a person has to.
    expected = {"read": 14, "pending": 1}
    eventually(lambda: portal.ghl_statuses() == expected, what="the rest read")
    assert here.cloud.repeats() == {} and len(number.sent) == 14
    assert portal.statuses() == {"read": 14, "unknown": 1}


def test_a_status_may_come_before_the_answer(chat):
    portal, number = chat
    portal.sandbox.cloud.early = True
    portal.sandbox.deliveries.send("Yes, come")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered in HighLevel")
    assert len(number.sent) == 1


def test_outside_the_window_meta_is_believed_once_and_not_asked_again(line):
    portal, number = line
    portal.sandbox.deliveries.send("Hello stranger")
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    assert "template" in portal.messages()[0].reason and len(number.sent) == 1
    portal.sandbox.deliveries.send("Hello again")
    eventually(lambda: portal.ghl_statuses() == {"failed": 2}, what="failed in HighLevel")
    assert "template" in portal.messages()[1].reason and len(number.sent) == 1
    people.write(portal.sandbox, number, MARIA, text="Who is this?")
    eventually(lambda: inbound(portal), what="the text in HighLevel")
    portal.sandbox.deliveries.send("Cebu Dental")
    eventually(lambda: portal.ghl_statuses() == {"failed": 2, "delivered": 1}, what="delivered in HighLevel")


def test_what_meta_loses_fails_with_the_reason(chat):
    portal, _ = chat
    portal.sandbox.cloud.decide(MARIA, "failed:131026")
    portal.sandbox.deliveries.send("Yes, come")
    eventually(lambda: portal.ghl_statuses() == {"failed": 1}, what="failed in HighLevel")
    assert "WhatsApp cannot deliver" in portal.messages()[0].reason


def test_a_forged_webhook_counts_for_nothing(line):
    portal, number = line
    portal.sandbox.cloud.signature = Signature.BAD
    people.write(portal.sandbox, number, MARIA, text="Trust me")
    eventually(lambda: portal.sandbox.cloud.posted, what="the forged webhook")
    assert {one.answer.status for one in portal.sandbox.cloud.posted} == {401} and portal.messages("in") == []
    portal.sandbox.cloud.signature = Signature.GOOD
    eventually(lambda: inbound(portal), what="the same, signed well")
    assert [one.text for one in inbound(portal)] == ["Trust me"]


def test_a_deaf_number_is_heard_later_and_once(line):
    portal, number = line
    portal.sandbox.cloud.deaf = True
    for text in ("one", "two", "three"):
        people.write(portal.sandbox, number, MARIA, text=text)
    portal.sandbox.cloud.copies, portal.sandbox.cloud.batch, portal.sandbox.cloud.deaf = 2, 2, False
    eventually(lambda: len(inbound(portal)) == 3, what="all three in HighLevel")
    assert [one.text for one in inbound(portal)] == ["one", "two", "three"]


@pytest.mark.parametrize("kind", ["image", "voice", "document", "sticker"])
def test_a_file_is_fetched_with_the_token_and_kept(line, kind):
    portal, number = line
    portal.sandbox.cloud.files.url_seconds = 5.0
    people.write(portal.sandbox, number, MARIA, kind=kind, file_name="Bill.pdf")
    eventually(lambda: [one for one in inbound(portal) if one.attachments], what="the file in HighLevel")
    assert portal.sandbox.records.count("cloud_files.attachment") >= 1


def test_who_has_no_number_is_answered_all_the_same(line):
    portal, number = line
    people.write(portal.sandbox, number, "PH.7700000000000000001", text="Hi", name="Ana", username="ana")
    told = eventually(lambda: inbound(portal), what="the text in HighLevel")[0]
    contact = portal.sandbox.ghl.directory.get(told.contact_id)
    portal.sandbox.deliveries.send("Hello Ana", contact=contact)
    sent = eventually(lambda: list(number.sent.values()), what="the answer at Meta")[0]
    assert (sent.person.user_id, sent.text) == ("PH.7700000000000000001", "Hello Ana")
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered in HighLevel")


def test_one_request_for_two_locations_is_shared_out(line):
    portal, number = line
    portal.install(PLACE_TWO)
    other = numbered(portal.sandbox, PLACE_TWO)
    portal.add_sender("whatsapp_cloud", PLACE_TWO, credentials={"phone_number_id": other.id})
    portal.sandbox.cloud.batch, portal.sandbox.cloud.gather = 4, 5.0
    for each in (number, other):
        for text in ("first", "second"):
            people.write(portal.sandbox, each, MARIA, text=f"{text} to {each.id}")
    eventually(lambda: len(inbound(portal)) == 4, what="four texts in HighLevel")
    eventually(lambda: not portal.sandbox.cloud.poster.count and portal.sandbox.cloud.posted, what="the answer seen")
    assert len(portal.sandbox.cloud.posted) == 1
    for place, each in ((PLACE, number), (PLACE_TWO, other)):
        found = portal.sandbox.ghl.mailbox.messages(direction="inbound", location_id=place.id)
        assert [one.text for one in found] == [f"first to {each.id}", f"second to {each.id}"]


def test_a_new_number_is_the_same_customer(chat):
    portal, number = chat
    moved = people.move(portal.sandbox, number, MARIA, "+639180000000")
    people.write(portal.sandbox, number, moved.address, text="My new number", name="Maria Santos")
    eventually(lambda: [one for one in inbound(portal) if one.text == "My new number"], what="the text in HighLevel")
    assert [one.kind for one in portal.messages("in")][1:] == [Kind.SYSTEM, Kind.TEXT]


def compose(portal, text: str = "", **more):
    with portal.session() as session:
        location = ensure_location(session, PLACE.id)
    return composing.compose(portal.database, portal.parts.journal, location, Draft(text=text, by="a test", **more))


def filled(portal, name: str, values: dict[str, str]) -> Content:
    with portal.session() as session:
        row = template_sending.find(session, session.query(Sender).one(), name)
    return template_texts.content(template_sending.form_of(row), values)


def listed(portal) -> dict[str, str]:
    with portal.session() as session:
        return {row.name: row.status for row in session.query(TemplateRow)}


def test_templates_are_kept_followed_and_sent_to_whom_nothing_else_reaches(line):
    portal, number = line
    cloud = portal.sandbox.cloud
    eventually(lambda: len(listed(portal)) == 4, what="the templates")
    assert (listed(portal)["visit_reminder"], listed(portal)["feedback_request"]) == ("APPROVED", "PAUSED")
    compose(portal, to=(MARIA,), content=filled(portal, "visit_reminder", {"1": "Maria", "2": "Friday"}))
    eventually(lambda: [one.status for one in portal.messages()] == ["delivered"], what="delivered")
    (sent,) = number.sent.values()
    assert sent.text.startswith("Hello Maria, your visit is on Friday.")
    people.write(portal.sandbox, number, MARIA, kind="reply", text="I cannot", name="Maria Santos")
    eventually(lambda: inbound(portal), what="the answer in HighLevel")
    account = cloud.accounts[world.CLOUD_ACCOUNT]
    cloud.judge(account, account.templates[0], "PAUSED")
    eventually(lambda: listed(portal)["visit_reminder"] == "PAUSED", what="the pause")
    with pytest.raises(InvalidInput, match="paused"):
        filled(portal, "visit_reminder", {"1": "Maria", "2": "Friday"})


def test_marketing_ends_where_a_customer_says_so(chat):
    portal, number = chat
    eventually(lambda: len(listed(portal)) == 4, what="the templates")
    people.prefer(portal.sandbox, number, MARIA, "stop")
    offer = filled(portal, "rainy_season_offer", {"header-url": "https://a.test/roof.jpg"})
    eventually(lambda: not portal.jobs(), what="the preference")
    compose(portal, to=(MARIA,), content=offer)
    eventually(lambda: [one.status for one in portal.messages()] == ["failed"], what="kept back")
    assert not number.sent
    portal.sandbox.deliveries.send("Ten is free")
    eventually(lambda: portal.ghl_statuses().get("delivered") == 1, what="an answer is no marketing")


def test_buttons_are_tapped_reactions_seen_and_messages_marked_read(chat):
    portal, number = chat
    heard = portal.messages("in")[0]
    buttons = Content(Kind.BUTTONS, {"buttons": [{"id": "y", "text": "Yes", "type": "reply"}]})
    compose(portal, "Shall we book it?", to=(), about=heard.uuid, relation=Relation.REPLY, content=buttons)
    eventually(lambda: [one.status for one in portal.messages()] == ["delivered"], what="delivered")
    (sent,) = number.sent.values()
    assert sent.quotes == heard.external_id
    eventually(lambda: number.heard(heard.external_id).read_at, what="blue ticks for what was answered")
    people.write(portal.sandbox, number, MARIA, kind="tap", text="Yes", about=sent.id)
    eventually(lambda: any("Yes" in one.text for one in inbound(portal)), what="the tap in HighLevel")
    compose(portal, "🙏", to=(), about=heard.uuid, content=Content(Kind.REACTION))
    eventually(lambda: number.heard(heard.external_id).reaction == "🙏", what="the reaction")
    people.write(portal.sandbox, number, MARIA, kind="reaction", text="❤️", about=sent.id)
    eventually(lambda: any("❤️" in one.text for one in inbound(portal)), what="the reaction in HighLevel")


def test_what_is_typed_in_the_phone_app_is_seen_in_highlevel(chat):
    portal, number = chat
    people.type_in_app(portal.sandbox, number, MARIA, "Typed in the app")
    shown = portal.sandbox.ghl.mailbox.messages
    eventually(lambda: [one for one in shown(direction="outbound") if one.text == "Typed in the app"], what="the echo")
    assert portal.sandbox.cloud.taken() == 0


@pytest.mark.parametrize("again", [False, True])
def test_a_sender_that_had_an_app_of_its_own_is_heard_by_the_shared_one(line, again):
    """What Meta goes on posting to the address that it had, nobody takes."""
    portal, number = line
    account, vault = portal.sandbox.cloud.accounts[world.CLOUD_ACCOUNT], portal.parts.vault
    own = {"app_secret": world.CLOUD_APP_SECRET, "verify_token": world.CLOUD_VERIFY_TOKEN}
    object.__setattr__(portal.settings, "app_url", portal.url)  # Meta asks the address whether it is ours
    with portal.database.write() as session:
        senders.change(session, vault, 1, own)
    eventually(lambda: account.override.endswith(portal.sender_key(1)), what="its own address at Meta")
    with portal.database.write() as session:
        if again:
            senders.remove(session, 1)
        else:
            senders.change(session, vault, 1, dict.fromkeys(own, ""))
    if again:
        portal.add_sender("whatsapp_cloud", credentials={"phone_number_id": number.id})
    eventually(lambda: not account.override, what="the shared address at Meta")
    people.write(portal.sandbox, number, MARIA, text="Do you hear me?", name="Maria Santos")
    eventually(lambda: inbound(portal), what="the text in HighLevel")


def test_what_meta_took_and_lost_goes_out_once_more_and_highlevel_does_not_flicker(chat, monkeypatch):
    portal, number = chat
    monkeypatch.setattr(setbacks, "FIRST_WAIT", 0.2)
    portal.sandbox.cloud.first_lost, portal.sandbox.cloud.copies = 131000, 2
    told = []
    for count in range(5):
        portal.sandbox.deliveries.send(f"text {count}")

    def arrived() -> bool:
        told.append(dict(portal.ghl_statuses()))
        return portal.ghl_statuses() == {"delivered": 5}

    eventually(arrived, what="delivered in HighLevel")
    assert not any("failed" in each for each in told)
    keys = sorted(one.key.rpartition(":")[2] for one in number.sent.values())
    assert keys == ["1"] * 5 + ["2"] * 5, "two calls for each, the first of which came to nothing"
    with portal.session() as session:
        assert ledger.prove(session)[1] == []
        assert session.scalars(select(Wallet)).one().held == 0


def test_an_account_that_meta_is_not_paid_for_waits_for_a_person(chat):
    portal, number = chat
    cloud = portal.sandbox.cloud
    cloud.progress = Progress(0.0, 0.1, 0.2, outcome="failed:131042")
    portal.sandbox.deliveries.send("Yes, come")
    eventually(lambda: portal.statuses() == {"held": 1}, what="held")
    with portal.session() as session:
        sender = session.scalars(select(Sender)).one()
        [alert] = session.scalars(select(Alert).where(Alert.kind == notices.SENDER_FAULT))
    assert sender.state == "paused" and "not paid" in sender.state_reason and "not paid" in alert.text
    cloud.progress = Progress(0.0, 0.1, 0.2)
    with portal.database.write() as session:
        senders.resume(session, sender.id)
    eventually(lambda: portal.ghl_statuses() == {"delivered": 1}, what="delivered in HighLevel")
    assert len(number.sent) == 2
    with portal.session() as session:
        assert session.scalars(select(Alert.closed_at).where(Alert.kind == notices.SENDER_FAULT)).one() is not None


def test_a_number_that_is_in_the_phone_app_too_is_sent_less(database_url, sandbox, tmp_path):
    sandbox.cloud.limits.enforced = False
    more = {"whatsapp_app_secret": world.CLOUD_APP_SECRET, "whatsapp_webhook_token": world.CLOUD_VERIFY_TOKEN}
    portal = Portal(database_url, sandbox, tmp_path, whatsapp_graph_url=f"{sandbox.url}/v26.0", **more)
    try:
        portal.install()
        number = numbered(sandbox)
        number.coexists = True
        added = portal.add_sender("whatsapp_cloud", credentials={"phone_number_id": number.id})
        with portal.database.write() as session:
            gates.ensure(session, gates_of(session.get_one(Sender, added))[0], 80.0, 1.0)
        portal.start()

        def pace() -> float:
            with portal.session() as session:
                return session.get_one(Gate, gates_of(session.get_one(Sender, added))[0]).pace

        eventually(lambda: pace() == 20.0, what="the pace of a number that is in the app too")
    finally:
        portal.close()
