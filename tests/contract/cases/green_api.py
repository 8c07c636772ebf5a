"""GREEN-API: how it answers."""

from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case
from tests.contract.standin import Step, answer, raw


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

CASES = (GREEN_API,)
