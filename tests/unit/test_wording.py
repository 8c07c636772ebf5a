"""Every kind of message in plain words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal.channels.content import CallState, Kind, Relation
from portal.messaging.wording import Line, author, brief, told

BUTTONS = {
    "header": "Your order",
    "footer": "Ana's Pizza",
    "buttons": [
        {"id": "1", "text": "Confirm", "type": "reply"},
        {"text": "Track", "type": "url", "value": "https://t.example"},
    ],
}
LIST = {
    "title": "Menu",
    "footer": "Prices in euros",
    "sections": [
        {"title": "Pizza", "rows": [{"id": "m", "text": "Margherita", "description": "8"}, {"text": "Funghi"}]}
    ],
}
TABLE = [
    (Line(text="Hello"), "Hello"),
    (Line(text="Hello", details={"forwarded": True}), "Forwarded: Hello"),
    (Line(text="Hello", author="Anna (+49…)"), "Anna (+49…): Hello"),
    (Line(text="Yes", about=Relation.REPLY, quoted="At\nten?"), "> At ten?\nYes"),
    (Line(text="Yes", about=Relation.REPLY), "> an earlier message\nYes"),
    (Line(text="Yes", about=Relation.REPLY, quoted="q", author="Anna"), "Anna: > q\nYes"),
    (Line(Kind.LINK, "See https://a.example", {"title": "A", "url": "https://a.example"}), "See https://a.example\nA"),
    (Line(Kind.LINK, "See", {"title": "A", "url": "https://a.example"}), "See\nA\nhttps://a.example"),
    (Line(Kind.IMAGE, files=True), ""),
    (Line(Kind.IMAGE, "Our house", files=True), "Our house"),
    (Line(Kind.IMAGE), "Photo"),
    (Line(Kind.IMAGE, files=True, details={"forwarded": True}), "Forwarded"),
    (Line(Kind.IMAGE, files=True, about=Relation.REPLY, quoted="q"), "> q"),
    (Line(Kind.STICKER, files=True), "Sticker"),
    (Line(Kind.VIDEO), "Video"),
    (Line(Kind.DOCUMENT, "The bill", files=True), "The bill"),
    (
        Line(Kind.LOCATION, details={"latitude": 0, "longitude": -1.5, "name": "Pier", "address": "Sea 1"}),
        "Location\nPier\nSea 1\nhttps://www.google.com/maps?q=0,-1.5",
    ),
    (Line(Kind.LOCATION), "Location"),
    (
        Line(Kind.CONTACT, details={"contacts": [{"name": "Ana", "phones": ["+1", "+2"], "organisation": "Acme"}]}),
        "Contact\nAna (Acme), +1, +2",
    ),
    (Line(Kind.CONTACT, details={"contacts": [{"name": "A"}, {"phones": ["+2"]}]}), "Contacts\nA\n+2"),
    (
        Line(Kind.POLL, details={"question": "Cake?", "options": ["Yes", "No"], "multiple": True}),
        "Poll: Cake?\n- Yes\n- No\n(several answers may be chosen)",
    ),
    (
        Line(
            Kind.VOTE,
            details={"question": "Cake?", "options": [{"text": "Yes", "voters": ["+1", "+2"]}, {"text": "No"}]},
        ),
        "Votes so far in “Cake?”\n- Yes: 2\n- No: 0",
    ),
    (
        Line(Kind.BUTTONS, "Is it right?", BUTTONS),
        "Your order\nIs it right?\nAna's Pizza\n[Confirm]\n[Track] https://t.example",
    ),
    (Line(Kind.TEMPLATE, "Hi", {}), "Hi"),
    (Line(Kind.LIST, "Choose", LIST), "Menu\nChoose\nPizza\n- Margherita: 8\n- Funghi\nPrices in euros"),
    (
        Line(Kind.TAP, details={"id": "1", "text": "Confirm"}, quoted="Is it right?"),
        "Chose “Confirm” from “Is it right?”",
    ),
    (Line(Kind.TAP, details={"id": "opt-1", "description": "8"}), "Chose “opt-1: 8”"),
    (
        Line(Kind.INVITE, details={"name": "Club", "code": "AbC"}),
        "Invitation to the group “Club”\nhttps://chat.whatsapp.com/AbC",
    ),
    (Line(Kind.REACTION, "👍", about=Relation.REACTION, quoted="See you at ten"), "👍 to “See you at ten”"),
    (Line(Kind.REACTION, "👍", about=Relation.REACTION), "👍 to an earlier message"),
    (Line(Kind.REACTION, "", about=Relation.REACTION, quoted="x"), "Took back the reaction to “x”"),
    (Line(Kind.EDIT, "new", about=Relation.EDIT, was="old"), "Edited: new (was: old)"),
    (Line(Kind.EDIT, "new", about=Relation.EDIT, quoted="first"), "Edited: new (was: first)"),
    (Line(Kind.EDIT, "new", about=Relation.EDIT), "Edited: new"),
    (Line(Kind.DELETION, about=Relation.DELETION, quoted="secret"), "Deleted: “secret”"),
    (Line(Kind.DELETION, about=Relation.DELETION), "Deleted an earlier message"),
    (Line(Kind.CALL, details={"state": CallState.RINGING}), "Incoming call"),
    (Line(Kind.CALL, details={"state": CallState.MISSED, "video": True}), "Incoming video call, missed"),
    (Line(Kind.CALL, details={"state": CallState.ANSWERED}, from_us=True), "Outgoing call, answered"),
    (Line(Kind.AUDIO, "Listen"), "Listen"),
    (Line(Kind.UNREADABLE, "Ask to send it again.", marker="SWE001"), "Ask to send it again. (SWE001)"),
    (Line(Kind.UNREADABLE), "The provider could not read this message."),
    (
        Line(Kind.UNSUPPORTED, details={"type": "hologram"}),
        "A message of a kind that cannot be shown here (hologram): ask for it in words, or see it on the line's phone.",
    ),
    (
        Line(
            Kind.ORDER,
            "Please by noon",
            {
                "catalog": "C1",
                "items": [
                    {"sku": "SKU", "quantity": 2.0, "price": 10.0, "currency": "PHP"},
                    {"sku": "B", "price": 0.5},
                ],
            },
        ),
        "Order\nPlease by noon\n- 2 × SKU at 10 PHP\n- 1 × B at 0.5\nCatalogue C1",
    ),
    (Line(Kind.ORDER, details={"items": "broken"}), "Order"),
    (
        Line(Kind.FORM, "Sent", {"name": "flow", "answers": {"size": "XL", "toppings": ["ham", "corn"]}}),
        "Filled in the form “flow”\nSent\n- size: XL\n- toppings: ham, corn",
    ),
    (Line(Kind.FORM, details={"answers": None}), "Filled in a form"),
    (
        Line(Kind.SYSTEM, "Ana changed", {"type": "number_changed", "number": "+639180000000"}),
        "The customer has changed their number to +639180000000: correct it on the contact. Answers by WhatsApp go to "
        "the new number.",
    ),
    (
        Line(Kind.SYSTEM, "Ana changed", {"type": "number_changed", "number": "+639180000000", "held": True}),
        "The customer has changed their number to +639180000000: another contact has that number already. See whether "
        "they are one person, and answer them there.",
    ),
    (Line(Kind.SYSTEM, "The customer's identity has changed."), "The customer's identity has changed."),
    (Line(Kind.SYSTEM), "WhatsApp has a notice on this chat."),
    (
        Line(Kind.TEXT, "hi", {"referral": {"url": "https://fb.me/x", "type": "ad", "headline": "Half  price"}}),
        "From the advertisement “Half price” https://fb.me/x\nhi",
    ),
    (Line(Kind.IMAGE, files=True, details={"referral": {"type": "post"}}), "From the post"),
    (
        Line(Kind.TEXT, "hi", {"referral": {"body": "Half price", "image": "https://a.example/i.jpg"}}),
        "From the advertisement “Half price”\nPicture: https://a.example/i.jpg\nhi",
    ),
    (Line(Kind.TEXT, "hi", {"product": {"sku": "S", "catalog": ""}}), "About the product S\nhi"),
    (Line(Kind.TEXT, "hi", {"product": "S", "referral": 5}), "hi"),
    (
        Line(Kind.FLOW, "Choose a day", {"flow": "7", "button": "Book", "header": "Visit", "footer": "Bo"}),
        "Visit\nChoose a day\nBo\n[Book]",
    ),
    (
        Line(Kind.BUTTONS, "Yes?", {"media": {"kind": "image", "url": "https://a.example/i.jpg"}, "buttons": []}),
        "Photo: https://a.example/i.jpg\nYes?",
    ),
    (Line(Kind.LOCATION_REQUEST, "Where are you?"), "Where are you?\n[Send location]"),
    (Line("of tomorrow", "Text"), "Text"),
]


@pytest.mark.parametrize(("line", "words"), TABLE)
def test_words(line, words):
    assert told(line) == words


def test_every_kind_has_words():
    assert {line.kind for line, _ in TABLE} >= set(Kind)


@pytest.mark.parametrize("kind", Kind)
def test_nothing_is_empty_but_a_file_that_speaks_for_itself(kind):
    files = (Kind.IMAGE, Kind.VIDEO, Kind.AUDIO, Kind.DOCUMENT)
    assert told(Line(kind, files=True)) or kind in (
        *files,
        Kind.TEXT,
        Kind.LINK,
        Kind.BUTTONS,
        Kind.LIST,
        Kind.TEMPLATE,
    )


def test_who_wrote_it():
    assert author("Anna", "+4915112345678") == "Anna (+4915112345678)"
    assert author("", "+4915112345678") == "+4915112345678"
    assert author("Anna", "120650379300963") == "Anna"
    assert author("", "120650379300963") == "WhatsApp user 0963"
    assert author("", "") == ""


def test_a_long_quote_is_one_short_line():
    words = told(Line(text="Yes", about=Relation.REPLY, quoted="a b\n" * 100))
    assert len(words.splitlines()) == 2 and len(words.splitlines()[0]) <= 122 and "…" in words
    assert brief(Kind.TEXT, "x" * 300, {}, 200) == "x" * 200
    assert brief(Kind.IMAGE, "", {}) == "Photo"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
NAMES = sorted(
    {"latitude", "longitude", "name", "address", "url", "contacts", "phones", "organisation", "question", "options"}
    | {"multiple", "text", "voters", "header", "footer", "buttons", "id", "type", "value", "title", "sections", "rows"}
    | {"description", "code", "state", "video", "forwarded"}
)
LISTS = st.lists(st.dictionaries(st.sampled_from(NAMES), JSON, max_size=4) | JSON, max_size=3)


@given(st.sampled_from(Kind), st.text(max_size=20), st.dictionaries(st.sampled_from(NAMES), LISTS | JSON, max_size=6))
def test_no_details_are_too_odd(kind, text, details):
    assert isinstance(told(Line(kind, text, details)), str)
    assert isinstance(brief(kind, text, details), str)
