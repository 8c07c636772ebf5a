"""Many small writes, one commit: whoever comes first commits for all who wait, and each waits for its own result."""

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


class _Waiting(Generic[Item, Result]):
    __slots__ = ("done", "error", "item", "result", "woken")

    def __init__(self, item: Item) -> None:
        self.item = item
        self.done = False
        self.result: Result | None = None
        self.error: BaseException | None = None
        # Held from the start; released to wake the thread that waits for it. Half the cost of an Event.
        self.woken = threading.Lock()
        self.woken.acquire()


class GroupCommit(Generic[Item, Result]):
    """Collects the items of all threads that call `submit` at the same time and hands them to `commit` together.

    `commit` gets the items in the order of arrival and returns one result per item, after its transaction is durable.
    An exception that it raises reaches every thread of the batch. No thread is started, so a process may still fork.
    """

    def __init__(self, commit: Callable[[Sequence[Item]], Sequence[Result]], largest: int = 128) -> None:
        self._commit = commit
        self._largest = largest
        self._queue: deque[_Waiting[Item, Result]] = deque()
        self._lock = threading.Lock()
        self._led = False

    def submit(self, item: Item) -> Result:
        """The item's result, once it is durable."""
        waiting: _Waiting[Item, Result] = _Waiting(item)
        with self._lock:
            self._queue.append(waiting)
            leads, self._led = not self._led, True
        if not leads:
            waiting.woken.acquire()
        if not waiting.done:
            self._lead()
        if waiting.error is not None:
            raise waiting.error
        return waiting.result  # type: ignore[return-value]

    def submit_all(self, items: Sequence[Item]) -> list[Result]:
        """The same for several items, which go into one commit as far as it takes them."""
        own: list[_Waiting[Item, Result]] = [_Waiting(item) for item in items]
        with self._lock:
            self._queue.extend(own)
            leads, self._led = not self._led, True
        for place, waiting in enumerate(own):
            # Each is woken once: when it is done, or to lead the batch that it is the head of.
            if place or not leads:
                waiting.woken.acquire()
            if not waiting.done:
                self._lead()
        for waiting in own:
            if waiting.error is not None:
                raise waiting.error
        return [waiting.result for waiting in own]  # type: ignore[misc]

    def _lead(self) -> None:
        """Commits the next batch, which holds this thread's own item: only the head of the queue is made leader."""
        with self._lock:
            batch = [self._queue.popleft() for _ in range(min(len(self._queue), self._largest))]
        try:
            for waiting, result in zip(batch, self._commit([each.item for each in batch]), strict=True):
                waiting.result = result
        except BaseException as error:  # handed to the threads that wait, each of which raises it
            for waiting in batch:
                waiting.error = error
        finally:
            self._pass_on(batch)

    def _pass_on(self, batch: Sequence[_Waiting[Item, Result]]) -> None:
        with self._lock:
            heir = self._queue[0] if self._queue else None
            self._led = heir is not None
        # The next commit begins before the threads of this one are woken: they would only take the interpreter from it.
        if heir is not None:
            heir.woken.release()
        for waiting in batch:
            waiting.done = True
            waiting.woken.release()
