"""Meta's Graph API: how it answers."""

from portal.channels.base import Scope
from tests.contract.cases import LEFT_OPEN, OURS, SENDERS, Case, later
from tests.contract.standin import Step, answer, raw


def _graph(status: int, code: int, subcode: int = 0) -> Step:
    """An error as the Graph API answers it, with a token in its words as no careful provider would."""
    words = {"message": f"(#{code}) refused {CLOUD_TOKEN}", "type": "OAuthException", "code": code}
    more = {"error_subcode": subcode} if subcode else {}
    details = {"error_data": {"messaging_product": "whatsapp", "details": "the details"}}
    return answer(status, {"error": words | details | more | {"fbtrace_id": "Az8or2yhqkZfEZ"}})


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
        ("4 app limit", _graph(400, 4), later(300)),
        ("80007 account limit", _graph(400, 80007), later(300)),
        ("130429 throughput", _graph(429, 130429), later(None)),
        ("130429 with another status", _graph(400, 130429), later(None)),
        ("131048 spam", _graph(400, 131048), later(900)),
        ("131056 pair", _graph(400, 131056), later(None, Scope.MESSAGE)),
        ("131057 maintenance", _graph(500, 131057), later(300)),
        ("133016 registered too often", _graph(400, 133016), later(3600)),
        ("131000 something", _graph(500, 131000), later(None, Scope.MESSAGE)),
        ("131016 unavailable", _graph(503, 131016), later(None)),
        ("131053 upload", _graph(400, 131053), later(None, Scope.MESSAGE)),
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

CASES = (WHATSAPP_CLOUD,)
