"""Cast: how it answers."""

from portal.channels.base import Scope
from tests.contract.cases import IN_DOUBT, OURS, SENDERS, Case, Expected
from tests.contract.standin import Step, answer, raw

STORED = Expected(Scope.SENDER, retry=True, cached=True)
REPLAY = "X-Idempotent-Replay: true"


def _cast(status: int, code: str, *headers: str) -> Step:
    return answer(status, {"success": False, "error": "words", "error_code": code}, headers)


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

CASES = (CAST,)
