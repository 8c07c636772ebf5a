"""A sender's settings as they are used, and what is wrong with them."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from urllib.parse import urlsplit

from portal.channels.base import Account, Outgoing
from portal.channels.generic_http import templates
from portal.channels.generic_http.codes import REFUSALS, STATUSES, table
from portal.channels.generic_http.documents import AFTER, is_path
from portal.channels.generic_http.fields import ANY, FORM, GET, POST
from portal.channels.generic_http.templates import Faulty

PATHS = (
    *("status_at", "report_items", "report_id", "report_reference", "report_status", "report_error"),
    *("inbound_items", "inbound_from", "inbound_to", "inbound_text", "inbound_id"),
)
_TRIAL = Outgoing("+639170000000", "x", "trial:1")


def method(known: Mapping[str, str]) -> str:
    """The method of the call that sends."""
    return known.get("method") or POST


def content_type(known: Mapping[str, str]) -> str:
    """The type of its body."""
    return known.get("content_type") or FORM


def success_at(known: Mapping[str, str]) -> tuple[str, str]:
    """The place and the value that it has after a success, both "" where none is set."""
    path, _, value = known.get("success_at", "").partition("=")
    return path.strip(), value.strip()


def place(account: Account, filled: str) -> tuple[str, Account]:
    """A filled address as it is called, and the account with the right to private addresses that it has there.

    That right belongs to the API address, which the operator has entered: an address of the template, which a tenant
    may change, has it at the same host and port alone. Raises `Faulty`.
    """
    if filled.startswith("/"):
        if not account.api_url:
            raise Faulty("An address that begins with / needs the API address before it: enter it.")
        return account.api_url.rstrip("/") + filled, account
    if account.api_url and _origin(filled) != _origin(account.api_url):
        return filled, replace(account, private_hosts=False)
    return filled, account


def problem(account: Account) -> str:
    """The first thing that is wrong with the settings, in a sentence; "" when they fit together."""
    try:
        for each in _problems(account):
            return each
    except Faulty as error:
        return str(error)
    return ""


def _problems(account: Account) -> Iterator[str]:
    known = account.credentials
    trial = templates.values(account, _TRIAL)
    place(account, templates.address(known.get("send_url", ""), trial))
    templates.headers(known.get("headers", ""), trial)
    if known.get("body"):
        templates.body(known["body"], content_type(known), trial)
        if method(known) == GET:
            yield "A GET carries no body: put the placeholders into the address."
    used = templates.named(known.get("send_url", ""), known.get("body", ""))
    if not used & templates.RECIPIENT or not used & {"text", "hex"}:
        yield "The address or the body needs a placeholder for the number, like {{to}}, and one for the text."
    if not any(known.get(name) for name in ("success_text", "success_at", "id_at")):
        yield f"Say how a success is told: a text of the answer, a place with its value, or {ANY} for any 2xx answer."
    if known.get("success_at") and not all((is_path(success_at(known)[0]), "=" in known["success_at"])):
        yield "Success is PATH=VALUE, like status=ok."
    yield from _bad_paths(known)
    table(known.get("errors", ""), REFUSALS)
    table(known.get("status_words", ""), STATUSES)
    asked = templates.secrets(known) | {"id": "1", "key": "1"}
    if known.get("status_url"):
        place(account, templates.address(known["status_url"], asked, templates.ASKING))
        if not templates.named(known["status_url"]) & {"id", "key"}:
            yield "The address for the status needs {{id}} or {{key}}."
    if known.get("probe_url"):
        place(account, templates.address(known["probe_url"], asked, templates.SECRETS | {"from"}))
    if bool(known.get("webhook_secret")) != bool(known.get("webhook_place")):
        yield "The secret of its calls needs a place, and the place a secret."


def _bad_paths(known: Mapping[str, str]) -> Iterator[str]:
    for name in PATHS:
        if known.get(name) and not is_path(known[name]):
            yield f"{name} is no path: a name, or names like result.messages[0].id or response/message/@id."
    found = known.get("id_at", "")
    if found and not found.startswith(AFTER) and not is_path(found):
        yield "id_at is no path, nor after: and the text before the id."


def _origin(url: str) -> tuple[str, str]:
    parts = urlsplit(url)
    return parts.scheme.lower(), parts.netloc.lower()
