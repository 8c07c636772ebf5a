"""A lane in hand: its jobs, worked through strictly in order until one of them may not let the next pass."""

from collections.abc import Callable, Sequence

from portal.queue.jobs import Due


class Turn:
    """The jobs of one claimed lane. `due` is the one at hand; `stopping` says that no other may be begun."""

    def __init__(self, lane: Sequence[Due], stopping: Callable[[], bool] = lambda: False) -> None:
        self._lane = lane
        self._place = 0
        self._stopping = stopping

    @property
    def due(self) -> Due | None:
        """The job at hand; None at the end of the lane, and when the worker drains."""
        return self._at(self._place)

    @property
    def following(self) -> Due | None:
        """The job behind the one at hand, None like `due`."""
        return self._at(self._place + 1)

    def advance(self) -> None:
        """The job at hand is done with: completed, or postponed."""
        self._place += 1

    def left(self) -> Sequence[Due]:
        """The job at hand and all behind it."""
        return self._lane[self._place :]

    def _at(self, place: int) -> Due | None:
        return self._lane[place] if place < len(self._lane) and not self._stopping() else None
