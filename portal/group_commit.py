"""Many small writes, one commit: whoever comes first commits for all who wait, and each waits for its own result."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    __slots__ = ("done", "error", "item", "result")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self.result: Result | None = None
        self.error: BaseException | None = None


class GroupCommit(Generic[Item, Result]):
    """Collects the items of all threads that call `submit` at the same time and hands them to `commit` together.

    `commit` gets the items in the order of arrival and returns one result per item, after its transaction is durable.
    An exception that it raises reaches every thread of the batch. No thread is started, so a process may still fork.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], largest: int = 128) -> None:
        self._commit = commit
        self._largest = largest
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._leader = threading.Lock()

    def submit(self, item: Item) -> Result:
        """The item's result, once it is durable."""
        waiting: _Waiting[Item, Result] = _Waiting(item)
        self._queue.append(waiting)
        while not waiting.done:
            with self._leader:
                # A thread that waited for the lock usually finds that the one before it has committed its item.
                if not waiting.done:
                    self._lead()
        if waiting.error is not None:
            raise waiting.error
        return waiting.result  # type: ignore[return-value]

    def _lead(self) -> None:
        batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._largest))]
        try:
            for waiting, result in zip(batch, self._commit([each.item for each in batch]), strict=True):
                waiting.result = result
        except BaseException as error:  # handed to the threads that wait, each of which raises it
            for waiting in batch:
                waiting.error = error
        finally:
            for waiting in batch:
                waiting.done = True
