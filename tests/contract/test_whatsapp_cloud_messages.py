"""What a webhook of Meta says, kind by kind."""

from datetime import UTC, datetime

import pytest

from portal.channels.base import (
    Inbound,
    Line,
    LineState,
    Loss,
    Notice,
    Outcome,
    Preference,
    Scope,
    TemplateNotice,
    Unread,
)
from portal.channels.content import AddressKind, Kind, Peer, Relation
from portal.channels.whatsapp_cloud import codes
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from tests.contract.whatsapp_cloud.payloads import (
    ANA,
    ANA_ID,
    AT,
    LINE,
    NUMBER,
    card,
    change,
    message,
    messages,
    payload,
    request,
    status,
    statuses,
    value,
)

MOMENT = datetime.fromtimestamp(int(AT), UTC)


def parsed(said):
    return list(WhatsAppCloud().parse(request(said)))


def one(said):
    events = parsed(said)
    assert len(events) == 1
    return events[0]


def read(kind="text", contacts=None, **more):
    found = one(messages(message(kind, **more), contacts=contacts))
    assert isinstance(found, Inbound) and found.external_id == "wamid.HBgM1"
    return found


def test_a_text_with_everything_around_it():
    found = read()
    assert (found.kind, found.text, found.at) == (Kind.TEXT, "Hello", MOMENT)
    assert (found.sender_kind, found.sender, found.name) == (AddressKind.PHONE, f"+{ANA}", "Ana")
    assert (found.recipient, found.same_as) == (f"+{LINE}", (Peer(AddressKind.BSUID, ANA_ID),))
    assert not (found.from_us or found.by_api or found.author or found.about or found.details)


def test_times_in_milliseconds():
    assert read(timestamp=int(AT) * 1000).at == MOMENT
    assert read(timestamp="soon").at is None


@pytest.mark.parametrize("kind", ["image", "video", "audio", "document", "sticker"])
def test_files(kind):
    own = {"id": "77", "mime_type": "image/webp", "url": "https://lookaside.fbsbx.com/?mid=77", "caption": "Look"}
    found = read(kind, **{kind: own})
    assert (found.kind, found.text) == (Kind(kind), "Look")
    assert found.files[0].url == "media:77?url=https%3A%2F%2Flookaside.fbsbx.com%2F%3Fmid%3D77"
    assert found.files[0].name == f"{kind}.webp"


def test_files_with_a_name_a_voice_or_nothing():
    assert read("document", document={"id": "7", "filename": "Rates 2026.pdf"}).files[0].name == "Rates 2026.pdf"
    voice = read("audio", audio={"id": "7", "mime_type": "audio/ogg; codecs=opus", "voice": True})
    assert (voice.details, voice.files[0].name) == ({"voice": True}, "voice.ogg")
    assert read("sticker", sticker={"id": "7", "animated": True}).details == {"animated": True}
    lost = read("image", image={"mime_type": "image/png"}).files[0]
    assert (lost.url, bool(lost.fault)) == ("", True)


def test_a_place():
    place = {"latitude": 14.5995, "longitude": "120.9842", "name": "Manila", "address": "PH", "url": "https://m.test"}
    assert read("location", location=place).details == place | {"longitude": 120.9842}
    assert "latitude" not in read("location", location={"name": "Nowhere"}).details


def test_contacts():
    cards = [
        {
            "name": {"formatted_name": "Bo Reyes", "first_name": "Bo"},
            "phones": [{"phone": "+63 918 000 0000", "wa_id": "639180000000"}, {"phone": "(02) 8123 4567"}],
            "org": {"company": "Reyes & Co"},
        },
        {"name": {"first_name": "Cy", "last_name": "Tan"}},
        "junk",
    ]
    found = one(messages(message("contacts") | {"contacts": cards}))
    assert found.details["contacts"] == [
        {"name": "Bo Reyes", "phones": ["+639180000000", "(02) 8123 4567"], "organisation": "Reyes & Co"},
        {"name": "Cy Tan", "phones": [], "organisation": ""},
    ]


