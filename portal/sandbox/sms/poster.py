"""A provider's calls at the portal: in the background, when they are due, spoilt as the switches say."""

import heapq
import itertools
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from portal.sandbox.outgoing import Answer, send
from portal.sandbox.sms.messages import Hook, Posted

if TYPE_CHECKING:
    from portal.sandbox.sms.provider import SmsProvider

LOOK_SECONDS = 0.05
AGAIN_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Letter:
    """Calls that are made one day: what they are about is told when they are due. `tries` were not answered 2xx."""

    about: str
    word: str
    build: Callable[[], Sequence[Hook]]
    tries: int = 0


class Poster:
    """What waits to be posted, by its time (unix seconds). Its thread lives as long as anything waits."""

    def __init__(self, provider: "SmsProvider") -> None:
        self._provider = provider
        self._lock = threading.Lock()
        self._woken = threading.Event()
        self._later: list[tuple[float, int, Letter]] = []
        self._numbers = itertools.count()
        self._running = False

    @property
    def waiting(self) -> int:
        """How many calls have not been made yet."""
        with self._lock:
            return len(self._later)

    def at(self, moment: float, letter: Letter) -> None:
        """Has the calls made at that time."""
        with self._lock:
            heapq.heappush(self._later, (moment, next(self._numbers), letter))
            self._woken.set()
            if self._running or self._provider.stopped.is_set():
                return
            self._running = True
        threading.Thread(target=self._run, name=f"{self._provider.dialect.kind}-poster", daemon=True).start()

    def now(self, letter: Letter) -> list[Answer]:
        """Makes the calls in the caller's own thread, whatever waits."""
        return [self._post(hook, letter) for hook in letter.build()]

    def _run(self) -> None:
        provider = self._provider
        while not provider.stopped.is_set() and not provider.sandbox.closing.is_set():
            self._woken.clear()
            letter = None if provider.deaf else self._due()
            if letter is not None:
                provider.sandbox.pause(provider.delay)
                self._deliver(letter)
                continue
            with self._lock:
                if not self._later:
                    self._running = False
                    return
            self._woken.wait(LOOK_SECONDS)
        self._running = False

    def _due(self) -> Letter | None:
        with self._lock:
            if not self._later or self._later[0][0] > self._provider.sandbox.clock():
                return None
            return heapq.heappop(self._later)[2]

    def _deliver(self, letter: Letter) -> None:
        answers = [answer for _ in range(self._provider.copies) for answer in self.now(letter)]
        tries = letter.tries + 1
        if any(answer.taken for answer in answers) or tries >= self._provider.dialect.tries:
            return
        again = self._provider.sandbox.clock() + AGAIN_SECONDS * 2**letter.tries
        self.at(again, Letter(letter.about, letter.word, letter.build, tries))

    def _post(self, hook: Hook, letter: Letter) -> Answer:
        """To the portal beside this sandbox, whatever host the address names: as a proxy before it would."""
        sandbox = self._provider.sandbox
        portal = urlsplit(sandbox.portal_url)
        url = urlsplit(hook.url)._replace(scheme=portal.scheme, netloc=portal.netloc).geturl()
        try:
            answer = send(hook.method, url, hook.body, {"User-Agent": "sendero-sandbox", **hook.headers})
        except ValueError as error:  # a portal that is not on this machine
            answer = Answer(sandbox.clock(), 0, 0.0, error=str(error))
        self._provider.posted.append(Posted(hook, answer, letter.about, letter.word))
        return answer
