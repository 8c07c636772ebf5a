"""A number as the page shows it: the chat on the customer's phone, the window, the templates, the portal's answers."""

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from portal.sandbox.bubble import Attached, Bubble, Choice
from portal.sandbox.travel import clock_time
from portal.sandbox.whatsapp_cloud import templates
from portal.sandbox.whatsapp_cloud.errors import CATALOGUE
from portal.sandbox.whatsapp_cloud.numbers import WINDOW_SECONDS, Number, Person, Received, Sent, user_id_of
from portal.sandbox.whatsapp_cloud.poster import Posted
from portal.sandbox.world import Contact

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

MOST_POSTED = 6
PICTURES = (".png", ".jpg", ".jpeg", ".webp")
# What a customer may send to a number, and which of it needs no text.
KINDS = {
    "text": "a text",
    "reply": "an answer to the last message",
    "reaction": "a reaction to it (an emoji)",
    "unreact": "the reaction taken back",
    "edit": "a correction of it",
    "delete": "a deletion of it",
    "image": "a picture",
    "voice": "a voice message",
    "video": "a film",
    "document": "a document",
    "sticker": "a sticker",
    "location": "a place",
    "contact": "a contact",
    "order": "an order",
    "flow": "a form that was filled in",
    "referral": "a text after tapping an advertisement",
    "forwarded": "a forwarded text",
    "unsupported": "something that Meta cannot describe",
}
WORDED = ("text", "reply", "edit", "referral", "forwarded")
TEXTLESS = (*(kind for kind in KINDS if kind not in WORDED), "tap")
MARKS = {"delivered": "arrived", "read": "read", "played": "listened to"}
TAPPABLE = ("button", "row", "quick")
WORDS = {"image": "(a picture)", "video": "(a film)", "audio": "(a recording)", "sticker": "(a sticker)"}
CHANGES = {"APPROVED": "Approve", "PAUSED": "Pause", "REJECTED": "Reject"}


def bubbles(sandbox: "Sandbox", location_id: str, contact: Contact) -> list[Bubble]:
    """The chat with the location's number; empty where there is none."""
    number = sandbox.cloud.number_of(location_id)
    person = number.people.get(user_id_of(contact.phone)) if number is not None else None
    if number is None or person is None:
        return []
    now = sandbox.clock()
    sent = [one for one in list(number.sent.values()) if one.person is person and one.kind != "reaction"]
    got = [one for one in list(number.received) if one.person is person and one.kind not in ("reaction", "unreact")]
    return [_sent(one, now) for one in sent] + [_got(one) for one in got]


def facts(sandbox: "Sandbox", location_id: str, contact: Contact) -> dict[str, Any]:
    """What the block of the number shows."""
    number = sandbox.cloud.number_of(location_id)
    if number is None:
        return {"number": None}
    account, person = sandbox.cloud.accounts[number.account_id], number.people.get(user_id_of(contact.phone))
    own = [one for one in sandbox.cloud.posted if one.number in ("", number.id)]
    return {
        "number": number,
        "subscribed": account.subscribed,
        "waiting": sandbox.cloud.poster.count,
        "person": person,
        "window": _window(person, sandbox.clock()),
        "templates": [(one, templates.places(one), one.component("BODY").get("text", "")) for one in account.templates],
        "changes": CHANGES,
        "posted": [_posted(one) for one in reversed(own[-MOST_POSTED:])],
    }


def _window(person: Person | None, now: float) -> str:
    """Until when the customer may be answered freely, "" when the window is closed."""
    open_now = person is not None and person.may_be_answered(now)
    if person is None or not open_now:
        return ""
    end = person.wrote_at + WINDOW_SECONDS
    return f"{datetime.fromtimestamp(end, UTC).astimezone():%-d %b} {clock_time(end)}"


def _sent(one: Sent, now: float) -> Bubble:
    status = one.status(now)
    if status == "failed":
        mark, tone = f"never arrived: {one.code} {CATALOGUE.get(one.code, (0, ''))[1]}", "bad"
    else:
        mark = MARKS.get(status, status)
        tone = "good" if status in MARKS else "wait"
    title = "typed in the phone app" if one.by == "phone" else one.kind if one.kind != "text" else ""
    options = [Choice(each.title, each.kind in TAPPABLE) for each in one.options] if tone == "good" else []
    name = one.link.partition("?")[0].rpartition("/")[2]
    pictured = one.kind == "image" or name.lower().endswith(PICTURES)
    files = [Attached(one.link, name or "a file", pictured)] if one.link else _kept(one.file, one.kind)
    return Bubble(
        one.at,
        clock_time(one.at),
        one.text or WORDS.get(one.kind, ""),
        False,
        mark,
        tone,
        title=title,
        files=files,
        options=options,
        reaction=one.reaction,
        about=one.id,
    )


def _got(one: Received) -> Bubble:
    mark = "read by the business" if one.read_at else "sent by WhatsApp"
    words = "(deleted)" if one.deleted else one.text
    sign = "✓✓" if one.read_at else "✓"
    own = one.item.get(str(one.item["type"]))
    media_id = str(own.get("id", "")) if isinstance(own, dict) and "mime_type" in own else ""
    return Bubble(
        one.at,
        clock_time(one.at),
        words,
        True,
        mark,
        "plain",
        sign,
        files=[] if one.deleted else _kept(media_id, one.kind),
        reaction=one.reaction,
    )


def _kept(media_id: str, kind: str) -> list[Attached]:
    """A file that Meta has, as the phone shows it."""
    return [Attached(f"/cloud/picture/{media_id}", f"the {kind}", kind == "image")] if media_id else []


def _posted(one: Posted) -> dict[str, str]:
    told = [change for entry in one.body["entry"] for change in entry["changes"]]
    return {
        "time": clock_time(one.answer.at),
        "what": ", ".join(_named(change["field"], change["value"]) for change in told),
        "answer": one.answer.words,
        "tone": "good" if one.answer.status == 200 else "bad",
    }


def _named(field: str, value: dict[str, Any]) -> str:
    """A change in few words."""
    names = [f"status {each['status']}" for each in value.get("statuses", [])]
    names += [str(each["type"]) for each in value.get("messages", [])]
    if field == "message_template_status_update":
        names.append(f"template {value['message_template_name']} {value['event']}")
    return ", ".join(names) or field.replace("_", " ")


def number_for(sandbox: "Sandbox", location_id: str) -> Number:
    """Raises `ValueError` where there is none."""
    number = sandbox.cloud.number_of(location_id)
    if number is None:
        raise ValueError("This location has no WhatsApp Cloud number.")
    return number
