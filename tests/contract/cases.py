"""One case per channel that speaks HTTP: how its provider answers, so that one suite can try them all.

A new channel adds a `Case` here and gets the whole of `test_sending.py`.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field

from portal.channels.base import Account, Outgoing, Scope
from tests.contract.standin import Step, answer, raw

PART = Outgoing(to="+639171234567", text="Kumusta", idempotency_key="41:1")


@dataclass(frozen=True)
class Expected:
    """What the channel's error must say of a refusal."""

    scope: Scope
    retry: bool
    unknown: bool = False
    cached: bool = False
    retry_after: float | None = None
    code: str | None = None


@dataclass(frozen=True)
class Case:
    """A provider as its channel must understand it. Every credential is a word no other text contains."""

    kind: str
    credentials: dict[str, str]
    accepts: Step
    external_id: str
    refusals: Sequence[tuple[str, Step, Expected]]
    throttles: int = 429
    secrets: tuple[str, ...] = field(default=())

    def account(self, url: str) -> Account:
        return Account(sender_id=7, credentials=self.credentials, api_url=url, private_hosts=True)


def _cast(status: int, code: str, *headers: str) -> Step:
    return answer(status, {"success": False, "error": "words", "error_code": code}, headers)


OURS = Expected(Scope.MESSAGE, retry=False)
SENDERS = Expected(Scope.SENDER, retry=True)
IN_DOUBT = Expected(Scope.SENDER, retry=True, unknown=True)
STORED = Expected(Scope.SENDER, retry=True, cached=True)
REPLAY = "X-Idempotent-Replay: true"

