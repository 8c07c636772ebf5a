"""What people do at a number: customers write to it, change their number, refuse marketing; its owner uses the app."""

from dataclasses import asdict
from typing import TYPE_CHECKING

from portal.sandbox.journeys import Journey
from portal.sandbox.whatsapp_cloud import speech, webhooks
from portal.sandbox.whatsapp_cloud.numbers import Body, Number, Person, Received, Sent, digits

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

OWN = ("edit", "delete")
WORDS = {
    "image": "a picture",
    "video": "a film",
    "audio": "a recording",
    "voice": "a voice message",
    "document": "a document",
    "sticker": "a sticker",
    "location": "a place",
    "contact": "a contact",
    "order": "an order",
    "delete": "a deletion",
    "reaction": "a reaction",
    "unreact": "a reaction taken back",
    "unsupported": "something new",
}


def write(
    sandbox: "Sandbox",
    number: Number,
    who: str,
    *,
    kind: str = "text",
    text: str = "",
    name: str = "",
    username: str = "",
    about: str = "",
    group: str = "",
    file_name: str = "",
) -> str:
    """A customer's message of a kind (`speech.KINDS`); returns its id.

    `who` is a phone (E.164) or the business-scoped id of somebody who hides it. `about` is the id of the message it
    refers to, the newest when left out (the newest of their own for a correction or a deletion). For a `tap`, `text`
    is the title or the id of what is tapped. Raises `ValueError` for what makes no sense.
    """
    person = number.person(who, name)
    person.username = username or person.username
    about = about or (_newest(number, person, kind) if kind in speech.REFERRING else "")
    if kind in speech.REFERRING and kind != "flow" and not about:
        raise ValueError("There is no message in this chat that it could refer to.")
    shown = text or f"({WORDS.get(kind, kind)})"
    item = _item(sandbox, number, kind, text, about, file_name)
    _change(number, kind, text, about)

    def begun(message_id: str) -> None:
        _set_out(sandbox, number, message_id, person, shown)

    return sandbox.cloud.receive(number, person, kind, shown, item, group=group, begun=begun).id


def type_in_app(sandbox: "Sandbox", number: Number, who: str, text: str) -> str:
    """The owner writes to the customer in the phone app; returns the message's id."""
    return sandbox.cloud.typed(number, number.person(who), text, {"type": "text", "text": {"body": text}}).id


def ring(sandbox: "Sandbox", number: Number, who: str, *, seconds: float = 0.0) -> str:
    """A customer calls and is talked to so long (0: nobody answers), which opens the window; returns the call's id."""
    person, now = number.person(who), sandbox.clock()
    call_id = "wacid." + sandbox.ids.new("call")
    person.wrote_at = now
    begun, ended = (webhooks.call(number, call_id, person, event, now, seconds) for event in ("connect", "terminate"))
    sandbox.cloud.poster.push([begun])
    sandbox.cloud.poster.push([ended])
    return call_id


def prefer(sandbox: "Sandbox", number: Number, who: str, word: str) -> None:
    """The customer wants no marketing any more (`stop`), or wants it again (`resume`)."""
    if word not in ("stop", "resume"):
        raise ValueError("word must be stop or resume")
    person = number.person(who)
    person.stopped = word == "stop"
    sandbox.cloud.poster.push([webhooks.preference(number, person, word, sandbox.clock())])


def move(sandbox: "Sandbox", number: Number, who: str, phone: str) -> Person:
    """The customer has another number (E.164) from now on, and with it another business-scoped id."""
    person = number.person(who)
    if not person.phone or not digits(phone):
        raise ValueError("Only somebody with a phone can change to another.")
    message_id = sandbox.cloud.new_id()
    _set_out(sandbox, number, message_id, person, "(another number)")
    sandbox.cloud.poster.push([webhooks.moved(number, message_id, person, digits(phone), sandbox.clock())])
    moved = number.person(phone, person.name)
    moved.username, moved.stopped, moved.wrote_at = person.username, person.stopped, person.wrote_at
    return moved


def hide(number: Number, who: str, username: str) -> Person:
    """The customer takes a username: from now on their number is told to nobody."""
    person = number.person(who)
    person.phone, person.username = "", username or "ana"
    return person


def _item(sandbox: "Sandbox", number: Number, kind: str, text: str, about: str, file_name: str) -> Body:
    business = digits(number.phone)
    if kind in speech.FILES:
        kept = sandbox.cloud.files.received(number.account_id, kind, file_name)
        return speech.file(kind, text, sandbox.cloud.files.in_webhook(sandbox.url, kept), file_name)
    if kind == "tap":
        return speech.tap(_option(number.sent.get(about), text), about, business)
    return speech.said(kind, text, about, business)


def _option(sent: Sent | None, text: str) -> dict[str, str]:
    """What is tapped on a message, by its title or id, the first when neither is given."""
    options = [one for one in sent.options if one.kind in ("button", "row", "quick")] if sent is not None else []
    found = next((one for one in options if text in ("", one.title, one.id)), None)
    if found is None:
        raise ValueError("There is nothing of this name to tap on that message.")
    return asdict(found)


def _newest(number: Number, person: Person, kind: str) -> str:
    """The id of the newest message of the chat that this kind can refer to, "" for none."""
    got = [one for one in number.received if one.person is person and one.kind not in speech.REFERRING]
    sent = [one for one in list(number.sent.values()) if one.person is person and one.kind != "reaction"]
    if kind == "tap":
        sent = [one for one in sent if any(each.kind in ("button", "row", "quick") for each in one.options)]
    # Of two of the same moment the business's is meant.
    chats: list[Received | Sent] = [*sent] if kind not in OWN else []
    if kind not in ("tap", "flow"):
        chats += got
    return max(chats, key=lambda one: one.at).id if chats else ""


def _change(number: Number, kind: str, text: str, about: str) -> None:
    """What a reaction, a correction or a deletion does to the message it speaks of."""
    heard, sent = number.heard(about), number.sent.get(about)
    if kind in ("reaction", "unreact") and sent is not None:
        sent.reaction = (text or "👍") if kind == "reaction" else ""
    elif heard is not None and kind == "edit":
        heard.text = text
    elif heard is not None and kind == "delete":
        heard.deleted = True


def _set_out(sandbox: "Sandbox", number: Number, message_id: str, person: Person, text: str) -> None:
    contact = sandbox.ghl.directory.find(number.location_id, person.address) if person.phone else None
    contact_id = contact.id if contact is not None else ""
    journey = Journey(message_id, "inbound", number.location_id, contact_id, person.address, text, sandbox.clock())
    sandbox.journeys.begin(journey)
    sandbox.journeys.remember(f"phone:{message_id}", message_id)
    sandbox.journeys.step(message_id, "phone", "WhatsApp brings it to the number; Meta posts it to the portal")