@pytest.mark.parametrize(
    ("kind", "own", "tapped"),
    [
        (
            "interactive",
            {"type": "button_reply", "button_reply": {"id": "y", "title": "Yes"}},
            {"id": "y", "text": "Yes", "description": ""},
        ),
        (
            "interactive",
            {"type": "list_reply", "list_reply": {"id": "1", "title": "Row", "description": "more"}},
            {"id": "1", "text": "Row", "description": "more"},
        ),
        ("button", {"payload": "p", "text": "Stop"}, {"id": "p", "text": "Stop", "description": ""}),
    ],
)
def test_taps(kind, own, tapped):
    found = read(kind, **{kind: own}, context={"from": LINE, "id": "wamid.OUT"})
    assert (found.kind, found.details, found.text) == (Kind.TAP, tapped, tapped["text"])
    assert (found.about.relation, found.about.external_id) == (Relation.ANSWER, "wamid.OUT")


STORABLE = {"a": "nan", "b": "-inf", "c": ["xy"], "d": {"?": True}}


@pytest.mark.parametrize(
    ("raw", "answers"),
    [
        ('{"size": "L", "n": 2}', {"size": "L", "n": 2}),
        ("[1]", {"answer": [1]}),
        ("{half", {"answer": "{half"}),
        ("", {}),
        ('{"a": NaN, "b": -1e999, "c": ["x\\u0000y"], "d": {"\\ud83d": true}}', STORABLE),
    ],
)
def test_a_flow_that_was_filled_in(raw, answers):
    reply = {"type": "nfm_reply", "nfm_reply": {"name": "flow", "body": "Sent", "response_json": raw}}
    found = read("interactive", interactive=reply)
    assert (found.kind, found.text, found.details) == (Kind.FORM, "Sent", {"name": "flow", "answers": answers})


@pytest.mark.parametrize(("own", "emoji"), [({"emoji": "👍"}, "👍"), ({"emoji": ""}, ""), ({}, "")])
def test_reactions_and_their_end(own, emoji):
    found = read("reaction", reaction={"message_id": "wamid.OUT", **own})
    assert (found.kind, found.text) == (Kind.REACTION, emoji)
    assert (found.about.relation, found.about.external_id) == (Relation.REACTION, "wamid.OUT")


def test_orders():
    items = [{"product_retailer_id": "SKU", "quantity": "2", "item_price": 10.5, "currency": "PHP"}]
    found = read("order", order={"catalog_id": "C1", "text": "Today?", "product_items": items})
    assert (found.kind, found.text) == (Kind.ORDER, "Today?")
    wanted = {"sku": "SKU", "quantity": 2.0, "price": 10.5, "currency": "PHP"}
    assert found.details == {"catalog": "C1", "items": [wanted]}


@pytest.mark.parametrize("name", ["wa_id", "new_wa_id"])
def test_a_number_that_changed(name):
    own = {"type": "user_changed_number", name: "639180000000", "body": "Ana changed"}
    found = read("system", system=own)
    assert (found.kind, found.text) == (Kind.SYSTEM, "Ana changed")
    assert found.details == {"type": "number_changed", "number": "+639180000000"}
    other = read("system", system={"type": "customer_identity_changed", "body": "new phone"})
    assert other.details == {"type": "customer_identity_changed"}


def test_a_number_that_changed_changes_the_id_too():
    own = {"type": "user_changed_number", "wa_id": "639180000000", "user_id": "PH.2", "previous_user_id": ANA_ID}
    found = one(messages(message("system", system=own) | {"from_user_id": "PH.2"}, contacts=[{}]))
    assert (found.sender, found.same_as) == (f"+{ANA}", (Peer(AddressKind.BSUID, ANA_ID),))
    assert found.details == {"type": "number_changed", "number": "+639180000000", "bsuid": "PH.2"}


