"""HTTP to the outside world: a total deadline, guarded addresses, no repetition, and honest outcomes."""

import os
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import cached_property, lru_cache
from http.client import HTTPException
from json import dumps, loads
from math import inf
from socket import gaierror
from ssl import SSLContext, SSLError
from time import monotonic
from typing import Any, BinaryIO
from urllib.parse import urlencode, urlsplit

from requests import RequestException
from requests.utils import DEFAULT_CA_BUNDLE_PATH
from urllib3 import BaseHTTPResponse
from urllib3.exceptions import HTTPError

from portal import recording
from portal.clock import now
from portal.connections import Adapter, Origin, Prepared, Unreached
from portal.errors import PortalError
from portal.sockets import AddressNotAllowed, call, tls_context

MAX_BODY = 5 * 1024 * 1024
LONGEST = 25.0
PIECE = 64 * 1024
DAY = 86400.0

# After IDNA: letters and digits in labels, or an address, of IPv6 too (without a zone: that is link-local).
_HOST = re.compile(r"[0-9A-Za-z._-]+|[0-9A-Fa-f:.]+")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_VALUE = re.compile(r"[\t\x20-\x7e\x80-\xff]*")


class NotSent(PortalError):
    """Nothing of the request reached the server: it may be repeated without harm."""

    http_status = 502


class AddressRefused(NotSent):
    """The address is private, loopback, link-local or reserved, or is no HTTP address at all."""


class OutcomeUnknown(PortalError):
    """The request may have reached the server, and no whole answer came back."""

    http_status = 504


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer. Header names are lower-case."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)

    def json(self) -> Any:
        """The body as JSON. Raises `ValueError` when it is none."""
        try:
            return loads(self.body)
        except RecursionError:
            raise ValueError("JSON nested too deeply") from None

    def retry_after(self) -> float | None:
        """Seconds to wait by Retry-After, a number or an HTTP date, at most a day. None when absent or junk."""
        text = self.headers.get("retry-after", "").strip()
        if text.isascii() and text.replace(".", "", 1).isdigit():
            return min(float(text), DAY)
        try:
            seconds = (parsedate_to_datetime(text) - now()).total_seconds()
        except (ValueError, TypeError, OverflowError):
            return None
        return min(max(seconds, 0.0), DAY)


class Stream:
    """An answer whose body is read piece by piece, by any thread, until the call's deadline. Names are lower-case."""

    def __init__(self, answer: BaseHTTPResponse, host: str, ends: float, private_hosts: bool) -> None:
        self.status = answer.status
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in answer.headers.items()}
        self.whole = False
        self._answer = answer
        self._host = host
        self._call = ends, private_hosts

    def pieces(self) -> Iterator[bytes]:
        """The body in pieces of at most 64 KiB. Raises `OutcomeUnknown` when it does not come whole and in time."""
        while True:
            piece = self._piece()
            if isinstance(piece, PortalError):
                raise piece
            if not piece:
                self.whole = True
                return
            yield piece

    def close(self) -> None:
        """Ends it; a connection with something left on it is not used again."""
        if self.whole:
            self._answer.release_conn()
        else:
            self._answer.close()

    def _piece(self) -> bytes | OutcomeUnknown:
        call.ends, call.private_hosts = self._call
        try:
            return self._answer.read1(PIECE, decode_content=True)
        except (HTTPError, HTTPException, OSError, ValueError):
            return _outcome_unknown(self._host)


