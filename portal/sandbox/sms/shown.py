"""What the page shows of the stand-in SMS providers, and what their calls mean to a message's journey."""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

from portal.sandbox.bubble import Bubble
from portal.sandbox.record import Call
from portal.sandbox.sms.dialects import DIALECTS
from portal.sandbox.sms.messages import ACCEPTED, DELIVERED, LOST, SENT, Sent

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

BROKEN = {"half": "sent only half an answer", "silence": "fell silent", "reset": "broke the connection"}
# Names under which providers are told whom and what, for calls that a fault refused before anybody read them.
TO = ("To", "to", "number", "msisdn", "address", "phoneNumber")
TEXT = ("Body", "text", "message", "content", "Message")


def find(sandbox: "Sandbox", message_id: str) -> Sent | None:
    """The message that any of them took under this id."""
    found = (provider.find(message_id) for provider in sandbox.sms.values())
    return next((one for one in found if one is not None), None)


def taken(sandbox: "Sandbox") -> int:
    """How many messages all of them took."""
    return sum(len(provider.accepted()) for provider in sandbox.sms.values())


def bubbles(sandbox: "Sandbox", phone: str, clock_time: Any) -> list[Bubble]:
    """What they brought to a phone."""
    now = sandbox.clock()
    return [
        Bubble(one.at, clock_time(one.at), one.order.text, False, _mark(one, now), _tone(one, now), title=one.title)
        for provider in sandbox.sms.values()
        for one in provider.accepted(to=phone)
    ]


def steps(sent: Iterable[Sent], now: float) -> list[tuple[float, str, str]]:
    """What the carrier did with them by now: when, in words, and its tone."""
    found = []
    for one in sent:
        if now >= one.at + one.progress.sent_after:
            found.append((one.at + one.progress.sent_after, "The carrier has it", "wait"))
        if (word := one.word(now)) not in (ACCEPTED, SENT):
            at = one.at + one.progress.final_after
            found.append((at, LOST.get(word, "The phone has it"), "good" if word == DELIVERED else "bad"))
    return found


def observe(sandbox: "Sandbox", call: Call) -> None:
    """Notes a call that sends with its message, and learns which sender it was whom customers can write to."""
    if not call.route.endswith(".send"):
        return
    title = DIALECTS[call.system].title
    body = call.body if isinstance(call.body, dict) else dict(parse_qsl(call.query))
    to = call.arguments.get("to") or _named(body, TO)
    text = call.arguments.get("text") or _named(body, TEXT)
    message_id = call.arguments.get("message_id", "")
    journey = sandbox.journeys.claim("outbound", to, text, message_id)
    if not journey:
        return
    sent = find(sandbox, message_id) if message_id else None
    if sent is not None:
        sandbox.journeys.remember(sent.id, journey)
        known = sandbox.journeys.get(journey)
        sandbox.phone.learn(known.location_id if known else "", call.system, sent.order.sender, sent.order.callback)
        words, tone = f"{title} took it, id {sent.id[:12]}…", "good"
        if call.ending in BROKEN:
            words, tone = f"{words}, then {BROKEN[call.ending]}", "bad"
    elif call.ending in BROKEN:
        words, tone = f"{title} took nothing; it {BROKEN[call.ending]}", "bad"
    else:
        words, tone = f"{title} refused it: {call.status}", "bad"
    sandbox.journeys.step(journey, "sms", words, tone, call.fault)


def _named(body: Mapping[str, Any], names: Iterable[str]) -> str:
    found = next((body[name] for name in names if body.get(name)), "")
    return str(found[0] if isinstance(found, list) and found else found)


def _mark(one: Sent, now: float) -> str:
    word = one.word(now)
    if word in (ACCEPTED, SENT):
        return f"at {one.title}, on its way"
    return "arrived" if word == DELIVERED else f"never arrived ({word})"


def _tone(one: Sent, now: float) -> str:
    return {ACCEPTED: "wait", SENT: "wait", DELIVERED: "good"}.get(one.word(now), "bad")
