"""What all webhooks share: a bounded body, the kept headers, the answer, and evidence of what was refused."""

import logging
import threading
import time
from collections import deque

from flask import Request, Response, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge

from portal import clock
from portal.alerts.notices import UNAUTHENTIC, raise_alert
from portal.channels.base import WebhookRequest
from portal.database import insert
from portal.errors import Unauthentic
from portal.journal.entry import KEPT_HEADERS, SEALED, Entry, without_secrets
from portal.models import Event, EventState
from portal.services import Services
from portal.web.webhooks.known import strangers

log = logging.getLogger(__name__)

LARGEST = 1024 * 1024
# Evidence of forgeries is bounded: so many are kept a minute, with so many bytes of body each.
KEPT_A_MINUTE = 20
KEPT_BODY = 4096
KEPT_HEADER = 1000
ALERT_FROM = 10


def read_body(largest: int = LARGEST) -> bytes:
    """The raw body. Raises 413 when it is larger than the route allows, 400 when the caller broke off."""
    announced = request.content_length
    if (announced or 0) > largest:
        raise RequestEntityTooLarge
    body = request.get_data(cache=False)
    if len(body) > largest:
        raise RequestEntityTooLarge
    # The server ends a body where the connection ended: half of it would pass for a message.
    if announced is not None and len(body) != announced:
        raise BadRequest
    return body


def kept_headers(incoming: Request) -> dict[str, str]:
    """The headers that are kept with the event."""
    found = {name: incoming.headers.get(name) for name in KEPT_HEADERS}
    return {name: value[:KEPT_HEADER] for name, value in found.items() if value is not None}


def heard_now(action: str, largest: int = LARGEST) -> WebhookRequest:
    """The request as channels read it, with all its headers. Raises like `read_body`."""
    return WebhookRequest(
        action=action,
        body=read_body(largest),
        content_type=request.content_type or "",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.query_string.decode("latin-1"),
    )


def proof(parts: Services, heard: WebhookRequest, *, verified: bool) -> dict[str, str]:
    """The headers to keep: with all of them sealed when nobody can say now whether the request is genuine.

    Raises `Overloaded` when strangers have filled their share of the spool.
    """
    headers = kept_headers(request)
    if not verified:
        headers[SEALED] = parts.vault.seal_fields(heard.headers)
        strangers.admit(parts.spool, len(heard.body) + len(headers[SEALED]))
    return headers


def accepted(body: str = "", content_type: str = "text/plain") -> Response:
    """The 200 that says: it is on disk."""
    return Response(body, 200, content_type=content_type)


class Evidence:
    """Keeps a bounded record of requests that did not prove themselves, and raises an alert when they come in a run:
    somebody forges, or a key was rotated."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._recent: deque[float] = deque(maxlen=1000)

    def refuse(self, services: Services, entry: Entry, why: str) -> Unauthentic:
        """The error to raise, after the record was made as far as the bounds allow."""
        log.warning("webhook refused", extra={"source": entry.source, "reason": why})
        moment = time.monotonic()
        with self._lock:
            while self._recent and self._recent[0] < moment - 60:
                self._recent.popleft()
            self._recent.append(moment)
            recent = len(self._recent)
        if recent <= KEPT_A_MINUTE or recent == ALERT_FROM:
            self._keep(services, entry, why, recent)
        return Unauthentic(why)

    def _keep(self, services: Services, entry: Entry, why: str, recent: int) -> None:
        row = entry.row(EventState.REFUSED, why)
        short = {"body": entry.body[:KEPT_BODY], "query": without_secrets(row["query"])[:KEPT_BODY]}
        row.update(dedupe_key=None, verified=False, applied_at=clock.now(), **short)
        try:
            with services.database.write() as session:
                session.execute(insert(session, Event).values(**row).on_conflict_do_nothing())
                if recent >= ALERT_FROM:
                    text = f"{recent} webhooks in a minute did not prove themselves: a forgery, or a rotated key."
                    raise_alert(session, UNAUTHENTIC, entry.source, text)
        except (SQLAlchemyError, TimeoutError):
            log.warning("evidence not kept: database away")


evidence = Evidence()
