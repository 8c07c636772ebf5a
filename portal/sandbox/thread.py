"""The two views of one conversation: what the agent sees in GHL, and what the customer's phone shows."""

from typing import TYPE_CHECKING

from portal.sandbox.bubble import Attached, Bubble
from portal.sandbox.cast.messages import OUTCOMES, Accepted
from portal.sandbox.ghl.mailbox import Message
from portal.sandbox.green_api.people import line_of
from portal.sandbox.sms import shown as sms
from portal.sandbox.travel import clock_time
from portal.sandbox.whatsapp_cloud import shown
from portal.sandbox.world import Contact, number_key

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

MOST_BUBBLES = 40

WHATSAPP_MARKS = {"delivered": "arrived", "read": "read", "noAccount": "never arrived: no WhatsApp"}
WHATSAPP_TONES = {"delivered": "good", "read": "good", "pending": "wait", "sent": "wait", "yellowCard": "wait"}
KINDS = {"imageMessage": "(a picture)", "locationMessage": "(a place)", "deletedMessage": "(deleted the last message)"}
PICTURES = (".png", ".jpg", ".jpeg", ".gif", ".webp")
SIGNS = {"pending": "◷", "delivered": "✓✓", "read": "✓✓", "failed": "✕"}


def agent_thread(sandbox: "Sandbox", contact: Contact) -> list[Bubble]:
    """The conversation as GHL shows it."""
    if not contact.id:
        return []
    conversations = sandbox.ghl.mailbox.opened(contact.location_id, contact.id)
    messages = sandbox.ghl.mailbox.thread(conversations[0]) if conversations else []
    return [_in_ghl(message) for message in messages[-MOST_BUBBLES:]]


def phone_thread(sandbox: "Sandbox", location_id: str, contact: Contact) -> list[Bubble]:
    """The conversation as the phone shows it: what Cast brought, what the simulator claims, what was typed."""
    number, now = number_key(contact.phone), sandbox.clock()
    bubbles = [_from_cast(one, now) for one in sandbox.cast.accepted(to=contact.phone)]
    bubbles += sms.bubbles(sandbox, contact.phone, clock_time)
    bubbles += _on_whatsapp(sandbox, location_id, number)
    bubbles += shown.bubbles(sandbox, location_id, contact)
    bubbles += [
        Bubble(text.at, clock_time(text.at), text.text, True, _typed_mark(text.taken, bool(text.answers)), "plain")
        for text in list(sandbox.texts)
        if text.location_id == location_id and number_key(text.from_number) == number
    ]
    conversations = sandbox.ghl.mailbox.opened(location_id, contact.id) if contact.id else []
    for message in sandbox.ghl.mailbox.thread(conversations[0]) if conversations else []:
        simulated = _simulated(sandbox, message)
        if simulated is not None:
            bubbles.append(simulated)
    return sorted(bubbles, key=lambda bubble: bubble.at)[-MOST_BUBBLES:]


def _in_ghl(message: Message) -> Bubble:
    time = clock_time(message.at)
    if message.direction == "inbound":
        return Bubble(message.at, time, message.text, False, "", "plain", files=_attached(message))
    status, error = message.status, message.error
    mark = f"{status}: {error.get('message', '')}" if error is not None else status
    tone = {"failed": "bad", "pending": "wait"}.get(status, "good")
    return Bubble(message.at, time, message.text, True, mark, tone, SIGNS.get(status, ""), files=_attached(message))


def _attached(message: Message) -> list[Attached]:
    names = [(url, url.partition("?")[0].rpartition("/")[2]) for url in message.attachments]
    return [Attached(url, name, name.lower().endswith(PICTURES)) for url, name in names]


def _from_cast(one: Accepted, now: float) -> Bubble:
    if now < one.at + one.progress.final_after or one.progress.outcome == "stuck":
        return Bubble(one.at, clock_time(one.at), one.text, False, "at Cast, on its way", "wait", title=one.sender_id)
    at, (word, raw, _) = one.at + one.progress.final_after, OUTCOMES[one.progress.outcome]
    if word == "delivered":
        return Bubble(at, clock_time(at), one.text, False, "arrived", "good", title=one.sender_id)
    return Bubble(at, clock_time(at), one.text, False, f"never arrived ({raw or word})", "bad", title=one.sender_id)


def _on_whatsapp(sandbox: "Sandbox", location_id: str, number: str) -> list[Bubble]:
    """The chat with the location's line: what came from it, by the API or typed on its phone, and what was written."""
    line, now = line_of(sandbox, location_id), sandbox.clock()
    if line is None:
        return []
    bubbles = [
        Bubble(one.at, clock_time(one.at), one.text, False, WHATSAPP_MARKS.get(one.status(now), one.status(now)), tone)
        for one in list(line.sent.values())
        if number_key(one.chat.split("@", 1)[0]) == number
        for tone in (WHATSAPP_TONES.get(one.status(now), "bad"),)
    ]
    return bubbles + [
        Bubble(one.at, clock_time(one.at), one.text or KINDS.get(one.kind, one.kind), True, "sent by WhatsApp", "plain")
        for one in list(line.received)
        if number_key(one.chat.split("@", 1)[0]) == number
    ]


def _simulated(sandbox: "Sandbox", message: Message) -> Bubble | None:
    """An outbound message that GHL was told is delivered though no provider here saw it."""
    if message.direction != "outbound" or message.status not in ("delivered", "read") or not message.posted_at:
        return None
    journey = sandbox.journeys.get(message.id)
    finders = (sandbox.cast.find, sandbox.green.find, sandbox.cloud.find, lambda key: sms.find(sandbox, key))
    if journey is None or any(find(key) for key in journey.keys for find in finders):
        return None
    at = message.history[-1].at
    return Bubble(at, clock_time(at), message.text, False, "simulated: nothing left this machine", "plain")


def _typed_mark(taken: bool, answered: bool) -> str:
    return "sent" if taken else "not taken by the portal" if answered else "sending"
