"""Every official sample, where the collection is at hand, read to an event that makes sense.

`SAMPLES_DIR` names the collection; without it the folder beside the project is tried, and nothing is lost without.
"""

import json
import os
from pathlib import Path

import pytest

from portal.channels.base import Inbound, Notice, Outcome, Preference, Receipt, TemplateNotice
from portal.channels.content import AddressKind, Kind, Relation
from portal.channels.whatsapp_cloud.client import WhatsAppCloud
from tests.contract.whatsapp_cloud.payloads import request

HOME = Path(__file__).resolve().parents[2]
FOLDERS = (Path(os.environ.get("SAMPLES_DIR", "-")), *(each / "shared" / "samples" for each in HOME.parents[:3]))
FILE = next((each / "whatsapp-cloud.json" for each in FOLDERS if (each / "whatsapp-cloud.json").is_file()), None)
SAMPLES = json.loads(FILE.read_text()) if FILE else {}

pytestmark = pytest.mark.skipif(not SAMPLES, reason="the collection of samples is not here")

KINDS = {
    "voice": Kind.AUDIO,
    "contacts": Kind.CONTACT,
    "button_reply": Kind.TAP,
    "list_reply": Kind.TAP,
    "template_quick_reply": Kind.TAP,
    "flow_reply": Kind.FORM,
    "reaction_removed": Kind.REACTION,
    "system_number_change": Kind.SYSTEM,
    "revoke": Kind.DELETION,
    "referral": Kind.TEXT,
    "forwarded": Kind.TEXT,
    "reply": Kind.TEXT,
    "username_only_no_phone": Kind.TEXT,
    "group_message": Kind.TEXT,
    "echo_coexistence": Kind.TEXT,
    "batched_two_entries": Kind.TEXT,
}
OTHERS = {
    "value_level_error": Notice,
    "template_status": TemplateNotice,
    "user_preferences_stop": Preference,
}
RELATIONS = {Kind.TAP: Relation.ANSWER, Kind.REACTION: Relation.REACTION, Kind.EDIT: Relation.EDIT}


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name):
    asked = request(SAMPLES[name])
    found = list(WhatsAppCloud().parse(asked))
    who = WhatsAppCloud().addressees(asked)
    assert len(who) == 1 and WhatsAppCloud().share(asked, who[0]) is asked
    assert WhatsAppCloud().lane(asked).startswith("s") is name.startswith("status_")
    if name == "status_deleted_legacy":
        assert found == []
    elif name.startswith("status_"):
        _check_receipt(name, found[0])
    elif name in OTHERS:
        assert isinstance(found[0], OTHERS[name])
    else:
        _check_message(name, found[0])
    if name == "batched_two_entries":
        assert [type(each) for each in found] == [Inbound, Receipt]


def _check_receipt(name, found):
    words = {"sent": Outcome.SENT, "delivered": Outcome.DELIVERED, "read": Outcome.READ, "played": Outcome.PLAYED}
    word = name.removeprefix("status_")
    assert isinstance(found, Receipt) and found.outcome is words.get(word, Outcome.FAILED)
    assert found.our_key and found.external_id and found.recipient and found.at
    assert bool(found.billing) is (word in words) and bool(found.detail) is (word not in words)


def _check_message(name, found):
    told = json.dumps(SAMPLES[name])
    assert isinstance(found, Inbound) and found.external_id and found.at and found.recipient
    assert found.kind is KINDS.get(name, Kind(name) if name in list(Kind) else None)
    assert found.sender_kind is {
        "username_only_no_phone": AddressKind.BSUID,
        "group_message": AddressKind.GROUP,
    }.get(name, AddressKind.PHONE)
    assert found.from_us is (name == "echo_coexistence")
    if '"wamid.OUT1"' in told and name != "batched_two_entries":
        assert found.about and found.about.relation is RELATIONS.get(found.kind, Relation.REPLY)
    for file in found.files:
        assert "." in file.name and file.url.startswith("media:") and not file.fault
