"""Every kind of message that GREEN-API tells of, who it is from, and what it refers to."""

from datetime import UTC, datetime

import pytest

from portal.channels.base import ChannelError
from portal.channels.content import About, AddressKind, Kind, Peer, Relation
from tests.contract.green_api import notifications as say
from tests.contract.green_api.notifications import CUSTOMER, GROUP, LID, MEMBER, OLD_GROUP, event, events, message

CARD = (
    "BEGIN:VCARD\nVERSION:3.0\nN:Reyes;Jose;;;\nFN:Jose Reyes\nORG:Reyes\\, Sons;Sales\n"
    "item1.TEL;waid=639185550102:+63 918 555 0102\nTEL;TYPE=WORK:(02) 8123 4567\nEND:VCARD"
)
JOSE = {"name": "Jose Reyes", "phones": ["+639185550102", "(02) 8123 4567"], "organisation": "Reyes, Sons, Sales"}
QUOTED = {"stanzaId": "OLD1", "participant": CUSTOMER, "typeMessage": "textMessage", "textMessage": "See you at ten"}


class TestText:
    def test_all_that_is_told(self):
        said = event(say.text("Kumusta"))
        assert (said.sender, said.sender_kind, said.text, said.kind) == (
            "+639175550101",
            AddressKind.PHONE,
            "Kumusta",
            Kind.TEXT,
        )
        assert (said.external_id, said.recipient, said.name) == ("3EB0AA01", "+4915112345678", "Maria Santos")
        assert said.at == datetime.fromtimestamp(say.AT, UTC)
        assert not said.from_us and not said.by_api and not said.details and not said.about

    def test_a_link_with_its_preview(self):
        own = {"text": "Look: https://a.test/b?c=1 !", "title": "A page", "description": "About it"}
        said = event(message("extendedTextMessage", {"extendedTextMessageData": own}))
        assert (said.kind, said.text) == (Kind.LINK, own["text"])
        assert said.details == {"title": "A page", "description": "About it", "url": "https://a.test/b?c=1"}

    def test_an_extended_text_without_a_preview_is_a_text(self):
        own = {"text": "Plain", "title": "", "description": "", "isForwarded": True, "forwardingScore": 1}
        said = event(message("extendedTextMessage", {"extendedTextMessageData": own}))
        assert (said.kind, said.text, said.details) == (Kind.TEXT, "Plain", {"forwarded": True})

    def test_half_an_emoji_and_nul_are_not_kept(self):
        assert event(say.text("a\ud83d\x00b")).text == "a?b"


class TestFiles:
    @pytest.mark.parametrize(
        ("kind", "found"),
        [
            ("imageMessage", Kind.IMAGE),
            ("videoMessage", Kind.VIDEO),
            ("audioMessage", Kind.AUDIO),
            ("documentMessage", Kind.DOCUMENT),
            ("stickerMessage", Kind.STICKER),
        ],
    )
    def test_each_kind(self, kind, found):
        said = event(say.file(kind, caption="Look", fileName="mine.jpg"))
        assert (said.kind, said.text) == (found, "Look")
        file = said.files[0]
        assert (file.url, file.name, file.mime) == ("https://media.test/7103000001/4f1c.jpg", "mine.jpg", "image/jpeg")
        assert not file.fault

    @pytest.mark.parametrize(
        ("fields", "name"),
        [
            ({}, "4f1c.jpg"),
            ({"fileName": "report"}, "report.jpg"),
            ({"downloadUrl": "https://media.test/downloadFile/19136A"}, "image.jpg"),
            (
                {"downloadUrl": "https://media.test/downloadFile/19136A", "mimeType": "audio/ogg; codecs=opus"},
                "image.ogg",
            ),
            ({"fileName": "../../etc/pass\x00wd.png"}, "passwd.png"),
            ({"fileName": "C:\\photos\\one.png"}, "one.png"),
        ],
    )
    def test_a_name_has_an_ending_and_no_folder(self, fields, name):
        assert event(say.file("imageMessage", **fields)).files[0].name == name

    def test_a_moving_sticker(self):
        assert event(say.file("stickerMessage", isAnimated=True, isForwarded=True)).details == {
            "animated": True,
            "forwarded": True,
        }

    @pytest.mark.parametrize(
        ("address", "code", "words"),
        [
            ("{{SWE002}}", "SWE002", "larger than 100 MB"),
            ("{{SWE001}}", "SWE001", "send it again"),
            ("{{SWE009}}", "SWE009", "SWE009"),
            ("", "", "no address"),
            ("file:///etc/passwd", "", "no address"),
        ],
    )
    def test_a_file_that_cannot_be_had(self, address, code, words):
        said = event(say.file("documentMessage", downloadUrl=address, fileName="book.pdf"))
        assert (said.kind, said.code, said.files[0].url, said.files[0].name) == (Kind.DOCUMENT, code, "", "book.pdf")
        assert words in said.files[0].fault and said.files[0].fault.endswith(".")


