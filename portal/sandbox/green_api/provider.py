"""What the stand-in GREEN-API keeps, and what its methods do to it."""

import threading
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from portal.sandbox.green_api import notifications
from portal.sandbox.green_api.instances import OUTCOMES, STATES, TYPES, Instance, Progress, Received, Sent, wid
from portal.sandbox.green_api.notifications import Body
from portal.sandbox.green_api.notifier import Notifier, Posted
from portal.sandbox.outgoing import Answer
from portal.sandbox.world import GREEN_INSTANCE, GREEN_NUMBER, GREEN_TOKEN, Ids, demo_line_location, number_key

# Calls a second that an instance may make of a method (docs, "Rate limiter"); all that send count each by itself.
RATES = {"send": 50, "checkWhatsapp": 10, "getMessage": 10, "qr": 3}
OTHER_RATE = 1
CODE_SECONDS = 20.0
ALWAYS_TOLD = ("noAccount", "failed")
SWITCHES = {"edit": "editedMessageWebhook", "delete": "deletedMessageWebhook"}


@dataclass
class GreenProvider:
    """The stand-in's state.

    `progress` is how sent messages go on, `outcomes` (set by `decide`) their end by number. `enforced` switches the
    rate limits. Settings hold `settings_after` seconds after they are written, and a restart takes `restart_seconds`
    (both up to five minutes in truth). Of the webhooks: `again_after` is the pause before one that was not answered
    200 is posted again, `delay` the pause before each, `copies` how often each is posted, `shuffled` lets the second
    overtake the first, and a `deaf` instance posts none until it is switched off. `scheme` stands before the token.
    """

    ids: Ids
    clock: Callable[[], float]
    keep: int
    wait: Callable[[float], None]
    closing: Callable[[], threading.Event]
    seen: Callable[[str, str], None]
    answered: Callable[[str, Answer], None]
    progress: Progress = field(default_factory=Progress)
    outcomes: dict[str, str] = field(default_factory=dict)
    enforced: bool = True
    settings_after: float = 0.3
    restart_seconds: float = 0.3
    again_after: float = 60.0
    delay: float = 0.0
    copies: int = 1
    shuffled: bool = False
    deaf: bool = False
    scheme: str = "Bearer "
    held_until: dict[str, float] = field(default_factory=dict)
    instances: dict[str, Instance] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lock = threading.RLock()
        self._notifiers: dict[str, Notifier] = {}
        self.posted: deque[Posted] = deque(maxlen=5000)
        self.stopped = threading.Event()
        if not self.instances:
            self.add(Instance(GREEN_INSTANCE, GREEN_TOKEN, GREEN_NUMBER, location_id=demo_line_location()))

    def add(self, instance: Instance) -> Instance:
        """Makes an instance known."""
        self.instances[instance.id] = instance
        return instance

    def notifier(self, instance: Instance) -> Notifier:
        """The instance's queue of notifications."""
        with self._lock:
            if instance.id not in self._notifiers:
                self._notifiers[instance.id] = Notifier(self, instance)
            return self._notifiers[instance.id]

    def note(self, posted: Posted) -> None:
        """Keeps what was posted."""
        self.posted.append(posted)
        self.answered(str(posted.body.get("idMessage") or ""), posted.answer)

    def too_fast(self, instance: Instance, method: str) -> bool:
        """Counts a call; True when it is one more than the method's rate in the last second."""
        if not self.enforced:
            return False
        rate, now = RATES.get("send" if method.startswith("send") else method, OTHER_RATE), self.clock()
        with self._lock:
            recent = instance.recent.setdefault(method, deque())
            while recent and recent[0] <= now - 1:
                recent.popleft()
            if len(recent) >= rate:
                return True
            recent.append(now)
        return False

    def decide(self, phone: str, outcome: str) -> None:
        """Messages to this number will end so, one of `OUTCOMES`; "" lifts it."""
        if outcome and outcome not in OUTCOMES:
            raise ValueError(f"outcome must be one of {', '.join(OUTCOMES)}")
        self.outcomes[number_key(phone)] = outcome

    def take(self, instance: Instance, method: str, body: Body, text: str, type_message: str) -> Sent:
        """Queues a message that came through the API. On a line that is held back it waits."""
        chat, now = str(body["chatId"]), self.clock()
        ends = self.outcomes.get(number_key(chat.split("@", 1)[0])) or self.progress.outcome
        begun = None if instance.state == "yellowCard" else now
        progress = replace(self.progress, outcome=ends)
        with self._lock:
            one = Sent(self._id(), now, method, chat, text, body, progress, begun, type_message=type_message)
            self._keep_sent(instance, one)
        if begun is None:
            self.notifier(instance).at(now, lambda: self._statuses(instance, one, "yellowCard"))
        else:
            self._set_out(instance, one)
        return one

    def write_settings(self, instance: Instance, settings: Mapping[str, Any]) -> None:
        """Keeps the settings, which hold a little later; the instance restarts. Raises `ValueError` for odd ones."""
        wrong = [name for name in settings if name in TYPES and settings[name] not in ("yes", "no")]
        if wrong:
            raise ValueError(f"Validation failed. Details: '{wrong[0]}' must be one of [yes, no]")
        known = {name: value for name, value in settings.items() if name in instance.settings and name != "wid"}
        now = self.clock()
        with self._lock:
            earlier = instance.pending[1] if instance.pending is not None else {}
            instance.pending = (now + self.settings_after, earlier | known)
        self.restart(instance)

    def restart(self, instance: Instance) -> None:
        """The instance starts anew, which frees a line that was held back."""
        instance.starting_until = self.clock() + self.restart_seconds
        if instance.state == "yellowCard":
            self.turn(instance, "authorized")

    def turn(self, instance: Instance, state: str) -> None:
        """Another state of the line: told by webhook, and what was held back sets out when it is freed."""
        if state not in STATES:
            raise ValueError(f"state must be one of {', '.join(STATES)}")
        instance.state, now = state, self.clock()
        if state not in ("expired", "deleted") and instance.wants("stateWebhook", now):
            self.notifier(instance).push(self._envelope(instance, "stateInstanceChanged") | {"stateInstance": state})
        if state == "authorized":
            for one in [each for each in instance.sent.values() if each.begun_at is None]:
                one.begun_at = now
                self._set_out(instance, one)

    def receive(
        self,
        instance: Instance,
        chat: str,
        author: str,
        name: str,
        data: Body,
        text: str,
        switch: str = "",
        begun: Callable[[str], None] = lambda message_id: None,
    ) -> Received:
        """A customer's message reaches the line. `author` is the chat itself, or the member who writes in a group.

        `begun` hears of its id before anybody is told of the message.
        """
        one = Received(self._id(), self.clock(), chat, text, data)
        instance.received.append(one)
        begun(one.id)
        if instance.wants("incomingWebhook", one.at) and (not switch or instance.wants(switch, one.at)):
            where = notifications.people(chat, author, name, name if author == chat else "")
            self._tell(instance, "incomingMessageReceived", one.id, where, data)
        return one

    def typed(self, instance: Instance, chat: str, name: str, data: Body, text: str) -> Sent:
        """The line's owner writes on the phone."""
        now, kind = self.clock(), str(data["typeMessage"])
        one = Sent(self._id(), now, "", chat, text, {}, replace(self.progress), now, "phone", kind)
        with self._lock:
            self._keep_sent(instance, one)
        if instance.wants("outgoingMessageWebhook", now):
            where = notifications.people(chat, wid(instance.number), name)
            self._tell(instance, "outgoingMessageReceived", one.id, where, data)
        self._set_out(instance, one)
        return one

    def ring(self, instance: Instance, chat: str, *words: str) -> str:
        """A customer calls: `offer`, and then how it ended."""
        call_id, now = self._id(), self.clock()
        if instance.wants("incomingWebhook", now) and instance.wants("incomingCallWebhook", now):
            for word in words:
                body = self._envelope(instance, "incomingCall") | {"from": chat, "status": word, "idMessage": call_id}
                self.notifier(instance).push(body)
        return call_id

    def repeats(self) -> dict[tuple[str, str], int]:
        """(chat, text) of every message that the API took more than once, with how often."""
        counts: dict[tuple[str, str], int] = {}
        for instance in self.instances.values():
            for one in instance.sent.values():
                if one.by == "api":
                    counts[one.chat, one.text] = counts.get((one.chat, one.text), 0) + 1
        return {pair: count for pair, count in counts.items() if count > 1}

    def taken(self) -> int:
        """How many messages the API took."""
        return sum(1 for each in self.instances.values() for one in each.sent.values() if one.by == "api")

    def received(self) -> int:
        """How many messages of customers reached a line."""
        return sum(len(each.received) for each in self.instances.values())

    def find(self, message_id: str) -> Sent | None:
        """The sent message with this id, of whatever instance."""
        found = (instance.sent.get(message_id) for instance in self.instances.values())
        return next((one for one in found if one is not None), None)

    def _set_out(self, instance: Instance, one: Sent) -> None:
        """Its statuses, each at its time. The echo of what the API sent comes before the first of them."""
        begun, progress, notifier = one.begun_at or one.at, one.progress, self.notifier(instance)
        if progress.outcome == "stuck":
            return
        first = progress.outcome if progress.outcome in ("noAccount", "failed", "notInGroup") else "sent"
        notifier.at(begun + progress.sent_after, lambda: self._left(instance, one, first))
        if first == "sent" and progress.outcome != "sent":
            notifier.at(begun + progress.delivered_after, lambda: self._statuses(instance, one, "delivered"))
        if progress.outcome == "read":
            notifier.at(begun + progress.read_after, lambda: self._statuses(instance, one, "read"))

    def _left(self, instance: Instance, one: Sent, word: str) -> list[Body]:
        echo: list[Body] = []
        if one.by == "api" and word == "sent" and instance.wants("outgoingAPIMessageWebhook", self.clock()):
            own = wid(instance.number)
            data = {"typeMessage": "textMessage", "textMessageData": {"textMessage": one.text}}
            where = {"senderData": notifications.people(one.chat, own, instance.name)}
            echo = [self._envelope(instance, "outgoingAPIMessageReceived") | {"idMessage": one.id} | where]
            echo[0]["messageData"] = data
        return echo + self._statuses(instance, one, word)

    def _statuses(self, instance: Instance, one: Sent, word: str) -> list[Body]:
        self.seen(one.id, word)
        wanted = instance.wants("outgoingWebhook", self.clock()) and (
            one.by == "api" or instance.wants("outgoingMessageWebhook", self.clock())
        )
        if not wanted and word not in ALWAYS_TOLD:
            return []
        told = notifications.status(word, "SWE004: 1000" if word == "noAccount" else "")
        body = self._envelope(instance, "outgoingMessageStatus") | {"chatId": one.chat, "idMessage": one.id} | told
        return [body | {"sendByApi": one.by == "api"}]

    def _tell(self, instance: Instance, kind: str, message_id: str, where: Body, data: Body) -> None:
        body = self._envelope(instance, kind) | {"idMessage": message_id, "senderData": where, "messageData": data}
        self.notifier(instance).push(body)

    def _envelope(self, instance: Instance, kind: str) -> Body:
        now = self.clock()
        return notifications.envelope(kind, int(instance.id), instance.wid_at(now), now)

    def _id(self) -> str:
        return "3EB0" + self.ids.new("green").upper()[:16]

    def _keep_sent(self, instance: Instance, one: Sent) -> None:
        instance.sent[one.id] = one
        while len(instance.sent) > self.keep:
            instance.sent.popitem(last=False)
