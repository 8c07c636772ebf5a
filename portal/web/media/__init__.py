"""`/media/…`: the files of messages, to whoever has their address. No cookie, no query, nothing that could run.

HighLevel's pages and customers' phones ask here without signing in: the key in the address is the permission, and it
ends when the file is revoked or removed. Every request asks the database, so it ends at once.
"""

import logging
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager
from urllib.parse import quote

from flask import Blueprint, Response, request
from sqlalchemy import select
from werkzeug.datastructures import ContentRange
from werkzeug.http import parse_range_header

from portal.errors import NotFound, Overloaded, PortalError
from portal.media.folder import StoreError
from portal.media.names import in_address
from portal.media.sniffing import PDF, SHOWN, served_as
from portal.messaging.media import title, viewed
from portal.models import MediaFile, MediaState
from portal.web.context import services

log = logging.getLogger(__name__)

bp = Blueprint("media", __name__, url_prefix="/media")

# A browser's own viewer for PDF does not start in a sandboxed page; it runs nothing of ours.
CSP = "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox"
# Half of a process's threads: who watches a film over a slow line must not keep webhooks out. What is smaller than
# this has left the thread at once, into the buffers of sockets and proxies.
LARGE = 1024 * 1024
large_bodies = threading.BoundedSemaphore(8)
CSP_PDF = "default-src 'none'; object-src 'self'; style-src 'unsafe-inline'"


class Gone(PortalError):
    """There was a file, and it was taken away on purpose."""

    http_status = 410


@bp.get("/<string:key>/<string:name>")
def public(key: str, name: str) -> Response:
    """The file behind its public address. The name is for people; the key decides."""
    with services().database.read() as session:
        row = session.scalar(select(MediaFile).where(MediaFile.key == key))
    if row is None or row.state not in (MediaState.KEPT, MediaState.REMOVED):
        raise NotFound("There is no such file, or it has not arrived yet.")
    if row.revoked_at is not None:
        raise Gone("This file is not shared any more.")
    # Always asked again, with the ETag: what is revoked must not live on in a cache.
    return served(row, "private, no-cache")


@bp.get("/view/<string:signed>")
def view(signed: str) -> Response:
    """The same for our own pages: for some minutes, and of one that was revoked, too."""
    found = viewed(services().settings.secret_key, signed)
    if found is None:
        raise NotFound("This address has ended: open the page again.")
    with services().database.read() as session:
        row = session.get(MediaFile, found)
    if row is None or row.state not in (MediaState.KEPT, MediaState.REMOVED):
        raise NotFound("There is no such file.")
    return served(row, "no-store")


def served(row: MediaFile, caching: str) -> Response:
    """The answer with the file's bytes, or the part of them that is asked for."""
    if row.state == MediaState.REMOVED:
        raise Gone(row.reason or "This file was removed.")
    size, etag = row.size or 0, f'"{row.sha256[:32]}"'
    wanted = _range(size, etag)
    if request.if_none_match.contains_weak(etag.strip('"')):
        response = Response(status=304)
    elif wanted is None:
        response = Response(status=416, headers={"Content-Range": f"bytes */{size}"})
    else:
        start, end = wanted
        body: Body | tuple[()] = () if request.method == "HEAD" else _open(row, start, end - start)
        response = Response(body, 206 if end - start < size else 200)
        response.content_length = end - start
        if response.status_code == 206:
            response.content_range = ContentRange("bytes", start, end, size)
    _describe(response, row, etag, caching)
    return response


def _describe(response: Response, row: MediaFile, etag: str, caching: str) -> None:
    kind = served_as(row.type)
    shown = "inline" if kind in SHOWN else "attachment"
    name = title(row)
    headers = response.headers
    headers["Content-Type"] = kind
    plain, whole = in_address(name), quote(name, safe="")
    headers["Content-Disposition"] = f"{shown}; filename=\"{plain}\"; filename*=UTF-8''{whole}"
    headers["Content-Security-Policy"] = CSP_PDF if kind == PDF else CSP
    # HighLevel's pages show it from another origin.
    headers["Cross-Origin-Resource-Policy"] = "cross-origin"
    headers["Referrer-Policy"] = "no-referrer"
    headers["X-Robots-Tag"] = "noindex"
    headers["Accept-Ranges"] = "bytes"
    headers["ETag"] = etag
    headers["Cache-Control"] = caching


def _range(size: int, etag: str) -> tuple[int, int] | None:
    """The bytes that are asked for, from start to before end; None when there are none such.

    Several ranges at once are answered with the whole (RFC 9110, 14.2): players ask for one.
    """
    asked = parse_range_header(request.headers.get("Range"))
    condition = request.headers.get("If-Range")
    if asked is None or asked.units != "bytes" or len(asked.ranges) != 1 or (condition and condition != etag):
        return 0, size
    if (asked.ranges[0][0] or 0) < -size:
        return 0, size  # more of the end than there is: all of it (RFC 9110, 14.1.2)
    return asked.range_for_length(size)


def _open(row: MediaFile, start: int, length: int) -> "Body":
    """The bytes, opened now, so that a file that is not there becomes an error and no broken answer."""
    large = length > LARGE
    if large and not large_bodies.acquire(blocking=False):
        raise Overloaded("Too many large files are being sent just now: try again in a moment.", retry_after=5)
    try:
        return Body(services().stores.get(row.store).read(row.stored, start, length), large)
    except StoreError as error:
        if large:
            large_bodies.release()
        log.error("file cannot be served", extra={"file": row.id, "reason": error.message})
        if error.missing:
            raise NotFound("This file is not in its store any more.") from None
        raise StoreError("The file cannot be read now: try again later.") from None


class Body:
    """An answer's body, read from its store as it is sent."""

    def __init__(self, source: AbstractContextManager[Iterator[bytes]], large: bool) -> None:
        self._pieces = source.__enter__()
        self._source: AbstractContextManager[Iterator[bytes]] | None = source
        self._large = large

    def __iter__(self) -> Iterator[bytes]:
        return self._pieces

    def close(self) -> None:
        """The server is done with it, or the caller has gone."""
        source, self._source = self._source, None
        if source is None:
            return
        try:
            source.__exit__(None, None, None)
        finally:
            if self._large:
                large_bodies.release()

    def __del__(self) -> None:
        """A server that forgets to close it must not use up the places."""
        if getattr(self, "_source", None) is not None:
            self.close()
