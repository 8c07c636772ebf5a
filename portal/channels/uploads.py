"""A file that a provider cannot fetch, because its address is inside our own network, is handed over by ourselves.

Only a sender that the operator lets reach private addresses gets that far (`Account.private_hosts`).
"""

import ipaddress
import secrets
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO
from urllib.parse import urlsplit

from portal.channels.base import Account, ChannelError
from portal.http import HttpClient, NotSent, OutcomeUnknown

INSIDE = (".localhost", ".local", ".internal")
ANY_TYPE = "application/octet-stream"


def inside(url: str) -> bool:
    """Is this an address of a private network, which nobody outside can fetch from?"""
    try:
        host = (urlsplit(url).hostname or "").lower()
    except ValueError:
        return False
    if host == "localhost" or host.endswith(INSIDE):
        return True
    try:
        return not ipaddress.ip_address(host).is_global
    except ValueError:
        return False


def fetched(http: HttpClient, account: Account, url: str) -> bytes:
    """The file. Nothing has been sent yet, so that whatever goes wrong may be tried again. Raises `ChannelError`."""
    try:
        answer = http.request("GET", url, private_hosts=account.private_hosts)
    except (NotSent, OutcomeUnknown) as error:
        raise ChannelError(f"The file could not be fetched: {error.message}", code="file", retry=True) from error
    if answer.status != 200 or not answer.body:
        text = f"The file could not be fetched (HTTP {answer.status}): attach it anew if this stays so."
        raise ChannelError(text, code="file", retry=True)
    return answer.body


def multipart(fields: Mapping[str, str], content: bytes, name: str, mime: str = ANY_TYPE) -> tuple[bytes, str]:
    """A form with a file as its last part, named `file`: the body and its content type."""
    boundary = secrets.token_hex(16)
    begin, end = _around(boundary, fields, name, mime)
    return begin + content + end, f"multipart/form-data; boundary={boundary}"


@contextmanager
def multipart_file(fields: Mapping[str, str], content: Path, name: str, mime: str) -> Iterator[tuple[BinaryIO, str]]:
    """The same of a file on disk, built on disk: it may have a hundred megabytes. Raises `OSError`."""
    boundary = secrets.token_hex(16)
    begin, end = _around(boundary, fields, name, mime)
    with TemporaryFile(dir=content.parent) as body, content.open("rb") as source:
        body.write(begin)
        shutil.copyfileobj(source, body)
        body.write(end)
        body.seek(0)
        yield body, f"multipart/form-data; boundary={boundary}"


def _around(boundary: str, fields: Mapping[str, str], name: str, mime: str) -> tuple[bytes, bytes]:
    """What stands before and after the file."""
    parts = [_head(boundary, field) + value.encode() + b"\r\n" for field, value in fields.items()]
    parts.append(_head(boundary, "file", name, mime))
    return b"".join(parts), f"\r\n--{boundary}--\r\n".encode()


def _head(boundary: str, name: str, file_name: str = "", mime: str = "") -> bytes:
    named = f'; filename="{file_name}"' if file_name else ""
    kind = f"Content-Type: {mime}\r\n" if mime else ""
    return f'--{boundary}\r\nContent-Disposition: form-data; name="{name}"{named}\r\n{kind}\r\n'.encode()
