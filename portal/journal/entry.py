"""One webhook request on its way to disk: the same value in the journal's table and in the spool."""

import base64
import json
import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from portal.models.base import new_uuid

# All headers of a request that nobody could judge when it came, sealed: they may hold what proves the caller.
SEALED = "sealed"
KEPT_HEADERS = (
    "content-type",
    "user-agent",
    "x-ghl-signature",
    "x-wh-signature",
    "x-hub-signature-256",
    "x-twilio-signature",
    "x-request-id",
    "x-forwarded-for",
)


# As providers that cannot sign show in the address who they are.
_SECRET = re.compile(
    r"(?i)(?<![^&;])((?:(?:access_|auth_)?token|(?:api_|app_)?secret|api[_-]?key|pass(?:word|phrase)?)=)[^&;]*"
)


def without_secrets(query: str) -> str:
    """The query of a request that was judged: what proved its caller is not kept in the clear."""
    return _SECRET.sub(r"\1[redacted]", query)


@dataclass(frozen=True, slots=True)
class Entry:
    """A raw request. `received_ns` (nanoseconds since 1970) orders entries of different processes of one machine."""

    source: str
    lane: str
    body: bytes
    verified: bool = True
    action: str = ""
    sender_key: str = ""
    dedupe_key: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    query: str = ""
    uuid: str = field(default_factory=new_uuid)
    received_ns: int = field(default_factory=time.time_ns)

    @property
    def received_at(self) -> datetime:
        """When the request came in."""
        return datetime.fromtimestamp(self.received_ns / 1e9, UTC)

    def row(self, state: str, note: str = "") -> dict[str, Any]:
        """The event's columns. PostgreSQL refuses NUL in text, so it is replaced; the body is kept byte for byte."""
        return {
            "uuid": self.uuid,
            "source": self.source,
            "action": _clean(self.action, 32),
            "sender_key": _clean(self.sender_key, 64),
            "dedupe_key": _clean(self.dedupe_key, 400) if self.dedupe_key else None,
            "lane": _clean(self.lane, 240),
            "received_at": self.received_at,
            "verified": self.verified,
            "headers": {name: _clean(value) for name, value in self.headers.items()},
            "query": _clean(self.query),
            "body": self.body,
            "state": state,
            "note": note,
        }

    def dump(self) -> bytes:
        """The entry as bytes for the spool."""
        fields = {name: getattr(self, name) for name in self.__slots__ if name != "body"}
        fields["headers"] = dict(self.headers)
        fields["body"] = base64.b64encode(self.body).decode()
        return json.dumps(fields, separators=(",", ":")).encode("utf-8", "surrogatepass")

    @classmethod
    def read(cls, dumped: bytes) -> "Entry | None":
        """The entry of `dump`; None for what is none, or has fields that this version does not know."""
        try:
            fields = json.loads(dumped.decode("utf-8", "surrogatepass"))
            return cls(**{**fields, "body": base64.b64decode(fields["body"])})
        except (ValueError, TypeError, LookupError):
            return None


def _clean(text: str, longest: int | None = None) -> str:
    return text.replace("\x00", "\ufffd").encode("utf-8", "replace").decode()[:longest]
