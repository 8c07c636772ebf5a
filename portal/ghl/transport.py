"""One request to HighLevel's API: the version pinned, the rate limit noticed, every failure a `GhlError`."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import msgspec

from portal.ghl.errors import GhlError, Kind, classify
from portal.ghl.fields import number
from portal.http import HttpClient, NotSent, OutcomeUnknown, Response

CONVERSATIONS = "2021-04-15"
"""The date version of every Conversations operation."""

RESOURCES = "2021-07-28"
"""The date version of contacts, locations and OAuth."""

DEADLINE = 25.0
"""Seconds that a call may take in all."""

SECRET_FIELDS = ("client_secret", "code", "refresh_token")


@dataclass(frozen=True, slots=True)
class RateLimit:
    """What is left of a location's allowance, as an answer's headers tell. None where they are silent."""

    remaining: int | None
    interval_ms: int | None
    daily_remaining: int | None


@dataclass(frozen=True, slots=True)
class Upload:
    """A form with one file (RFC 7578). `name` is plain: letters, digits, dot and dash."""

    fields: Mapping[str, str]
    field: str
    name: str
    type: str
    content: bytes

    def encoded(self, boundary: str) -> bytes:
        """The form as a request's body."""
        lines = []
        for name, value in self.fields.items():
            lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{name}"', "", value]
        lines += [f"--{boundary}", f'Content-Disposition: form-data; name="{self.field}"; filename="{self.name}"']
        lines += [f"Content-Type: {self.type}", "", ""]
        return "\r\n".join(lines).encode() + self.content + f"\r\n--{boundary}--\r\n".encode()


OnRateLimit = Callable[[RateLimit], None]


class Transport:
    """Speaks to one API address. Never repeats a request: the caller decides."""

    def __init__(self, http: HttpClient, base_url: str, on_rate_limit: OnRateLimit | None = None) -> None:
        self._http = http
        self._base_url = base_url.rstrip("/")
        self._on_rate_limit = on_rate_limit

    def call(
        self,
        method: str,
        path: str,
        *,
        version: str,
        token: str = "",
        params: Mapping[str, str] | None = None,
        json: Mapping[str, Any] | None = None,
        form: Mapping[str, str] | None = None,
        upload: Upload | None = None,
        deadline: float = DEADLINE,
    ) -> Mapping[str, Any]:
        """The JSON object of a 2xx answer, {} for an empty one. `deadline` is in seconds. Raises `GhlError`."""
        headers = {"Version": version, "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        data: Any = form
        if upload is not None:
            boundary = uuid4().hex
            headers["Content-Type"] = f"multipart/form-data; boundary={boundary}"
            data = upload.encoded(boundary)
        response = self._request(method, path, headers=headers, params=params, json=json, data=data, deadline=deadline)
        self._notice(response.headers)
        if not 200 <= response.status < 300:
            raise classify(response, [token, *((form or {}).get(name, "") for name in SECRET_FIELDS)])
        return _object(response)

    def _request(self, method: str, path: str, **parts: Any) -> Response:
        # The address is the operator's own setting, so it may be a private one.
        try:
            return self._http.request(method, self._base_url + path, private_hosts=True, **parts)
        except NotSent as error:
            raise GhlError(Kind.NOT_SENT, hint=error.message) from None
        except OutcomeUnknown as error:
            raise GhlError(Kind.UNKNOWN, hint=error.message) from None

    def _notice(self, headers: Mapping[str, str]) -> None:
        limit = rate_limit(headers)
        if self._on_rate_limit and limit:
            self._on_rate_limit(limit)


def rate_limit(headers: Mapping[str, str]) -> RateLimit | None:
    """The rate limit that an answer's lower-case headers tell, None when they tell nothing."""
    remaining = number(headers.get("x-ratelimit-remaining"))
    daily = number(headers.get("x-ratelimit-daily-remaining"))
    if remaining is None and daily is None:
        return None
    return RateLimit(remaining, number(headers.get("x-ratelimit-interval-milliseconds")), daily)


def segment(identifier: str) -> str:
    """An id as one segment of a path. A dot segment would address something else, so it is refused here."""
    if not identifier.strip("."):
        raise GhlError(Kind.INVALID, hint="The request names no id.")
    return quote(identifier, safe="")


def _object(response: Response) -> Mapping[str, Any]:
    if not response.body.strip():
        return {}
    try:
        return _decoder.decode(response.body)
    except (ValueError, RecursionError):
        raise GhlError(Kind.UNKNOWN, status=response.status, hint="Its answer is no JSON object.") from None


_decoder = msgspec.json.Decoder(dict[str, Any])
