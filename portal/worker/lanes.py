"""The threads of one pool: claimed lanes wait here by gate, and no gate keeps more than its share of threads busy."""

import threading
from collections import Counter, OrderedDict, deque
from collections.abc import Callable

from portal.queue.jobs import Due

Lane = list[Due]


class LanePool:
    """A fixed number of threads that take lanes in turn over the gates. `work` gets up to `batch` lanes at once."""

    def __init__(self, name: str, threads: int, share: int, batch: int, work: Callable[[list[Lane]], None]) -> None:
        self.name = name
        self.threads = threads
        self.share = share
        self._batch = batch
        self._work = work
        self._ready: OrderedDict[str, deque[Lane]] = OrderedDict()
        self._running: Counter[str] = Counter()
        self._busy = 0
        self._changed = threading.Condition()
        self._stopping = False
        self._started: list[threading.Thread] = []

    def start(self) -> None:
        """Starts the threads."""
        for number in range(self.threads):
            thread = threading.Thread(target=self._serve, name=f"{self.name}-{number}", daemon=True)
            self._started.append(thread)
            thread.start()

    def put(self, lanes: list[Lane]) -> None:
        """Adds claimed lanes."""
        with self._changed:
            for lane in lanes:
                self._ready.setdefault(lane[0].gate, deque()).append(lane)
            self._changed.notify(len(lanes))

    def waiting(self) -> int:
        """Claimed lanes that no thread works on yet."""
        with self._changed:
            return sum(len(lanes) for lanes in self._ready.values())

    def busy(self) -> int:
        """Threads at work."""
        with self._changed:
            return self._busy

    def outstanding(self) -> dict[str, int]:
        """Lanes in hand by gate, waiting or worked on."""
        with self._changed:
            counts = Counter(self._running)
            for gate, lanes in self._ready.items():
                counts[gate] += len(lanes)
            return {gate: count for gate, count in counts.items() if count}

    def stop(self) -> list[Lane]:
        """Lets the threads end after what they are at; returns the lanes that nobody began."""
        with self._changed:
            self._stopping = True
            left = [lane for lanes in self._ready.values() for lane in lanes]
            self._ready.clear()
            self._changed.notify_all()
        return left

    def _serve(self) -> None:
        while (lanes := self._take()) is not None:
            try:
                self._work(lanes)
            finally:
                with self._changed:
                    self._busy -= 1
                    for lane in lanes:
                        self._running[lane[0].gate] -= 1
                    self._running += Counter()  # forgets the zeros
                    self._changed.notify()

    def _take(self) -> list[Lane] | None:
        with self._changed:
            while True:
                lanes = [] if self._stopping else self._next()
                if lanes or self._stopping:
                    break
                self._changed.wait()
            if not lanes:
                return None
            self._busy += 1
            return lanes

    def _next(self) -> list[Lane]:
        taken: list[Lane] = []
        for gate in list(self._ready):
            lanes = self._ready[gate]
            while lanes and len(taken) < self._batch and (not gate or self._running[gate] < self.share):
                taken.append(lanes.popleft())
                self._running[gate] += 1
            if lanes:
                self._ready.move_to_end(gate)
            else:
                del self._ready[gate]
            if len(taken) == self._batch:
                break
        return taken