def test_an_id_that_changed_of_somebody_without_a_number():
    own = {"type": "user_changed_user_id", "user_id": "PH.2", "previous_user_id": ANA_ID, "body": "changed"}
    said = message("system", system=own) | {"from_user_id": "PH.2"}
    del said["from"]
    found = one(messages(said))
    assert (found.sender_kind, found.sender, found.same_as) == (
        AddressKind.BSUID,
        ANA_ID,
        (Peer(AddressKind.BSUID, "PH.2"),),
    )
    assert (found.kind, found.details) == (Kind.SYSTEM, {"type": "id_changed", "bsuid": "PH.2"})


def test_edits_and_deletions():
    new = {"type": "image", "image": {"caption": "better"}}
    edit = read("edit", edit={"original_message_id": "wamid.OLD", "message": new})
    assert (edit.kind, edit.text, edit.files) == (Kind.EDIT, "better", ())
    assert (edit.about.relation, edit.about.external_id) == (Relation.EDIT, "wamid.OLD")
    gone = read("revoke", revoke={"original_message_id": "wamid.OLD"})
    assert (gone.kind, gone.about.relation, gone.about.external_id) == (Kind.DELETION, Relation.DELETION, "wamid.OLD")


def test_what_nobody_has_described():
    poll = read("unsupported", errors=[{"code": 131051, "title": "Unknown"}], unsupported={"type": "poll"})
    assert (poll.kind, poll.details, poll.code) == (Kind.UNSUPPORTED, {"type": "poll"}, "131051")
    new = read("hologram", hologram={"caption": "3D"})
    assert (new.kind, new.details, new.text) == (Kind.UNSUPPORTED, {"type": "hologram"}, "3D")
    lost = read("image", errors=[{"code": 131052, "title": "Media download error"}])
    assert (lost.kind, lost.code, lost.text.endswith(".")) == (Kind.UNREADABLE, "131052", True)
    for code in (131000, 131051):
        said = read("image", errors=[{"code": code, "title": "Something went wrong"}]).text
        assert "WhatsApp" in said and "send it" not in said and "again" not in said, "a customer's, not one of ours"
    assert read("interactive", interactive={"type": "call"}).kind is Kind.UNSUPPORTED


def test_what_stands_beside_a_message():
    ad = {"source_url": "https://fb.me/x", "source_type": "ad", "source_id": "A", "headline": "H", "ctwa_clid": "C"}
    found = read(referral=ad, context={"frequently_forwarded": True})
    assert found.details["forwarded"] is True
    assert found.details["referral"] == {
        "url": "https://fb.me/x",
        "type": "ad",
        "id": "A",
        "headline": "H",
        "body": "",
        "click": "C",
    }
    media = {"media_type": "image", "image_url": "https://cdn.example/a.jpg", "thumbnail_url": "javascript:alert(1)"}
    shown = read(referral=ad | media | {"welcome_message": "Hi"}, context={"referred_product": {"catalog_id": 7}})
    assert {key: shown.details["referral"].get(key) for key in ("media", "image", "thumbnail", "greeting")} == {
        "media": "image",
        "image": "https://cdn.example/a.jpg",
        "thumbnail": None,
        "greeting": None,
    }
    assert shown.details["product"] == {"catalog": "7", "sku": ""} and shown.about is None
    assert "product" not in read(context={"referred_product": {}}).details
    answer = read(context={"from": LINE, "id": "wamid.OUT"})
    assert (answer.about.relation, answer.about.external_id) == (Relation.REPLY, "wamid.OUT")


def test_somebody_without_a_number():
    told = message(external_id="wamid.U")
    del told["from"]
    found = one(messages(told, contacts=[card("", ANA_ID, "", username="ana.cruz")]))
    assert (found.sender_kind, found.sender, found.name) == (AddressKind.BSUID, ANA_ID, "ana.cruz")
    assert found.same_as == ()
    known = one(messages(told, contacts=[card()]))
    assert (known.sender, known.same_as) == (f"+{ANA}", (Peer(AddressKind.BSUID, ANA_ID),))


