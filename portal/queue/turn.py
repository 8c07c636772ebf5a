"""A lane in hand: its jobs, worked through strictly in order until one of them may not let the next pass."""

from collections.abc import Callable, Sequence

from portal.queue.jobs import Due


class Turn:
    """The jobs of one claimed lane. `may_begin` says of a job whether it may be begun now, in this turn."""

    def __init__(self, lane: Sequence[Due], may_begin: Callable[[Due], bool] = lambda due: True) -> None:
        self._lane = lane
        self._place = 0
        self._may_begin = may_begin

    @property
    def due(self) -> Due | None:
        """The job at hand; None at the end of the turn, and when the worker drains."""
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
        due = self._lane[place] if place < len(self._lane) else None
        return due if due is not None and self._may_begin(due) else None
