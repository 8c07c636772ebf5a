"""Turns the calls the stand-ins saw into steps of the messages' journeys, in words a newcomer understands."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from portal.sandbox.record import Call
from portal.sandbox.sms import shown as sms
from portal.sandbox.whatsapp_cloud import errors as cloud_errors

if TYPE_CHECKING:
    from portal.sandbox.app import Sandbox

# What a caller saw of an answer that did not leave whole.
LOST = {
    "half": "sent only half an answer",
    "silence": "fell silent",
    "reset": "broke the connection",
}


# What a status of GREEN-API is to a person.
ARRIVED = {
    "sent": ("WhatsApp has it", "wait"),
    "delivered": ("The phone has it", "good"),
    "read": ("The customer has read it", "good"),
    "played": ("The customer has listened to it", "good"),
    "noAccount": ("The number has no WhatsApp", "bad"),
    "failed": ("WhatsApp did not take it", "bad"),
    "notInGroup": ("The line is not in the group", "bad"),
    "yellowCard": ("WhatsApp holds the line’s messages back", "wait"),
}


def observe(sandbox: "Sandbox", call: Call) -> None:
    """Notes the call with the journey it belongs to, if any."""
    if call.system in sandbox.sms:
        sms.observe(sandbox, call)
        return
    note = _NOTES.get(call.route) or (_send_green if call.route.startswith("green.send") else None)
    if note is not None:
        note(sandbox, call)


def _send(sandbox: "Sandbox", call: Call) -> None:
    body = call.body if isinstance(call.body, dict) else {}
    base = call.key.split(":", 1)[0]
    to, text = body.get("to") or body.get("recipient"), body.get("message") or _viber_text(body)
    journey = sandbox.journeys.claim("outbound", str(to or ""), str(text or ""), base)
    if not journey:
        return
    words, tone = _send_words(call)
    taken = _answer(call).get("message_id")
    if taken:
        sandbox.journeys.remember(taken, journey)
    sandbox.journeys.step(journey, "provider", words, tone, call.fault)


def arrived(sandbox: "Sandbox", message_id: str, status: str) -> None:
    """Notes a status of GREEN-API or of Meta with the journey of its message."""
    code = status.removeprefix("failed:")
    failed = (
        f"WhatsApp could not deliver it, {code}: {cloud_errors.CATALOGUE.get(int(code), (0, ''))[1]}"
        if code.isdigit()
        else ""
    )
    words, tone = (failed, "bad") if failed else ARRIVED.get(status, (f"WhatsApp says “{status}”", "bad"))
    sandbox.journeys.step(sandbox.journeys.known(message_id), "phone", words, tone)


def _send_green(sandbox: "Sandbox", call: Call) -> None:
    """Nothing in a call names the portal's message, so that it is told by its recipient and its words."""
    body = call.body if isinstance(call.body, dict) else {}
    text = next((str(body[name]) for name in ("message", "body", "caption", "urlFile") if body.get(name)), "")
    taken = str(_answer(call).get("idMessage") or "")
    phone = str(body.get("chatId") or "").split("@", 1)[0]
    journey = sandbox.journeys.claim("outbound", phone, text, taken)
    if not journey:
        return
    if call.applied:
        words, tone = _ended(call, f"GREEN-API took it into its queue, id {taken[:10]}…")
    elif call.ending in LOST:
        words, tone = f"GREEN-API took nothing; it {LOST[call.ending]}", "bad"
    else:
        words, tone = f"GREEN-API refused: {_refusal(call)}", "bad"
    sandbox.journeys.step(journey, "green", words, tone, call.fault)


def _send_cloud(sandbox: "Sandbox", call: Call) -> None:
    """Our own key, which Meta keeps with the message, names the portal's message."""
    body = call.body if isinstance(call.body, dict) else {}
    if body.get("status"):
        return
    taken = next((str(one.get("id")) for one in _answer(call).get("messages") or []), "")
    sent = sandbox.cloud.find(taken)
    text = sent.text if sent is not None else cloud_text(body)
    phone = str(body.get("to") or "")
    key, named = str(body.get("biz_opaque_callback_data") or taken).split(":", 1)[0], body.get("template")
    template = str(named.get("name") or "") if isinstance(named, dict) else ""
    journey = sandbox.journeys.claim("outbound", phone, text, key, template)
    if not journey:
        return
    if taken:
        sandbox.journeys.remember(taken, journey)
    if call.applied:
        words, tone = _ended(call, f"Meta took it, id {taken[:14]}…")
    elif call.ending in LOST:
        words, tone = f"Meta took nothing; it {LOST[call.ending]}", "bad"
    else:
        error = _answer(call).get("error")
        said = error.get("message", "") if isinstance(error, dict) else ""
        words, tone = f"Meta refused: {call.status} {said}", "bad"
    sandbox.journeys.step(journey, "cloud", words, tone, call.fault)