def test_the_names_of_several_people_in_one_request():
    cards = [card(name="Ana"), card("639175550102", "PH.2000000000000000042", "Bo")]
    other = message(external_id="wamid.2") | {"from": "639175550102", "from_user_id": "PH.2000000000000000042"}
    found = parsed(messages(message(), other, contacts=cards))
    assert [(each.sender, each.name) for each in found] == [(f"+{ANA}", "Ana"), ("+639175550102", "Bo")]
    stranger = message() | {"from": "639175550103", "from_user_id": "PH.3"}
    assert one(messages(stranger, contacts=[card()])).name == "", "another person's name is nobody else's"


def test_groups():
    found = read(group_id="Y2FwaV9ncm91cDoxNzA1")
    assert (found.sender_kind, found.sender, found.same_as) == (AddressKind.GROUP, "Y2FwaV9ncm91cDoxNzA1", ())
    assert found.author == Peer(AddressKind.PHONE, f"+{ANA}", "Ana")


def test_what_is_typed_on_the_phone():
    said = {"from": LINE, "to": ANA, "id": "wamid.E", "timestamp": AT, "type": "text", "text": {"body": "from the app"}}
    edit = said | {"id": "wamid.F", "type": "revoke", "revoke": {"original_message_id": "wamid.E"}}
    first, second = parsed(payload(change("smb_message_echoes", value(message_echoes=[said, edit], contacts=[card()]))))
    assert (first.sender, first.text, first.from_us, first.by_api) == (f"+{ANA}", "from the app", True, False)
    assert (first.name, first.recipient) == ("Ana", f"+{LINE}")
    assert (second.kind, second.from_us) == (Kind.DELETION, True)


@pytest.mark.parametrize(
    ("said", "state", "from_us"),
    [
        ({"event": "connect", "direction": "USER_INITIATED"}, "ringing", False),
        (
            {"event": "terminate", "direction": "USER_INITIATED", "status": "COMPLETED", "duration": 33},
            "answered",
            False,
        ),
        ({"event": "terminate", "direction": "USER_INITIATED", "status": "FAILED"}, "missed", False),
        ({"event": "terminate", "direction": "BUSINESS_INITIATED", "duration": "7"}, "answered", True),
    ],
)
def test_calls(said, state, from_us):
    ends = {"from": LINE, "to": ANA, "to_user_id": ANA_ID} if from_us else {"from": ANA, "to": LINE}
    call = {"id": "wacid.1", "timestamp": AT, **ends, **said}
    found = one(payload(change("calls", value(contacts=[card()], calls=[call]))))
    assert (found.kind, found.external_id, found.sender) == (Kind.CALL, "wacid.1", f"+{ANA}")
    assert (found.details["state"], found.from_us, found.name) == (state, from_us, "Ana")
    assert ("seconds" in found.details) is (state == "answered")
    assert parsed(payload(change("calls", value(calls=[call | {"event": "ringtone"}])))) == []
    assert isinstance(one(payload(change("calls", value(calls=[{"event": "connect"}])))), Unread)


def test_what_was_said_before_the_number_came_to_us():
    def past(who, external_id, **more):
        return {
            "from": who,
            "id": external_id,
            "timestamp": "1739230955",
            "type": "text",
            "text": {"body": "?"},
            **more,
        }

    thread = {
        "id": ANA,
        "context": {"user_id": ANA_ID, "username": "ana.cruz"},
        "messages": [
            past(ANA, "wamid.1", history_context={"status": "READ"}),
            past(LINE, "wamid.2", to=ANA, history_context={"status": "DELIVERED"}),
            past("15550009999", "wamid.3", history_context={"from_me": True}),
            past(ANA, "wamid.4") | {"type": "media_placeholder"},
            "junk",
        ],
    }
    chunk = {"metadata": {"phase": 0, "chunk_order": 1, "progress": 55}, "threads": [thread, 5]}
    found = parsed(payload(change("history", value(history=[chunk]))))
    told = [each for each in found if isinstance(each, Inbound)]
    assert [(each.sender, each.from_us, each.external_id) for each in told] == [
        (f"+{ANA}", False, "wamid.1"),
        (f"+{ANA}", True, "wamid.2"),
        (f"+{ANA}", True, "wamid.3"),
    ]
    assert told[0].at.year == 2025 and told[0].same_as == (Peer(AddressKind.BSUID, ANA_ID),)
    assert sum(isinstance(each, Unread) for each in found) == 2
    late = message("image", image={"id": "7"}) | {"from": LINE, "to": ANA}
    file = one(payload(change("history", value(messages=[late]))))
    assert (file.sender, file.from_us, file.kind) == (f"+{ANA}", True, Kind.IMAGE)
    declined = payload(change("history", value(history=[{"errors": [{"code": 2593109, "title": "declined"}]}])))
    assert one(declined).code == "2593109"