class TestMarkers:
    @pytest.mark.parametrize("code", ["SWE001", "SWE002", "SWE003", "SWE004", "SWE777"])
    def test_what_could_not_be_read_is_said_in_a_sentence(self, code):
        said = event(say.text(f"{{{{{code}}}}}"))
        assert (said.kind, said.code) == (Kind.UNREADABLE, code)
        assert "{" not in said.text and said.text.endswith(".")

    def test_who_writes_of_a_marker_is_quoted(self):
        assert event(say.text("What is {{SWE001}}?")).kind is Kind.TEXT


def test_location():
    own = {"nameLocation": "Clinic", "address": "1 Osmeña Blvd", "latitude": 10.3, "longitude": 123.9, "x": 1}
    said = event(message("locationMessage", {"locationMessageData": own}))
    assert said.kind is Kind.LOCATION
    assert said.details == {
        "latitude": 10.3,
        "longitude": 123.9,
        "name": "Clinic",
        "address": "1 Osmeña Blvd",
        "url": "",
    }


def test_a_location_without_a_place():
    said = event(message("locationMessage", {"locationMessageData": {"nameLocation": "Clinic", "latitude": "x"}}))
    assert said.details == {"name": "Clinic", "address": "", "url": ""}


class TestContacts:
    def test_one(self):
        said = event(message("contactMessage", {"contactMessageData": {"displayName": "", "vcard": CARD}}))
        assert (said.kind, said.details) == (Kind.CONTACT, {"contacts": [JOSE]})

    def test_several_in_a_block_of_its_own(self):
        cards = [{"displayName": "Jose Reyes", "vcard": CARD}, {"displayName": "Nobody", "vcard": "BEGIN:VCARD"}]
        said = event(message("contactsArrayMessage", {"messageData": {"contacts": cards, "isForwarded": True}}))
        nobody = {"name": "Nobody", "phones": [], "organisation": ""}
        assert said.details == {"contacts": [JOSE, nobody], "forwarded": True}

    def test_a_name_in_its_parts(self):
        card = "BEGIN:VCARD\r\nN:Santos;Maria;;;\r\nTEL:0917\r\n 5550101\r\nEND:VCARD"
        said = event(message("contactMessage", {"contactMessageData": {"vcard": card}}))
        assert said.details["contacts"] == [{"name": "Maria Santos", "phones": ["09175550101"], "organisation": ""}]


class TestPolls:
    def test_a_poll(self):
        own = {"name": "When?", "options": [{"optionName": "Ten"}, {"optionName": "Two"}], "multipleAnswers": True}
        said = event(message("pollMessage", {"pollMessageData": own}))
        assert (said.kind, said.details) == (
            Kind.POLL,
            {"question": "When?", "options": ["Ten", "Two"], "multiple": True},
        )

    @pytest.mark.parametrize(("count", "multiple"), [(0, True), (1, False)])
    def test_a_poll_of_2023(self, count, multiple):
        own = {"name": "When?", "options": [{"optionName": "Ten"}], "selectableOptionsCount": count}
        assert event(message("pollMessage", {"pollCreationMessage": own})).details["multiple"] is multiple

    def test_a_vote(self):
        votes = [
            {"optionName": "Ten", "optionVoters": []},
            {"optionName": "Two", "optionVoters": [CUSTOMER, LID, "?", 5]},
        ]
        own = {"stanzaId": "POLL1", "name": "When?", "votes": votes, "multipleAnswers": False}
        said = event(message("pollUpdateMessage", {"pollMessageData": own}))
        assert said.kind is Kind.VOTE
        assert said.about == About(Relation.ANSWER, "POLL1", "When?")
        voters = ["+639175550101", "120650379300963", "?"]
        assert said.details == {
            "question": "When?",
            "options": [{"text": "Ten", "voters": []}, {"text": "Two", "voters": voters}],
        }


