"""Calls to a provider while a person waits for a page: bounded as a whole, however many it takes."""

from time import monotonic
from typing import Any

from portal.http import HttpClient, NotSent, Response

# A person does not look longer at a page that does nothing.
SECONDS = 8.0


class Patience(HttpClient):
    """For one look: from when it is made on, all its calls together have so many seconds."""

    def __init__(self, seconds: float = SECONDS) -> None:
        super().__init__(longest=seconds)
        self._seconds, self._ends = seconds, monotonic() + seconds

    def request(self, method: str, url: str, **more: Any) -> Response:
        """`HttpClient.request`. Raises `NotSent` when the time is over before the call."""
        self.longest = self._ends - monotonic()
        if self.longest <= 0:
            raise NotSent(f"It did not answer within {self._seconds:.0f} seconds.")
        return super().request(method, url, **more)
