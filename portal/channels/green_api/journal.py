"""What became of sent messages, by the instance's own journal.

GetMessage needs the chat beside the id, and an external id is the id alone, by which webhooks name a message. So the
journal of the last day is read instead (LastOutgoingMessages), whole, at most once in a few seconds for all the
messages that are asked for: GREEN-API allows one such call a second and instance. It may lag by two minutes.
"""

import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from portal.channels.base import Account, ChannelError, Receipt, Scope
from portal.channels.green_api.fields import api_host, instance, token
from portal.channels.green_api.receipts import receipt
from portal.channels.green_api.wire import ask
from portal.http import HttpClient

MINUTES = "1440"
FRESH_SECONDS = 5.0
MOST_JOURNALS = 64


@dataclass(frozen=True, slots=True)
class _Read:
    at: float
    receipts: Mapping[str, Receipt]


class Journal:
    """The journals read last, one for each instance. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: OrderedDict[tuple[str, str, str], _Read] = OrderedDict()

    def find(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """GREEN-API's word on a message, None when the journal has nothing (new) to say. Raises `ChannelError`."""
        # By the token too: who has no right to a journal must not be answered out of another's.
        key = (api_host(account), instance(account.credentials), token(account.credentials))
        with self._lock:
            known = self._read.get(key)
        if known is None or time.monotonic() - known.at > FRESH_SECONDS:
            known = _Read(time.monotonic(), _receipts(http, account))
            self._keep(key, known)
        return known.receipts.get(external_id)

    def _keep(self, key: tuple[str, str, str], known: _Read) -> None:
        with self._lock:
            self._read[key] = known
            self._read.move_to_end(key)
            while len(self._read) > MOST_JOURNALS:
                self._read.popitem(last=False)


def _receipts(http: HttpClient, account: Account) -> dict[str, Receipt]:
    said: Any = ask(http, account, "lastOutgoingMessages", params={"minutes": MINUTES})
    if not isinstance(said, list):
        raise ChannelError("GREEN-API's answer holds no journal.", code="no_journal", scope=Scope.SENDER, retry=True)
    found = (receipt(entry, entry.get("statusMessage")) for entry in said if isinstance(entry, dict))
    return {each.external_id: each for each in found if each is not None}
