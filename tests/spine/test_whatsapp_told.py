"""Every kind that customers send, from Meta's own payload over the real webhook to the words that HighLevel shows."""

import json

import pytest

from portal.models import Message
from tests.contract.whatsapp_cloud.payloads import ANA, change, message, value
from tests.spine.test_whatsapp_cloud import NUMBER, cloud, send  # noqa: F401

SAID = "wamid.FIRST"
ABOUT = {"original_message_id": SAID}
ORDER = {
    "catalog_id": "700200",
    "text": "By noon, please",
    "product_items": [
        {"product_retailer_id": "GUTTER-5M", "quantity": 2, "item_price": 450, "currency": "PHP"},
        {"product_retailer_id": "NAIL", "quantity": "100", "item_price": "0.5", "currency": "PHP"},
    ],
}
CARD = {
    "name": {"formatted_name": "Bo Reyes", "first_name": "Bo", "last_name": "Reyes"},
    "phones": [{"phone": "+63 918 000 0000", "wa_id": "639180000000", "type": "CELL"}, {"phone": "(02) 8123 4567"}],
    "org": {"company": "Reyes & Co", "department": "Sales", "title": "Head"},
    "emails": [{"email": "bo@reyes.example", "type": "WORK"}, {"email": "bo@reyes.example"}],
    "urls": [{"url": "https://reyes.example", "type": "WORK"}],
    "addresses": [
        {"street": "Ayala Ave 1", "city": "Makati", "zip": "1226", "country": "Philippines", "country_code": "ph"}
    ],
    "birthday": "1990-02-03",
}
AD = {
    "source_url": "https://fb.me/roof",
    "source_id": "1202",
    "source_type": "ad",
    "headline": "Roofs before the rain",
    "body": "Free check\nthis week",
    "media_type": "video",
    "video_url": "https://video.fbcdn.example/v.mp4",
    "thumbnail_url": "https://scontent.fbcdn.example/t.jpg",
    "ctwa_clid": "ARAk",
    "welcome_message": {"text": "How can we help?"},
}
PRODUCT = {"from": "15550783881", "referred_product": {"catalog_id": "700200", "product_retailer_id": "GUTTER-5M"}}
CANNOT = "ask for it in words, or see it on the line's phone."
MAP = "https://www.google.com/maps?q="

KINDS = [
    (
        {"kind": "order", "order": ORDER},
        "Order\nBy noon, please\n- 2 × GUTTER-5M at 450 PHP\n- 100 × NAIL at 0.5 PHP\nCatalogue 700200",
    ),
    (
        {"kind": "contacts", "contacts": [CARD]},
        "Contact\nBo Reyes (Reyes & Co, Head, Sales), +639180000000, (02) 8123 4567, bo@reyes.example, "
        "https://reyes.example, born 1990-02-03\nAyala Ave 1, Makati, 1226, Philippines",
    ),
    (
        {
            "kind": "interactive",
            "interactive": {
                "type": "nfm_reply",
                "nfm_reply": {
                    "name": "flow",
                    "body": "Sent",
                    "response_json": json.dumps({"day": "Friday", "roofs": ["tin", "tile"], "sure": True}),
                },
            },
        },
        "Filled in the form “flow”\nSent\n- day: Friday\n- roofs: tin, tile\n- sure: True",
    ),
    (
        {"kind": "text", "text": {"body": "Is it free?"}, "referral": AD},
        "From the advertisement “Roofs before the rain” https://fb.me/roof\n“Free check this week”\n"
        "Picture: https://scontent.fbcdn.example/t.jpg\nVideo: https://video.fbcdn.example/v.mp4\nIs it free?",
    ),
    (
        {"kind": "text", "text": {"body": "How long is it?"}, "context": PRODUCT},
        "About the product GUTTER-5M (catalogue 700200)\nHow long is it?",
    ),
    (
        {"kind": "location", "location": {"latitude": 14.5, "longitude": 121, "name": "Pier", "address": "Bay 1"}},
        f"Location\nPier\nBay 1\n{MAP}14.5,121.0",
    ),
    (
        {"kind": "sticker", "sticker": {"mime_type": "image/webp", "animated": True}},
        "Sticker\n[sticker.webp could not be received. Meta gave neither an id nor an address for the file.]",
    ),
    (
        {"kind": "unsupported", "errors": [{"code": 131051}], "unsupported": {"type": "poll"}},
        f"A message of a kind that cannot be shown here (poll): {CANNOT}",
    ),
    (
        {"kind": "hologram", "hologram": {"caption": "3D"}},
        f"A message of a kind that cannot be shown here (hologram): {CANNOT}\n3D",
    ),
    (
        {"kind": "system", "system": {"type": "user_changed_number", "wa_id": "639180000000", "body": "changed"}},
        "The customer has changed their number to +639180000000: correct it on the contact. "
        "Answers by WhatsApp go to the new number.",
    ),
    ({"kind": "reaction", "reaction": {"message_id": SAID, "emoji": "👍"}}, "👍 to “Table for tow”"),
    ({"kind": "reaction", "reaction": {"message_id": SAID, "emoji": ""}}, "Took back the reaction to “Table for tow”"),
    ({"kind": "reaction", "reaction": {"message_id": SAID}}, "Took back the reaction to “Table for tow”"),
    (
        {"kind": "edit", "edit": ABOUT | {"message": {"type": "text", "text": {"body": "Table for two"}}}},
        "Edited: Table for two (was: Table for tow)",
    ),
    ({"kind": "revoke", "revoke": ABOUT}, "Deleted: “Table for tow”"),
]


