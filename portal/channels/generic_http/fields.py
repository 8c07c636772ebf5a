"""What a sender at any HTTP gateway is set up with."""

from portal.channels.base import CredentialField
from portal.channels.setup import Guide

FORM, JSON, XML, PLAIN = "application/x-www-form-urlencoded", "application/json", "text/xml", "text/plain"
POST, GET, PUT = "POST", "GET", "PUT"
# Stands for any answer of the class 2xx.
ANY = "*"
_PATH = "A name, or a path like result.messages[0].id (JSON) or response/message/@id (XML)."
_ADDRESS = r"(?:https?:/)?/[^\s#]{1,2000}"


def _optional(name: str, label: str, help_: str, *, secret: bool = False, pattern: str = "") -> CredentialField:
    return CredentialField(name, label, secret=secret, required=False, help=help_, pattern=pattern)


FIELDS: tuple[CredentialField, ...] = (
    CredentialField(
        "send_url",
        "Address that sends",
        secret=True,
        help="https://…, or /path below the API address; placeholders like {{to}} after the host.",
        pattern=_ADDRESS,
    ),
    CredentialField("method", "Method", required=False, help="POST when left out.", choices=(POST, GET, PUT)),
    CredentialField(
        "content_type",
        "Type of the body",
        required=False,
        help="What is put into the body is escaped for it.",
        choices=(FORM, JSON, XML, "application/xml", PLAIN),
    ),
    _optional("body", "Body", "With placeholders: {{to}} {{text}} {{from}} {{callback}} …", secret=True),
    _optional("headers", "Headers", "Name: value, one a line, or separated by ||.", secret=True),
    _optional(
        "from",
        "From",
        "What {{from}} stands for: the number or name that customers see.",
        pattern=r"[^\x00-\x1f]{1,40}",
    ),
    _optional("api_key", "API key", "What {{api_key}} stands for.", secret=True),
    _optional("username", "User name", "What {{username}} stands for; {{basic}} is both for the header Authorization."),
    _optional("password", "Password", "What {{password}} stands for.", secret=True),
    _optional("success_text", "Success: the answer contains", f"A text of the answer, or {ANY} for any 2xx answer."),
    _optional("success_at", "Success: a place has a value", "PATH=VALUE, like status=ok or messages[0].status=0."),
    _optional("id_at", "The message's id in the answer", f"{_PATH} Or after:ID= for the word behind “ID=”."),
    _optional("errors", "Refusals", "WORD=invalid|config|stop|slow|later|opted_out, separated by ;."),
    _optional("max_length", "Longest text", "Characters that the gateway takes.", pattern=r"[1-9][0-9]{0,5}"),
    _optional(
        "status_url", "Address for the status", "With {{id}} or {{key}}; asked by GET.", secret=True, pattern=_ADDRESS
    ),
    _optional("status_at", "The status in its answer", _PATH),
    _optional("status_words", "Status words", "WORD=delivered|sent|accepted|read|failed|rejected|…, separated by ;."),
    _optional("report_items", "Reports: the list", f"Where several come at once. {_PATH}"),
    _optional("report_id", "Reports: the id", f"id when left out. {_PATH}"),
    _optional("report_reference", "Reports: our key", f"Where the gateway gives {{{{key}}}} back. {_PATH}"),
    _optional("report_status", "Reports: the status", f"status when left out. {_PATH}"),
    _optional("report_error", "Reports: the error code", f"error when left out. {_PATH}"),
    _optional("inbound_items", "Texts: the list", f"Where several come at once. {_PATH}"),
    _optional("inbound_from", "Texts: the customer", f"from when left out. {_PATH}"),
    _optional("inbound_to", "Texts: the number", f"to when left out. {_PATH}"),
    _optional("inbound_text", "Texts: the text", f"text when left out. {_PATH}"),
    _optional("inbound_id", "Texts: the id", f"id when left out. {_PATH}"),
    _optional("webhook_secret", "Secret of its calls", "What the gateway has to show when it calls.", secret=True),
    _optional(
        "webhook_place",
        "Where it shows it",
        "header:NAME, or query:token, query:secret, query:api_key, query:password.",
        pattern=r"header:[A-Za-z0-9-]{1,60}|query:(?:token|secret|api_key|password)",
    ),
    _optional(
        "probe_url", "Address that tests", "Asked by GET, with the headers: 2xx is good.", secret=True, pattern=_ADDRESS
    ),
)

GUIDE = Guide(
    summary="Any SMS provider with an HTTP interface: you describe its calls.",
    steps=("Have the provider's page on its HTTP interface at hand: address, fields, and what it answers.",),
    after="Enter this address at the provider for texts that come in; for delivery reports the same ending in /status.",
    shown=(
        *("method", "content_type", "body", "headers", "from"),
        *("api_key", "username", "password", "success_text", "success_at", "id_at"),
    ),
    lines=("body", "headers"),
)