def cloud_text(body: dict[str, Any]) -> str:
    """The words of a body for Meta, "" where it has none of its own."""
    part = body.get(str(body.get("type") or "text"))
    part = part if isinstance(part, dict) else {}
    inner = part.get("body")
    words = inner.get("text") if isinstance(inner, dict) else inner
    return str(words or part.get("caption") or part.get("link") or "")


def _viber_text(body: dict[str, Any]) -> str:
    content = body.get("content")
    first = content[0] if isinstance(content, list) and content else {}
    return str(first.get("text", "")) if isinstance(first, dict) else ""


def _send_words(call: Call) -> tuple[str, str]:
    if call.replayed:
        return _ended(call, "Cast was asked again with the same key and repeated its first answer: nothing sent twice")
    if call.applied:
        return _ended(call, f"Cast took it, billed {_count(call)}, id {_short(call)}")
    if call.ending != "answer":
        return f"Cast took nothing; it {LOST[call.ending]}", "bad"
    return f"Cast refused: {call.status} {_answer(call).get('error_code', '')}".rstrip(), "bad"


def _poll(sandbox: "Sandbox", call: Call) -> None:
    journey = sandbox.journeys.known(call.arguments.get("message_id", ""))
    if not journey:
        return
    said = _answer(call)
    word = str(said.get("dlr_status") or said.get("delivery_status") or said.get("status") or call.status)
    tone = {"DELIVRD": "good", "70": "good", "pending": "wait", "sent": "wait", "ACCEPTD": "wait"}.get(word, "bad")
    words, tone = _ended(call, f"The portal asked Cast how it stands: {word}", tone)
    sandbox.journeys.step(journey, "provider", words, tone, call.fault)


def _push(sandbox: "Sandbox", call: Call) -> None:
    journey = call.arguments.get("message_id", "")
    if sandbox.journeys.get(journey) is None:
        return
    wanted = call.body.get("status") if isinstance(call.body, dict) else None
    if call.applied:
        error = call.body.get("error") or {}
        reason = f", “{error['message']}”" if isinstance(error, dict) and error.get("message") else ""
        tone = {"delivered": "good", "read": "good", "failed": "bad"}.get(str(wanted), "plain")
        words, tone = _ended(call, f"GHL now shows “{wanted}”{reason}", tone)
    else:
        words, tone = f"GHL refused the status “{wanted}”: {_refusal(call)}", "bad"
    sandbox.journeys.step(journey, "ghl", words, tone, call.fault or _cause(words))


def _inbound(sandbox: "Sandbox", call: Call) -> None:
    body = call.body if isinstance(call.body, dict) else {}
    journey = _inbound_journey(sandbox, body)
    if not journey:
        return
    if not call.applied:
        words, tone = f"GHL refused the message: {_refusal(call)}", "bad"
    elif not _answer(call).get("messageId"):
        words, tone = "GHL answered 201 and kept nothing: the provider id was missing", "bad"
    else:
        words, tone = _ended(call, "GHL shows it in the conversation", "good")
    sandbox.journeys.step(journey, "ghl", words, tone, call.fault)


def _inbound_journey(sandbox: "Sandbox", body: dict[str, Any]) -> str:
    known = sandbox.journeys.known(f"phone:{body.get('altId', '')}")
    if known:
        return known
    contact = sandbox.ghl.directory.get(str(body.get("contactId", "")))
    phone = contact.phone if contact is not None else ""
    return sandbox.journeys.claim("inbound", phone, str(body.get("message", "")), str(body.get("altId") or ""))


def _ended(call: Call, words: str, tone: str = "good") -> tuple[str, str]:
    """The words, with what became of the answer when the caller did not get it."""
    if call.ending in LOST:
        return f"{words}, then {LOST[call.ending]}", "bad"
    if call.status >= 300:
        return f"{words}, then answered {call.status}", "bad"
    return words, tone


def _cause(words: str) -> str:
    """The switch behind a refusal that no rule made."""
    causes = {"No conversation provider found": "ghl_early_403", "token has expired": "ghl_expire_tokens"}
    return next((name for said, name in causes.items() if said in words), "")


def _count(call: Call) -> str:
    parts = _answer(call).get("parts", 1)
    return "1 part" if parts == 1 else f"{parts} parts"


def _short(call: Call) -> str:
    return f"{str(_answer(call).get('message_id', ''))[:10]}…"


def _answer(call: Call) -> dict[str, Any]:
    return call.answer if isinstance(call.answer, dict) else {}


def _refusal(call: Call) -> str:
    if call.ending in LOST:
        return f"it {LOST[call.ending]}"
    message = _answer(call).get("message", "")
    words = "; ".join(map(str, message)) if isinstance(message, list) else str(message)
    return f"{call.status} {words}".rstrip()


_NOTES: dict[str, Callable[["Sandbox", Call], None]] = {
    **dict.fromkeys(("cast.send", "cast.send_otp", "cast.send_sim", "cast.send_viber"), _send),
    **dict.fromkeys(("cast.status", "cast.status_sim", "cast.status_viber"), _poll),
    "cloud.messages": _send_cloud,
    "ghl.update_status": _push,
    "ghl.add_inbound": _inbound,
}