def said(cloud, external_id, kind, **own):  # noqa: F811
    stamp = str(int(cloud.time.now().timestamp()))
    return message(kind, external_id, **own) | {"timestamp": stamp}


def told(cloud):  # noqa: F811
    return [each.text for each in cloud.portal.sandbox.ghl.mailbox.messages(direction="inbound")]


def test_each_in_words_and_once(cloud):  # noqa: F811
    """One webhook with all of them: none costs another, and a second delivery of it changes nothing."""
    everything = [said(cloud, SAID, "text", text={"body": "Table for tow"})]
    everything += [said(cloud, f"wamid.K{place}", **own) for place, (own, _) in enumerate(KINDS)]
    for _ in range(2):
        cloud.say(*everything)
        cloud.settle()
    assert told(cloud) == ["Table for tow", *(words for _, words in KINDS)]
    assert len(cloud.rows(Message.direction == "in")) == len(KINDS) + 1


@pytest.mark.parametrize("name", ["contact", "referral", "product"])
def test_what_the_words_leave_out_is_kept_with_the_message(cloud, name):  # noqa: F811
    own = {
        "contact": {"kind": "contacts", "contacts": [CARD]},
        "referral": {"kind": "text", "referral": AD},
        "product": {"kind": "text", "context": PRODUCT},
    }[name]
    cloud.say(said(cloud, "wamid.D", **own))
    (row,) = cloud.rows(Message.external_id == "wamid.D")
    if name == "contact":
        (kept,) = row.details["contacts"]
        assert kept["emails"] == ["bo@reyes.example"] and kept["urls"] == ["https://reyes.example"]
        assert kept["addresses"] == ["Ayala Ave 1, Makati, 1226, Philippines"] and kept["role"] == "Head, Sales"
    elif name == "referral":
        kept = row.details["referral"]
        assert (kept["media"], kept["click"], kept["greeting"]) == ("video", "ARAk", "How can we help?")
        assert kept["body"] == "Free check\nthis week" and kept["thumbnail"].endswith("/t.jpg")
    else:
        assert row.details["product"] == {"catalog": "700200", "sku": "GUTTER-5M"}


def test_after_a_change_of_number_the_answer_goes_to_the_new_one(cloud):  # noqa: F811
    cloud.say(said(cloud, "wamid.B", "text"))
    system = {"type": "user_changed_number", "wa_id": "639180000000", "body": "changed"}
    cloud.post(change("messages", value(NUMBER, messages=[said(cloud, "wamid.S", "system", system=system)])))
    cloud.settle()
    send(cloud, "Hello again")
    assert cloud.graph.sent[-1]["to"] == "639180000000" != ANA
