"""Filling in a person's templates: each value is escaped for the place where it stands, once, and never read again.

In JSON and XML the placeholders may stand in texts alone, so no text of a customer can add a field or an element. What
a value holds is not looked through for placeholders.
"""

import re
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping
from json import dumps, loads
from typing import Any
from urllib.parse import quote, quote_plus, urlsplit
from uuid import NAMESPACE_URL, uuid5
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import phonenumbers

from portal.channels.alphabet import is_gsm7, ucs2
from portal.channels.base import Account, Outgoing
from portal.channels.callbacks import KEY, status_url
from portal.channels.generic_http.documents import Unreadable, xml
from portal.channels.generic_http.fields import FORM, JSON, PLAIN
from portal.channels.outgoing import with_links

SECRETS = frozenset({"api_key", "username", "password", "basic"})
OURS = frozenset({"from", "from_no_plus", "channel", "session_status", "uuid", KEY, "callback"})
RECIPIENT = frozenset({"to", "to_no_plus", "to_national"})
TEXT = frozenset({"text", "hex", "unicode"})
# A list there; no SMS has any, and the placeholder may stand by itself in JSON.
REPLIES = "quick_replies"
SENDING = SECRETS | OURS | RECIPIENT | TEXT | {REPLIES}
ASKING = SECRETS | {"from", "id", KEY}
# A text of dots is a step upwards in a path; neither do texts belong into headers.
IN_PATHS = SENDING - {"text", "callback"}
IN_HEADERS = SENDING - TEXT - {"callback"}
_PLACEHOLDER = re.compile(r"\{\{\s*([^{}]{0,40}?)\s*\}\}")
# What XML 1.0 cannot hold, in any spelling.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_QUOTES = {'"': "&quot;", "'": "&apos;"}
Escape = Callable[[str], str]


class Faulty(ValueError):
    """A template that cannot be used; its text is a sentence for whoever wrote it."""


def values(account: Account, part: Outgoing) -> dict[str, str]:
    """What the placeholders of a call that sends stand for."""
    text = with_links(part)
    return secrets(account.credentials) | {
        "from": account.credentials.get("from", ""),
        "from_no_plus": account.credentials.get("from", "").removeprefix("+"),
        # What courier told its gateways besides: the channel's uuid, which is the sender's key, and what no SMS has.
        "channel": account.webhook_url.rpartition("/")[2],
        "session_status": "",
        REPLIES: "",
        "to": part.to,
        "to_no_plus": part.to.removeprefix("+"),
        "to_national": national(part.to),
        "text": text,
        "hex": ucs2(text).hex(),
        "unicode": "0" if is_gsm7(text) else "1",
        "uuid": str(uuid5(NAMESPACE_URL, part.idempotency_key)),
        KEY: part.idempotency_key.replace(":", "_"),
        "callback": status_url(account, part),
    }


def secrets(credentials: Mapping[str, str]) -> dict[str, str]:
    """What a template need not hold itself."""
    pair = f"{credentials.get('username', '')}:{credentials.get('password', '')}"
    return {name: credentials.get(name, "") for name in ("api_key", "username", "password", "from")} | {
        "basic": b64encode(pair.encode()).decode()
    }


def national(number: str) -> str:
    """The number as it is dialled in its own country, digits alone: +639171234567 is 09171234567."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return number.removeprefix("+")
    written = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.NATIONAL)
    return "".join(each for each in written if each.isdigit())


def address(template: str, known: Mapping[str, str], allowed: frozenset[str] = SENDING) -> str:
    """An address; the host holds no placeholder. Raises `Faulty`."""
    parts = urlsplit(template) if "://" in template.partition("?")[0] else None
    head, mark, query = template.partition("?")
    if "{{" in (f"{parts.scheme}{parts.netloc}" if parts else ""):
        raise Faulty("The host of an address must be written out: placeholders may follow it.")
    return (
        filled(head, known, _quoted, allowed & IN_PATHS | {"id"} & allowed)
        + mark
        + filled(query, known, _quoted, allowed)
    )


def headers(template: str, known: Mapping[str, str], allowed: frozenset[str] = IN_HEADERS) -> dict[str, str]:
    """Headers, one a line. Raises `Faulty`; a value with a control character never gets here (`portal.http`)."""
    found = {}
    for line in filter(None, (each.strip() for each in re.split(r"\n|\|\|", template))):
        name, colon, value = line.partition(":")
        if not colon or not re.fullmatch(r"[A-Za-z0-9-]{1,60}", name.strip()):
            raise Faulty("A header is written “Name: value”, one a line.")
        if name.strip().lower() in ("host", "content-length", "transfer-encoding", "connection", "content-type"):
            raise Faulty(f"The header {name.strip()} is set by itself: leave it out.")
        found[name.strip()] = filled(value.strip(), known, _one_line, allowed)
    return found


def body(template: str, content_type: str, known: Mapping[str, str]) -> str:
    """A body of that type. Raises `Faulty`."""
    if content_type == JSON:
        return _json(template, known)
    if content_type == PLAIN:
        return filled(template, known, str, SENDING)
    if content_type == FORM:
        return filled(template, known, _form, SENDING)
    _check_xml(template)
    return filled(template, known, _xml, SENDING)


def filled(template: str, known: Mapping[str, str], escaped: Escape, allowed: frozenset[str]) -> str:
    """Each placeholder once. Raises `Faulty` for one that may not stand here, or that nobody knows."""

    def value(match: re.Match[str]) -> str:
        if match[1] not in allowed:
            raise Faulty(f"The placeholder {{{{{match[1]}}}}} cannot be used there, or does not exist.")
        return escaped(known[match[1]])

    return _PLACEHOLDER.sub(value, template)


def named(*templates: str) -> set[str]:
    """The placeholders in them."""
    return {name for each in templates for name in _PLACEHOLDER.findall(each)}


def _quoted(value: str) -> str:
    return quote(value, safe="", errors="replace")


def _form(value: str) -> str:
    return quote_plus(value, errors="replace")


def _one_line(value: str) -> str:
    if not value.isprintable():
        raise Faulty("What stands in a header must be one line.")
    return value


def _xml(value: str) -> str:
    return escape(_NOT_XML.sub("", value), _QUOTES)


def _json(template: str, known: Mapping[str, str]) -> str:
    try:
        found = loads(template)
    except (ValueError, RecursionError):
        raise Faulty("The body is no JSON: placeholders stand inside of quotes, like “{{to}}”.") from None
    return dumps(_leaves(found, known))


def _leaves(found: Any, known: Mapping[str, str]) -> Any:
    if isinstance(found, str):
        if _PLACEHOLDER.fullmatch(found.strip()) and named(found) == {REPLIES}:
            return []
        return filled(found, known, str, SENDING)
    if isinstance(found, list):
        return [_leaves(each, known) for each in found]
    if isinstance(found, dict):
        return {name: _leaves(each, known) for name, each in found.items()}
    return found


def _check_xml(template: str) -> None:
    try:
        root = xml(template.encode())
    except Unreadable:
        raise Faulty("The body is no XML, or has a document type: correct it.") from None
    if "<![CDATA[" in template:
        raise Faulty("The body must not have CDATA: what is put in is escaped.")
    written = sum(len(_PLACEHOLDER.findall(each)) for each in _texts(root))
    if written != len(_PLACEHOLDER.findall(template)):
        raise Faulty("Placeholders in XML stand in texts and in attributes alone.")


def _texts(root: Element) -> Iterator[str]:
    for each in root.iter():
        yield from filter(None, (each.text, each.tail, *each.attrib.values()))