CAST_KEY = "cast_" + "5ec7e7" * 10 + "beef"
CAST = Case(
    kind="cast",
    credentials={"api_key": CAST_KEY, "sender_id": "MYAPP"},
    secrets=(CAST_KEY,),
    accepts=answer(200, {"success": True, "message_id": "CASTabc123", "parts": 2}),
    external_id="CASTabc123",
    refusals=[
        *((f"400 {code}", _cast(400, code), OURS) for code in ("INVALID_REQUEST", "VALIDATION_ERROR", "NEW_WORD")),
        ("401", _cast(401, "INVALID_API_KEY"), SENDERS),
        *((f"402 {code}", _cast(402, code), SENDERS) for code in ("INSUFFICIENT_CREDITS", "CREDIT_LIMIT_REACHED")),
        *(
            (f"403 {code}", _cast(403, code), SENDERS)
            for code in (
                "API_KEY_REVOKED",
                "API_KEY_EXPIRED",
                "USER_INACTIVE",
                "IP_NOT_WHITELISTED",
                "CHANNEL_NOT_ALLOWED",
                "NEW_WORD",
            )
        ),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("404", _cast(404, "NOT_FOUND"), SENDERS),
        ("405", _cast(405, "METHOD_NOT_ALLOWED"), SENDERS),
        ("422", _cast(422, "ALREADY_UNSUBSCRIBED"), OURS),
        ("418", answer(418, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        *((f"{status} unreadable", answer(status, body=b"<html>"), IN_DOUBT) for status in (500, 502, 503, 504, 408)),
        *(
            (f"{status} {code}", _cast(status, code), IN_DOUBT)
            for status, code in ((500, "INTERNAL_ERROR"), (502, "PROVIDER_ERROR"), (503, "SERVICE_UNAVAILABLE"))
        ),
        (
            "503 with a time",
            _cast(503, "SERVICE_UNAVAILABLE", "Retry-After: 9"),
            Expected(Scope.SENDER, True, True, False, 9),
        ),
        ("500 with a new word", _cast(500, "NEW_WORD"), IN_DOUBT),
        ("502 with the message's own word", _cast(502, "VALIDATION_ERROR"), IN_DOUBT),
        ("409", _cast(409, "NEW_WORD"), IN_DOUBT),
        ("500 stored", _cast(500, "INTERNAL_ERROR", REPLAY), STORED),
        ("502 stored, unreadable", answer(502, body=b"<html>", headers=(REPLAY,)), STORED),
        ("402 stored", _cast(402, "INSUFFICIENT_CREDITS", REPLAY), STORED),
        ("400 stored", _cast(400, "VALIDATION_ERROR", REPLAY), Expected(Scope.MESSAGE, False, cached=True)),
        ("200 but refused", _cast(200, "INSUFFICIENT_CREDITS"), SENDERS),
        ("200 but refused for the message", _cast(200, "VALIDATION_ERROR"), OURS),
        ("200 but refused without a reason", answer(200, {"success": False}), OURS),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), IN_DOUBT),
        ("200 stored, unreadable", answer(200, body=b"", headers=(REPLAY,)), IN_DOUBT),
        (
            "200 stored, refused",
            answer(200, {"success": False}, (REPLAY,)),
            Expected(Scope.MESSAGE, False, cached=True),
        ),
        ("200 that is empty", answer(200, body=b""), IN_DOUBT),
        ("200 that is a list", answer(200, []), IN_DOUBT),
        ("200 without an id", answer(200, {"success": True}), IN_DOUBT),
        ("202 scheduled", answer(202, {"success": True, "scheduled_at": "2026-04-06T10:00:00Z"}), IN_DOUBT),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n{"success": tr'), IN_DOUBT),
    ],
)

# A send that is in doubt is never repeated by itself: GREEN-API knows no idempotency key.
LEFT_OPEN = Expected(Scope.SENDER, retry=False, unknown=True)


def _green(status: int, message: str) -> Step:
    """An error as GREEN-API answers it: with the whole path, token and all."""
    path = f"/waInstance{GREEN_INSTANCE}/sendMessage/{GREEN_TOKEN}"
    return answer(status, {"statusCode": status, "timestamp": "2026-11-20T10:00:00Z", "path": path, "message": message})


def _quota(invoked: str, correspondents: str) -> Step:
    return answer(466, {"invokeStatus": {"status": invoked}, "correspondentsStatus": {"status": correspondents}})


GREEN_INSTANCE, GREEN_TOKEN = "7103000001", "d75b3a66374942c5b3c019c698abc2067e151558acbd412345"
GREEN_API = Case(
    kind="green_api",
    credentials={"id_instance": GREEN_INSTANCE, "api_token": GREEN_TOKEN},
    secrets=(GREEN_TOKEN,),
    accepts=answer(200, {"idMessage": "3EB0C767D097B7C7C030"}),
    external_id="3EB0C767D097B7C7C030",
    refusals=[
        ("400 starting", _green(400, "instance in starting process try later"), SENDERS),
        ("400 starting or signed out", _green(400, "instance is starting or not authorized"), SENDERS),
        ("400 expired", _green(400, "Instance account is expired. Pay for it"), SENDERS),
        ("400 deleted", _green(400, "Instance is deleted"), SENDERS),
        ("400 bad data", _green(400, "bad request data"), OURS),
        ("400 validation", _green(400, "Validation failed. Details: 'chatId' must be a string"), OURS),
        ("400 no JSON", answer(400, body=b"Unexpected token _ in JSON at position 3"), OURS),
        ("401", _green(401, "Unauthorized"), SENDERS),
        ("401 without a body", answer(401, body=b""), SENDERS),
        ("403", _green(403, "Forbidden"), SENDERS),
        ("404", _green(404, "Not found"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("418", answer(418, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("466 chats", _quota("QUOTE_ALLOWED", "CORRESPONDENTS_QUOTE_EXCEEDED"), OURS),
        ("466 chats, the other spelling", _quota("QUOTA_ALLOWED", "CORRESPONDENTS_QUOTA_EXCEEDED"), OURS),
        ("466 calls", _quota("QUOTE_EXCEEDED", "CORRESPONDENTS_QUOTE_ALLOWED"), SENDERS),
        ("466 unreadable", answer(466, body=b"<html>"), SENDERS),
        ("499", answer(499, body=b""), LEFT_OPEN),
        ("500", _green(500, "Internal Server Error"), LEFT_OPEN),
        ("500 too large", _green(500, "request entity too large"), OURS),
        ("500 file too large", _green(500, "file size exceeds 100 MB"), OURS),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (502, 503, 504, 408, 409)),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is empty", answer(200, body=b""), LEFT_OPEN),
        ("200 that is null", answer(200, None), LEFT_OPEN),
        ("200 that is a list", answer(200, []), LEFT_OPEN),
        ("200 without an id", answer(200, {"saveSettings": True}), LEFT_OPEN),
        ("200 with an empty id", answer(200, {"idMessage": ""}), LEFT_OPEN),
        ("202", answer(202, {}), LEFT_OPEN),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n{"idMessage": "3E'), LEFT_OPEN),
    ],
)


def _graph(status: int, code: int, subcode: int = 0) -> Step:
    """An error as the Graph API answers it, with a token in its words as no careful provider would."""
    words = {"message": f"(#{code}) refused {CLOUD_TOKEN}", "type": "OAuthException", "code": code}
    more = {"error_subcode": subcode} if subcode else {}
    details = {"error_data": {"messaging_product": "whatsapp", "details": "the details"}}
    return answer(status, {"error": words | details | more | {"fbtrace_id": "Az8or2yhqkZfEZ"}})


def _later(seconds: float | None, scope: Scope = Scope.SENDER) -> Expected:
    return Expected(scope, retry=True, retry_after=seconds)


CLOUD_TOKEN = "EAAG" + "9f2ec0de" * 6
WHATSAPP_CLOUD = Case(
    kind="whatsapp_cloud",
    credentials={"phone_number_id": "106540352200001", "access_token": CLOUD_TOKEN, "waba_id": "102290129300001"},
    secrets=(CLOUD_TOKEN,),
    accepts=answer(
        200,
        {
            "messaging_product": "whatsapp",
            "contacts": [{"input": "639171234567", "wa_id": "639171234567", "user_id": "PH.1"}],
            "messages": [{"id": "wamid.HBgM"}],
        },
    ),
    external_id="wamid.HBgM",
    refusals=[
        ("4 app limit", _graph(400, 4), _later(300)),
        ("80007 account limit", _graph(400, 80007), _later(300)),
        ("130429 throughput", _graph(429, 130429), _later(None)),
        ("130429 with another status", _graph(400, 130429), _later(None)),
        ("131048 spam", _graph(400, 131048), _later(900)),
        ("131056 pair", _graph(400, 131056), _later(None, Scope.MESSAGE)),
        ("131057 maintenance", _graph(500, 131057), _later(300)),
        ("133016 registered too often", _graph(400, 133016), _later(3600)),
        ("131000 something", _graph(500, 131000), _later(None, Scope.MESSAGE)),
        ("131016 unavailable", _graph(503, 131016), _later(None)),
        ("131053 upload", _graph(400, 131053), _later(None, Scope.MESSAGE)),
        ("190 expired", _graph(401, 190, 463), SENDERS),
        ("190 with another status", _graph(400, 190), SENDERS),
        ("100 no such number", _graph(400, 100, 33), SENDERS),
        *(
            (f"{code} of the account", _graph(status, code), SENDERS)
            for status, code in (
                (401, 0),
                (500, 3),
                (403, 10),
                (403, 200),
                (403, 299),
                (403, 368),
                (403, 131005),
                (403, 131031),
                (400, 131042),
                (500, 131045),
                (400, 131064),
            )
        ),
        *(
            (f"{code} of the message", _graph(404 if code == 132001 else 400, code), OURS)
            for code in (
                *(100, 130472, 131008, 131009, 131021, 131026, 131030, 131047, 131049, 131050, 131051, 131062),
                *(132000, 132001, 132005, 132007, 132008, 132012, 132015, 132016, 137000, 999999),
            )
        ),
        ("1 unknown", _graph(400, 1), LEFT_OPEN),
        ("2 temporarily", _graph(503, 2), LEFT_OPEN),
        ("500 with a new code", _graph(500, 999999), LEFT_OPEN),
        ("200 with an error", _graph(200, 131009), OURS),
        ("401 without a body", answer(401, body=b""), SENDERS),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("418", answer(418, body=b""), OURS),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is empty", answer(200, body=b""), LEFT_OPEN),
        ("200 that is a list", answer(200, []), LEFT_OPEN),
        ("200 without an id", answer(200, {"messages": [{}]}), LEFT_OPEN),
        ("200 without messages", answer(200, {"success": True}), LEFT_OPEN),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n{"messages": [{"id": "wam'), LEFT_OPEN),
    ],
)

CASES = (CAST, GREEN_API, WHATSAPP_CLOUD)
