"""Everything the stand-ins saw: each call with its time, key, token, body and answer, in a bounded log."""

import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True)
class Call:
    """One call at a stand-in. `at` is unix seconds, `ms` how long it took to work it.

    `status` is what the caller got, 0 while the call is being worked and when no whole answer left (`ending` tells:
    `answer`, `half`, `reset`, `silence`). `applied` says whether it took effect, `replayed` marks a repeated
    idempotency key. `fault` names the rule that struck, "" for none.
    """

    number: int
    at: float
    system: str
    route: str
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    body: Any = None
    arguments: dict[str, str] = field(default_factory=dict)
    status: int = 0
    applied: bool = False
    replayed: bool = False
    raw_answer: bytes = field(default=b"", repr=False)
    ms: float = 0.0
    ending: str = "answer"
    fault: str = ""

    @property
    def answer(self) -> Any:
        """What was, or would have been, answered: JSON, or None."""
        try:
            return json.loads(self.raw_answer)
        except ValueError:
            return None

    @property
    def token(self) -> str:
        """The bearer token it came with, or ""."""
        return self.headers.get("authorization", "").removeprefix("Bearer ")

    @property
    def key(self) -> str:
        """Its idempotency key, or ""."""
        return self.headers.get("x-idempotency-key", "")


# The headers kept of a call, by their names in the WSGI environment.
KEPT_HEADERS = {
    "HTTP_AUTHORIZATION": "authorization",
    "HTTP_VERSION": "version",
    "CONTENT_TYPE": "content-type",
    "HTTP_X_API_KEY": "x-api-key",
    "HTTP_X_IDEMPOTENCY_KEY": "x-idempotency-key",
}


class Records:
    """The log of calls, the last `keep` of them, and counts by route that never forget."""

    def __init__(self, keep: int, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._calls: deque[Call] = deque(maxlen=keep)
        self._lock = threading.Lock()
        self._number = 0
        self._counts: Counter[str] = Counter()

    def begin(
        self, route: str, method: str, path: str, query: str, headers: dict[str, str], body: Any, **arguments: str
    ) -> Call:
        """Notes a call before it is worked, so that one that never ends is seen too."""
        with self._lock:
            self._number += 1
            system = route.split(".", 1)[0]
            call = Call(self._number, self._clock(), system, route, method, path, query, headers, body, arguments)
            self._calls.append(call)
            self._counts[route] += 1
        return call

    def calls(self, route: str = "", *, since: int = 0) -> list[Call]:
        """The calls kept, oldest first, of a route (`cast.send`) or a system (`ghl`), numbered above `since`."""
        with self._lock:
            calls = list(self._calls)
        return [call for call in calls if call.number > since and (not route or route in (call.route, call.system))]

    def count(self, route: str) -> int:
        """How many calls a route (`cast.send`) or a system (`ghl`) got since the start."""
        with self._lock:
            if route in self._counts:
                return self._counts[route]
            return sum(count for name, count in self._counts.items() if name.split(".", 1)[0] == route)

    def counts(self) -> dict[str, int]:
        """Calls by route since the start."""
        with self._lock:
            return dict(self._counts)

    def forget(self) -> None:
        """Empties the log and the counts."""
        with self._lock:
            self._calls.clear()
            self._counts.clear()

    def wait(self, satisfied: Callable[[], Any], timeout: float = 10.0) -> bool:
        """Blocks until `satisfied()` is true; False when the seconds are over."""
        until = time.monotonic() + timeout
        while not satisfied():
            if time.monotonic() >= until:
                return False
            time.sleep(0.01)
        return True
