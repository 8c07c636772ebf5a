"""Reading what the gateways call: customers' texts and delivery reports, by GET or as a form.

Which of the two called is read off the fields: Jasmin's have names of its own, Kannel's are those that we gave out.
"""

import re
from collections.abc import Mapping, Sequence
from urllib.parse import parse_qsl

from portal.channels.base import ChannelError, ChannelEvent, Inbound, Loss, Outcome, Receipt, Unread, WebhookRequest
from portal.channels.callbacks import MOST_FIELDS, RECEIVE, STATUS, e164, our_key, status_lane
from portal.channels.content import Kind
from portal.channels.kannel.codes import ESME, ESME_REFUSED, KANNEL_REPORTS, LOSSES, WORDS
from portal.channels.values import identifier, moment, text

ACKNOWLEDGED = "ACK/Jasmin"
# Kannel sends what it is answered to the customer, a page of HTML as much as a text: see `docs/sms-providers.md`.
NOTHING = ""
_UCS2, _BINARY = ("2", "8"), "1"
# Whoever calls names the charset: Python has some that need minutes for a megabyte (punycode).
_CHARSET = re.compile(r"utf-?(?:8|16(?:be|le)?)|us-ascii|(?:iso-?8859-|latin-?)[0-9]{1,2}|(?:windows-|cp)[0-9]{3,4}")
_STATE = re.compile(r"\bstat:([A-Z]{5,9})\b")
_ERROR = re.compile(r"\berr:([0-9A-Za-z]{1,8})\b")


def parse(request: WebhookRequest) -> Sequence[ChannelEvent]:
    """The one text or report of a request. Raises `ChannelError` when it is neither."""
    said = raw_fields(request)
    if request.action == STATUS:
        return [_report(request, said)]
    if request.action == RECEIVE:
        return [_inbound(said)]
    raise ChannelError("A gateway calls the actions receive and status alone.")


def lane(request: WebhookRequest) -> str:
    """A customer's number, or the lane of a message's reports."""
    said = raw_fields(request)
    if request.action == STATUS:
        return status_lane(our_key(request) or _word(said, "id"))
    return _word(said, "from")[:40]


def answer(request: WebhookRequest) -> tuple[str, str]:
    """What the caller wants to hear; always plain text, which Kannel reads."""
    said = raw_fields(request)
    jasmin = "message_status" in said or "origin-connector" in said
    return ACKNOWLEDGED if jasmin else NOTHING, "text/plain; charset=utf-8"


def raw_fields(request: WebhookRequest) -> dict[str, bytes]:
    """The fields of body and address as bytes: a text in UTF-16 is no UTF-8."""
    return _pairs(request.query) | _pairs(request.body.decode("latin-1"))


def _pairs(encoded: str) -> dict[str, bytes]:
    try:
        encoded = encoded.encode("utf-8", "replace").decode("latin-1") if not encoded.isascii() else encoded
        found = parse_qsl(encoded, keep_blank_values=True, max_num_fields=MOST_FIELDS, encoding="latin-1")
    except ValueError:
        return {}
    return {name: value.encode("latin-1", "replace") for name, value in found}


def _word(said: Mapping[str, bytes], name: str) -> str:
    return text(said.get(name, b"").decode("utf-8", "replace")).strip()


def _report(request: WebhookRequest, said: Mapping[str, bytes]) -> ChannelEvent:
    key = our_key(request)
    jasmin = "message_status" in said
    external_id = identifier(_word(said, "id")) if jasmin else key
    if not external_id:
        raise ChannelError("The report names no message.")
    if jasmin:
        return _receipt(external_id, _word(said, "message_status").upper(), _word(said, "err"), said, key)
    value, reply = _word(said, "dlr"), _word(said, "reply")
    state = _STATE.search(reply)
    error = _ERROR.search(reply)
    refines = state is not None and value == "2" and WORDS.get(state[1]) in (Outcome.FAILED, Outcome.EXPIRED)
    word = state[1] if state is not None and refines else value
    return _receipt(external_id, word, error[1] if error else "", said, key)


def _receipt(external_id: str, word: str, error: str, said: Mapping[str, bytes], key: str) -> ChannelEvent:
    outcome = KANNEL_REPORTS.get(word) or WORDS.get(word)
    detail, loss = LOSSES.get(word, ("", Loss.NONE))
    if outcome is None and word.startswith(ESME):
        outcome = Outcome.FAILED
        detail, loss = (detail, loss) if detail else (ESME_REFUSED.format(word=word[:40]), Loss.REJECTED)
    if outcome is None:
        return Unread(f"The gateway's report “{word[:40]}” is not known here.", {"word": word[:40], "id": external_id})
    lost = outcome in (Outcome.FAILED, Outcome.EXPIRED)
    code = f"{word} {error}" if lost and error.strip("0") else word
    return Receipt(
        external_id,
        outcome,
        code=code[:60],
        detail=detail if lost else "",
        at=moment(_word(said, "at")),
        loss=loss if lost else Loss.NONE,
        our_key=key,
    )


def _inbound(said: Mapping[str, bytes]) -> Inbound:
    sender = _word(said, "from")
    if not sender:
        raise ChannelError("The gateway's message names no sender.")
    binary = _word(said, "coding") == _BINARY and "origin-connector" not in said
    return Inbound(
        e164(sender),
        "" if binary else text(_text(said)),
        external_id=identifier(_word(said, "id")),
        recipient=e164(_word(said, "to")),
        at=moment(_word(said, "time")),
        kind=Kind.UNSUPPORTED if binary else Kind.TEXT,
        details={"type": "binary SMS"} if binary else {},
    )


def _text(said: Mapping[str, bytes]) -> str:
    """The text in the encoding that the fields name; Jasmin gives the carrier's bytes also as `binary`, in hex."""
    given = said.get("text", said.get("content", b""))
    if _word(said, "coding") in _UCS2:
        return (_unhexed(_word(said, "binary")) or given).decode("utf-16-be", "replace")
    named = _word(said, "charset").lower()
    for charset in (named if _CHARSET.fullmatch(named) else "utf-8", "cp1252"):
        try:
            return given.decode(charset)
        except (LookupError, ValueError):
            continue
    return given.decode("latin-1")


def _unhexed(digits: str) -> bytes:
    try:
        return bytes.fromhex(digits)
    except ValueError:
        return b""
