"""What goes into a portal during the drill: deliveries, each posted twice at once, customers' texts, and receipts."""

import json
import random
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

from portal.sandbox import world as demo
from portal.sandbox.deliveries import Delivery
from portal.sandbox.outgoing import Answer, post
from portal.sandbox.phone import Text
from tests.processes.harness import Deployment

CONNECTIONS = 32
PAUSE = 0.3
# Much longer than any restart or outage here.
STUBBORNNESS = 100.0


class Load:
    """Deliveries from 32 connections, each id posted twice at once, and again until it is answered 2xx."""

    def __init__(self, deployment: Deployment, contacts: Sequence[demo.Contact], count: int) -> None:
        self.count = count
        self.sent: list[Delivery] = []
        self._deliveries = deployment.sandbox.deliveries
        self._contacts = contacts
        self._lock = threading.Lock()
        self._pool = ThreadPoolExecutor(CONNECTIONS)
        self._all = [self._pool.submit(self._one, n) for n in range(count)]

    def answered(self) -> int:
        """How many ids were answered 2xx."""
        with self._lock:
            return len(self.sent)

    def done(self) -> bool:
        return self.answered() == self.count

    def finish(self) -> list[Delivery]:
        """Waits for the last answer."""
        for each in self._all:
            each.result(STUBBORNNESS)
        self._pool.shutdown()
        return self.sent

    def _one(self, n: int) -> None:
        contact = self._contacts[n % len(self._contacts)]
        delivery = self._deliveries.send(f"Message {n}", contact=contact, copies=2)
        until(lambda: delivery.taken, lambda: self._deliveries.repeat(delivery))
        with self._lock:
            self.sent.append(delivery)


class Writers:
    """Customers who write, each of them one text after the other; every other text is posted twice at once."""

    def __init__(self, deployment: Deployment, webhook_url: str, people: Sequence[demo.Contact], texts: int) -> None:
        self.said: dict[str, list[Text]] = defaultdict(list)
        self._phone = deployment.sandbox.phone
        # The path alone: the web process is the next one that the sandbox turns to.
        self._path = webhook_url.removeprefix(deployment.url)
        self._sandbox = deployment.sandbox
        self._pool = ThreadPoolExecutor(8)
        self._all = [self._pool.submit(self._write, contact, texts) for contact in people]

    def finish(self) -> None:
        """Waits for the last answer."""
        for each in self._all:
            each.result(STUBBORNNESS)
        self._pool.shutdown()

    def _write(self, contact: demo.Contact, texts: int) -> None:
        for n in range(texts):
            words = {"from_number": contact.phone, "text_id": f"{contact.id}-{n}", "copies": 1 + n % 2}
            text = self._phone.send(f"{contact.name} writes {n}", webhook_url=self._url(), **words)
            until(lambda text=text: text.taken, lambda text=text: self._again(text))
            self.said[contact.id].append(text)
            time.sleep(random.uniform(0.1, 1.0))

    def _again(self, text: Text) -> None:
        body = {"id": text.id, "from": text.from_number, "to": text.to, "text": text.text}
        text.answers.append(_post(self._url(), body))

    def _url(self) -> str:
        return f"{self._sandbox.portal_url}{self._path}"


class Readers(threading.Thread):
    """The carrier of the simulator reports that every other message was read, as soon as it was accepted."""

    def __init__(self, deployment: Deployment, webhook_url: str) -> None:
        super().__init__(name="readers", daemon=True)
        self.read: set[str] = set()
        self._deployment = deployment
        self._path = webhook_url.removeprefix(deployment.url).removesuffix("receive") + "status"
        self._seen = 0
        self._ending = threading.Event()

    def run(self) -> None:
        while not self._ending.wait(1.0):
            self.report()

    def finish(self) -> None:
        """Reports what is new since, and ends."""
        self._ending.set()
        self.join(STUBBORNNESS)
        self.report()

    def report(self) -> None:
        """Posts a receipt for what was accepted since the last look."""
        for part, external_id in self._accepted():
            if part % 2 or external_id in self.read:
                continue
            answers: list[Answer] = []
            body = {"id": external_id, "status": "read"}
            until(
                lambda answers=answers: any(answer.taken for answer in answers),
                lambda answers=answers, body=body: answers.append(_post(self._url(), body)),
            )
            self.read.add(external_id)

    def _accepted(self) -> list[tuple]:
        return self._deployment.rows("SELECT id, external_id FROM part WHERE external_id LIKE 'sim-%' ORDER BY id")

    def _url(self) -> str:
        return f"{self._deployment.sandbox.portal_url}{self._path}"


def until(taken: Callable[[], bool], again: Callable[[], object]) -> None:
    """Does it again until it is taken, as whoever has not been answered does."""
    deadline = time.monotonic() + STUBBORNNESS
    while not taken():
        if time.monotonic() > deadline:
            raise AssertionError("a webhook was not taken")
        time.sleep(random.uniform(PAUSE / 2, PAUSE))
        again()


def _post(url: str, body: dict) -> Answer:
    return post(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