@pytest.mark.parametrize(
    ("word", "outcome"),
    [("sent", "sent"), ("delivered", "delivered"), ("read", "read"), ("played", "played"), ("failed", "failed")],
)
def test_statuses(word, outcome):
    said = status(
        word,
        biz_opaque_callback_data="b2c1:3",
        pricing={"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility", "x": 1},
        conversation={"id": "c", "origin": {"type": "utility"}},
    )
    found = one(statuses(said))
    assert (found.external_id, found.outcome, found.our_key) == ("wamid.OUT", Outcome(outcome), "b2c1:3")
    assert (found.at, found.recipient) == (MOMENT, f"+{ANA}")
    price = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "utility", "origin": "utility"}
    assert found.billing == price


def test_whom_a_status_is_for():
    group = one(statuses(status(recipient_id="Y2Fw", recipient_type="group")))
    assert group.recipient == "Y2Fw"
    nameless = one(statuses(status(recipient_id=ANA_ID, recipient_user_id=ANA_ID)))
    assert nameless.recipient == ANA_ID


def test_statuses_that_move_nothing_and_one_that_nobody_knows():
    assert parsed(statuses(status("deleted"), status("captured", type="payment"))) == []
    odd, good = parsed(statuses(status("teleported"), status("sent")))
    assert isinstance(odd, Unread) and odd.item["status"] == "teleported" and odd.detail.endswith(".")
    assert good.outcome is Outcome.SENT


@pytest.mark.parametrize("code", [*codes.REFUSALS, "210", "424242"])
def test_a_failure_has_a_sentence_that_promises_nothing(code):
    error = {"code": int(code), "title": "T", "error_data": {"details": "more of it"}}
    found = one(statuses(status("failed", errors=[error])))
    assert (found.code, found.outcome) == (code, Outcome.FAILED)
    assert found.detail.endswith(".") and found.loss in Loss and found.loss is not Loss.OPTED_OUT
    assert "by itself" not in found.detail and "tried again" not in found.detail and "may have" not in found.detail


def test_classes_of_losses():
    losses = {
        "131026": Loss.UNREACHABLE,
        "131048": Loss.REJECTED,
        "132000": Loss.NONE,
        "131053": Loss.REJECTED,
        "131016": Loss.REJECTED,
    }
    losses |= dict.fromkeys(("368", "131042", "190", "130429"), Loss.ACCOUNT)
    losses |= dict.fromkeys(("131047", "131049", "131050", "130472", "131056"), Loss.WITHHELD)
    for code, loss in losses.items():
        assert one(statuses(status("failed", errors=[{"code": int(code)}]))).loss is loss
    bare = one(statuses(status("failed")))
    assert (bare.code, bare.loss) == ("failed", Loss.REJECTED)


def setback(code, **more):
    return one(statuses(status("failed", errors=[{"code": code, "title": "T"}], **more))).setback