class TestMenus:
    @pytest.mark.parametrize("kind", ["buttonsMessage", "interactiveButtons", "interactiveButtonsReply"])
    def test_buttons(self, kind):
        own = {
            "contentText": "Come?",
            "titleText": "Visit",
            "footerText": "Clinic",
            "buttons": [
                {"buttonId": "1", "buttonText": "Yes"},
                {"type": "url", "buttonId": "2", "buttonText": "Map", "url": "https://a.test"},
                {"type": "call", "buttonId": "3", "buttonText": "Call", "phoneNumber": "639175550101"},
                {"type": "copy", "buttonId": "4", "buttonText": "Code", "copyCode": "77"},
            ],
        }
        said = event(message(kind, {kind: own}))
        assert (said.kind, said.text) == (Kind.BUTTONS, "Come?")
        assert (said.details["header"], said.details["footer"]) == ("Visit", "Clinic")
        assert said.details["buttons"][0] == {"id": "1", "text": "Yes", "type": "reply", "value": ""}
        assert [(each["type"], each["value"]) for each in said.details["buttons"][1:]] == [
            ("url", "https://a.test"),
            ("call", "639175550101"),
            ("copy", "77"),
        ]

    def test_a_template(self):
        buttons = [
            {"index": 1, "urlButton": {"displayText": "Map", "url": "https://a.test"}},
            {"index": 2, "callButton": {"displayText": "Call", "phoneNumber": "+63 917"}},
            {"index": 3, "quickReplyButton": {"displayText": "Yes", "id": "y"}},
        ]
        own = {"contentText": "Come?", "footer": "Clinic", "buttons": buttons, "isForwarded": True}
        said = event(message("templateMessage", {"templateMessage": own}))
        assert (said.kind, said.text, said.details["forwarded"]) == (Kind.TEMPLATE, "Come?", True)
        assert said.details["buttons"] == [
            {"id": "1", "text": "Map", "type": "url", "value": "https://a.test"},
            {"id": "2", "text": "Call", "type": "call", "value": "+63 917"},
            {"id": "y", "text": "Yes", "type": "reply", "value": ""},
        ]

    def test_a_list(self):
        rows = [{"title": "Ten", "rowId": "r1"}, {"title": "Two", "rowId": "r2", "description": "p.m."}]
        own = {"contentText": "When?", "title": "Times", "footer": "f", "sections": [{"title": "Monday", "rows": rows}]}
        said = event(message("listMessage", {"listMessage": own}))
        assert (said.kind, said.text) == (Kind.LIST, "When?")
        assert said.details == {
            "title": "Times",
            "footer": "f",
            "sections": [
                {
                    "title": "Monday",
                    "rows": [
                        {"id": "r1", "text": "Ten", "description": ""},
                        {"id": "r2", "text": "Two", "description": "p.m."},
                    ],
                }
            ],
        }

    @pytest.mark.parametrize(
        ("kind", "block", "own"),
        [
            (
                "buttonsResponseMessage",
                "buttonsResponseMessage",
                {"selectedButtonId": "b1", "selectedButtonText": "STOP"},
            ),
            (
                "listResponseMessage",
                "listResponseMessage",
                {"singleSelectReply": "b1", "title": "STOP", "listType": 1},
            ),
            (
                "listResponseMessage",
                "listResponseMessage",
                {"singleSelectReply": {"selectedRowId": "b1"}, "title": "STOP"},
            ),
            (
                "templateButtonsReplyMessage",
                "templateButtonReplyMessage",
                {"selectedId": "b1", "selectedDisplayText": "STOP", "selectedIndex": 0},
            ),
            (
                "templateButtonReplyMessage",
                "templateButtonReplyMessage",
                {"selectedId": "b1", "selectedDisplayText": "STOP"},
            ),
        ],
    )
    def test_a_tap_says_what_the_button_says(self, kind, block, own):
        said = event(message(kind, {block: {"stanzaId": "MENU1", **own}}))
        assert (said.kind, said.text) == (Kind.TAP, "STOP")
        assert said.details == {"id": "b1", "text": "STOP", "description": ""}
        assert said.about == About(Relation.ANSWER, "MENU1")


