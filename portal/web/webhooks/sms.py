"""`/webhooks/sms/<channel>/<sender key>/<action>`: the providers' inbound messages and receipts."""

import re
import threading
import time
from dataclasses import dataclass

from flask import Response, request
from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError

from portal.channels import registry
from portal.channels.base import Account, Channel, WebhookRequest
from portal.crypto import SealBroken
from portal.errors import InvalidInput, NotFound, Overloaded
from portal.journal.entry import SEALED, Entry
from portal.journal.spool import Spool
from portal.messaging.accounts import account_of
from portal.models import Sender, SenderState
from portal.services import Services
from portal.web.context import services
from portal.web.webhooks import bp
from portal.web.webhooks.intake import accepted, evidence, kept_headers, read_body

ACTIONS = ("receive", "status")
_KEY = re.compile(r"[\w-]{8,64}", re.ASCII)
KEEP_SECONDS = 30.0
STALE_SECONDS = 5.0
ASK_AGAIN_SECONDS = 1.0
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Known:
    """A sender as far as a webhook needs it."""

    channel: str
    account: Account


class SenderKeys:
    """Webhook addresses and their senders, kept for 30 seconds and served stale while the database is away."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._kept: dict[str, tuple[float, Known]] = {}

    def get(self, parts: Services, key: str, keep: float = KEEP_SECONDS) -> Known | None:
        """The sender behind a key, None when there is none; looked up anew when it is known for more than `keep`.

        Raises the database's error on a miss in an outage.
        """
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and kept[0] > time.monotonic() + KEEP_SECONDS - keep:
            return kept[1]
        try:
            known = self._load(parts, key)
        except (SQLAlchemyError, TimeoutError):
            if kept is None:
                raise
            # Stale is better than a wait for each request: the database is asked again in a while.
            with self._lock:
                self._kept[key] = (time.monotonic() + STALE_SECONDS, kept[1])
            return kept[1]
        with self._lock:
            if known is None or len(self._kept) >= MOST_KEPT:
                self._kept.pop(key, None)
            if known is not None:
                self._kept[key] = (time.monotonic() + KEEP_SECONDS, known)
        return known

    def _load(self, parts: Services, key: str) -> Known | None:
        with parts.database.read() as session:
            wanted = select(Sender).where(Sender.key == key, Sender.state != SenderState.REMOVED)
            row = session.scalar(wanted)
        return Known(row.channel, account_of(row, parts.vault)) if row else None


sender_keys = SenderKeys()


class Strangers:
    """What nobody can verify while the database is away gets a tenth of the spool: the rest is for what is proved."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._bytes = 0

    def admit(self, spool: Spool, size: int) -> None:
        """Counts a request in. Raises `Overloaded` when the share is used up."""
        with self._lock:
            if not spool.in_use():
                self._bytes = 0
            # An entry is larger than its body: encoded, with its headers.
            self._bytes += 2 * size + 1000
            if self._bytes > spool.max_bytes // 10:
                raise Overloaded("The portal cannot tell now whose webhook this is. Try again later.", retry_after=30)


strangers = Strangers()


@bp.route("/sms/<string:kind>/<string:key>/<string:action>", methods=["GET", "POST"])
def receive_sms(kind: str, key: str, action: str) -> Response:
    """Verify, keep, and answer in the provider's own words."""
    parts = services()
    channel = _channel(kind, action)
    if _KEY.fullmatch(key) is None:
        raise NotFound("There is no such webhook.")
    body = read_body()
    heard = WebhookRequest(
        action=action,
        body=body,
        content_type=request.content_type or "",
        headers={name.lower(): value for name, value in request.headers.items()},
        query=request.query_string.decode("latin-1"),
    )
    verified = _verify(parts, channel, key, heard)
    headers = kept_headers(request)
    if not verified:
        headers[SEALED] = parts.vault.seal_fields(heard.headers)
        strangers.admit(parts.spool, len(body) + len(headers[SEALED]))
    parts.journal.append(
        Entry(
            kind,
            f"{kind}:{key[:64]}:{channel.lane(heard)}"[:200],
            body,
            verified=verified,
            action=action,
            sender_key=key,
            headers=headers,
            query=heard.query,
        )
    )
    return accepted(*channel.answer(heard))


def _channel(kind: str, action: str) -> Channel:
    if action not in ACTIONS:
        raise NotFound("There is no such webhook.")
    try:
        return registry.get(kind)
    except InvalidInput:
        raise NotFound("There is no such webhook.") from None


def _verify(parts: Services, channel: Channel, key: str, heard: WebhookRequest) -> bool:
    """True when the request has proved itself; False when nobody can say now, and its event is judged at replay."""
    try:
        known = sender_keys.get(parts, key)
    except (SQLAlchemyError, TimeoutError, SealBroken):
        return False
    if known is None or known.channel != channel.kind:
        raise NotFound("There is no such webhook.")
    if channel.verify(known.account, heard):
        return True
    if _changed(parts, channel, key, known, heard):
        return True
    entry = Entry(channel.kind, channel.kind, heard.body, verified=False, action=heard.action, sender_key=key)
    raise evidence.refuse(parts, entry, "The request does not prove that the provider sent it.")


def _changed(parts: Services, channel: Channel, key: str, known: Known, heard: WebhookRequest) -> bool:
    """Does it prove itself by a secret that was changed within the last seconds? A flood asks once a second."""
    if parts.spool.in_use():
        return False  # the database is away, and a flood would wait for it
    try:
        now = sender_keys.get(parts, key, keep=ASK_AGAIN_SECONDS)
    except (SQLAlchemyError, TimeoutError, SealBroken):
        return False
    return now is not None and now is not known and channel.verify(now.account, heard)
