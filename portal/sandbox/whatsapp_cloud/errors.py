"""Graph's errors: codes, titles and HTTP statuses. The statuses are not documented for every code: branch on the code.

Codes and titles are those of Meta's table of Cloud API errors.
"""

from collections.abc import Mapping
from typing import Any

Body = dict[str, Any]

# Code: HTTP status, title.
CATALOGUE: Mapping[int, tuple[int, str]] = {
    2: (503, "Service temporarily unavailable"),
    3: (500, "Application does not have the capability to make this API call"),
    4: (400, "Application request limit reached"),
    10: (403, "Application does not have permission for this action"),
    33: (400, "Unsupported request"),
    100: (400, "Invalid parameter"),
    190: (401, "Invalid OAuth access token"),
    200: (403, "You do not have the necessary permissions required to send messages"),
    368: (403, "Temporarily blocked for policies violations"),
    2500: (400, "Unknown path components"),
    80007: (400, "Rate limit issues"),
    130429: (429, "Rate limit hit"),
    130472: (400, "User's number is part of an experiment"),
    131000: (500, "Something went wrong"),
    131005: (403, "Access denied"),
    131008: (400, "Required parameter is missing"),
    131009: (400, "Parameter value is not valid"),
    131016: (503, "Service unavailable"),
    131021: (400, "Recipient cannot be sender"),
    131026: (400, "Message undeliverable"),
    131030: (400, "Recipient phone number not in allowed list"),
    131031: (403, "Business Account locked"),
    131042: (400, "Business eligibility payment issue"),
    131045: (500, "Incorrect certificate"),
    131047: (400, "Re-engagement message"),
    131048: (400, "Spam rate limit hit"),
    131049: (400, "This message was not delivered to maintain healthy ecosystem engagement"),
    131050: (400, "User has stopped receipt of marketing messages from this business"),
    131051: (400, "Unsupported message type"),
    131052: (400, "Media download error"),
    131053: (400, "Media upload error"),
    131056: (400, "(Business Account, Consumer Account) pair rate limit hit"),
    131057: (500, "Account in maintenance mode"),
    131062: (400, "Authentication templates cannot be sent to a business-scoped user id"),
    131064: (400, "Messaging limited by policy violations"),
    132000: (400, "Template Param Count Mismatch"),
    132001: (404, "Template does not exist"),
    132005: (400, "Template Hydrated Text Too Long"),
    132007: (400, "Template Format Character Policy Violated"),
    132012: (400, "Template Parameter Format Mismatch"),
    132015: (400, "Template is Paused"),
    132016: (400, "Template is Disabled"),
    133016: (400, "Account register deregister rate limit exceeded"),
    137000: (400, "User identity has changed"),
}
# What a refusal by the fault panel stands for.
BY_STATUS = {400: 100, 401: 190, 403: 10, 404: 132001, 429: 130429, 500: 131000, 502: 2, 503: 131016}
DETAILS = {
    131047: "Message failed to send because more than 24 hours have passed since the customer last replied.",
    131049: "In order to maintain a healthy ecosystem engagement, the message failed to be delivered.",
    131050: "The user has chosen to stop receiving marketing messages on WhatsApp from your business.",
    131053: "Downloading media from weblink failed.",
}


class GraphError(Exception):
    """A call that Graph refuses. `details` is the developers' sentence, `subcode` tells cases of one code apart."""

    def __init__(self, code: int, details: str = "", *, subcode: int = 0, message: str = "") -> None:
        super().__init__(details)
        self.code, self.details, self.subcode, self.message = code, details, subcode, message

    @property
    def status(self) -> int:
        """The HTTP status it is answered with."""
        return CATALOGUE.get(self.code, (400, ""))[0]


def answered(error: GraphError, trace: str) -> Body:
    """The error as the body of an answer."""
    title = CATALOGUE.get(error.code, (400, "Unknown error"))[1]
    words = error.message or (title if error.code in (2, 190) else f"(#{error.code}) {title}")
    kind = "GraphMethodException" if error.subcode == 33 else "OAuthException"
    told: Body = {"message": words, "type": kind, "code": error.code}
    if error.details:
        told["error_data"] = {"messaging_product": "whatsapp", "details": error.details}
    if error.subcode:
        told["error_subcode"] = error.subcode
    return {"error": told | {"fbtrace_id": trace}}


def posted(code: int) -> Body:
    """The error as a status or a value of a webhook tells it."""
    title = CATALOGUE.get(code, (400, "Unknown error"))[1]
    told: Body = {"code": code, "title": title, "message": title}
    return told | ({"error_data": {"details": DETAILS[code]}} if code in DETAILS else {})
