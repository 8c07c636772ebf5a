"""HighLevel's rate limit: so many requests per ten seconds and per day for each location or company."""

import threading
from collections.abc import Callable


class RateLimit:
    """Counts in fixed windows. With `enforced` off it only writes the headers; `most` and `daily` may be raised."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.most = 100
        self.interval = 10.0
        self.daily = 200_000
        self.enforced = True
        self._clock = clock
        self._lock = threading.Lock()
        self._windows: dict[tuple[str, str], tuple[int, int]] = {}

    def take(self, resource: str) -> tuple[bool, dict[str, str]]:
        """Whether the call may pass, and the headers of its answer."""
        now = self._clock()
        with self._lock:
            used = self._count(resource, "interval", int(now / self.interval))
            today = self._count(resource, "day", int(now / 86_400))
        headers = {
            "X-RateLimit-Limit-Daily": str(self.daily),
            "X-RateLimit-Daily-Remaining": str(max(0, self.daily - today)),
            "X-RateLimit-Interval-Milliseconds": str(int(self.interval * 1000)),
            "X-RateLimit-Max": str(self.most),
            "X-RateLimit-Remaining": str(max(0, self.most - used)),
        }
        return not self.enforced or (used <= self.most and today <= self.daily), headers

    def _count(self, resource: str, period: str, window: int) -> int:
        current, used = self._windows.get((resource, period), (window, 0))
        used = used + 1 if current == window else 1
        self._windows[(resource, period)] = (window, used)
        return used
