"""Semaphore: how it answers."""

from tests.contract.cases import LEFT_OPEN, OURS, PART, SENDERS, Case, later
from tests.contract.standin import Step, answer, raw

SEMAPHORE_KEY = "5e3af0c2" * 4
MESSAGE = "200112345"


def entry(**more: object) -> dict[str, object]:
    return {
        "message_id": int(MESSAGE),
        "user": "someone@example.com",
        "account": "Ours",
        "recipient": PART.to.removeprefix("+"),
        "message": PART.text,
        "sender_name": "SENDERO",
        "network": "Globe",
        "status": "Pending",
        "type": "Single",
        "source": "Api",
    } | more


def taken(**more: object) -> Step:
    return answer(200, [entry(**more)])


NO_CREDIT = ["Your current balance of 0 credits is not sufficient. This transaction requires 1 credits."]
NO_NAME = [{"senderName": "No active sender name found. Please apply for a sender name before sending messages."}]

SEMAPHORE = Case(
    kind="semaphore",
    credentials={"api_key": SEMAPHORE_KEY, "sender_name": "SENDERO"},
    secrets=(SEMAPHORE_KEY,),
    accepts=taken(),
    external_id=MESSAGE,
    refusals=[
        *(
            (f"{status} {field}", answer(status, {field: [f"The selected {field} {SEMAPHORE_KEY} is invalid."]}), whose)
            for status in (200, 400, 422, 500)
            for field, whose in (("apikey", SENDERS), ("sendername", SENDERS), ("number", OURS), ("message", OURS))
        ),
        ("200 a new field", answer(200, {"network": ["The network is invalid."]}), OURS),
        ("504 a new field", answer(504, {"errors": ["Gateway timeout"]}), LEFT_OPEN),
        ("500 no credit", answer(500, NO_CREDIT), SENDERS),
        ("200 no credit", answer(200, NO_CREDIT), SENDERS),
        ("500 no name", answer(500, NO_NAME), SENDERS),
        ("401", answer(401, {"message": "Unauthenticated."}), SENDERS),
        ("403 from a firewall", answer(403, body=b"<html>Forbidden</html>"), SENDERS),
        ("402", answer(402, body=b""), SENDERS),
        ("404 from elsewhere", answer(404, body=b"<html>"), SENDERS),
        ("413", answer(413, body=b""), OURS),
        ("429 with a time", answer(429, {"message": "Too Many Attempts."}, ("Retry-After: 40",)), later(40)),
        ("302", answer(302, body=b"", headers=("Location: https://elsewhere.test/",)), SENDERS),
        ("500 of their own", answer(500, {"message": "Server Error"}), LEFT_OPEN),
        *((f"{status} unreadable", answer(status, body=b"<html>"), LEFT_OPEN) for status in (500, 502, 503, 504, 408)),
        ("500 that lists the message", answer(500, [entry()]), LEFT_OPEN),
        ("200 that is a page", answer(200, body=b"<html>Welcome</html>"), LEFT_OPEN),
        ("200 that is empty", answer(200, body=b""), LEFT_OPEN),
        ("200 with nobody in it", answer(200, []), LEFT_OPEN),
        ("200 without an id", answer(200, [{"recipient": PART.to, "status": "Pending"}]), LEFT_OPEN),
        ("200 of somebody else", taken(recipient="639998887777"), LEFT_OPEN),
        ("200 cut short, no length", raw(b'HTTP/1.1 200 OK\r\n\r\n[{"message_id": 2001'), LEFT_OPEN),
    ],
)

CASES = (SEMAPHORE,)
