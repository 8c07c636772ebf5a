"""Toy: how it answers, and what it posts."""

import hashlib
import hmac
from dataclasses import replace

from portal.channels.base import Inbound, Outcome, Receipt, Scope, WebhookRequest
from tests.contract.cases import OURS, SENDERS, Case, Expected, Heard, posted
from tests.contract.standin import answer

FORM = "application/x-www-form-urlencoded"


def sign(request: WebhookRequest) -> WebhookRequest:
    shown = hmac.new(b"t0ken-t0ken-t0ken", request.body, hashlib.sha256).hexdigest()
    return replace(request, headers={**request.headers, "x-toy-signature": shown})


TOY = Case(
    kind="toy",
    credentials={"token": "t0ken-t0ken-t0ken"},
    secrets=("t0ken-t0ken-t0ken",),
    accepts=answer(200, {"id": "TOY1"}),
    external_id="TOY1",
    refusals=[
        ("401", answer(401, {"error": "bad_token"}), SENDERS),
        ("422", answer(422, {"error": "bad_number"}), OURS),
        ("500", answer(500, body=b"<html>"), Expected(Scope.SENDER, retry=False, unknown=True)),
    ],
    heard=[
        Heard("delivered", posted("status", "id=TOY1&status=delivered", FORM), [Receipt("TOY1", Outcome.DELIVERED)]),
        Heard(
            "a text",
            posted("receive", "id=IN1&from=%2B639171234567&text=Hi", FORM),
            [Inbound("+639171234567", "Hi", "IN1")],
        ),
    ],
    broken=[posted("status", "id=TOY1", FORM), posted("receive", "", FORM)],
    sign=sign,
)

CASES = (TOY,)
