"""Every official sample, where the collection is at hand, read to an event that makes sense.

`SAMPLES_DIR` names the collection; without it the folder beside the project is tried, and nothing is lost without.
"""

import json
import os
from pathlib import Path

import pytest

from portal.channels.base import Inbound, Line, Notice, Outcome, Receipt, WebhookRequest
from portal.channels.content import CallState, Kind, Relation
from portal.channels.green_api.client import GreenApi

HOME = Path(__file__).resolve().parents[2]
FOLDERS = (Path(os.environ.get("SAMPLES_DIR", "-")), *(each / "shared" / "samples" for each in HOME.parents[:3]))
SAMPLES = next((each / "green-api" for each in FOLDERS if (each / "green-api").is_dir()), None)
FILES = sorted(SAMPLES.rglob("*.json")) if SAMPLES else []

pytestmark = pytest.mark.skipif(not FILES, reason="the collection of samples is not here")

KINDS = {
    "textMessage": Kind.TEXT,
    "extendedTextMessage": Kind.LINK,
    "quotedMessage": Kind.TEXT,
    "imageMessage": Kind.IMAGE,
    "videoMessage": Kind.VIDEO,
    "audioMessage": Kind.AUDIO,
    "documentMessage": Kind.DOCUMENT,
    "stickerMessage": Kind.STICKER,
    "locationMessage": Kind.LOCATION,
    "contactMessage": Kind.CONTACT,
    "contactsArrayMessage": Kind.CONTACT,
    "pollMessage": Kind.POLL,
    "pollUpdateMessage": Kind.VOTE,
    "reactionMessage": Kind.REACTION,
    "editedMessage": Kind.EDIT,
    "deletedMessage": Kind.DELETION,
    "buttonsMessage": Kind.BUTTONS,
    "interactiveButtons": Kind.BUTTONS,
    "interactiveButtonsReply": Kind.BUTTONS,
    "templateMessage": Kind.TEMPLATE,
    "listMessage": Kind.LIST,
    "buttonsResponseMessage": Kind.TAP,
    "listResponseMessage": Kind.TAP,
    "templateButtonsReplyMessage": Kind.TAP,
    "templateButtonReplyMessage": Kind.TAP,
    "groupInviteMessage": Kind.INVITE,
}
ABOUT = {Kind.REACTION: Relation.REACTION, Kind.EDIT: Relation.EDIT, Kind.DELETION: Relation.DELETION}
ANSWERS = (Kind.TAP, Kind.VOTE)
NOTIFICATIONS = [each for each in FILES if each.parent.name != "api"]


@pytest.mark.parametrize("path", NOTIFICATIONS, ids=lambda path: path.stem)
def test_notifications(path):
    said = json.loads(path.read_bytes())
    request = WebhookRequest("receive", path.read_bytes())
    assert GreenApi().addressed(request) == str(said["instanceData"]["idInstance"])
    found = list(GreenApi().parse(request))
    kind = said["typeWebhook"]
    if kind == "deviceInfo" or kind == "incomingBlock":
        assert found == []
    elif kind in ("stateInstanceChanged", "statusInstanceChanged"):
        assert isinstance(found[0], Line)
    elif kind == "quotaExceeded":
        assert isinstance(found[0], Notice)
    elif kind == "outgoingMessageStatus":
        assert isinstance(found[0], Receipt) and found[0].external_id == said["idMessage"]
        assert found[0].outcome is not Outcome.EXPIRED
    elif kind.endswith("Call"):
        assert isinstance(found[0], Inbound) and found[0].details["state"] in CallState
    else:
        _check_message(said, found[0])


def _check_message(said, found):
    assert isinstance(found, Inbound) and found.external_id == said["idMessage"]
    wanted = KINDS[said["messageData"]["typeMessage"]]
    assert found.kind is (Kind.UNREADABLE if found.code == "SWE001" else wanted)
    assert found.name and found.sender and found.recipient
    assert "{{" not in found.text + "".join(file.url for file in found.files)
    if "stanzaId" in json.dumps(said):
        relation = ABOUT.get(found.kind, Relation.ANSWER if found.kind in ANSWERS else Relation.REPLY)
        assert found.about is not None and found.about.relation is relation and found.about.external_id
    if "typeMessage" in json.dumps(said.get("quotedMessage") or said["messageData"].get("quotedMessage") or {}):
        assert found.about.text, "what is quoted has a text, whatever it is"
    if found.kind in (Kind.IMAGE, Kind.VIDEO, Kind.AUDIO, Kind.DOCUMENT, Kind.STICKER):
        assert "." in found.files[0].name and (found.files[0].url or found.files[0].fault)
