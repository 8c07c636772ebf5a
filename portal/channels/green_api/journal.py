"""What became of sent messages, by the instance's own journal.

GetMessage needs the chat beside the id, and an external id is the id alone, by which webhooks name a message. So the
journal is read instead (LastOutgoingMessages), whole, and one reading answers for all the messages that are asked for:
GREEN-API allows one such call a second and instance. A message of the last hour is found in a short journal, an older
one in that of a day, which is read seldom. It may lag by two minutes.
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

# Minutes of a journal → seconds for which it is fresh enough.
SPANS = {"60": 5.0, "1440": 60.0}
CALL_EVERY = 1.1
MOST_JOURNALS = 64


Key = tuple[str, str, str]


@dataclass(frozen=True, slots=True)
class _Read:
    at: float
    receipts: Mapping[str, Receipt]


class Journal:
    """The journals read last. Safe to share between threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._read: OrderedDict[tuple[Key, str], _Read] = OrderedDict()
        self._called: OrderedDict[Key, float] = OrderedDict()

    def find(self, http: HttpClient, account: Account, external_id: str) -> Receipt | None:
        """GREEN-API's word on a message, None when the journal has nothing (new) to say. Raises `ChannelError`."""
        # By the token too: who has no right to a journal must not be answered out of another's.
        key = (api_host(account), instance(account.credentials), token(account.credentials))
        for minutes, fresh in SPANS.items():
            with self._lock:
                known = self._read.get((key, minutes))
            if known is None or time.monotonic() - known.at > fresh:
                if not self._may_call(key):
                    return known.receipts.get(external_id) if known is not None else None
                known = _Read(time.monotonic(), _receipts(http, account, minutes))
                self._keep(key, minutes, known)
            if external_id in known.receipts:
                return known.receipts[external_id]
        return None

    def _may_call(self, key: Key) -> bool:
        """Whether a second has gone by since the last call for this instance; notes the call that is made then."""
        now = time.monotonic()
        with self._lock:
            called = self._called.get(key)
            if called is not None and now - called < CALL_EVERY:
                return False
            self._called[key] = now
            self._called.move_to_end(key)
            while len(self._called) > MOST_JOURNALS:
                self._called.popitem(last=False)
        return True

    def _keep(self, key: Key, minutes: str, known: _Read) -> None:
        with self._lock:
            self._read[key, minutes] = known
            self._read.move_to_end((key, minutes))
            while len(self._read) > MOST_JOURNALS:
                self._read.popitem(last=False)


def _receipts(http: HttpClient, account: Account, minutes: str) -> dict[str, Receipt]:
    said: Any = ask(http, account, "lastOutgoingMessages", params={"minutes": minutes})
    if not isinstance(said, list):
        raise ChannelError("GREEN-API's answer holds no journal.", code="no_journal", scope=Scope.SENDER, retry=True)
    found = (receipt(entry, entry.get("statusMessage")) for entry in said if isinstance(entry, dict))
    return {each.external_id: each for each in found if each is not None}
