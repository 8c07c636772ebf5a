"""Twilio: how it answers, and what it posts."""

import hashlib
import hmac
from base64 import b64encode
from dataclasses import replace
from urllib.parse import parse_qsl, urlencode

from portal.channels.base import Inbound, Loss, Outcome, Receipt, WebhookRequest
from portal.channels.content import File, Kind
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, WEBHOOK_URL, Case, Expected, Heard, later, posted
from tests.contract.standin import Step, answer, raw

TWILIO_SID, TWILIO_TOKEN = "AC" + "0f1e2d3c" * 4, "70ce8f4a" * 4
MESSAGE = "SM" + "ab12cd34" * 4
FORM = "application/x-www-form-urlencoded"
MEDIA = f"https://api.twilio.com/2010-04-01/Accounts/{TWILIO_SID}/Messages/{MESSAGE}/Media/ME1"


def _error(status: int, code: int, *headers: str) -> Step:
    """An error as Twilio answers it, with the token in its words as no careful provider would."""
    told = {"code": code, "message": f"refused {TWILIO_TOKEN}", "more_info": "https://www.twilio.com", "status": status}
    return answer(status, told, headers)


def sign(request: WebhookRequest) -> WebhookRequest:
    """As Twilio describes it: the address, then each field's name and value in the order of the names."""
    words = f"{WEBHOOK_URL}/{request.action}" + (f"?{request.query}" if request.query else "")
    for name, value in sorted(parse_qsl(request.body.decode(), keep_blank_values=True)):
        words += name + value
    shown = b64encode(hmac.new(TWILIO_TOKEN.encode(), words.encode(), hashlib.sha1).digest()).decode()
    return replace(request, headers={**request.headers, "x-twilio-signature": shown})


def _status(word: str, code: str = "", query: str = "key=41_1") -> WebhookRequest:
    told = {"SmsSid": MESSAGE, "MessageSid": MESSAGE, "MessageStatus": word, "To": "+639171234567"}
    more = {"ErrorCode": code} if code else {}
    return posted("status", urlencode(told | more | {"AccountSid": TWILIO_SID, "From": "+15005550006"}), FORM, query)


def _text(body: str, **more: str) -> WebhookRequest:
    told = {"MessageSid": MESSAGE, "From": "+639171234567", "To": "+15005550006", "Body": body, "NumMedia": "0"}
    return posted("receive", urlencode(told | more), FORM)


def _receipt(outcome: Outcome, code: str, loss: Loss = Loss.NONE) -> list[Receipt]:
    return [Receipt(MESSAGE, outcome, code, "", "+639171234567", loss=loss, our_key="41:1")]


def _came(body: str, **more: object) -> list[Inbound]:
    return [Inbound("+639171234567", body, MESSAGE, "+15005550006", **more)]


TWILIO = Case(
    kind="twilio",
    credentials={"account_sid": TWILIO_SID, "auth_token": TWILIO_TOKEN, "from": "+15005550006"},
    secrets=(TWILIO_TOKEN, b64encode(f"{TWILIO_SID}:{TWILIO_TOKEN}".encode()).decode()),
    accepts=answer(201, {"sid": MESSAGE, "status": "queued", "num_segments": "1", "error_code": None}),
    external_id=MESSAGE,
    refusals=[
        *(
            (f"{code} of the account", _error(status, code), SENDERS)
            for status, code in (
                *((401, 20003), (403, 20005), (403, 20006), (404, 20404), (403, 20008), (400, 21212), (400, 21603)),
                *((400, 21606), (400, 21659), (400, 21701), (400, 21703), (400, 21408), (400, 21609), (400, 21267)),
            )
        ),
        *(
            (f"{code} of the message", _error(400, code), OURS)
            for code in (21211, 21214, 21217, 21265, 21602, 21604, 21608, 21610, 21612, 21614, 21617, 21620, 29999)
        ),
        ("20429 too fast", _error(429, 20429), later(None)),
        ("20429 with a time", _error(429, 20429, "Retry-After: 4"), later(4)),
        ("63018 with another status", _error(400, 63018), later(None)),
        ("21611 a full queue", _error(400, 21611), later(60)),
        ("401 without a body", answer(401, body=b""), SENDERS),
        ("402", answer(402, body=b""), SENDERS),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("500 of their own", _error(500, 20500), LEFT_OPEN),
        ("500 with the message's own word", _error(500, 21211), LEFT_OPEN),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("409", answer(409, body=b""), LEFT_OPEN),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("201 that is empty", answer(201, body=b""), LEFT_OPEN),
        ("201 that is a list", answer(201, []), LEFT_OPEN),
        ("201 without an id", answer(201, {"status": "queued"}), LEFT_OPEN),
        ("202", answer(202, {"sid": MESSAGE}), Expected(LEFT_OPEN.scope, retry=False, unknown=True)),
        ("201 cut short, no length", raw(b'HTTP/1.1 201 Created\r\n\r\n{"sid": "SM'), LEFT_OPEN),
    ],
    heard=[
        *(
            Heard(word, _status(word), _receipt(outcome, word))
            for word, outcome in (
                *(("queued", Outcome.ACCEPTED), ("accepted", Outcome.ACCEPTED), ("sending", Outcome.ACCEPTED)),
                *(("sent", Outcome.SENT), ("partially_delivered", Outcome.SENT), ("delivered", Outcome.DELIVERED)),
                *(("read", Outcome.READ), ("canceled", Outcome.FAILED), ("failed", Outcome.FAILED)),
            )
        ),
        Heard("off", _status("undelivered", "30003"), _receipt(Outcome.FAILED, "30003", Loss.UNREACHABLE)),
        Heard("filtered", _status("undelivered", "30007"), _receipt(Outcome.FAILED, "30007", Loss.REJECTED)),
        Heard("stopped", _status("failed", "21610"), _receipt(Outcome.FAILED, "21610", Loss.OPTED_OUT)),
        Heard("too late", _status("undelivered", "30036"), _receipt(Outcome.EXPIRED, "30036")),
        Heard("a new code", _status("undelivered", "39999"), _receipt(Outcome.FAILED, "39999")),
        Heard("without our key", _status("sent", "", ""), [Receipt(MESSAGE, Outcome.SENT, "sent")]),
        Heard("a text", _text("Kumusta ñ 👋"), _came("Kumusta ñ 👋")),
        Heard("no text", _text(""), _came("")),
        Heard("STOP", _text("STOP", OptOutType="STOP"), _came("STOP", details={"opt_out": "STOP"})),
        Heard(
            "a picture",
            _text("look", NumMedia="1", MediaUrl0=MEDIA, MediaContentType0="image/jpeg"),
            _came("look", kind=Kind.IMAGE, files=(File(MEDIA, "image.jpg", "image/jpeg"),)),
        ),
        Heard("a short code", _text("Your code", From="32665"), [Inbound("32665", "Your code", MESSAGE)]),
    ],
    odd=[_status("teleported")],
    broken=[
        posted("status", "MessageStatus=sent", FORM),
        posted("receive", "Body=Hi", FORM),
        posted("receive", urlencode({"From": "whatsapp:+639171234567", "Body": "Hi"}), FORM),
        posted("other", "From=1", FORM),
    ],
    sign=sign,
)

CASES = (TWILIO,)
