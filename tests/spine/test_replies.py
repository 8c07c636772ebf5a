"""An answer that a person writes in the portal, with a file: to the customer once, and into HighLevel."""

import io
from types import SimpleNamespace

from portal.channels.base import Outcome
from portal.channels.content import Limits
from portal.messaging import composing, replying, uploads
from portal.messaging.replying import Reply
from portal.models import Conversation, MediaFile, Message, Part, Sender
from tests.pretend import ANNA

PNG = b"\x89PNG\r\n\x1a\n" + b"\0" * 64


def test_a_reply_with_a_file_reaches_the_customer_and_highlevel(line) -> None:
    parts = line.portal.parts
    line.hear("May I see it?", "in-1")
    line.settle()
    message = line.row("in-1")
    with line.portal.session() as session:
        talk = session.get_one(Conversation, message.conversation_id)
        way = replying.way(session, talk, session.get_one(Sender, message.sender_id), message)
        place = session.get_one(Message, message.id).location
    assert (way.address, way.fault, way.closed) == (ANNA, "", "")
    said = Reply("Here it is", message.uuid, True, "a form's key")
    for _ in range(2):
        given = SimpleNamespace(filename="house.jpg", mimetype="image/jpeg", stream=io.BytesIO(PNG))
        with uploads.arrived(parts.stores, [given], Limits()) as files:
            key = replying.draft_key(talk.id, said, way.sender.id, files)
            kept = [uploads.named(parts.settings.secret_key, key, 0, files[0].found, parts.stores.first.name)]
            draft = replying.draft(way, said, "Ben", key, kept)
            uploads.keep(parts.stores, kept[0], files[0])
            composing.compose(parts.database, parts.journal, place, draft)
        line.settle()
    text, picture = line.channel.sent
    assert text.text == "Here it is"
    assert picture.files[0].url.endswith("/house.png") and "/media/" in picture.files[0].url
    (shown,) = line.portal.sandbox.ghl.mailbox.messages(direction="outbound")
    assert shown.text.endswith("Here it is")
    assert [each.rpartition("/")[2] for each in shown.attachments] == ["house.png"]
    (row,) = line.everything(MediaFile)
    assert (row.state, row.direction, row.size) == ("kept", "out", len(PNG))
    for part in line.everything(Part):
        line.receipt(part.external_id, Outcome.DELIVERED)
    line.settle()
    assert line.rows(Message.author == "Ben")[0].status == "delivered"
