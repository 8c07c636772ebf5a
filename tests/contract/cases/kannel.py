"""Kannel and Jasmin: how they answer, and what they call."""

from urllib.parse import urlencode

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from portal.channels.content import Kind
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

PASSWORD = "kannel-word-51f9"
USER = {"username": "portal", "password": PASSWORD, "from": "21583"}
JASMIN_ID = "07033084-5cfd-4812-90a4-e4d24ffb6e3d"
FORM = "application/x-www-form-urlencoded"
CARRIER = "id:0 sub:001 dlvrd:000 submit date:2601010000 done date:2601010001 stat:{} err:{} text:Hi"


def said(status: int, words: str, *headers: str) -> Step:
    return answer(status, body=words.encode(), headers=headers)


def _report(value: str, reply: str = "", key: str = "key=41_1&") -> WebhookRequest:
    return got("status", key + urlencode({"dlr": value, "reply": reply, "foreign": "0a1b", "at": "1767225660"}))


def _told(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    return [Receipt("41:1", outcome, code, loss=loss, our_key="41:1")]


def _text(text: str | bytes, coding: str = "0", charset: str = "UTF-8", **more: str) -> WebhookRequest:
    told = {"id": "m-1", "from": "+639171234567", "to": "21583", "text": text, "coding": coding, "charset": charset}
    return got("receive", urlencode({**told, **more}))


def _came(text: str, **more: object) -> list[Inbound]:
    return [Inbound("+639171234567", text, "m-1", "21583", **more)]


KANNEL = Case(
    kind="kannel",
    credentials=USER,
    secrets=(PASSWORD,),
    accepts=said(202, "0: Accepted for delivery"),
    external_id="41:1",
    refusals=[
        ("403 the password", said(403, f"Authorization failed for sendsms {PASSWORD}"), SENDERS),
        ("403 no route", said(403, "Not routable. Do not try again."), OURS),
        ("404 another path", said(404, "Unknown request."), SENDERS),
        ("400 no sender", said(400, "Sender missing and no global set, rejected"), SENDERS),
        ("400 no receiver", said(400, "Missing receiver number, rejected"), OURS),
        ("400 an empty receiver", said(400, "Empty receiver number not allowed, rejected"), OURS),
        ("400 a list", said(400, "Number(s) has/have been denied by white- and/or black-lists."), OURS),
        ("400 our address", said(400, "DLR-URL field misformed, rejected"), SENDERS),
        ("400 the charset", said(400, "Charset or body misformed, rejected"), OURS),
        ("400 another field", said(400, "MClass field misformed, rejected"), OURS),
        ("400 anything else", said(400, "No."), OURS),
        ("503 the carrier is away", said(503, "Temporal failure, try again later."), later(60)),
        ("503 with a time", said(503, "Temporal failure, try again later.", "Retry-After: 7"), later(7)),
        ("503 of a proxy", said(503, "<html>Service Unavailable</html>"), LEFT_OPEN),
        ("503 of a proxy that says more", said(503, "<html>Upstream rejected the connection</html>"), LEFT_OPEN),
        ("502 of a proxy", said(502, "<html>Bad Gateway: connection rejected</html>"), LEFT_OPEN),
        ("504 of a proxy", said(504, "<html>Temporal failure upstream</html>"), LEFT_OPEN),
        ("500", said(500, "Sending failed."), LEFT_OPEN),
        ("202 of nobody knows whom", said(202, "Welcome"), LEFT_OPEN),
        ("200 that is empty", said(200, ""), LEFT_OPEN),
        ("202 that says 4", said(202, "4: Something new"), LEFT_OPEN),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("202 cut short", raw(b"HTTP/1.1 202 Accepted\r\nContent-Length: 24\r\n\r\n0: Acc"), LEFT_OPEN),
    ],
    heard=[
        Heard("delivered", _report("1", CARRIER.format("DELIVRD", "000")), _told(Outcome.DELIVERED, "1")),
        Heard("lost", _report("2"), _told(Outcome.FAILED, "2")),
        Heard("queued", _report("4"), _told(Outcome.ACCEPTED, "4")),
        Heard("at the carrier", _report("8", "ACK/"), _told(Outcome.SENT, "8")),
        Heard("refused", _report("16", "NACK/0x0000000b/Invalid"), _told(Outcome.FAILED, "16", Loss.REJECTED)),
        Heard("too late", _report("34"), _told(Outcome.EXPIRED, "34")),
        Heard("nobody knows", _report("66"), _told(Outcome.SENT, "66")),
        Heard(
            "the phone is off",
            _report("2", CARRIER.format("UNDELIV", "0A1")),
            _told(Outcome.FAILED, "UNDELIV 0A1", Loss.UNREACHABLE),
        ),
        Heard(
            "refused late",
            _report("2", CARRIER.format("REJECTD", "000")),
            _told(Outcome.FAILED, "REJECTD", Loss.REJECTED),
        ),
        Heard("late", _report("2", CARRIER.format("EXPIRED", "0")), _told(Outcome.EXPIRED, "EXPIRED")),
        Heard(
            "a loss that the carrier words oddly",
            _report("2", CARRIER.format("DELIVRD", "0")),
            _told(Outcome.FAILED, "2"),
        ),
        Heard("a text", _text("Kumusta ñ"), _came("Kumusta ñ")),
        Heard("UTF-16", _text("Kumusta 👋".encode("utf-16-be"), "2", "UTF-16BE"), _came("Kumusta 👋")),
        Heard("recoded to UTF-8", _text("Kumusta 👋", "0", "UTF-8"), _came("Kumusta 👋")),
        Heard("Latin-1", _text("señor".encode("latin-1"), "0", "ISO-8859-1"), _came("señor")),
        Heard("GSM", _text("Hi", "0", "GSM"), _came("Hi")),
        Heard("a charset nobody knows", _text("Hi", "0", "klingon"), _came("Hi")),
        Heard("binary", _text(b"\x06\x05\x04", "1", "8-BIT"), _came("", kind=Kind.UNSUPPORTED)),
        Heard("empty", _text(""), _came("")),
        Heard("a number without a plus", _text("Hi", **{"from": "639171234567"}), _came("Hi")),
        Heard("a name", _text("Hi", **{"from": "GCash"}), [Inbound("GCash", "Hi", "m-1", "21583")]),
    ],
    odd=[_report("99"), _report("%d"), _report("")],
    broken=[got("status", "dlr=1"), got("receive", "text=Hi"), got("other", "from=1&text=Hi"), got("status", "")],
)


def _jasmin(word: str, key: str = "key=41_1&", **more: str) -> WebhookRequest:
    told = {"id": JASMIN_ID, "message_status": word, "level": "3", "connector": "globe"}
    return got("status", key + urlencode(told | more))


def _jasmin_told(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    return [Receipt(JASMIN_ID, outcome, code, loss=loss, our_key="41:1")]


def _jasmin_text(content: str | bytes, coding: str, **more: str) -> WebhookRequest:
    told = {"id": "m-1", "from": "639171234567", "to": "21583", "origin-connector": "globe", "coding": coding}
    return posted("receive", urlencode({**told, "content": content, **more}), FORM)


JASMIN = Case(
    kind="kannel",
    credentials=USER | {"dialect": "jasmin"},
    secrets=(PASSWORD,),
    accepts=said(200, f'Success "{JASMIN_ID}"'),
    external_id=JASMIN_ID,
    refusals=[
        ("403 the password", said(403, f'Error "Authentication failure for username:portal {PASSWORD}"'), SENDERS),
        ("403 a right", said(403, 'Error "Authorization failed for username [portal] (Setting dlr level)."'), SENDERS),
        ("403 money", said(403, 'Error "Cannot charge submit_sm, check RouterPB log file for details"'), SENDERS),
        ("403 too fast", said(403, 'Error "User throughput exceeded"'), later(1)),
        ("412 no route", said(412, 'Error "No route found"'), OURS),
        ("412 no link", said(412, 'Error "Failover route has no bound connectors"'), later(60)),
        ("400 the number", said(400, 'Error "Argument [to] has an invalid value: [+639]."'), OURS),
        ("400 the sender", said(400, 'Error "Argument [from] has an invalid value: [x]."'), SENDERS),
        ("400 a filter", said(400, 'Error "Value filter failed for user [1] (destination_address filter)."'), OURS),
        ("400 a long password", said(400, 'Error "Argument [password] has an invalid value: [x]."'), SENDERS),
        ("400 the tags", said(400, 'Error "Argument [tags] has an invalid value: [x]."'), SENDERS),
        (
            "400 no long texts",
            said(400, 'Error "Authorization failed for user [1] (Long content not authorized)."'),
            OURS,
        ),
        (
            "400 no Unicode",
            said(400, 'Error "Authorization failed for user [1] (Setting hex content not authorized)."'),
            OURS,
        ),
        (
            "400 no reports",
            said(400, 'Error "Authorization failed for user [1] (Setting dlr level not authorized)."'),
            SENDERS,
        ),
        (
            "400 the sender",
            said(400, 'Error "Value filter failed for user [1] (source_address filter mismatch)."'),
            SENDERS,
        ),
        ("400 the text", said(400, 'Error "Value filter failed for user [1] (content filter mismatch)."'), OURS),
        ("503 a part is away", said(503, 'Error "InterceptorPB not connected !"'), later(60)),
        ("400 a missing field", said(400, 'Error "Mandatory argument [to] is not found."'), SENDERS),
        ("400 another field", said(400, 'Error "Argument [sdt] has an invalid value: [x]."'), OURS),
        ("400 anything else", said(400, 'Error "No."'), OURS),
        ("500", said(500, 'Error "Cannot send submit_sm, check SMPPClientManagerPB log file"'), LEFT_OPEN),
        ("200 without an id", said(200, 'Success ""'), LEFT_OPEN),
        ("200 that is an error", said(200, 'Error "No route found"'), LEFT_OPEN),
        ("200 that is empty", said(200, ""), LEFT_OPEN),
    ],
    heard=[
        Heard("taken", _jasmin("ESME_ROK", level="1"), _jasmin_told(Outcome.SENT, "ESME_ROK")),
        Heard("refused", _jasmin("ESME_RINVDSTADR"), _jasmin_told(Outcome.FAILED, "ESME_RINVDSTADR", Loss.REJECTED)),
        Heard("a new refusal", _jasmin("ESME_RNEW"), _jasmin_told(Outcome.FAILED, "ESME_RNEW", Loss.REJECTED)),
        *(
            Heard(word, _jasmin(word), _jasmin_told(outcome, word, loss))
            for word, outcome, loss in (
                ("DELIVRD", Outcome.DELIVERED, Loss.NONE),
                ("ACCEPTD", Outcome.SENT, Loss.NONE),
                ("ENROUTE", Outcome.SENT, Loss.NONE),
                ("UNKNOWN", Outcome.SENT, Loss.NONE),
                ("UNDELIV", Outcome.FAILED, Loss.UNREACHABLE),
                ("REJECTD", Outcome.FAILED, Loss.REJECTED),
                ("DELETED", Outcome.FAILED, Loss.REJECTED),
                ("EXPIRED", Outcome.EXPIRED, Loss.NONE),
            )
        ),
        Heard(
            "with an error",
            _jasmin("UNDELIV", err="011"),
            _jasmin_told(Outcome.FAILED, "UNDELIV 011", Loss.UNREACHABLE),
        ),
        Heard("without our key", _jasmin("DELIVRD", ""), [Receipt(JASMIN_ID, Outcome.DELIVERED, "DELIVRD")]),
        Heard("a text", _jasmin_text("Kumusta", "0"), _came("Kumusta")),
        Heard("UCS-2", _jasmin_text("ñ 👋".encode("utf-16-be"), "8"), _came("ñ 👋")),
        Heard("UCS-2 in hex", _jasmin_text("?", "8", binary="ñ 👋".encode("utf-16-be").hex()), _came("ñ 👋")),
        Heard("Latin-1", _jasmin_text("señor".encode("latin-1"), "3"), _came("señor")),
    ],
    odd=[_jasmin("TELEPORTED"), _jasmin("")],
    broken=[got("status", "message_status=DELIVRD"), posted("receive", "origin-connector=1&content=Hi", FORM)],
)

CASES = (KANNEL, JASMIN)