def test_a_failed_status_asks_for_what_the_same_refusal_would():
    for code in (131042, 131031, 368, 131045, 131064, 190, 10, 200, 133010):
        found = setback(code)
        assert (found.scope, found.stops, found.retry) == (Scope.SENDER, True, True)
    for code, seconds in ((130429, None), (131048, 900.0), (131016, None), (131057, 300.0)):
        found = setback(code)
        assert (found.scope, found.stops, found.retry, found.retry_after) == (Scope.SENDER, False, True, seconds)
    for code in (131000, 131053, 131056):
        found = setback(code)
        assert (found.scope, found.retry, found.crowded) == (Scope.MESSAGE, True, code == 131056)
        assert found.sentence.endswith(".") and "anew" not in found.sentence
    for code in (131049, 130472):
        assert (setback(code).retry, setback(code).no_marketing) == (False, 24 * 3600.0)
    for code in (131026, 131047, 132001, 1, 2, 424242):
        assert setback(code) is None


def test_what_one_member_of_a_group_did_not_get_is_not_sent_to_all_again():
    assert setback(131000, recipient_type="group", recipient_id="Y2Fw").retry is False


def test_an_error_of_no_message():
    found = one(payload(change("messages", value(errors=[{"code": 130429, "title": "Rate limit hit"}]))))
    assert isinstance(found, Notice) and (found.code, found.detail.endswith(".")) == ("130429", True)
    new = one(payload(change("messages", value(errors=[{"code": 42, "message": "(#42) Odd thing"}]))))
    assert new.detail == "Meta reports an error: Odd thing."


@pytest.mark.parametrize(("word", "marketing"), [("stop", False), ("resume", True)])
def test_who_wants_no_marketing(word, marketing):
    said = {"wa_id": ANA, "detail": "User requested", "category": "marketing_messages", "value": word, "timestamp": AT}
    found = one(payload(change("user_preferences", value(contacts=[card()], user_preferences=[said]))))
    wanted = Preference(Peer(AddressKind.PHONE, f"+{ANA}"), marketing, MOMENT, (Peer(AddressKind.BSUID, ANA_ID),))
    assert found == wanted
    odd = one(payload(change("user_preferences", value(user_preferences=[said | {"value": "maybe"}]))))
    assert isinstance(odd, Unread)


TEMPLATE = {"message_template_id": 1, "message_template_name": "hello", "message_template_language": "en_US"}


@pytest.mark.parametrize(
    ("field", "more", "event", "detail"),
    [
        ("message_template_status_update", {"event": "APPROVED", "reason": "NONE"}, "APPROVED", ""),
        ("message_template_status_update", {"event": "REJECTED", "reason": "SCAM"}, "REJECTED", "SCAM"),
        (
            "message_template_status_update",
            {"event": "REJECTED", "reason": "INVALID_FORMAT", "rejection_info": {"reason": "Too alike."}},
            "REJECTED",
            "Too alike.",
        ),
        (
            "message_template_status_update",
            {"event": "PAUSED", "other_info": {"title": "FIRST_PAUSE", "description": "Paused for 3 hours"}},
            "PAUSED",
            "Paused for 3 hours",
        ),
        (
            "message_template_quality_update",
            {"previous_quality_score": "GREEN", "new_quality_score": "RED"},
            "QUALITY",
            "RED",
        ),
        ("message_template_components_update", {"message_template_element": "Hi"}, "COMPONENTS", ""),
        (
            "template_category_update",
            {"previous_category": "UTILITY", "new_category": "MARKETING"},
            "CATEGORY",
            "MARKETING",
        ),
    ],
)
def test_notices_of_templates(field, more, event, detail):
    assert one(payload(change(field, TEMPLATE | more))) == TemplateNotice("hello", "en_US", event, detail)


