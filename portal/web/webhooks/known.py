"""Whose webhook is this? Senders as webhooks need them, kept for 30 seconds, and the proof of a request."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

from portal.channels.base import Account, Channel, WebhookRequest
from portal.crypto import SealBroken
from portal.errors import Overloaded
from portal.journal.spool import Spool
from portal.messaging.accounts import account_of
from portal.models import Sender, SenderState
from portal.services import Services

KEEP_SECONDS = 30.0
STALE_SECONDS = 5.0
ASK_AGAIN_SECONDS = 1.0
MOST_KEPT = 10_000
# What nobody can say while the database is away, or no key opens the sender's credentials.
CANNOT_SAY = (SQLAlchemyError, TimeoutError, SealBroken)


@dataclass(frozen=True, slots=True)
class Known:
    """A sender as far as a webhook needs it."""

    channel: str
    account: Account
    key: str
    removed: bool = False


class SenderKeys:
    """What names senders in webhooks, kept for 30 seconds and served stale while the database is away."""

    def __init__(self, find: Callable[[Session, str], Sender | None]) -> None:
        self._find = find
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
            row = self._find(session, key)
        if row is None:
            return None
        return Known(
            row.channel, account_of(row, parts.vault, parts.settings.app_url), row.key, row.state == SenderState.REMOVED
        )

    def proves_itself(self, parts: Services, channel: Channel, key: str, known: Known, heard: WebhookRequest) -> bool:
        """Does the request prove who sent it, by what is known or by a secret that was changed within the last seconds?

        A flood asks the database once a second.
        """
        return self.agrees(parts, key, known, lambda account: channel.verify(account, heard))

    def agrees(self, parts: Services, key: str, known: Known, proof: Callable[[Account], bool]) -> bool:
        """The same for any proof that a sender's account can give."""
        if proof(known.account):
            return True
        if parts.spool.in_use():
            return False  # the database is away, and a flood would wait for it
        try:
            now = self.get(parts, key, keep=ASK_AGAIN_SECONDS)
        except CANNOT_SAY:
            return False
        return now is not None and now is not known and proof(now.account)


def by_key(session: Session, key: str) -> Sender | None:
    """The live sender whose own webhook address has this key."""
    return session.scalar(select(Sender).where(Sender.key == key, Sender.state != SenderState.REMOVED))


def ever_by_key(session: Session, key: str) -> Sender | None:
    """The same, also when it was removed since."""
    return session.scalar(select(Sender).where(Sender.key == key))


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
