"""Getting a file from somewhere else: streamed to disk, within a size and a time, never from inside our own network."""

import hashlib
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import monotonic
from urllib.parse import urljoin, urlsplit, urlunsplit

from requests import RequestException
from requests.utils import requote_uri

from portal.errors import PortalError
from portal.http import AddressRefused, HttpClient, NotSent, OutcomeUnknown, Stream
from portal.media import names
from portal.media.sniffing import HEAD, sniff

MOST_REDIRECTS = 5
REDIRECTS = (301, 302, 303, 307, 308)
# Statuses that speak of the moment. The others speak of the file: it is not there, or not for us.
PASSING = (408, 425, 429)
_RANGE = re.compile(r"bytes (\d+)-(\d+)/(\d+)")


class FetchError(PortalError):
    """The file was not had. `hopeless`: no repetition helps. `gone`: its server says that it has none for us."""

    http_status = 502

    def __init__(self, message: str, *, hopeless: bool = False, gone: bool = False) -> None:
        super().__init__(message)
        self.hopeless = hopeless
        self.gone = gone


class TooLarge(FetchError):
    """The file is larger than is taken here."""

    def __init__(self, most: int) -> None:
        super().__init__(f"It is larger than {in_words(most)}.", hopeless=True)


@dataclass(frozen=True, slots=True)
class Found:
    """What is known of a file: its cleaned name, type by its content, size in bytes (None: not told)."""

    name: str
    type: str
    size: int | None
    sha256: str = ""


def in_words(size: int) -> str:
    """A number of bytes as people say it."""
    if size < 1_000_000:
        return f"{max(size // 1000, 1)} kB"
    return f"{size / 1_000_000:.1f}".removesuffix(".0") + " MB"


def fetch(
    http: HttpClient,
    url: str,
    into: Path,
    *,
    most: int,
    deadline: float,
    private_hosts: bool = False,
    private_redirects: bool = False,
    headers: Mapping[str, str] | None = None,
    name: str = "",
    claimed: str = "",
    ending: Callable[[], bool] = lambda: False,
) -> Found:
    """Writes the file behind the address to `into`, durably. `most` is in bytes, `deadline` in seconds, for all of it.

    `private_hosts` opens loopback and private addresses for this address, `private_redirects` for where it leads to.
    `name` and `claimed` (a MIME type) are what is said of it elsewhere; `ending` says that the process ends. Raises
    `FetchError`; what is on disk then is the caller's to remove.
    """
    with _following(http, url, headers or {}, deadline, (private_hosts, private_redirects)) as answer:
        told = _length(answer.headers.get("content-length", ""))
        if told is not None and told > most:
            raise TooLarge(most)
        digest, size, head = hashlib.sha256(), 0, b""
        with into.open("wb") as file:
            for piece in _pieces(answer):
                size += len(piece)
                if size > most:
                    raise TooLarge(most)
                if ending():
                    raise FetchError("The portal was stopped: it is fetched anew.")
                head += piece[: HEAD - len(head)]
                digest.update(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        if not size:
            raise FetchError("It is empty.", gone=True)
        kind = sniff(head, claimed or answer.headers.get("content-type", ""))
        told_name = name or names.told(dict(answer.headers), url)
        return Found(names.clean(told_name, kind), kind, size, digest.hexdigest())


def look(http: HttpClient, url: str, *, deadline: float, private_hosts: bool = False) -> Found:
    """What is behind the address, by its first bytes. Raises `FetchError`.

    A GET of a range, not a HEAD: addresses that are signed for GET (S3, Google) refuse any other method, and only the
    content tells the type.
    """
    headers = {"Range": f"bytes=0-{HEAD - 1}"}
    with _following(http, url, headers, deadline, (private_hosts, private_hosts)) as answer:
        head = b""
        for piece in _pieces(answer):
            head += piece
            if len(head) >= HEAD:
                break
        if not head:
            raise FetchError("It is empty.", gone=True)
        kind = sniff(head[:HEAD], answer.headers.get("content-type", ""))
        return Found(names.clean(names.told(dict(answer.headers), url), kind), kind, _size(answer, len(head)))


@contextmanager
def _following(
    http: HttpClient, url: str, headers: Mapping[str, str], deadline: float, private: tuple[bool, bool]
) -> Iterator[Stream]:
    """The answer at the end of the redirects; each hop is a call of its own, whose address is judged anew.

    `private`: may the address itself be a private one, and those that it leads to?
    """
    ends, (private_hosts, private_redirects) = monotonic() + deadline, private
    for _ in range(MOST_REDIRECTS + 1):
        stream = _open(http, url, headers, max(ends - monotonic(), 0.001), private_hosts)
        try:
            if stream.status not in REDIRECTS or not stream.headers.get("location"):
                _judge(stream)
                yield stream
                return
            target, elsewhere = _led_to(url, stream.headers["location"])
        finally:
            stream.close()
        if elsewhere:
            # What opens the provider's door is not for whoever it sends us to.
            headers = {name: value for name, value in headers.items() if name == "Range"}
            private_hosts = private_redirects
        url = target
    raise FetchError("Its address leads round in circles.", gone=True)


def _led_to(url: str, location: str) -> tuple[str, bool]:
    """Where a redirect leads, and whether that is another server. Raises `FetchError` for what is no address."""
    try:
        target = urljoin(url, location)
        return target, urlsplit(target)[:2] != urlsplit(url)[:2]
    except ValueError:
        raise FetchError("Its server sends us on to what is no address.", gone=True) from None


def _open(http: HttpClient, url: str, headers: Mapping[str, str], deadline: float, private_hosts: bool) -> Stream:
    try:
        return http.open("GET", _encoded(url), headers=headers, private_hosts=private_hosts, deadline=deadline)
    except AddressRefused as error:
        raise FetchError(error.message, hopeless=True) from None
    except (NotSent, OutcomeUnknown) as error:
        raise FetchError(error.message) from None


def _encoded(url: str) -> str:
    """The address with what may not stand in a path or query percent-encoded; what is encoded stays as it is."""
    try:
        parts = urlsplit(url.strip())
        return urlunsplit(parts._replace(path=requote_uri(parts.path), query=requote_uri(parts.query), fragment=""))
    except (ValueError, RequestException):
        return url


def _judge(answer: Stream) -> None:
    if answer.status in (200, 206):
        return
    where = f"Its server answered with status {answer.status}"
    if answer.status == 416:
        raise FetchError("It is empty.", gone=True)
    if answer.status >= 500 or answer.status in PASSING:
        raise FetchError(f"{where}.")
    raise FetchError(f"{where}: it is not there, or not for everybody.", gone=True)


def _pieces(answer: Stream) -> Iterator[bytes]:
    try:
        yield from answer.pieces()
    except OutcomeUnknown as error:
        raise FetchError(error.message) from None


def _size(answer: Stream, seen: int) -> int | None:
    match = _RANGE.fullmatch(answer.headers.get("content-range", ""))
    if answer.status == 206:
        return _length(match[3]) if match else None
    if answer.headers.get("content-encoding", "identity") != "identity":
        return None
    return _length(answer.headers.get("content-length", "")) if not answer.whole else seen


def _length(text: str) -> int | None:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 16 else None
