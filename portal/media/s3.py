"""The store at an S3-compatible service: Amazon, Cloudflare R2, MinIO and their like, by its plain REST API.

The address of a bucket is `https://KEY:SECRET@host/bucket[/prefix]?region=…`, key and secret percent-encoded. Objects
are addressed by path (`host/bucket/name`), which all of these services understand.
"""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import SplitResult, parse_qs, quote, unquote, urlsplit
from uuid import uuid4

from portal import clock
from portal.errors import PortalError
from portal.http import HttpClient, OutcomeUnknown, Response, Stream
from portal.media.folder import StoreError
from portal.media.signing import EMPTY, Credentials, path_of, sign

# For a whole file of the largest size; a small answer comes much earlier.
TRANSFER_SECONDS = 300.0
CALL_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Bucket:
    """A bucket and who may use it."""

    origin: str
    bucket: str
    prefix: str
    credentials: Credentials = field(repr=False)

    @property
    def name(self) -> str:
        """What rows of files call this store: without credentials, so that those may change."""
        return "/".join(filter(None, (f"s3:{urlsplit(self.origin).netloc}", self.bucket, self.prefix)))


def parse_bucket(address: str) -> Bucket:
    """The bucket that an address names. Raises `ValueError` with a sentence."""
    parts = _split(address)
    bucket, _, prefix = unquote(parts.path).strip("/").partition("/")
    if parts.scheme not in ("http", "https") or not parts.hostname or not bucket:
        raise ValueError("it must look like https://KEY:SECRET@host/bucket?region=REGION")
    if not parts.username or not parts.password:
        raise ValueError("key and secret are missing: https://KEY:SECRET@host/bucket?region=REGION")
    options = parse_qs(parts.query)
    if set(options) - {"region"} or parts.fragment:
        raise ValueError("after the question mark only region=… may stand; encode such characters in the secret (%3F)")
    region = options.get("region", ["us-east-1"])[0]
    credentials = Credentials(unquote(parts.username), unquote(parts.password), region)
    host = parts.netloc.rpartition("@")[2]
    return Bucket(f"{parts.scheme}://{host}", bucket, prefix.strip("/"), credentials)


def _split(address: str) -> SplitResult:
    """The parts of an address; of one that cannot be read, none. The error's own text would show the secret."""
    try:
        parts = urlsplit(address)
        return parts if parts.port != 0 else urlsplit("")
    except ValueError:
        return urlsplit("")


class S3:
    """Files as objects of one bucket."""

    def __init__(self, http: HttpClient, bucket: Bucket) -> None:
        self._http = http
        self._bucket = bucket
        self.name = bucket.name

    def put(self, name: str, path: Path, sha256: str) -> None:
        """Sends the file at `path`, which is the caller's to remove, under a name. One that is there is replaced."""
        with path.open("rb") as file:
            url, headers = self._signed("PUT", name, sha256)
            self._call("PUT", url, headers, deadline=TRANSFER_SECONDS, data=file)

    @contextmanager
    def read(self, name: str, start: int, length: int) -> Iterator[Iterator[bytes]]:
        """So many bytes of an object from `start` on, in pieces."""
        url, headers = self._signed("GET", name, EMPTY, {"Range": f"bytes={start}-{start + length - 1}"})
        try:
            # The address is the operator's own setting, so it may be a private one.
            stream = self._http.open("GET", url, headers=headers, private_hosts=True, deadline=TRANSFER_SECONDS)
        except PortalError as error:
            raise StoreError(f"The media store does not answer: {error.message}") from None
        try:
            if stream.status != 206 and not (stream.status == 200 and start == 0):
                raise self._refused("GET", stream.status)
            yield _pieces(stream)
        finally:
            stream.close()

    def delete(self, name: str) -> None:
        """Removes an object; one that is not there is removed already."""
        url, headers = self._signed("DELETE", name, EMPTY)
        self._call("DELETE", url, headers, also=(404,))

    def check(self) -> str:
        """Where it is, in words, after a small object was written, read and removed there. Raises `StoreError`."""
        name, body = f"probe-{uuid4().hex}", b"Sendero"
        url, headers = self._signed("PUT", name, hashlib.sha256(body).hexdigest())
        self._call("PUT", url, headers, data=body)
        with self.read(name, 0, len(body)) as pieces:
            if b"".join(pieces) != body:
                raise StoreError("The media store gave back something else than was stored.")
        self.delete(name)
        return self.name

    def _call(
        self,
        method: str,
        url: str,
        headers: dict[str, str],
        *,
        deadline: float = CALL_SECONDS,
        data: object = None,
        also: tuple[int, ...] = (),
    ) -> Response:
        try:
            answer = self._http.request(
                method,
                url,
                headers=headers,
                private_hosts=True,
                deadline=deadline,
                data=data,  # type: ignore[arg-type]
            )
        except PortalError as error:
            raise StoreError(f"The media store does not answer: {error.message}") from None
        if not 200 <= answer.status < 300 and answer.status not in also:
            raise self._refused(method, answer.status)
        return answer

    def _signed(
        self, method: str, name: str, payload: str, more: dict[str, str] | None = None
    ) -> tuple[str, dict[str, str]]:
        """The object's address, and the headers that prove who asks."""
        whole = "/".join(filter(None, (self._bucket.bucket, self._bucket.prefix, name)))
        path, moment = "/" + path_of(whole), clock.now()
        headers = {
            "Host": urlsplit(self._bucket.origin).netloc,
            "X-Amz-Content-Sha256": payload,
            "X-Amz-Date": moment.strftime("%Y%m%dT%H%M%SZ"),
            **(more or {}),
        }
        headers["Authorization"] = sign(self._bucket.credentials, method, path, headers, payload, moment)
        return self._bucket.origin + path, headers

    def _refused(self, method: str, status: int) -> StoreError:
        words = {
            403: ": check key, secret and region, and this machine's clock",
            404: ": there is no such bucket or object",
        }.get(status, "")
        where = quote(self.name, safe=":/.-")
        return StoreError(f"The media store {where} answered {method} with {status}{words}.", missing=status == 404)


def _pieces(stream: Stream) -> Iterator[bytes]:
    try:
        yield from stream.pieces()
    except OutcomeUnknown as error:
        raise StoreError(f"The media store broke off: {error.message}") from None