class HttpClient:
    """Calls outside addresses. Safe to share between threads and across a fork; only a name look-up starts a thread."""

    def __init__(
        self, *, max_body: int = MAX_BODY, ca_bundle: str = DEFAULT_CA_BUNDLE_PATH, longest: float = inf
    ) -> None:
        """`longest` is the most seconds that any call may take, whatever its own deadline: a person may be waiting."""
        self.max_body = max_body
        self.longest = longest
        self.ca_bundle = ca_bundle
        self._local = threading.local()

    @cached_property
    def tls(self) -> SSLContext:
        """The one TLS context: reading the bundle takes 20 ms."""
        return tls_context(self.ca_bundle)

    def request(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        params: Mapping[str, str] | None = None,
        json: Any = None,
        data: Mapping[str, str] | bytes | str | BinaryIO | None = None,
        private_hosts: bool = False,
        deadline: float = LONGEST,
    ) -> Response:
        """One call, made once. `deadline` is in seconds, for everything from the look-up to the last byte.

        A file as `data` is sent from where it stands to its end. Redirects are answers like any other. Raises `NotSent`
        and `OutcomeUnknown`, whose text and context hold neither query nor headers.
        """
        request = _prepare(method, url, headers or {}, params, json, data)
        call.start(min(deadline, self.longest), private_hosts)
        outcome = self._exchange(request)
        if isinstance(outcome, Response):
            recording.note(method, _whole(request), request.body, outcome.status, outcome.body)
            return outcome
        recording.note(method, _whole(request), request.body, None, outcome.message)
        raise outcome  # Here, outside the handler: the original error, which names the URL, is not its context.

    def open(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        private_hosts: bool = False,
        deadline: float = LONGEST,
    ) -> Stream:
        """One call like `request`, whose answer is too large for memory: the caller reads it in pieces and closes it.

        The deadline, in seconds, holds for its last byte; its beginning has to come within `LONGEST`.
        """
        request = _prepare(method, url, headers or {}, None, None, None)
        ends = monotonic() + min(deadline, self.longest)
        call.start(min(deadline, self.longest, LONGEST), private_hosts)
        outcome = self._begin(request, ends, private_hosts)
        if isinstance(outcome, Stream):
            return outcome
        raise outcome

    def _begin(self, request: Prepared, ends: float, private_hosts: bool) -> Stream | PortalError:
        try:
            answer: Any = self._adapter().send(request, stream=True)
        except Unreached as error:
            return _not_sent(request.origin.host, error.__cause__)
        except (RequestException, HTTPError, HTTPException, OSError, ValueError):
            return _outcome_unknown(request.origin.host)
        if answer.status < 200:
            answer.close()
            return OutcomeUnknown(f"{request.origin.host} gave an interim answer only.")
        return Stream(answer, request.origin.host, ends, private_hosts)

    def _exchange(self, request: Prepared) -> Response | PortalError:
        try:
            answer: Any = self._adapter().send(request, stream=True)
            return self._read(answer, request.origin.host)
        except Unreached as error:
            return _not_sent(request.origin.host, error.__cause__)
        except (RequestException, HTTPError, HTTPException, OSError, ValueError):
            return _outcome_unknown(request.origin.host)

    def _adapter(self) -> Adapter:
        adapter: Adapter | None = getattr(self._local, "adapter", None)
        if adapter is None or adapter.process != os.getpid():
            # A forked child must not speak on its parent's connections.
            adapter = self._local.adapter = Adapter(lambda: self.tls)
        return adapter

    def _read(self, answer: BaseHTTPResponse, host: str) -> Response | OutcomeUnknown:
        if answer.status < 200:
            # The real answer follows and would be taken for the answer to the next call on this connection.
            answer.close()
            return OutcomeUnknown(f"{host} gave an interim answer only.")
        body = answer.read(self.max_body + 1, decode_content=True)
        if len(body) > self.max_body:
            answer.close()
            return OutcomeUnknown(f"{host} answered with more than {self.max_body} bytes.")
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return Response(answer.status, headers, body)


def _prepare(
    method: str, url: str, headers: Mapping[str, str], params: Mapping[str, str] | None, json: Any, data: Any
) -> Prepared:
    request = Prepared()
    request.method = method
    request.url = url
    request.origin, request.target = _split(url)
    if params:
        request.target += ("&" if "?" in request.target else "?") + urlencode(params, errors="replace")
    content_type = ""
    if json is not None:
        data, content_type = dumps(json), "application/json"
    elif isinstance(data, Mapping):
        data, content_type = urlencode(data, errors="replace"), "application/x-www-form-urlencoded"
    request.body = data.encode("utf-8", "replace") if isinstance(data, str) else data
    request.headers = _headers(headers, content_type, _length(request.body))  # type: ignore[assignment]
    return request


def _whole(request: Prepared) -> str:
    """The address with its query."""
    return f"{request.origin.scheme}://{request.origin.host}{request.target}"


def _length(body: Any) -> int | None:
    if body is None or isinstance(body, bytes):
        return None if body is None else len(body)
    return os.fstat(body.fileno()).st_size - int(body.tell())


def _headers(given: Mapping[str, str], content_type: str, length: int | None) -> dict[str, str]:
    for name, value in given.items():
        if not _HEADER_NAME.fullmatch(name) or not _HEADER_VALUE.fullmatch(value):
            raise NotSent(f"The header {name[:40]!r} holds a character that HTTP does not allow there: correct it.")
    headers = {"User-Agent": "Sendero", **given}
    if content_type and "content-type" not in map(str.lower, given):
        headers["Content-Type"] = content_type
    if length is not None:
        headers["Content-Length"] = str(length)
    return headers


def _split(url: str) -> tuple[Origin, str]:
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    target = parts.path or "/"
    return _origin(parts.scheme, parts.netloc), f"{target}?{parts.query}" if parts.query else target


def host_of(url: str) -> str:
    """The host of an http(s) address, as it is looked up. Raises `AddressRefused` for anything else."""
    return _split(url)[0].host


@lru_cache(maxsize=1024)
def _origin(scheme: str, netloc: str) -> Origin:
    parts = urlsplit(f"//{netloc}")
    if scheme not in ("http", "https"):
        raise AddressRefused("An address must start with http:// or https:// and a host: correct it.")
    if "@" in netloc:
        raise AddressRefused("An address must not hold a user name or password: put them in a header.")
    try:
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port or (443 if scheme == "https" else 80)
    except ValueError:
        host = ""
    if not _HOST.fullmatch(host):
        raise AddressRefused("The address names no host, or a bad port: correct it.")
    return Origin(scheme, host, port)


def _not_sent(host: str, error: BaseException | None) -> NotSent:
    match error:
        case AddressNotAllowed():
            return AddressRefused(f"{host} is a private or reserved address: use the provider's public address.")
        case gaierror() | UnicodeError():
            return NotSent(f"The name {host} could not be found.")
        case TimeoutError():
            return NotSent(f"{host} did not take the connection in time.")
        case SSLError():
            return NotSent(f"{host} failed the TLS handshake: {error.reason or 'no certificate to trust'}.")
        case ConnectionRefusedError():
            return NotSent(f"{host} refused the connection.")
    return NotSent(f"{host} could not be reached.")


def _outcome_unknown(host: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"{host} did not answer in time." if call.over() else f"{host} broke off its answer.")