@pytest.mark.parametrize(
    ("field", "said", "word"),
    [
        (
            "phone_number_quality_update",
            {"display_phone_number": LINE, "event": "FLAGGED", "current_limit": "TIER_1K"},
            "quality",
        ),
        ("phone_number_quality_update", {"event": "DOWNGRADE", "current_limit": "TIER_250"}, "TIER_250"),
        ("phone_number_name_update", {"decision": "REJECTED", "requested_verified_name": "Ace"}, "Ace"),
        ("account_update", {"event": "ACCOUNT_VIOLATION", "violation_info": {"violation_type": "SPAM"}}, "SPAM"),
        ("account_update", {"event": "A_NEW_WORD"}, "A_NEW_WORD"),
        ("business_capability_update", {"max_daily_conversations_per_business": 2000}, "2000"),
        ("security", {"display_phone_number": LINE, "event": "PIN_CHANGED", "requester": "1"}, "PIN_CHANGED"),
        (
            "account_alerts",
            {"alert_info": {"alert_severity": "WARNING", "alert_type": "T", "alert_description": "D"}},
            "D",
        ),
        ("account_review_update", {"decision": "REJECTED"}, "REJECTED"),
    ],
)
def test_notices_in_words(field, said, word):
    found = one(payload(change(field, said)))
    assert isinstance(found, Notice) and word in found.detail and found.detail.endswith(".") and found.code


def test_good_news_needs_nobody():
    for field, said in (
        ("phone_number_quality_update", {"event": "UPGRADE"}),
        ("account_update", {"event": "VOLUME_BASED_PRICING_TIER_UPDATE"}),
        ("account_alerts", {"alert_info": {"alert_severity": "INFORMATIONAL", "alert_type": "OBA_APPROVED"}}),
        ("business_capability_update", {"max_phone_numbers_per_waba": 25}),
        ("flows", {"event": "FLOW_STATUS_CHANGE"}),
    ):
        assert parsed(payload(change(field, said))) == []


@pytest.mark.parametrize(
    ("said", "state"),
    [
        ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "DISABLE"}}, LineState.BLOCKED),
        ({"event": "DISABLED_UPDATE", "ban_info": {"waba_ban_state": "REINSTATE"}}, LineState.READY),
        ({"event": "ACCOUNT_DELETED"}, LineState.GONE),
        ({"event": "PARTNER_REMOVED"}, LineState.SIGNED_OUT),
    ],
)
def test_what_befalls_the_account_has_its_lines_asked_about(said, state):
    line, notice = parsed(payload(change("account_update", said)))
    assert isinstance(line, Line) and line.state is state and bool(line.detail) is (state is not LineState.READY)
    assert isinstance(notice, Notice) and notice.detail.endswith(".")


BAD = [
    5,
    "x",
    None,
    [],
    {},
    {"id": "wamid.X"},
    {"type": "text", "id": "wamid.X"},
    {"from": ANA, "id": "wamid.X"},
    {"from": [], "type": {}, "id": 7},
]


@pytest.mark.parametrize("bad", BAD)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_one_bad_item_costs_no_other(bad, place):
    good = [message(external_id="wamid.A"), message(external_id="wamid.B")]
    good.insert(place, bad)
    found = parsed(messages(*good))
    assert [each.external_id for each in found if isinstance(each, Inbound)] == ["wamid.A", "wamid.B"]
    unread = [each for each in found if isinstance(each, Unread)]
    assert [each.item for each in unread] == [bad] and unread[0].detail.endswith(".")


@pytest.mark.parametrize("bad", [5, "x", None, [], {"field": "messages"}, {"field": "messages", "value": []}])
def test_one_bad_change_costs_no_other(bad):
    good = change("messages", value(messages=[message()]))
    found = parsed(payload(bad, good))
    assert sum(isinstance(each, Inbound) for each in found) == 1
    assert sum(isinstance(each, Unread) for each in found) == 1
    assert NUMBER in WhatsAppCloud().addressees(request(payload(bad, good)))


@pytest.mark.parametrize("metadata", [{}, {"metadata": {}}, {"metadata": {"phone_number_id": ""}}, {"metadata": "1"}])
def test_a_message_that_names_no_number_of_ours_is_not_given_to_all_of_the_account(metadata):
    """Whatever names no number goes to all senders of its account, who may be several tenants."""
    said = value(contacts=[{}], messages=[message("text", text={"body": "Hi"})], statuses=[status("sent")])
    del said["metadata"]
    (found,) = parsed(payload(change("messages", said | metadata)))
    assert isinstance(found, Unread) and "none of our numbers" in found.detail
