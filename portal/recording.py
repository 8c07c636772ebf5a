"""What one attempt said and heard over HTTP, kept without secrets: the evidence that a person reads later.

Of headers nothing is kept, because secrets stand there. In addresses and bodies the sender's own credentials are
replaced wherever they stand, as they are or as an address writes them, and then whatever looks like a secret, also
inside of an address that is a value of another.
"""

import re
import threading
from base64 import b64encode
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import dumps
from typing import Any
from urllib.parse import quote, quote_plus, unquote

from portal.logs import redact

# Characters of one body, and calls of one attempt (a file is handed over before its message).
LONGEST, MOST = 2000, 4
SHORTEST_SECRET = 4
# What a credential's form asks for that anybody may know: it stands on every message.
PUBLIC = frozenset({"sender_id", "sender_name", "from", "shortcode", "phone_number_id", "content_type", "method"})
HIDDEN = "[redacted]"
# Calls that a person has written down, with secrets among the words: each value that stands in them is taken for one.
WRITTEN = ("send_url", "status_url", "body")
_VALUE = re.compile(
    r"[\w.\[\]-]+=[^&\s{}\"'<>]{3,}"  # a form, an address
    r"|\"[^\"{}]+\"\s*:\s*(?:\"[^\"{}]{3,}\"?|\d{3,})"  # JSON
    r"|<[\w:.-]+>[^<{}]{3,}|[\w:.-]+\s*=\s*[\"'][^\"'{}]{3,}"  # XML
    r"|/[\w.~-]{16,}"  # a place in a path
)
_INNER = re.compile(r"https?%3A%2F%2F[^&\s\"'<>]+", re.I)
_local = threading.local()


@dataclass(slots=True)
class Heard:
    """The calls of one attempt, in their order."""

    secrets: Collection[str] = ()
    requests: list[str] = field(default_factory=list)
    responses: list[str] = field(default_factory=list)

    @property
    def request(self) -> str | None:
        """What was said; None when nothing was."""
        return "\n\n".join(self.requests) or None

    @property
    def response(self) -> str | None:
        """What was answered; None when nothing was asked."""
        return "\n\n".join(self.responses) or None

    def note(self, method: str, address: str, body: Any, status: int | None, answer: bytes | str) -> None:
        """Adds a call. `status` is None where no whole answer came; `answer` then says why."""
        if len(self.requests) == MOST:
            return
        said = "(a file)" if body is not None and not isinstance(body, bytes) else _text(body or b"")
        self.requests.append(self._clean(f"{method} {address}\n{said}".rstrip()))
        told = answer if isinstance(answer, str) else _text(answer)
        self.responses.append(self._clean(f"{status or 'no answer'}\n{told}".rstrip()))

    def _clean(self, text: str) -> str:
        for secret in self.secrets:
            text = text.replace(secret, HIDDEN)
        shown = redact(_INNER.sub(lambda inner: redact(unquote(inner[0])), text)).replace("\x00", "\ufffd")
        return shown if len(shown) <= LONGEST else f"{shown[:LONGEST]} […]"


def secrets_of(credentials: Mapping[str, str], more: Collection[str] = ()) -> list[str]:
    """What must not be shown of a sender's credentials, the longest first, also as addresses and JSON write it.

    `more`: what else lets somebody in, like the sender's own key in the address of its webhooks.
    """
    values = {value for name, value in credentials.items() if name not in PUBLIC and len(value) >= SHORTEST_SECRET}
    texts = {value for value in more if len(value) >= SHORTEST_SECRET}
    if credentials.get("password"):
        pair = f"{credentials.get('username', '')}:{credentials['password']}"
        values.add(b64encode(pair.encode()).decode())  # as the header Authorization has it, wherever it was put
    forms = {form for value in values | texts for form in _forms(value)}
    forms |= {form for value in texts for form in _wide(value)}
    forms |= {form for name in WRITTEN for form in _within(credentials.get(name, ""))}
    return sorted(forms, key=len, reverse=True)


def _forms(value: str) -> Iterator[str]:
    yield from (value, quote(value, safe=""), quote_plus(value))
    yield from (dumps(value, ensure_ascii=plain)[1:-1] for plain in (True, False))


def _wide(value: str) -> Iterator[str]:
    """As a text that is no GSM-7 goes out: UCS-2, in an address or in hexadecimal digits."""
    wide = value.encode("utf-16-be", "replace")
    yield from (quote(wide, safe=""), wide.hex(), wide.hex().upper())


def _within(template: str) -> Iterator[str]:
    for found in _VALUE.findall(template):
        yield found
        # JSON is written anew, with spaces of its own.
        yield re.sub(r'"\s*:\s*', '": ', found, count=1)
        yield re.sub(r'"\s*:\s*', '":', found, count=1)


@contextmanager
def calls(credentials: Mapping[str, str], more: Collection[str] = ()) -> Iterator[Heard]:
    """Listens to this thread's calls inside the block."""
    heard = _local.heard = Heard(secrets_of(credentials, more))
    try:
        yield heard
    finally:
        _local.heard = None


def note(method: str, address: str, body: Any, status: int | None, answer: bytes | str) -> None:
    """A call was made; kept when somebody listens."""
    heard: Heard | None = getattr(_local, "heard", None)
    if heard is not None:
        heard.note(method, address, body, status, answer)


def _text(raw: bytes) -> str:
    # Twice as much as is shown, so that a secret that the cut would halve is still known by its whole.
    return raw[: 2 * LONGEST].decode("utf-8", "backslashreplace")
