"""Africa's Talking: how it answers, and what it posts."""

from urllib.parse import urlencode

from portal.channels.base import Inbound, Loss, Outcome, Preference, Receipt, WebhookRequest
from portal.channels.content import AddressKind, Peer
from tests.contract.cases import LEFT_OPEN, OURS, PART, SENDERS, Case, Heard, got, later, posted
from tests.contract.standin import Step, answer, raw

AT_KEY = "atsk_" + "5f0ad1ce" * 8
MESSAGE = "ATXid_" + "3c61f0a8" * 4
FORM = "application/x-www-form-urlencoded"


def taken(code: int = 101, **more: object) -> Step:
    entry = {"statusCode": code, "number": PART.to, "status": "Success", "cost": "KES 0.8000", "messageId": MESSAGE}
    return listed([entry | more], "Sent to 1/1 Total Cost: KES 0.8000")


def listed(recipients: object, said: str = "Sent to 0/1 Total Cost: 0") -> Step:
    return answer(201, {"SMSMessageData": {"Message": said, "Recipients": recipients}})


def _refused(code: int, word: str) -> Step:
    """As it answers, with the key in its words as no careful provider would."""
    entry = {"statusCode": code, "number": PART.to, "status": word, "cost": "0", "messageId": "None"}
    return listed([entry | {"why": f"refused {AT_KEY}"}])


def _report(status: str, reason: str = "", **more: str) -> WebhookRequest:
    told = {"id": MESSAGE, "status": status, "phoneNumber": "+254711000001", "networkCode": "63902"}
    return posted("status", urlencode(told | ({"failureReason": reason} if reason else {}) | more), FORM)


def _receipt(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    return [Receipt(MESSAGE, outcome, code, "", "+254711000001", loss=loss)]


def _text(body: str, **more: str) -> WebhookRequest:
    told = {"from": "+254711000001", "to": "22384", "text": body, "id": "b2c1", "linkId": "L-1"}
    return posted("receive", urlencode(told | {"date": "2026-03-01T10:00:00Z"} | more), FORM)


AFRICASTALKING = Case(
    kind="africastalking",
    credentials={"username": "sendero-live", "api_key": AT_KEY, "from": "SENDERO"},
    secrets=(AT_KEY,),
    accepts=taken(),
    external_id=MESSAGE,
    refusals=[
        *(
            (f"{code} {word}", _refused(code, word), SENDERS)
            for code, word in ((402, "InvalidSenderId"), (405, "InsufficientBalance"))
        ),
        *(
            (f"{code} {word}", _refused(code, word), OURS)
            for code, word in (
                *((403, "InvalidPhoneNumber"), (404, "UnsupportedNumberType"), (406, "UserInBlacklist")),
                *((407, "CouldNotRoute"), (409, "DoNotDisturbRejection")),
            )
        ),
        *(
            (f"{code} {word}", _refused(code, word), LEFT_OPEN)
            for code, word in (
                *((401, "RiskHold"), (500, "InternalServerError"), (501, "GatewayError"), (599, "Unheard")),
                (101, "taken, but without an id"),
            )
        ),
        ("502 RejectedByGateway", _refused(502, "RejectedByGateway"), later(60, scope=OURS.scope)),
        ("nobody: InvalidSenderId", listed([], "InvalidSenderId"), SENDERS),
        ("nobody: InsufficientBalance", listed([], "InsufficientBalance"), SENDERS),
        ("nobody, and no reason", listed([]), OURS),
        ("nobody, and a sentence", listed([], f"The message is either empty or {AT_KEY}"), OURS),
        ("somebody else", taken(number="+254799999999"), LEFT_OPEN),
        ("401", answer(401, body=b"The supplied authentication is invalid"), SENDERS),
        ("400", answer(400, body=b"Request is missing required form field 'to'"), OURS),
        ("402", answer(402, body=b""), SENDERS),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("429 with a time", answer(429, body=b"", headers=("Retry-After: 4",)), later(4)),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("500 that lists a refusal", answer(500, {"SMSMessageData": {"Message": "x", "Recipients": []}}), LEFT_OPEN),
        ("201 that is empty", answer(201, body=b""), LEFT_OPEN),
        ("201 that is a list", answer(201, []), LEFT_OPEN),
        ("201 without recipients", answer(201, {"SMSMessageData": {"Message": "Sent"}}), LEFT_OPEN),
        ("201 cut short, no length", raw(b'HTTP/1.1 201 Created\r\n\r\n{"SMSMess'), LEFT_OPEN),
    ],
    heard=[
        *(
            Heard(word, _report(word), _receipt(outcome, word))
            for word, outcome in (
                *(("Sent", Outcome.SENT), ("Submitted", Outcome.SENT), ("Buffered", Outcome.SENT)),
                *(("Queued", Outcome.ACCEPTED), ("Success", Outcome.DELIVERED), ("Delivered", Outcome.DELIVERED)),
                *(("Expired", Outcome.EXPIRED), ("Failed", Outcome.FAILED)),
            )
        ),
        Heard("rejected", _report("Rejected"), _receipt(Outcome.FAILED, "Rejected", Loss.REJECTED)),
        *(
            Heard(reason, _report("Failed", reason), _receipt(Outcome.FAILED, reason, loss))
            for reason, loss in (
                *(("AbsentSubscriber", Loss.UNREACHABLE), ("UserIsInactive", Loss.UNREACHABLE)),
                *(("UserInBlackList", Loss.WITHHELD), ("DoNotDisturbRejection", Loss.WITHHELD)),
                *(("DeliveryFailure", Loss.NONE), ("ANewReason", Loss.NONE)),
            )
        ),
        Heard("a report by GET", got("status", f"id={MESSAGE}&status=Success"), [Receipt(MESSAGE, Outcome.DELIVERED)]),
        Heard(
            "a text",
            _text("Habari ñ 👋"),
            [Inbound("+254711000001", "Habari ñ 👋", external_id="b2c1", recipient="22384")],
        ),
        Heard("no text", _text(""), [Inbound("+254711000001", "", external_id="b2c1")]),
        Heard("a bare number", _text("Hi", **{"from": "254711000001"}), [Inbound("+254711000001", "Hi", "b2c1")]),
        Heard("a name", _text("Your code", **{"from": "MPESA"}), [Inbound("MPESA", "Your code", "b2c1")]),
        Heard(
            "an opt-out",
            posted("receive", urlencode({"senderId": "SENDERO", "phoneNumber": "+254711000001"}), FORM),
            [Preference(Peer(AddressKind.PHONE, "+254711000001"), marketing=False, everything=True)],
        ),
    ],
    odd=[
        _report("Teleported"),
        posted("receive", urlencode({"phoneNumber": "+254711000001", "updateType": "addition", "keyword": "x"}), FORM),
    ],
    broken=[
        posted("status", "status=Sent", FORM),
        posted("receive", "text=Hi", FORM),
        posted("other", "from=1", FORM),
        posted("receive", '{"from": "+2547'),
    ],
)

CASES = (AFRICASTALKING,)