class TestWhatRefersToAnother:
    @pytest.mark.parametrize("emoji", ["👍", ""])
    def test_a_reaction_also_taken_back(self, emoji):
        own = {"extendedTextMessageData": {"text": emoji}, "quotedMessage": QUOTED}
        said = event(message("reactionMessage", own))
        assert (said.kind, said.text) == (Kind.REACTION, emoji)
        assert said.about == About(Relation.REACTION, "OLD1", "See you at ten")

    def test_an_edit(self):
        said = event(message("editedMessage", {"editedMessageData": {"textMessage": "New", "stanzaId": "OLD1"}}))
        assert (said.kind, said.text, said.about) == (Kind.EDIT, "New", About(Relation.EDIT, "OLD1"))

    def test_an_edited_caption(self):
        said = event(message("editedMessage", {"editedMessageData": {"caption": "New", "stanzaId": "OLD1"}}))
        assert said.text == "New"

    def test_a_deletion(self):
        said = event(message("deletedMessage", {"deletedMessageData": {"stanzaId": "OLD1"}}))
        assert (said.kind, said.text, said.about) == (Kind.DELETION, "", About(Relation.DELETION, "OLD1"))

    def test_a_quote_beside_the_data(self):
        own = {"extendedTextMessageData": {"text": "Yes", "stanzaId": "OLD0", "participant": CUSTOMER}}
        said = event(message("quotedMessage", own | {"quotedMessage": QUOTED}))
        assert (said.kind, said.text) == (Kind.TEXT, "Yes")
        assert said.about == About(Relation.REPLY, "OLD1", "See you at ten")

    def test_a_quote_of_2023_without_what_it_quotes(self):
        own = {"extendedTextMessageData": {"text": "Yes", "stanzaId": "OLD0", "participant": CUSTOMER}}
        assert event(message("quotedMessage", own)).about == About(Relation.REPLY, "OLD0")

    def test_a_quote_outside_of_the_data(self):
        own = {"contactMessageData": {"displayName": "Jose", "vcard": CARD}}
        said = event(message("contactMessage", own, outside={"quotedMessage": QUOTED}))
        assert said.about == About(Relation.REPLY, "OLD1", "See you at ten")

    def test_a_quote_inside_of_the_kinds_own_block(self):
        said = event(say.file("imageMessage") | {})
        assert said.about is None
        own = {"fileMessageData": {"downloadUrl": "https://a.test/1.png", "quotedMessage": QUOTED}}
        assert event(message("imageMessage", own)).about == About(Relation.REPLY, "OLD1", "See you at ten")

    @pytest.mark.parametrize(
        ("quoted", "told"),
        [
            ({"typeMessage": "textMessage", "textMessage": "Hi"}, "Hi"),
            ({"typeMessage": "extendedTextMessage", "textMessage": "https://a.test"}, "https://a.test"),
            ({"typeMessage": "imageMessage", "caption": "Our cat"}, "Our cat"),
            ({"typeMessage": "imageMessage", "caption": ""}, "Image"),
            ({"typeMessage": "videoMessage"}, "Video"),
            ({"typeMessage": "audioMessage"}, "Audio"),
            ({"typeMessage": "stickerMessage"}, "Sticker"),
            ({"typeMessage": "documentMessage", "fileName": "a.pdf"}, "Document: a.pdf"),
            ({"typeMessage": "documentMessage"}, "Document"),
            (
                {"typeMessage": "locationMessage", "location": {"nameLocation": "Clinic", "address": "Cebu"}},
                "Location: Clinic, Cebu",
            ),
            (
                {"typeMessage": "locationMessage", "location": {"latitude": 1.5, "longitude": 2}},
                "Location: 1.5, 2",
            ),
            ({"typeMessage": "contactMessage", "contact": {"displayName": "Jose"}}, "Contact: Jose"),
            (
                {"typeMessage": "contactsArrayMessage", "contacts": [{"displayName": "A"}, {"displayName": "B"}]},
                "Contacts: A, B",
            ),
            ({"typeMessage": "pollMessage", "pollMessageData": {"name": "When?"}}, "Poll: When?"),
            ({"typeMessage": "buttonsMessage", "buttonsMessage": {"contentText": "Come?"}}, "Come?"),
            ({"typeMessage": "listMessage"}, "Buttons"),
            ({"typeMessage": "groupInviteMessage"}, "Invitation to a group"),
            ({"typeMessage": "newMessage"}, ""),
            ({}, ""),
        ],
    )
    def test_whatever_is_quoted_has_a_text(self, quoted, told):
        said = event(say.file("audioMessage", quoted={"stanzaId": "OLD1", **quoted}))
        assert said.about == About(Relation.REPLY, "OLD1", told)


def test_an_invitation():
    own = {"groupJid": GROUP, "inviteCode": "a7E5/g", "groupName": "Patients", "caption": "Join us", "name": "x"}
    said = event(message("groupInviteMessage", {"groupInviteMessageData": own}))
    assert (said.kind, said.text, said.details) == (Kind.INVITE, "Join us", {"name": "Patients", "code": "a7E5/g"})


def test_a_kind_that_nobody_has_described():
    said = event(message("paymentMessage", {"paymentMessageData": {"caption": "Pay", "amount": 5}}))
    assert (said.kind, said.text, said.details) == (Kind.UNSUPPORTED, "Pay", {"type": "paymentMessage"})


class TestWhoWrites:
    @pytest.mark.parametrize("group", [GROUP, OLD_GROUP])
    def test_a_group_of_either_form_with_the_member_who_wrote(self, group):
        said = event(say.text(chat=group, sender=MEMBER, chatName="Patients"))
        assert (said.sender, said.sender_kind, said.name) == (group, AddressKind.GROUP, "Patients")
        assert said.author == Peer(AddressKind.PHONE, "+4366012345678", "Maria Santos")
        assert said.same_as == ()

    def test_a_member_without_a_number(self):
        said = event(say.text(chat=GROUP, sender=LID, senderContactName="", senderName="Ana"))
        assert said.author == Peer(AddressKind.LID, "120650379300963", "Ana")

    def test_a_member_whose_number_is_told_beside(self):
        said = event(say.text(chat=GROUP, sender=LID, senderPhoneNumber=639185550102))
        assert said.author == Peer(AddressKind.PHONE, "+639185550102", "Maria Santos")

    def test_a_chat_by_lid_is_never_a_number(self):
        said = event(say.text(chat=LID, senderContactName=""))
        assert (said.sender, said.sender_kind, said.name) == ("120650379300963", AddressKind.LID, "Maria S")
        assert said.same_as == ()

    @pytest.mark.parametrize("told", [{"senderPhoneNumber": 639175550101}, {"sender": CUSTOMER}])
    def test_a_number_told_beside_a_lid(self, told):
        assert event(say.text(chat=LID, **told)).same_as == (Peer(AddressKind.PHONE, "+639175550101"),)

    def test_a_lid_told_beside_a_number(self):
        assert event(say.text(sender=LID)).same_as == (Peer(AddressKind.LID, "120650379300963"),)

    @pytest.mark.parametrize("chat", ["639175550101:12@c.us", "639175550101@s.whatsapp.net"])
    def test_other_spellings_of_a_persons_chat(self, chat):
        assert event(say.text(chat=chat)).sender == "+639175550101"

    def test_whatsapp_itself_has_no_number(self):
        assert event(say.text(chat="0@c.us")).sender_kind is AddressKind.SENDER_ID

    @pytest.mark.parametrize("chat", ["status@broadcast", "123@newsletter", "x@c.us", "plain"])
    def test_what_is_said_to_nobody_in_particular_is_left_out(self, chat):
        assert events(say.text(chat=chat)) == []

    @pytest.mark.parametrize("name", ["+63 917 555 0101", "639175550101", "  "])
    def test_a_name_that_is_only_the_number_is_none(self, name):
        assert event(say.text(senderContactName=name, senderName="", chatName="")).name == ""


class TestFromTheLineItself:
    @pytest.mark.parametrize(
        ("webhook", "by_api"), [("outgoingMessageReceived", False), ("outgoingAPIMessageReceived", True)]
    )
    def test_to_a_person(self, webhook, by_api):
        said = event(say.text("Hi", webhook=webhook))
        assert (said.from_us, said.by_api) == (True, by_api)
        assert (said.sender, said.name, said.recipient) == ("+639175550101", "Maria", "+4915112345678")
        assert said.author is None and said.same_as == ()

    def test_to_a_group(self):
        said = event(say.text(webhook="outgoingMessageReceived", chat=GROUP, chatName="Patients"))
        assert (said.sender, said.name, said.author) == (GROUP, "Patients", None)

    def test_files_reactions_and_edits_too(self):
        own = {"extendedTextMessageData": {"text": "❤"}, "quotedMessage": QUOTED}
        assert event(message("reactionMessage", own, webhook="outgoingMessageReceived")).from_us


@pytest.mark.parametrize(
    "broken",
    [
        {"senderData": {}},
        {"senderData": None},
        {"messageData": {}},
        {"messageData": []},
        {"messageData": {"typeMessage": 5.5}},
    ],
)
def test_a_message_without_its_parts_is_parked(broken):
    with pytest.raises(ChannelError) as caught:
        events(say.text() | broken)
    assert caught.value.message.endswith(".") and not caught.value.retry


@pytest.mark.parametrize("wrong", [None, [], "x", 5, {"downloadUrl": []}, {"text": {}}])
@pytest.mark.parametrize(
    "block", ["textMessageData", "fileMessageData", "extendedTextMessageData", "pollMessageData", "quotedMessage"]
)
def test_blocks_of_wrong_types_are_empty_blocks(block, wrong):
    for kind in ("textMessage", "imageMessage", "extendedTextMessage", "quotedMessage", "pollMessage", "listMessage"):
        assert len(events(message(kind, {block: wrong}))) == 1
